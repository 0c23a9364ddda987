// Every order in which two operations (or three) on one customer can meet in the database, statement by statement, with
// the real statements run by the real code. What may come of each pair stands in one table: whoever has the deciding lock
// first, the answers are those of that order run one after the other, and so are the rows. After each pair the audit
// finds nothing.
//
// Enumerated are all orders of the sessions' statements, but for BEGIN and a writer's own fence where nobody else touches
// the writers' rows: they meet nothing. Where three meet, and where two do that each look twice, only the lock, the first
// write and the end are points of choice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "customer/customer.h"
#include "customer/keys.h"
#include "ledger/batch.h"
#include "limit/limit.h"
#include "steps.h"
#include "writers.h"

static struct cluster cluster;
static struct db *db;
static uint64_t orders_run;

// ---- customers, made many at a time: two grants (one whose time has run out), a budget, a key; a pending call held at 40
// with 10 metered and the caller's own key "K1"; a call that was swept at 10; a settled one of 20. Balance 120, held 40.

#define FIXTURES 128
struct fixture {
  struct uuid customer, key, limit, good, over, pending, swept, settled;
};
static struct fixture fixtures[FIXTURES];
static size_t fixture_at = FIXTURES;
static struct batch_writer setup_writer;
static int32_t pending_writer; // of the fixture under way: whose lease its pending call lives by

static void setup_run(struct ledger_op *ops, size_t count) {
  struct batch b;
  struct ledger_op *list[3 * FIXTURES];
  batch_init(&b);
  for (size_t i = 0; i < count; i++) list[i] = &ops[i];
  assert_int_equal(batch_run(&b, db, &setup_writer, list, count), BATCH_DONE);
  setup_writer.seq++;
  for (size_t i = 0; i < count; i++) assert_int_equal(ops[i].result, LEDGER_DONE);
  batch_finish(&b);
}

static void hex(struct uuid id, char out[33]) {
  for (int i = 0; i < 16; i++) (void)snprintf(out + 2 * i, 3, "%02x", id.b[i]);
}

static void rows_make(struct fixture *f, struct buf *sql) {
  struct uuid *ids[] = {&f->customer, &f->key, &f->limit, &f->good, &f->over, &f->pending, &f->swept, &f->settled};
  for (size_t i = 0; i < ARRAY_LEN(ids); i++) *ids[i] = uuid_v7(clock_wall_us());
  char c[33], k[33], l[33];
  hex(f->customer, c);
  hex(f->key, k);
  hex(f->limit, l);
  buf_printf(sql,
             "INSERT INTO customers (id) VALUES ('%s'); INSERT INTO customer_profiles (customer_id) VALUES ('%s');"
             "INSERT INTO keys (customer_id, id, public_id, tag, kind, last4) VALUES ('%s', '%s', '%s', '', 'sk', '');"
             "INSERT INTO limits (customer_id, id, measure, period, amount) VALUES ('%s', '%s', 2, 4, 1000);"
             "INSERT INTO buckets (customer_id, limit_id, window_end) VALUES ('%s', '%s', 9223372036854775807);",
             c, c, c, k, k, c, l, c, l);
}

static struct ledger_op admission(const struct fixture *f, struct uuid call, amount hold) {
  return (struct ledger_op){.kind = LEDGER_ADMIT, .customer = f->customer, .id = call, .key = f->key, .hold = hold, .charge = 10,
                            .usage = STR("{\"n\":10}"), .about = STR("{}"), .config_version = 1, .limits = {f->limit}, .limit_count = 1};
}

