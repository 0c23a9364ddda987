// A crowd on few customers, in the manner of a bank: two writers, many clients that hold, extend, settle, undo and leave,
// and say of payments what is refunded and disputed, while sessions are terminated, leases are cut, calls are swept and
// configurations move. Readers look on in REPEATABLE READ: in every snapshot the books add up and no credit has come or
// gone. In the end each customer's balance and budget are exactly what its clients were told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/clock.h"
#include "base/mem.h"
#include "customer/customer.h"
#include "ledger/audit.h"
#include "ledger/ledger.h"
#include <pthread.h>
#include <stdatomic.h>

#define CUSTOMERS 8
#define CLIENTS 40
#define READERS 2
#define BLOWS 36 // sessions terminated, one after the other
// Each second customer is poor, and soon has nothing left.
#define GIVEN(customer) ((customer) % 2 ? INT64_C(6000) : INT64_C(30000))
#define GIVEN_ALL INT64_C(144000)
#define PAYMENTS 4 // of each customer

static struct cluster cluster;
static struct ledger *ledgers[2];
static struct uuid customers[CUSTOMERS], limits[CUSTOMERS];
static _Atomic int64_t versions[CUSTOMERS], charged[CUSTOMERS];
static _Atomic int64_t calls, swept, stale, refused, undone, reversed, snapshots, found_late;
static _Atomic bool over;

static struct db *connected(int idle_ms) {
  struct buf error;
  struct db *db = NULL;
  buf_init(&error, 512);
  for (int i = 0; !db && i < 500; i++) {
    db = db_connect(cluster.url, 20000, 15000, idle_ms, &error);
    if (!db) usleep(10000);
  }
  buf_finish(&error);
  ASSERT(db);
  return db;
}

static struct db *again(struct db *db) {
  if (db_alive(db)) return db;
  db_destroy(db);
  return connected(20000);
}

// ---- clients

struct client {
  pthread_t thread;
  uint64_t random;
  int number;
};

static int64_t any(struct client *c, int64_t below) {
  c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int64_t)((c->random >> 33) % (uint64_t)below);
}

// What the machine fails at was not done: it is done again.
static int run(struct ledger *l, struct ledger_op *op) {
  int r;
  while ((r = ledger_run(l, op)) < 0) {
    ASSERT(r == FAULT_DB);
    usleep(2000);
  }
  return r;
}

static bool admitted(struct ledger *l, struct client *c, int at, struct ledger_op *op) {
  *op = (struct ledger_op){.kind = LEDGER_ADMIT, .customer = customers[at], .id = ledger_call_id(l, customers[at]), .hold = 1 + any(c, 60),
                           .usage = STR("{\"n\": 1}"), .about = STR("{}"), .limits = {limits[at]}, .limit_count = 1};
  op->charge = op->hold / 2;
  int r;
  do {
    op->config_version = atomic_load(&versions[at]);
    r = run(l, op);
    if (r == LEDGER_STALE) atomic_fetch_add(&stale, 1);
  } while (r == LEDGER_STALE && !atomic_load(&over));
  if (r == LEDGER_SHORT) {
    atomic_fetch_add(&refused, 1);
    usleep(1000);
  }
  ASSERT(r == LEDGER_DONE || r == LEDGER_SHORT || r == LEDGER_STALE);
  return r == LEDGER_DONE;
}

static void grow(struct ledger *l, struct client *c, const struct ledger_op *call, amount *hold) {
  struct ledger_op op = {.kind = LEDGER_EXTEND, .customer = call->customer, .id = call->id, .hold = *hold + any(c, 30), .charge = *hold,
                         .usage = STR("{\"n\": 2}")};
  int r = run(l, &op);
  ASSERT(r == LEDGER_DONE || r == LEDGER_SHORT || r == LEDGER_GONE);
  if (r == LEDGER_DONE) *hold = op.hold;
}

