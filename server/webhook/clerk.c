// The clerk: one visit to the database. What has ended is written, the outbox is handed out, and what is due is claimed, all in
// one commit. Where that fails, the next visit does them one by one, and results that cannot be written are let go: their
// leases run out, and they are sent again.
#include "base/clock.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "db/db.h"
#include "webhook/delivery.h"
#include "webhook/internal.h"

#define BODY_MAX (16 * 1024 * 1024)

// ---- claiming

static void rooms_param(struct db_params *p, const struct turn *t) {
  db_array_begin(p, DB_UUID);
  for (size_t i = 0; i < t->rooms.count; i++) db_array_uuid(p, t->rooms.at[i].endpoint);
  db_array_end(p);
  db_array_begin(p, DB_I32);
  for (size_t i = 0; i < t->rooms.count; i++) db_array_i32(p, t->rooms.at[i].rows);
  db_array_end(p);
  db_array_begin(p, DB_I64);
  for (size_t i = 0; i < t->rooms.count; i++) db_array_i64(p, t->rooms.at[i].bytes);
  db_array_end(p);
  db_param_i64(p, t->lease_ms);
}

static struct str text_or_none(const struct db_result *r, size_t row, int column) {
  return db_is_null(r, row, column) ? (struct str){0} : db_text(r, row, column);
}

static void job_name(struct job *job, const struct webhook_event *e) {
  if (e->stripe_event.ptr) {
    size_t len = e->stripe_event.len < EVENT_NAME_MAX ? e->stripe_event.len : EVENT_NAME_MAX - 1;
    memcpy(job->name, e->stripe_event.ptr, len);
    job->name[len] = '\0';
    return;
  }
  _Static_assert(EVENT_NAME_MAX >= ID_TEXT_MAX, "our own ids fit");
  id_print("evt", e->id, job->name);
}

static struct job *job_read(struct webhook_sender *s, const struct db_result *r, size_t row) {
  struct webhook_event e = {.id = db_uuid(r, row, 4),
                            .customer = db_uuid(r, row, 5),
                            .sequence = db_i64(r, row, 6),
                            .type = db_text(r, row, 7),
                            .data = db_text(r, row, 8),
                            .request_id = db_text(r, row, 9),
                            .idempotency_key = db_text(r, row, 10),
                            .stripe_event = text_or_none(r, row, 11),
                            .stripe_body = text_or_none(r, row, 12),
                            .created_at = db_time(r, row, 13)};
  struct job *job = mem_alloc(sizeof *job);
  struct buf body;
  buf_init(&body, BODY_MAX);
  *job = (struct job){.sender = s,
                      .endpoint = db_uuid(r, row, 0),
                      .event = e.id,
                      .claim = (int32_t)db_i64(r, row, 1),
                      .tries = (size_t)db_i64(r, row, 2),
                      .forwarded = e.stripe_event.ptr != NULL};
  job->lost = !delivery_body(&e, db_text(r, row, 3), s->config.livemode, &body) || body.full;
  job->body_len = body.len;
  job->body = buf_steal(&body);
  job_name(job, &e);
  return job;
}

static int claim(struct webhook_sender *s, struct turn *t, struct db *db) {
  if (t->rooms.count == 0) return 0;
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  rooms_param(&p, t);
  int result = db_run(db, STATEMENT_WEBHOOK_CLAIM, &p, &r);
  if (result != 0) return result;
  for (size_t i = db_rows(r); i > 0; i--) {
    struct job *job = job_read(s, r, i - 1);
    job->next = t->jobs;
    t->jobs = job;
  }
  t->job_count = db_rows(r);
  return 0;
}

// What was claimed in a commit that did not happen is nobody's.
static void jobs_drop(struct turn *t) {
  while (t->jobs) {
    struct job *job = t->jobs;
    t->jobs = job->next;
    job_destroy(job);
  }
  t->job_count = t->told = 0;
}

// ---- handing out