static void fixtures_make(void) {
  static struct ledger_op ops[3 * FIXTURES];
  struct buf sql;
  size_t n = 0;
  buf_init(&sql, 1 << 20);
  for (size_t i = 0; i < FIXTURES; i++) rows_make(&fixtures[i], &sql);
  assert_int_equal(db_exec(db, buf_cstr(&sql)), 0);
  buf_finish(&sql);
  for (size_t i = 0; i < FIXTURES; i++) {
    const struct fixture *f = &fixtures[i];
    ops[n++] = (struct ledger_op){.kind = LEDGER_GRANT, .customer = f->customer, .id = f->good, .grant = {.source = 1, .priority = 100, .amount = 100}};
    ops[n++] = (struct ledger_op){.kind = LEDGER_GRANT, .customer = f->customer, .id = f->over,
                                  .grant = {.source = 2, .priority = 100, .amount = 50, .expires_at = clock_wall_us() - 1000000,
                                            .origin = STR("paid")}};
  }
  setup_run(ops, n);
  n = 0;
  for (size_t i = 0; i < FIXTURES; i++) {
    const struct fixture *f = &fixtures[i];
    ops[n] = admission(f, f->pending, 40);
    ops[n++].idempotency_key = STR("K1");
    ops[n++] = admission(f, f->swept, 10);
    ops[n++] = admission(f, f->settled, 20);
  }
  setup_run(ops, n);
  n = 0;
  for (size_t i = 0; i < FIXTURES; i++) {
    const struct fixture *f = &fixtures[i];
    ops[n++] = (struct ledger_op){.kind = LEDGER_SWEEP, .customer = f->customer, .id = f->swept, .writer = setup_writer.id};
    ops[n++] = (struct ledger_op){.kind = LEDGER_SETTLE, .customer = f->customer, .id = f->settled, .state = CALL_SETTLED, .charge = 20,
                                  .usage = STR("{\"n\":20}")};
  }
  setup_run(ops, n);
  fixture_at = 0;
}

// ---- what a session does

enum verb {
  ADMIT,   // holds 80: all that is available
  ONCE,    // holds 5 under the key "K2"
  AGAIN,   // holds 5 under "K1", which the pending call has
  TWIN,    // holds 5 under a key derived from the request, and says that it repeats one
  EXTEND,  // the pending call's hold grows by 50
  SETTLE,  // the pending call is charged 30
  RELEASE, // the pending call comes to nothing
  LATE,    // the swept call has used 25
  SWEEP,   // the pending call's writer is dead
  GRANT,   // 60 more
  EXPIRE,  // the grant whose time has run out: 20 are left of it
  VOID,    // the settled call is undone
  RECORD,  // an event of 25, always the same one
  BOUGHT,  // 60 more, for a payment
  REVERSE, // the payment of the grant whose time has run out is refunded: 20 are left of it, 30 are spent
  REFUND,  // the payment that BOUGHT is for is refunded by half
  REVOKE,  // the key
  SUSPEND, // the customer
  LIMIT,   // the budget becomes 500
  CREDIT,  // a credit limit of 50
  FENCE,   // the sweeper: fences off writers whose lease has run out, and ends their calls
  TAKE,    // the writer of the pending call came back under another number
  NOBODY,
};
static const char *const verb_names[] = {"ADMIT", "ONCE", "AGAIN", "TWIN", "EXTEND", "SETTLE", "RELEASE", "LATE", "SWEEP", "GRANT",
                                         "EXPIRE", "VOID", "RECORD", "BOUGHT", "REVERSE", "REFUND", "REVOKE", "SUSPEND", "LIMIT", "CREDIT", "FENCE", "TAKE"};

// Beside enum ledger_answer
enum { FENCED = 100, SWEPT = 101, NOTHING = 102, BAD = 103 };

struct actor {
  enum verb verb;
  const struct fixture *f;
  struct batch batch;
  struct batch_writer writer;
  struct uuid fresh; // an id of its own
  int answer;
};
static struct actor actors[STEPS_SESSIONS];