// Whatever became of the hold, the call costs in the end what it used.
static void settle(struct ledger *l, struct client *c, int at, const struct ledger_op *call, amount hold) {
  bool released = any(c, 6) == 0;
  struct ledger_op op = {.kind = LEDGER_SETTLE, .customer = call->customer, .id = call->id, .state = released ? CALL_RELEASED : CALL_SETTLED,
                         .charge = released ? 0 : any(c, hold + 5), .usage = STR("{\"n\": 3}"), .evidence = STR("{}")};
  int r = run(l, &op);
  ASSERT(r == LEDGER_DONE || (r == LEDGER_DUPLICATE && released && op.charged == 0)); // else an answer was lost
  if (op.late) atomic_fetch_add(&found_late, 1);
  amount costs = op.charged;
  if (any(c, 8) == 0 && !released) {
    struct ledger_op undo = {.kind = LEDGER_VOID, .customer = call->customer, .id = call->id, .evidence = STR("{}")};
    r = run(l, &undo);
    ASSERT(r == LEDGER_DONE);
    atomic_fetch_add(&undone, 1);
    costs = 0;
  }
  atomic_fetch_add(&charged[at], costs);
  atomic_fetch_add(&calls, 1);
}

// ---- payments

static struct ledger_op payment(enum ledger_kind kind, int at, int number) {
  static const char *const origins[PAYMENTS] = {"pi_0", "pi_1", "pi_2", "pi_3"};
  struct ledger_op op = {.kind = kind, .customer = customers[at], .grant = {.source = 1, .priority = 100, .amount = GIVEN(at) / PAYMENTS}};
  op.grant.origin = str_from(origins[number]);
  if (kind == LEDGER_GRANT) op.id = uuid_v7(ledger_now(ledgers[0]));
  return op;
}

static void reverse(struct ledger *l, int at, int number, amount refunded, amount frozen) {
  struct ledger_op op = payment(LEDGER_REVERSE, at, number);
  op.reverse.refunded = refunded;
  op.reverse.frozen = frozen;
  int r = run(l, &op);
  ASSERT(r == LEDGER_DONE);
}

// It was given already, however often it is told; and as much of it is taken back as somebody said last.
static void pay(struct ledger *l, struct client *c, int at) {
  int number = (int)any(c, PAYMENTS);
  struct ledger_op again = payment(LEDGER_GRANT, at, number);
  int r = run(l, &again);
  ASSERT(r == LEDGER_DUPLICATE);
  amount most = any(c, 3) ? GIVEN(at) / PAYMENTS / 8 : 2 * GIVEN(at);
  reverse(l, at, number, any(c, 2) * any(c, most), any(c, 2) * any(c, most));
  atomic_fetch_add(&reversed, 1);
}

static void *client(void *arg) {
  struct client *c = arg;
  struct ledger *l = ledgers[c->number % 2];
  while (!atomic_load(&over)) {
    int at = (int)any(c, CUSTOMERS);
    struct ledger_op call;
    if (any(c, 8) == 0) pay(l, c, at);
    if (!admitted(l, c, at, &call)) continue;
    amount hold = call.hold;
    for (int64_t i = any(c, 3); i > 0; i--) grow(l, c, &call, &hold);
    if (any(c, 30) == 0) usleep((useconds_t)any(c, 300000)); // long enough to be swept
    settle(l, c, at, &call, hold);
  }
  return NULL;
}

// ---- readers

// One row, all of one snapshot: what does not add up, and the credits there are.
static const char looks[] =
    "SELECT (SELECT count(*) FROM customers c WHERE balance <> (SELECT coalesce(sum(left_over), 0) FROM grants WHERE customer_id = c.id) - debt),"
    " (SELECT count(*) FROM customers c WHERE held <> (SELECT coalesce(sum(amount), 0) FROM holds WHERE customer_id = c.id)),"
    " (SELECT count(*) FROM holds h JOIN calls c ON c.customer_id = h.customer_id AND c.id = h.call_id),"
    " (SELECT sum(balance) FROM customers)::bigint + (SELECT coalesce(sum(charge), 0) FROM calls)::bigint +"
    " (SELECT sum(refunded + frozen) FROM grants)::bigint,"
    " (SELECT count(*) FROM grants WHERE granted <> left_over + consumed + expired + refunded + frozen),"
    " (SELECT count(*) FROM customers c WHERE debt > 0 AND EXISTS (SELECT FROM grants WHERE customer_id = c.id AND open))";