// Where another instance is at it, it is its turn.
static int fan_out(struct turn *t, struct db *db) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *turn = NULL, *r = NULL;
  db_params_init(&p);
  db_param_i64(&p, LIMIT_WEBHOOK_FAN_OUT);
  int result = db_run(db, STATEMENT_WEBHOOK_TURN, NULL, &turn);
  if (result != 0 || db_rows(turn) == 0) return result;
  result = db_run(db, STATEMENT_WEBHOOK_FAN_OUT, &p, &r);
  if (result == 0) t->told = (size_t)db_i64(r, 0, 0);
  return result;
}

// ---- the visit

struct look {
  int64_t version;
  bool told; // something is in the outbox
};

static int look(struct webhook_sender *s, struct turn *t, struct db *db, struct look *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL, *age = NULL;
  if (db_run(db, STATEMENT_WEBHOOK_LOOK, NULL, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  *ret = (struct look){.version = db_i64(r, 0, 0), .told = db_bool(r, 0, 2)};
  if (ret->version != t->version && targets_load(s, t, db, ret->version) != 0) return FAULT_DB;
  if (!t->look_at_age) return 0;
  if (!db_bool(r, 0, 1)) {
    metric_set(METRIC_WEBHOOK_AGE, 0);
    return 0;
  }
  if (db_run(db, STATEMENT_WEBHOOK_AGE, NULL, &age) != 0) return FAULT_DB;
  metric_set(METRIC_WEBHOOK_AGE, db_i64(age, 0, 0));
  return 0;
}

static int begin(struct db *db) {
  int r = db_begin(db);
  return r == 0 ? db_run(db, STATEMENT_WEBHOOK_PLANS, NULL, NULL) : r;
}

// Commits where all went well before; else what was begun is undone.
static int end(struct db *db, int r) {
  if (r == 0) r = db_commit(db);
  if (r != 0) db_rollback(db);
  return r;
}

static int together(struct webhook_sender *s, struct turn *t, struct db *db) {
  struct look seen = {0};
  int r = begin(db);
  if (r == 0) r = look(s, t, db, &seen);
  if (r == 0 && t->results.count > 0) r = results_write(s, t, db);
  if (r == 0 && seen.told) r = fan_out(t, db);
  if (r == 0) r = claim(s, t, db);
  r = end(db, r);
  if (r == 0)
    results_clear(t);
  else
    jobs_drop(t);
  return r;
}

static int look_alone(struct webhook_sender *s, struct turn *t, struct db *db, struct look *ret) {
  int r = begin(db);
  if (r == 0) r = look(s, t, db, ret);
  return end(db, r);
}

static int results_alone(struct webhook_sender *s, struct turn *t, struct db *db) {
  if (t->results.count == 0) return 0;
  int r = begin(db);
  if (r == 0) r = results_write(s, t, db);
  bool hopeless = r > 0 && db_alive(db) && !db_is_transient(db);
  if (hopeless) log_error("webhook.unwritten", "%zu results of deliveries cannot be written: %s", t->results.count, db_error(db));
  r = end(db, r);
  if (r == 0 || hopeless) results_clear(t);
  return r;
}

static int fan_out_alone(struct turn *t, struct db *db) {
  int r = begin(db);
  if (r == 0) r = fan_out(t, db);
  return end(db, r);
}

static int claim_alone(struct webhook_sender *s, struct turn *t, struct db *db) {
  int r = begin(db);
  if (r == 0) r = claim(s, t, db);
  r = end(db, r);
  if (r != 0) jobs_drop(t);
  return r;
}

static int one_by_one(struct webhook_sender *s, struct turn *t, struct db *db) {
  struct look seen = {0};
  int first = look_alone(s, t, db, &seen), second = results_alone(s, t, db);
  int third = seen.told ? fan_out_alone(t, db) : 0, fourth = claim_alone(s, t, db);
  return first == 0 && second == 0 && third == 0 && fourth == 0 ? 0 : FAULT_DB;
}

void clerk_run(struct webhook_sender *s, struct turn *t, struct db *db) {
  if (!db)
    t->fault = FAULT_DB;
  else if (t->apart)
    t->fault = one_by_one(s, t, db);
  else
    t->fault = together(s, t, db) == 0 ? 0 : FAULT_DB;
}