static struct ledger_op op_of(const struct actor *a) {
  const struct fixture *f = a->f;
  struct ledger_op op = {.customer = f->customer, .id = f->pending, .usage = STR("{\"n\":30}"), .evidence = STR("{}")};
  switch (a->verb) {
  case ADMIT: return admission(f, a->fresh, 80);
  case ONCE:
  case AGAIN:
  case TWIN:
    op = admission(f, a->fresh, 5);
    op.idempotency_key = a->verb == ONCE ? STR("K2") : a->verb == AGAIN ? STR("K1") : STR("~5a5a");
    op.retry = a->verb == TWIN;
    return op;
  case EXTEND: op.kind = LEDGER_EXTEND, op.hold = 90, op.charge = 45; return op;
  case SETTLE: op.kind = LEDGER_SETTLE, op.state = CALL_SETTLED, op.charge = 30; return op;
  case RELEASE: op.kind = LEDGER_SETTLE, op.state = CALL_RELEASED; return op;
  case LATE: op.kind = LEDGER_SETTLE, op.id = f->swept, op.state = CALL_SETTLED, op.charge = 25; return op;
  case GRANT: op.kind = LEDGER_GRANT, op.id = a->fresh, op.grant.source = 1, op.grant.priority = 100, op.grant.amount = 60; return op;
  case EXPIRE: op.kind = LEDGER_EXPIRE, op.id = f->over; return op;
  case VOID: op.kind = LEDGER_VOID, op.id = f->settled; return op;
  case RECORD:
    op.kind = LEDGER_RECORD, op.id = a->fresh, op.state = CALL_SETTLED, op.charge = 25;
    op.event.identity = op.event.content = f->customer, op.event.source = STR("app"), op.event.id = STR("1");
    return op;
  case BOUGHT: op.kind = LEDGER_GRANT, op.id = a->fresh, op.grant.source = 1, op.grant.amount = 60, op.grant.origin = STR("bought"); return op;
  case REVERSE: op.kind = LEDGER_REVERSE, op.grant.origin = STR("paid"), op.reverse.refunded = 50; return op;
  case REFUND: op.kind = LEDGER_REVERSE, op.grant.origin = STR("bought"), op.reverse.refunded = 30; return op;
  case SWEEP:
  case FENCE:
  case REVOKE:
  case SUSPEND:
  case LIMIT:
  case CREDIT:
  case TAKE:
  case NOBODY: break;
  }
  op.kind = LEDGER_SWEEP;
  op.writer = pending_writer;
  return op;
}

// As a writer does: what was written elsewhere meanwhile, without the customer's lock, is read again.
static int batch_answer(struct actor *a, struct db *on, struct ledger_op *op) {
  int r, moved = 0;
  do r = batch_run(&a->batch, on, &a->writer, &op, 1);
  while (r == BATCH_AGAIN || (r == BATCH_BAD && strcmp(db_sqlstate(on), "22012") == 0 && ++moved < 3));
  if (r == BATCH_DONE) a->writer.seq++;
  return r == BATCH_DONE ? op->result : r == BATCH_FENCED ? FENCED : BAD;
}

// The verbs of the API: lock, change, bump, commit.
static int configure(const struct actor *a, struct db *on) {
  const struct fixture *f = a->f;
  struct customer changed = {.id = f->customer, .status = CUSTOMER_SUSPENDED, .credit_limit = 50};
  if (db_begin(on) != 0 || customer_lock(on, f->customer) != CUSTOMER_DONE) return BAD;
  int r = a->verb == REVOKE    ? keys_revoke(on, f->customer, f->key)
          : a->verb == SUSPEND ? customer_update(on, CUSTOMER_STATUS, &changed)
          : a->verb == CREDIT  ? customer_update(on, CUSTOMER_CREDIT_LIMIT, &changed)
                               : limit_update(on, f->customer, f->limit, 500);
  return r == 0 && customer_bump(on, f->customer) == 0 && db_commit(on) == 0 ? LEDGER_DONE : BAD;
}

static int take_over(const struct actor *a, struct db *on) {
  struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, a->writer.id);
  db_param_i64(&p, a->writer.epoch);
  db_param_i32(&p, pending_writer);
  int r = db_run(on, STATEMENT_LEDGER_TAKE_OVER, &p, NULL);
  db_params_finish(&p);
  return r == 0 ? LEDGER_DONE : BAD;
}