static void *reader(void *arg) {
  struct db *db = connected(20000);
  (void)arg;
  while (!atomic_load(&over)) {
    struct db_result *r = NULL;
    db = again(db);
    bool read = db_exec(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") == 0 && db_query(db, looks, &r) == 0;
    if (read) {
      bool sound = db_i64(r, 0, 0) == 0 && db_i64(r, 0, 1) == 0 && db_i64(r, 0, 2) == 0 && db_i64(r, 0, 4) == 0 && db_i64(r, 0, 5) == 0;
      if (!sound) print_error("in a snapshot the books do not add up\n");
      if (db_i64(r, 0, 3) != GIVEN_ALL) print_error("in a snapshot there are %lld credits of %lld\n", (long long)db_i64(r, 0, 3), (long long)GIVEN_ALL);
      ASSERT(sound && db_i64(r, 0, 3) == GIVEN_ALL);
      atomic_fetch_add(&snapshots, 1);
    }
    db_result_finish(r);
    db_rollback(db);
    usleep(5000);
  }
  db_destroy(db);
  return NULL;
}

// ---- what goes on beside

static void *sweeper(void *arg) {
  struct db *db = connected(20000);
  struct ledger *l = arg;
  while (!atomic_load(&over)) {
    db = again(db);
    (void)db_exec(db, "UPDATE writers SET lease_until = clock_timestamp() - interval '1 s' WHERE id = (SELECT max(writer_id) FROM holds)");
    int r = ledger_sweep(l, db);
    if (r > 0) atomic_fetch_add(&swept, r);
    usleep(120000);
  }
  db_destroy(db);
  return NULL;
}

// What is changed does not matter here: only that the version moves, and that the commit of it may be lost.
static void *operator(void *arg) {
  struct db *db = connected(20000);
  struct client random = {.random = 99};
  (void)arg;
  while (!atomic_load(&over)) {
    int at = (int)any(&random, CUSTOMERS);
    struct db_result *r = NULL;
    db = again(db);
    bool locked = db_begin(db) == 0 && customer_lock(db, customers[at]) == CUSTOMER_DONE;
    if (locked && customer_bump(db, customers[at]) == 0) (void)db_commit(db);
    else db_rollback(db);
    db = again(db);
    struct db_params p;
    db_params_init(&p);
    db_array_begin(&p, DB_UUID);
    db_array_uuid(&p, customers[at]);
    db_array_end(&p);
    if (db_run(db, STATEMENT_PRINCIPAL_VERSIONS, &p, &r) == 0) atomic_store(&versions[at], db_i64(r, 0, 1));
    db_result_finish(r);
    db_params_finish(&p);
    usleep(15000);
  }
  db_destroy(db);
  return NULL;
}

static void terminate_one(struct db *db) {
  struct db_result *r = NULL;
  int result = db_query(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                            " ORDER BY random() LIMIT 1", &r);
  ASSERT(result == 0);
  db_result_finish(r);
}

// ---- the run

static void customers_make(struct db *db) {
  for (int i = 0; i < CUSTOMERS; i++) {
    struct customer c = {.id = uuid_v7(clock_wall_us()), .name = STR(""), .time_zone = STR("UTC"), .metadata = STR("{}"),
                         .short_policy = CUSTOMER_REFUSE, .abort_charge = CUSTOMER_GENERATED, .abort_upstream = CUSTOMER_CANCEL};
    char sql[512], id[33], limit[33];
    limits[i] = uuid_v7(clock_wall_us());
    customers[i] = c.id;
    versions[i] = 1;
    assert_int_equal(customer_create(db, &c), CUSTOMER_DONE);
    for (int k = 0; k < 16; k++) {
      (void)snprintf(id + 2 * k, 3, "%02x", c.id.b[k]);
      (void)snprintf(limit + 2 * k, 3, "%02x", limits[i].b[k]);
    }
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO limits (customer_id, id, measure, period, amount) VALUES ('%s', '%s', 2, 4, 1000000000);"
                   "INSERT INTO buckets (customer_id, limit_id, window_end) VALUES ('%s', '%s', 9223372036854775807)",
                   id, limit, id, limit);
    assert_int_equal(db_exec(db, sql), 0);
    for (int k = 0; k < PAYMENTS; k++) {
      struct ledger_op op = payment(LEDGER_GRANT, i, k);
      assert_int_equal(run(ledgers[0], &op), LEDGER_DONE);
    }
  }
}

