// The list is read newest first, page by page, back to a little before where it was read to last; only when it has been read
// to there does the mark move, so that whatever interrupts it costs nothing but reading again.
#include "payment/reconcile.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "payment/checkout.h"
#include "payment/fact.h"
#include "payment/inbox.h"
#include "stripe/client.h"
#include "stripe/envelope.h"
#include "stripe/form.h"
#include <stdatomic.h>
#include <stdio.h>

#define ARENA_MAX (8 * 1024 * 1024)
#define OVERLAP_S 3600              // events become visible late, and clocks differ
#define REACH_S (INT64_C(30) * 86400) // as far back as Stripe's list goes
#define FRESH_US (INT64_C(3600) * 1000000)
#define PAGES_MAX 3000

// The last reading to the end: when (monotonic microseconds; 0: not yet; by the database's clock), and into which database.
static _Atomic int64_t read_at, read_at_db, read_into;
static _Atomic int64_t begun_into; // the last one that was begun; 0: none yet

static int where_read(struct db *db, int64_t *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_RECONCILE_WHERE, NULL, &r) != 0) return FAULT_DB;
  *ret = db_i64(r, 0, 0);
  return 0;
}

bool reconcile_is_elsewhere(struct db *db) {
  int64_t begun = atomic_load(&begun_into), where;
  return begun != 0 && where_read(db, &where) == 0 && where != begun;
}

bool reconcile_caught_up(struct db *db) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  int64_t at = atomic_load(&read_at), where;
  db_params_init(&p);
  if (at == 0 || clock_mono_us() - at >= FRESH_US) return false;
  if (where_read(db, &where) != 0 || where != atomic_load(&read_into)) return false;
  db_param_time(&p, atomic_load(&read_at_db));
  return db_run(db, STATEMENT_RECONCILE_CAUGHT_UP, &p, &r) == 0 && db_bool(r, 0, 0);
}

static int mark_read(struct db *db, int64_t *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_RECONCILE_FROM, NULL, &r) != 0) return FAULT_DB;
  *ret = db_rows(r) ? db_i64(r, 0, 0) : 0;
  return 0;
}

static int mark_write(struct db *db, int64_t to, int64_t into) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_i64(&p, to);
  if (db_run(db, STATEMENT_RECONCILE_TO, &p, &r) != 0) return FAULT_DB;
  atomic_store(&read_at_db, db_time(r, 0, 0));
  atomic_store(&read_into, into);
  atomic_store(&read_at, clock_mono_us());
  return 0;
}

// ---- a page

static int event_store(struct db *db, struct json *event, bool live, size_t *found) {
  struct envelope e;
  if (!envelope_read(event, &e)) {
    log_warn("reconcile.unreadable", "Stripe's list of events has something in it that is none");
    return 0;
  }
  char *text = json_dump(event);
  int r = inbox_store(db, &e, str_from(text), inbox_objection(&e, live));
  mem_free(text);
  if (r == INBOX_DONE) (*found)++;
  return r < 0 ? r : 0;
}

static int page_store(struct db *db, struct json *list, bool live, size_t *found) {
  int r = 0;
  if (db_begin(db) != 0) return FAULT_DB;
  for (size_t i = 0; r == 0 && i < json_count(list); i++) r = event_store(db, json_at(list, i), live, found);
  if (r == 0 && db_commit(db) == 0) return 0;
  db_rollback(db);
  return FAULT_DB;
}

struct reading {
  int64_t from;
  char after[256]; // the last id seen; "": the first page
  bool more;
  size_t found;
};

static int page_read(struct db *db, struct stripe *stripe, struct reading *at) {
  CLEANUP(buf_finish) struct buf query;
  struct stripe_answer a;
  buf_init(&query, 4096);
  form_int(&query, "limit", 100);
  form_int(&query, "created[gte]", at->from);
  if (*at->after) form_text(&query, "starting_after", str_from(at->after));
  if (stripe_call(stripe, "GET", "/v1/events", buf_str(&query), NULL, &a) < 0) return 1;
  struct json *list = json_get(a.body, "data");
  int r = stripe_done(&a) ? page_store(db, list, stripe_is_live(stripe), &at->found) : 1;
  if (r == 1) log_warn("reconcile.failed", "Stripe's list of events cannot be read: %.*s", STR_ARG(a.message));
  struct str last = fact_text(json_at(list, json_count(list) ? json_count(list) - 1 : 0), "id");
  at->more = r == 0 && fact_bool(a.body, "has_more") && last.len > 0;
  (void)snprintf(at->after, sizeof at->after, "%.*s", STR_ARG(last));
  stripe_answer_finish(&a);
  return r;
}

static int events_read(struct db *db, struct stripe *stripe) {
  int64_t now = clock_wall_us() / 1000000, mark = 0, into;
  if (where_read(db, &into) != 0 || mark_read(db, &mark) != 0) return FAULT_DB;
  atomic_store(&begun_into, into);
  struct reading at = {.from = mark - OVERLAP_S > now - REACH_S ? mark - OVERLAP_S : now - REACH_S, .more = true};
  if (mark == 0) at.from = now - OVERLAP_S; // a new database: nothing was sold before it
  for (int pages = 0; at.more && pages < PAGES_MAX; pages++) {
    int r = page_read(db, stripe, &at);
    if (r != 0) return r;
  }
  if (at.found > 0) log_warn("reconcile.found", "%zu events of Stripe had not arrived", at.found);
  return mark_write(db, now, into);
}

// ---- orders that wait

static int session_said(struct db *db, struct arena *arena, struct json *session, bool live) {
  struct str status = fact_text(session, "status");
  struct fact f = {.db = db, .arena = arena, .created = clock_wall_us() / 1000000, .livemode = live, .object = session};
  if (str_eq(status, STR("complete"))) f.type = STR("checkout.session.completed");
  else if (str_eq(status, STR("expired"))) f.type = STR("checkout.session.expired");
  else return 0;
  if (db_begin(db) != 0) return FAULT_DB;
  int r = fact_apply(&f);
  if (r == FACT_DONE && db_commit(db) == 0) return 0;
  db_rollback(db); // what needs more is left to its event
  return r < 0 ? FAULT_DB : 0;
}

static int order_ask(struct db *db, struct stripe *stripe, struct str session) {
  CLEANUP(db_params_finish) struct db_params p;
  struct stripe_answer a;
  struct arena arena;
  db_params_init(&p);
  db_param_text(&p, session);
  if (db_run(db, STATEMENT_RECONCILE_ORDER_ASKED, &p, NULL) != 0) return FAULT_DB;
  arena_init(&arena, ARENA_MAX);
  int r = payment_session_fetch(stripe, session, &a);
  if (r == 0) {
    r = stripe_done(&a) ? session_said(db, &arena, a.body, stripe_is_live(stripe)) : 0;
    stripe_answer_finish(&a);
  }
  arena_finish(&arena);
  return r == FAULT_DB ? r : 0;
}

static int orders_ask(struct db *db, struct stripe *stripe) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_RECONCILE_ORDERS, NULL, &r) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(r); i++)
    if (order_ask(db, stripe, db_text(r, i, 0)) != 0) return FAULT_DB;
  return 0;
}

int reconcile_run(struct db *db, struct stripe *stripe) {
  int r = events_read(db, stripe);
  return r == 0 ? orders_ask(db, stripe) : r;
}