// As server/ledger/sweep.c does it, for this customer's calls.
static int fence_and_sweep(struct actor *a, struct db *on) {
  struct db_params p;
  struct db_result *orphans = NULL;
  int answer = NOTHING;
  db_params_init(&p);
  db_param_i64(&p, 0);
  int r = db_run(on, STATEMENT_LEDGER_FENCE_DEAD, &p, NULL);
  db_params_finish(&p);
  if (r != 0 || db_run(on, STATEMENT_LEDGER_ORPHANS, NULL, &orphans) != 0) return BAD;
  for (size_t i = 0; i < db_rows(orphans); i++) {
    if (!uuid_eq(db_uuid(orphans, i, 0), a->f->customer)) continue;
    struct ledger_op op = op_of(a);
    op.id = db_uuid(orphans, i, 1);
    op.writer = (int32_t)db_i64(orphans, i, 2);
    answer = batch_answer(a, on, &op) == LEDGER_DONE ? SWEPT : BAD;
  }
  db_result_finish(orphans);
  return answer;
}

static void act(struct steps_session *s) {
  struct actor *a = s->arg;
  struct ledger_op op = op_of(a);
  if (a->verb == FENCE) a->answer = fence_and_sweep(a, s->db);
  else if (a->verb == TAKE) a->answer = take_over(a, s->db);
  else if (a->verb >= REVOKE) a->answer = configure(a, s->db);
  else a->answer = batch_answer(a, s->db, &op);
}

#include "orders.h"

static const char *deciding(enum verb v, enum verb against) {
  if (against == FENCE) return "ledger_fence";
  if (against == TAKE) return v == EXTEND || v == SETTLE || v == SWEEP ? "ledger_holds" : "";
  if (v == FENCE) return "ledger_fence_dead";
  if (v == TAKE) return "ledger_take_over";
  return v >= REVOKE ? "customer_lock" : "ledger_customers";
}

// ---- running

static bool fence_is_free, few_choices;

static bool is_free(const char *step) {
  static const char *const choices[] = {"ledger_customers", "customer_lock", "ledger_insert_identities", "ledger_write_customers", "customer_bump", "COMMIT", "ROLLBACK"};
  if (strcmp(step, "BEGIN") == 0 || (fence_is_free && strcmp(step, "ledger_fence") == 0)) return true;
  for (size_t i = 0; few_choices && i < ARRAY_LEN(choices); i++)
    if (strcmp(step, choices[i]) == 0) return false;
  return few_choices;
}

// The pending call lives by a writer of its own. Where somebody fences, that is the first actor, and its lease has run out.
static void pending_give(const struct fixture *f, bool fences) {
  struct batch_writer w = writer_new(db);
  char sql[512], c[33];
  hex(f->customer, c);
  (void)snprintf(sql, sizeof sql,
                 "UPDATE holds SET writer_id = %d, writer_epoch = %lld WHERE customer_id = '%s'; "
                 "UPDATE writers SET lease_until = clock_timestamp() - interval '1 s' WHERE id = %d AND %s",
                 (int)w.id, (long long)w.epoch, c, (int)w.id, fences ? "true" : "false");
  assert_int_equal(db_exec(db, sql), 0);
  pending_writer = w.id;
  if (fences) actors[0].writer = w;
}

// A writer that was fenced off is of no use to the next order.
static void living_writer(struct actor *a) {
  if (a->answer == FENCED) a->writer = writer_new(db);
}

static void order_run(const enum verb *verbs, size_t count) {
  if (fixture_at == FIXTURES) fixtures_make();
  const struct fixture *f = &fixtures[fixture_at++];
  enum verb last = verbs[count - 1];
  for (size_t i = 0; i < count; i++) {
    living_writer(&actors[i]);
    actors[i].verb = verbs[i];
    actors[i].f = f;
    actors[i].fresh = uuid_v7(clock_wall_us());
  }
  pending_writer = setup_writer.id;
  if (last == FENCE || last == TAKE) pending_give(f, last == FENCE);
  fence_is_free = last != FENCE;
  steps.count = count;
  steps_run();
  orders_run++;
}

