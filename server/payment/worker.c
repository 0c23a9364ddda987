// An event that cannot be worked off now comes again later, longer and longer; one that says what cannot be is parked with
// a reason and an alarm.
#include "payment/worker.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "db/db.h"
#include "payment/fact.h"
#include "stripe/client.h"

#define ARENA_MAX (8 * 1024 * 1024)

enum { STATE_DONE = 2, STATE_IGNORED = 3, STATE_PARKED = 4 };

struct taken {
  struct str id, type, body;
  bool livemode, thin;
  int64_t created;
};

static int run_text2(struct db *db, enum statement_id s, struct str id, struct str text) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, id);
  db_param_text(&p, text);
  return db_run(db, s, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static int done_put(struct db *db, struct str id, int state, struct str reason) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, id);
  db_param_i16(&p, (int16_t)state);
  db_param_text(&p, reason);
  return db_run(db, STATEMENT_WORKER_DONE, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// In a transaction of its own: what stood open is rolled back.
static int again(struct db *db, struct str id, struct str reason) {
  db_rollback(db);
  metric_add(METRIC_PAYMENT_EVENTS_AGAIN, 1);
  return run_text2(db, STATEMENT_WORKER_AGAIN, id, reason);
}

static int row_take(const struct db_result *r, struct arena *arena, struct taken *ret) {
  if (db_rows(r) == 0) return 0;
  *ret = (struct taken){.id = arena_str(arena, db_text(r, 0, 0)),
                        .type = arena_str(arena, db_text(r, 0, 1)),
                        .livemode = db_bool(r, 0, 2),
                        .created = db_i64(r, 0, 3),
                        .body = arena_str(arena, db_text(r, 0, 4)),
                        .thin = db_bool(r, 0, 5)};
  return 1;
}

// ---- what it says

static int twin_came(struct db *db, struct str id) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, id);
  return db_run(db, STATEMENT_WORKER_TWIN, &p, &r) == 0 ? db_bool(r, 0, 0) : FAULT_DB;
}

// Of a thin event only what it is about is told; its object is read from Stripe. Its twin, where that came too, says it all.
static int thin_read(struct fact *f, struct json *root) {
  struct str twin = fact_text(root, "snapshot_event"), url = fact_text(root, "related_object.url");
  if (str_starts(f->type, STR("v1."))) f->type = (struct str){f->type.ptr + 3, f->type.len - 3};
  if (!fact_known(f->type)) return fact_ignore(f, "nothing is done for this type of event");
  if (twin.len) {
    int came = twin_came(f->db, twin);
    if (came != 0) return came < 0 ? came : fact_ignore(f, "its snapshot event came too");
  }
  if (!str_starts(url, STR("/v1/"))) return fact_park(f, "is about an object without an address");
  if (!f->fetched) return fact_want(f, "%.*s", STR_ARG(url));
  f->object = f->fetched;
  return FACT_DONE;
}

static int say(struct fact *f, struct json *root, bool thin) {
  f->object = json_path(root, "data.object");
  f->previous = json_path(root, "data.previous_attributes");
  int r = thin ? thin_read(f, root) : FACT_DONE;
  if (r != FACT_DONE) return r;
  if (!f->object) return fact_park(f, "has no object");
  // What a thin event's object needs beside itself is left to the next look at it.
  if (thin) f->fetched = NULL;
  r = fact_apply(f);
  return thin && r == FACT_FETCH ? fact_park(f, "is a thin event about something that needs more than its object") : r;
}

static int finish(struct fact *f, int answer) {
  switch (answer) {
  case FACT_DONE:
    metric_add(METRIC_PAYMENT_EVENTS_DONE, 1);
    return done_put(f->db, f->event_id, STATE_DONE, STR(""));
  case FACT_IGNORED:
    metric_add(METRIC_PAYMENT_EVENTS_IGNORED, 1);
    return done_put(f->db, f->event_id, STATE_IGNORED, f->reason);
  case FACT_FETCH:
    return run_text2(f->db, STATEMENT_WORKER_WANTS, f->event_id, f->want);
  default:
    metric_add(METRIC_PAYMENT_EVENTS_PARKED, 1);
    metric_add(METRIC_PAYMENT_PROBLEMS, 1);
    log_error("payment.parked", "%.*s %.*s: %.*s", STR_ARG(f->event_id), STR_ARG(f->type), STR_ARG(f->reason));
    return done_put(f->db, f->event_id, STATE_PARKED, f->reason);
  }
}

