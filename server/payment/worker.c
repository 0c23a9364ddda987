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
enum { MORE = 1 }; // of a thin event whose object was read: something else is needed beside it

// What Stripe has answered. Of a thin event first comes its object.
struct answers {
  struct json *first, *second;
};

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
static int thin_read(struct fact *f, struct json *root, const struct answers *read) {
  struct str twin = fact_text(root, "snapshot_event"), url = fact_text(root, "related_object.url");
  if (str_starts(f->type, STR("v1."))) f->type = (struct str){f->type.ptr + 3, f->type.len - 3};
  if (!fact_known(f->type)) return fact_ignore(f, "nothing is done for this type of event");
  if (twin.len) {
    int came = twin_came(f->db, twin);
    if (came != 0) return came < 0 ? came : fact_ignore(f, "its snapshot event came too");
  }
  if (!str_starts(url, STR("/v1/"))) return fact_park(f, "is about an object without an address");
  if (!read->first) return fact_want(f, "%.*s", STR_ARG(url));
  f->object = read->first;
  f->fetched = read->second;
  return FACT_DONE;
}

static int say(struct fact *f, struct json *root, bool thin, const struct answers *read) {
  f->object = json_path(root, "data.object");
  f->previous = json_path(root, "data.previous_attributes");
  f->fetched = read->first;
  int r = thin ? thin_read(f, root, read) : FACT_DONE;
  if (r != FACT_DONE) return r;
  return f->object ? fact_apply(f) : fact_park(f, "has no object");
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
// has written is taken back. 0, a fault, or MORE with the path.
static int work(struct db *db, struct arena *arena, const struct taken *t, const struct answers *read, struct str *ret_more) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  struct fact f = {.db = db, .arena = arena, .event_id = t->id, .type = t->type, .created = t->created, .livemode = t->livemode};
  if (db_run(db, STATEMENT_WORKER_SAVE, NULL, NULL) != 0) return FAULT_DB;
  int answer = json_parse(t->body, &root, &error) == 0 ? say(&f, root, t->thin, read) : fact_park(&f, "cannot be read: %s", error.message);
  if (answer < 0) return answer;
  if (answer != FACT_DONE && db_run(db, STATEMENT_WORKER_BACK, NULL, NULL) != 0) return FAULT_DB;
  if (answer != FACT_FETCH || !t->thin || !read->first) return finish(&f, answer);
  *ret_more = f.want;
  return MORE;
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
  struct str more;
  if (work(db, arena, &t, &(struct answers){0}, &more) == 0 && db_commit(db) == 0) return 1;
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

// 0, a fault, or MORE with the path.
static int answered(struct db *db, struct arena *arena, struct str id, const struct answers *read, struct str *ret_more) {
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
  int done = work(db, arena, &t, read, ret_more);
  if (done == MORE) db_rollback(db);
  if (done == MORE || (done == 0 && db_commit(db) == 0)) return done;
  return again(db, id, STR("the database refused it"));
}

static int get(struct stripe *stripe, struct arena *arena, struct str path, struct stripe_answer *ret) {
  struct str query = path, bare;
  (void)str_split(&query, '?', &bare);
  return stripe_call(stripe, "GET", arena_strdup(arena, bare), query, NULL, ret);
}

// What is not there at Stripe is an answer too. object: of a thin event, read before; NULL: nothing was.
static int ask(struct db *db, struct stripe *stripe, struct arena *arena, struct str id, struct str path, struct json *object) {
  struct stripe_answer a;
  if (get(stripe, arena, path, &a) < 0) return 0; // it stops: another instance, or the next start, asks again
  struct answers read = {object ? object : a.body, object ? a.body : NULL};
  struct str more = STR("");
  bool said = a.body && (stripe_done(&a) || stripe_refused(&a));
  int r = said ? answered(db, arena, id, &read, &more) : again(db, id, a.message);
  if (r == MORE) r = object ? again(db, id, STR("asks for more and more")) : ask(db, stripe, arena, id, more, a.body);
  stripe_answer_finish(&a);
  return r;
}

static int ask_one(struct db *db, struct stripe *stripe, struct arena *arena) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_WORKER_LEASE, NULL, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 0;
  struct str id = arena_str(arena, db_text(r, 0, 0)), path = arena_str(arena, db_text(r, 0, 1));
  return ask(db, stripe, arena, id, path, NULL) == 0 ? 1 : FAULT_DB;
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