// Everything of the customer but ids and times.
static char *rows_of(struct uuid customer) {
  static const char sql[] =
      "SELECT format('%s %s %s v%s s%s', balance, held, debt, config_version, status)"
      " || (SELECT string_agg(format(' grant %s %s %s %s %s %s', granted, left_over, consumed, expired, refunded, frozen), '' ORDER BY granted, left_over, expired, origin) FROM grants WHERE customer_id = c.id)"
      " || coalesce((SELECT string_agg(format(' hold %s %s %s', amount, metered, about), '' ORDER BY amount, metered) FROM holds WHERE customer_id = c.id), '')"
      " || (SELECT string_agg(format(' call %s %s %s %s %s', charge, state, flags, revision, usage), '' ORDER BY charge, state, flags, revision) FROM calls WHERE customer_id = c.id)"
      " || (SELECT string_agg(format(' evidence %s %s', revision, admission), '' ORDER BY revision, admission::text) FROM call_evidence WHERE customer_id = c.id)"
      " || (SELECT string_agg(format(' bucket %s %s', used, held), '') FROM buckets WHERE customer_id = c.id)"
      " || (SELECT string_agg(format(' transfer %s %s', kind, amount), '' ORDER BY kind, amount) FROM transfers WHERE customer_id = c.id)"
      " || (SELECT format(' known %s', count(*)) FROM idempotency WHERE customer_id = c.id)"
      " FROM customers c WHERE id = '%s'";
  struct db_result *r = NULL;
  char text[sizeof sql + 64], id[33];
  const char *at = strstr(sql, "WHERE id = '%s'");
  hex(customer, id);
  (void)snprintf(text, sizeof text, "%.*sWHERE id = '%s'", (int)(at - sql), sql, id);
  assert_int_equal(db_query(db, text, &r), 0);
  struct str rows = db_text(r, 0, 0);
  char *copy = mem_strndup(rows.ptr, rows.len);
  db_result_finish(r);
  return copy;
}

static void fail_order(const char *why, const char *rows, const char *expected) {
  steps_fail(why);
  for (size_t i = 0; i < steps.count; i++) print_error("  %s answered %d\n", verb_names[actors[i].verb], actors[i].answer);
  if (rows) print_error("  rows:          %s\n", rows);
  if (expected) print_error("  in that order: %s\n", expected);
  fail();
}

// Which of the orders in which they can decide it was: the sessions' numbers sorted by when they did.
static int order_decided(size_t count) {
  static const int all[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  int when[STEPS_SESSIONS] = {0, 0, INT32_MAX};
  for (size_t i = 0; i < count; i++) {
    enum verb against = count == 2 ? actors[1 - i].verb : NOBODY;
    when[i] = steps_when((int)i, deciding(actors[i].verb, against));
    if (when[i] < 0) fail_order("a session never decided", NULL, NULL);
  }
  for (int i = 0; i < 6; i++)
    if (when[all[i][0]] < when[all[i][1]] && when[all[i][1]] < when[all[i][2]]) return i;
  return -1;
}

// All orders of these: answers[i] where they decided in the order i. Those in which one comes after the other are among
// them: all that decided in the same order must leave the same rows.
static void all_orders(const enum verb *verbs, size_t count, const int answers[6][3]) {
  char *rows_first[6] = {0};
  steps.given = 0;
  do {
    order_run(verbs, count);
    int order = order_decided(count);
    for (size_t i = 0; i < count; i++)
      if (actors[i].answer != answers[order][i]) fail_order("another answer than that order gives", NULL, NULL);
    char *rows = rows_of(actors[0].f->customer);
    if (!rows_first[order]) rows_first[order] = rows;
    else if (strcmp(rows_first[order], rows) != 0) fail_order("other rows than that order leaves", rows, rows_first[order]);
    if (rows != rows_first[order]) mem_free(rows);
  } while (steps_next());
  for (int i = 0; i < 6; i++) mem_free(rows_first[i]);
}

// ---- the audit, over the customers of one set of fixtures

static void audit(void) {
  static const enum statement_id rules[] = {
      STATEMENT_AUDIT_SIGNS, STATEMENT_AUDIT_GRANTS, STATEMENT_AUDIT_GRANT_LEGS, STATEMENT_AUDIT_TRANSFER_LEGS, STATEMENT_AUDIT_BALANCE_GRANTS,
      STATEMENT_AUDIT_BALANCE_TRANSFERS, STATEMENT_AUDIT_HELD, STATEMENT_AUDIT_BUCKETS, STATEMENT_AUDIT_CALLS_TRANSFERS, STATEMENT_AUDIT_STATES,
      STATEMENT_AUDIT_EVIDENCE};
  struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, uuid_floor(uuid_time_us(fixtures[0].customer) - 1000));
  db_param_uuid(&p, uuid_floor(clock_wall_us() + 1000000));
  for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
    struct db_result *r = NULL;
    if (rules[i] == STATEMENT_AUDIT_EVIDENCE) db_param_uuid(&p, UUID_NIL);
    assert_int_equal(db_run(db, rules[i], &p, &r), 0);
    if (db_rows(r) > 0) print_error("%s: %.*s\n", statement_table[rules[i]].name, STR_ARG(db_text(r, 0, 1)));
    assert_int_equal(db_rows(r), 0);
    db_result_finish(r);
  }
  db_params_finish(&p);
}