// With the transaction open and the event's row locked. What is parked or ignored writes nothing else: the rest of what it
// has written is taken back.
static int work(struct db *db, struct arena *arena, const struct taken *t, struct json *fetched) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  struct fact f = {.db = db, .arena = arena, .event_id = t->id, .type = t->type, .created = t->created, .livemode = t->livemode, .fetched = fetched};
  if (db_run(db, STATEMENT_WORKER_SAVE, NULL, NULL) != 0) return FAULT_DB;
  int answer = json_parse(t->body, &root, &error) == 0 ? say(&f, root, t->thin) : fact_park(&f, "cannot be read: %s", error.message);
  if (answer < 0) return answer;
  if (answer != FACT_DONE && db_run(db, STATEMENT_WORKER_BACK, NULL, NULL) != 0) return FAULT_DB;
  return finish(&f, answer);
}

// 1 one, 0 none, or a fault.
static int event_one(struct db *db, struct arena *arena) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct taken t = {0};
  if (db_begin(db) != 0) return FAULT_DB;
  if (db_run(db, STATEMENT_WORKER_TAKE, NULL, &r) != 0) return FAULT_DB;
  if (row_take(r, arena, &t) == 0) {
    db_rollback(db);
    return 0;
  }
  if (work(db, arena, &t, NULL) == 0 && db_commit(db) == 0) return 1;
  return again(db, t.id, STR("the database refused it")) == 0 ? 1 : FAULT_DB;
}

int worker_run(struct db *db, size_t max) {
  int done = 0, r = 1;
  while ((size_t)done < max && r == 1) {
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    r = event_one(db, &arena);
    arena_finish(&arena);
    if (r < 0) db_rollback(db);
    if (r == 1) done++;
  }
  return r < 0 ? r : done;
}

// ---- with Stripe's answer

static int answered(struct db *db, struct arena *arena, struct str id, struct json *fetched) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct taken t = {0};
  db_params_init(&p);
  db_param_text(&p, id);
  if (db_begin(db) != 0) return FAULT_DB;
  if (db_run(db, STATEMENT_WORKER_TAKE_ONE, &p, &r) != 0) return FAULT_DB;
  if (row_take(r, arena, &t) == 0) {
    db_rollback(db);
    return 0;
  }
  if (work(db, arena, &t, fetched) == 0 && db_commit(db) == 0) return 0;
  return again(db, id, STR("the database refused it"));
}

static int ask(struct db *db, struct stripe *stripe, struct arena *arena, struct str id, struct str path) {
  struct stripe_answer a;
  struct str query = path, bare;
  (void)str_split(&query, '?', &bare);
  int r = stripe_call(stripe, "GET", arena_strdup(arena, bare), query, NULL, &a);
  if (r < 0) return 0; // it stops: another instance, or the next start, asks again
  // What is not there at Stripe is an answer too.
  if (stripe_done(&a) || stripe_refused(&a)) r = answered(db, arena, id, a.body);
  else r = again(db, id, a.message);
  stripe_answer_finish(&a);
  return r;
}

static int ask_one(struct db *db, struct stripe *stripe, struct arena *arena) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_WORKER_LEASE, NULL, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 0;
  struct str id = arena_str(arena, db_text(r, 0, 0)), path = arena_str(arena, db_text(r, 0, 1));
  return ask(db, stripe, arena, id, path) == 0 ? 1 : FAULT_DB;
}

int worker_ask(struct db *db, struct stripe *stripe, size_t max) {
  int done = 0, r = 1;
  while ((size_t)done < max && r == 1) {
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    r = ask_one(db, stripe, &arena);
    arena_finish(&arena);
    if (r < 0) db_rollback(db);
    if (r == 1) done++;
  }
  return r < 0 ? r : done;
}
