// The connection and the writer's row.
#include "ledger/session.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#define IDLE_MS 1500
#define STATEMENT_MS 10000

void session_init(struct session *s, const struct ledger_config *config, struct session_common *common) {
  s->common = common;
  pthread_mutex_lock(&common->mutex);
  common->sessions++;
  pthread_mutex_unlock(&common->mutex);
  s->url = mem_strdup(config->url);
  s->instance = mem_strdup(config->instance);
  s->writer.lease_us = config->lease_ms * INT64_C(1000);
}

void session_finish(struct session *s) {
  db_destroy(s->db);
  mem_free(s->url);
  mem_free(s->instance);
}

void session_told(struct session *s, int64_t db_now, int64_t asked_at, int64_t heard_at) {
  struct session_common *common = s->common;
  pthread_mutex_lock(&common->mutex);
  if (asked_at >= common->asked_at) {
    common->asked_at = asked_at;
    atomic_store(&common->offset, db_now - heard_at); // rather behind than ahead
  }
  pthread_mutex_unlock(&common->mutex);
}

static bool is_up(struct session *s, bool up) {
  if (atomic_exchange(&s->up, up) == up) return up;
  pthread_mutex_lock(&s->common->mutex);
  s->common->up += up ? 1 : -1;
  metric_set(METRIC_DB_UP, s->common->up == s->common->sessions);
  pthread_mutex_unlock(&s->common->mutex);
  return up;
}

// Every statement of a batch finds a few rows by key in tables whose sizes the planner has no good idea of (holds is empty
// to it and full of dead rows): plans are made once, over indexes, row by row.
static const char planning[] = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
                               "SET enable_mergejoin = off; SET enable_bitmapscan = off";

static bool connect_database(struct session *s, struct buf *error) {
  if (s->db && db_alive(s->db)) return true;
  db_destroy(s->db);
  s->db = db_connect(s->url, STATEMENT_MS, SESSION_LOCK_MS, IDLE_MS, error);
  return s->db != NULL && db_exec(s->db, planning) == 0;
}

// This instance was fenced off but lives, and so do its calls: the holds that were not swept yet live by the new row. Where
// this fails they are swept, and end by the late path.
static void take_over(struct session *s, int32_t before) {
  struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, s->writer.id);
  db_param_i64(&p, s->writer.epoch);
  db_param_i32(&p, before);
  (void)db_run(s->db, STATEMENT_LEDGER_TAKE_OVER, &p, NULL);
  db_params_finish(&p);
}

static int register_writer(struct session *s) {
  struct db_params p;
  struct db_result *r = NULL;
  db_params_init(&p);
  db_param_i64(&p, s->writer.lease_us);
  db_param_text(&p, str_from(s->instance));
  int result = 1;
  int64_t asked_at = clock_mono_us();
  for (int i = 0; i < 16 && result == 1; i++) result = db_run(s->db, STATEMENT_LEDGER_REGISTER, &p, &r); // 1: another took the number
  db_params_finish(&p);
  int32_t before = s->writer.id;
  if (result == 0) {
    s->writer.id = (int32_t)db_i64(r, 0, 0);
    s->writer.epoch = db_i64(r, 0, 1);
    s->writer.seq = db_i64(r, 0, 2);
    session_told(s, db_i64(r, 0, 3), asked_at, clock_mono_us());
    s->registered = true;
    if (before) take_over(s, before);
  }
  db_result_finish(r);
  return result == 1 ? FAULT_DB : result;
}

bool session_open(struct session *s, struct buf *ret_error) {
  bool ok = connect_database(s, ret_error) && register_writer(s) == 0;
  if (!ok && s->db && ret_error->len == 0) buf_puts(ret_error, db_error(s->db));
  return is_up(s, ok);
}

bool session_ready(struct session *s) {
  struct buf error;
  buf_init(&error, 512);
  bool was = atomic_load(&s->up);
  bool ok = connect_database(s, &error) && (s->registered || register_writer(s) == 0);
  if (!ok && was) log_error("ledger.away", "the database cannot be reached: %s", buf_cstr(&error));
  if (ok && !was) log_info("ledger.up", "writer %d", (int)s->writer.id);
  buf_finish(&error);
  return is_up(s, ok);
}

// A database that came back without what it had acknowledged has an older row or none: the next batch is fenced off there.
int session_landed(struct session *s) {
  struct db_params p;
  struct db_result *r = NULL;
  db_params_init(&p);
  db_param_i32(&p, s->writer.id);
  int result = db_begin(s->db);
  if (result == 0) result = db_run(s->db, STATEMENT_LEDGER_WRITER_LOOK, &p, &r);
  bool landed = false;
  if (result == 0 && db_rows(r) == 1) {
    int64_t seq = db_i64(r, 0, 1);
    ASSERT(seq <= s->writer.seq + 1);
    landed = seq == s->writer.seq + 1;
  }
  db_rollback(s->db);
  db_result_finish(r);
  db_params_finish(&p);
  if (result != 0) return FAULT_DB;
  return landed;
}

void session_end(struct session *s) {
  if (!s->db || !db_alive(s->db) || !s->registered) return;
  struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, s->writer.id);
  db_param_i64(&p, s->writer.epoch);
  (void)db_run(s->db, STATEMENT_LEDGER_LEASE_END, &p, NULL); // else it runs out by itself
  db_params_finish(&p);
}