// ---- the tests

static bool is_listed(enum verb a, enum verb b) {
  for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
    if ((pairs[i].a == a && pairs[i].b == b) || (pairs[i].a == b && pairs[i].b == a)) return true;
  return false;
}

static void each_operation_meets_each(void **state) {
  static const enum verb operations[] = {ADMIT, EXTEND, SETTLE, LATE, SWEEP, GRANT, EXPIRE, VOID, REVERSE};
  (void)state;
  for (size_t i = 0; i < ARRAY_LEN(operations); i++)
    for (size_t k = 0; k <= i; k++) {
      if (!is_listed(operations[i], operations[k])) print_error("%s and %s do not meet\n", verb_names[operations[i]], verb_names[operations[k]]);
      assert_true(is_listed(operations[i], operations[k]));
    }
}

static void every_order_of_two_ends_as_one_after_the_other(void **state) {
  (void)state;
  for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
    const struct pair *p = &pairs[i];
    few_choices = p->a == p->b && (p->a == LATE || p->a == RECORD);
    const enum verb verbs[] = {p->a, p->b};
    const int answers[6][3] = {{p->a_first[0], p->a_first[1]}, {0}, {p->b_first[0], p->b_first[1]}};
    uint64_t before = orders_run;
    all_orders(verbs, 2, answers);
    print_message("%s and %s: %llu orders\n", verb_names[p->a], verb_names[p->b], (unsigned long long)(orders_run - before));
    if (fixture_at > FIXTURES - 40) {
      audit();
      fixture_at = FIXTURES;
    }
  }
  audit();
  print_message("%llu orders of two in all\n", (unsigned long long)orders_run);
}

static void every_order_of_three_ends_as_one_after_the_other(void **state) {
  (void)state;
  uint64_t before = orders_run;
  few_choices = true;
  for (size_t i = 0; i < ARRAY_LEN(triples); i++) {
    all_orders(triples[i].verbs, 3, triples[i].answers);
    audit();
  }
  print_message("%llu orders of three\n", (unsigned long long)(orders_run - before));
}

static int setup(void **state) {
  (void)state;
  struct buf error;
  buf_init(&error, 512);
  log_open(LOG_ERROR + 1, false);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = db_connect(cluster.url, 20000, 15000, 60000, &error);
  steps.monitor = db_connect(cluster.url, 5000, 5000, 0, &error);
  buf_finish(&error);
  assert_true(db && steps.monitor);
  setup_writer = writer_new(db);
  steps.is_free = is_free;
  for (int i = 0; i < STEPS_SESSIONS; i++) {
    steps_session_open(&steps.sessions[i], cluster.url);
    steps.sessions[i].run = act;
    steps.sessions[i].arg = &actors[i];
    batch_init(&actors[i].batch);
    actors[i].writer = writer_new(db);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int i = 0; i < STEPS_SESSIONS; i++) {
    batch_finish(&actors[i].batch);
    db_destroy(steps.sessions[i].db);
  }
  db_destroy(steps.monitor);
  db_destroy(db);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_operation_meets_each),
      cmocka_unit_test(every_order_of_two_ends_as_one_after_the_other),
      cmocka_unit_test(every_order_of_three_ends_as_one_after_the_other),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