static void print_finding(void *arg, const struct audit_finding *f) {
  (void)arg;
  print_error("audit: %s: %s\n", f->rule, f->row);
}

static int64_t number(struct db *db, const char *sql) {
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, sql, &r), 0);
  int64_t n = db_i64(r, 0, 0);
  db_result_finish(r);
  return n;
}

// What was said of the payments before does not matter any more: each third credit is refunded, some are disputed.
static amount last_word(int at) {
  amount taken = 0;
  for (int k = 0; k < PAYMENTS; k++) {
    amount refunded = GIVEN(at) / PAYMENTS / 3, frozen = k * 100;
    reverse(ledgers[k % 2], at, k, refunded, frozen);
    taken += refunded + frozen;
  }
  return taken;
}

static void exact(struct db *db) {
  struct audit_progress p;
  assert_int_equal(number(db, "SELECT count(*) FROM holds"), 0);
  for (int i = 0; i < CUSTOMERS; i++) {
    amount taken = last_word(i);
    struct ledger_op look = {.kind = LEDGER_ADMIT, .customer = customers[i], .id = ledger_call_id(ledgers[0], customers[i]), .config_version = -1};
    assert_int_equal(run(ledgers[0], &look), LEDGER_STALE);
    assert_int_equal(look.balance, GIVEN(i) - atomic_load(&charged[i]) - taken);
    assert_int_equal(look.held, 0);
  }
  int64_t used = 0;
  for (int i = 0; i < CUSTOMERS; i++) used += atomic_load(&charged[i]);
  assert_int_equal(number(db, "SELECT sum(used)::bigint FROM buckets"), used);
  assert_int_equal(number(db, "SELECT sum(held)::bigint FROM buckets"), 0);
  assert_int_equal(audit_run(db, print_finding, NULL, NULL, &p), 0);
  assert_int_equal(p.findings, 0);
}

// Each kind of thing has happened; on a slow machine that takes a while.
static bool all_met(void) {
  return calls > 0 && swept > 0 && found_late > 0 && snapshots > 0 && stale > 0 && undone > 0 && reversed > 0;
}

static void a_crowd_is_charged_exactly_whatever_befalls_its_sessions(void **state) {
  (void)state;
  struct client crowd[CLIENTS];
  pthread_t beside[READERS + 3];
  struct db *db = connected(0);
  customers_make(db);
  for (int i = 0; i < CLIENTS; i++) {
    crowd[i] = (struct client){.number = i, .random = (uint64_t)i + 1};
    assert_int_equal(pthread_create(&crowd[i].thread, NULL, client, &crowd[i]), 0);
  }
  for (int i = 0; i < READERS; i++) assert_int_equal(pthread_create(&beside[i], NULL, reader, NULL), 0);
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&beside[READERS + i], NULL, sweeper, ledgers[i]), 0);
  assert_int_equal(pthread_create(&beside[READERS + 2], NULL, operator, NULL), 0);
  for (int i = 0; i < BLOWS || (!all_met() && i < 20 * BLOWS); i++) {
    usleep(200000);
    terminate_one(db);
  }
  atomic_store(&over, true);
  for (int i = 0; i < CLIENTS; i++) pthread_join(crowd[i].thread, NULL);
  for (int i = 0; i < READERS + 3; i++) pthread_join(beside[i], NULL);
  print_message("%lld calls, %lld swept, %lld settled late, %lld undone, %lld payments reversed, %lld refused, %lld decided anew, %lld snapshots\n", (long long)calls,
                (long long)swept, (long long)found_late, (long long)undone, (long long)reversed, (long long)refused, (long long)stale, (long long)snapshots);
  assert_true(all_met());
  exact(db);
  db_destroy(db);
}

static int setup(void **state) {
  struct buf error;
  (void)state;
  buf_init(&error, 512);
  log_open(LOG_ERROR + 1, false);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  for (int i = 0; i < 2; i++) {
    ledgers[i] = ledger_create(&(struct ledger_config){.url = cluster.url, .instance = "test", .lease_ms = 900}, &error);
    assert_non_null(ledgers[i]);
  }
  buf_finish(&error);
  usleep(1000000); // after its start the database gives each writer a lease's time to come back
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) ledger_destroy(ledgers[i]);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_crowd_is_charged_exactly_whatever_befalls_its_sessions)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
