// The writer against a real database: group commit, exactness under concurrency and over two writers, poisoned operations,
// lost connections and COMMITs, fencing and sweeping. After each test the audit finds nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "ledger/audit.h"
#include "ledger/ledger.h"
#include "../cluster.h"
#include "../wall.h"
#include <pthread.h>
#include <stdatomic.h>

static struct cluster cluster;
static struct db *db;

static struct ledger *writer(int lease_ms) {
  struct buf error;
  buf_init(&error, 512);
  struct ledger *l = ledger_create(&(struct ledger_config){.url = cluster.url, .instance = "test", .lease_ms = lease_ms}, &error);
  if (!l) print_error("%s\n", buf_cstr(&error));
  buf_finish(&error);
  assert_non_null(l);
  return l;
}

static void connect_db(void) {
  struct buf error;
  buf_init(&error, 512);
  db = db_connect(cluster.url, 5000, 3000, 5000, &error);
  if (!db) print_error("%s\n", buf_cstr(&error));
  assert_non_null(db);
  buf_finish(&error);
}

static int64_t number(const char *sql) {
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, sql, &r), 0);
  int64_t n = db_rows(r) ? db_i64(r, 0, 0) : 0;
  db_result_finish(r);
  return n;
}

static struct uuid customer_new(void) {
  struct uuid id = uuid_v7(clock_wall_us());
  char sql[512], hex[33];
  for (int i = 0; i < 16; i++) (void)snprintf(hex + 2 * i, 3, "%02x", id.b[i]);
  (void)snprintf(sql, sizeof sql, "INSERT INTO customers (id) VALUES ('%s'); INSERT INTO customer_profiles (customer_id) VALUES ('%s')", hex, hex);
  assert_int_equal(db_exec(db, sql), 0);
  return id;
}

static void limit_new(struct uuid customer, struct uuid limit, int measure, int period, int64_t most) {
  char sql[512], c[33], l[33];
  for (int i = 0; i < 16; i++) {
    (void)snprintf(c + 2 * i, 3, "%02x", customer.b[i]);
    (void)snprintf(l + 2 * i, 3, "%02x", limit.b[i]);
  }
  (void)snprintf(sql, sizeof sql,
                 "INSERT INTO limits (customer_id, id, measure, period, amount) VALUES ('%s', '%s', %d, %d, %lld); "
                 "INSERT INTO buckets (customer_id, limit_id) VALUES ('%s', '%s')",
                 c, l, measure, period, (long long)most, c, l);
  assert_int_equal(db_exec(db, sql), 0);
}

static void grant(struct ledger *l, struct uuid customer, amount credits) {
  struct ledger_op op = {.kind = LEDGER_GRANT, .customer = customer, .id = uuid_v7(ledger_now(l)), .grant = {.source = 1, .priority = 100, .amount = credits}};
  assert_int_equal(ledger_run(l, &op), LEDGER_DONE);
}

static struct ledger_op admit(struct ledger *l, struct uuid customer, amount hold) {
  return (struct ledger_op){.kind = LEDGER_ADMIT, .customer = customer, .id = ledger_call_id(l, customer), .hold = hold,
                            .charge = hold / 2, .usage = STR("{\"input_tokens\": 3}"), .about = STR("{\"model\": \"m\"}"), .config_version = 1};
}

static struct ledger_op settle(struct ledger_op *admitted, amount charge) {
  return (struct ledger_op){.kind = LEDGER_SETTLE, .customer = admitted->customer, .id = admitted->id, .state = CALL_SETTLED,
                            .charge = charge, .usage = STR("{\"input_tokens\": 5}"), .evidence = STR("{\"raw\": 1}")};
}

static void print_finding(void *arg, const struct audit_finding *f) {
  (void)arg;
  print_error("audit: %s: %s\n", f->rule, f->row);
}

static void audit(void) {
  struct audit_progress p;
  (void)number("SELECT 1::bigint");
  assert_int_equal(audit_run(db, print_finding, NULL, NULL, &p), 0);
  assert_int_equal(p.findings, 0);
}

// ---- the tests

static void a_call_is_held_settled_and_explained_by_its_rows(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  grant(l, c, 100);
  struct ledger_op a = admit(l, c, 60);
  assert_int_equal(ledger_run(l, &a), LEDGER_DONE);
  assert_int_equal(a.balance - a.held, 40);
  assert_int_equal(number("SELECT count(*) FROM holds"), 1);
  struct ledger_op s = settle(&a, 25);
  assert_int_equal(ledger_run(l, &s), LEDGER_DONE);
  assert_int_equal(s.balance, 75);
  assert_int_equal(s.held, 0);
  assert_int_equal(number("SELECT count(*) FROM holds"), 0);
  assert_int_equal(number("SELECT count(*) FROM call_evidence WHERE admission ->> 'model' = 'm'"), 1);
  struct ledger_op again = settle(&a, 99);
  assert_int_equal(ledger_run(l, &again), LEDGER_DUPLICATE);
  assert_int_equal(again.charged, 25);
  audit();
  ledger_destroy(l);
}

struct crowd {
  struct ledger *ledgers[2];
  struct uuid customer, limit;
  bool limited;
  _Atomic int admitted, refused;
};

static void *crowd_member(void *arg) {
  struct crowd *crowd = arg;
  for (int i = 0; i < 40; i++) {
    struct ledger *l = crowd->ledgers[i % 2];
    struct ledger_op a = admit(l, crowd->customer, 10);
    if (crowd->limited) {
      a.limits[0] = crowd->limit;
      a.limit_count = 1;
    }
    int r = ledger_run(l, &a);
    atomic_fetch_add(r == LEDGER_DONE ? &crowd->admitted : &crowd->refused, 1);
    assert_true(r == LEDGER_DONE || r == (crowd->limited ? LEDGER_LIMITED : LEDGER_SHORT));
  }
  return NULL;
}

static void run_crowd(struct crowd *crowd) {
  pthread_t threads[16];
  for (int i = 0; i < 16; i++) assert_int_equal(pthread_create(&threads[i], NULL, crowd_member, crowd), 0);
  for (int i = 0; i < 16; i++) pthread_join(threads[i], NULL);
}

static void two_writers_admit_exactly_what_can_be_paid(void **state) {
  (void)state;
  struct crowd crowd = {.ledgers = {writer(10000), writer(10000)}, .customer = customer_new()};
  grant(crowd.ledgers[0], crowd.customer, 1235);
  run_crowd(&crowd);
  assert_int_equal(crowd.admitted, 123);
  assert_int_equal(crowd.refused, 640 - 123);
  audit();
  for (int i = 0; i < 2; i++) ledger_destroy(crowd.ledgers[i]);
}

static void two_writers_admit_exactly_what_a_budget_allows(void **state) {
  (void)state;
  struct crowd crowd = {.ledgers = {writer(10000), writer(10000)}, .customer = customer_new(), .limited = true};
  crowd.limit = uuid_v7(clock_wall_us());
  limit_new(crowd.customer, crowd.limit, 2, 2, 777);
  grant(crowd.ledgers[0], crowd.customer, 1000000);
  run_crowd(&crowd);
  assert_int_equal(crowd.admitted, 77);
  assert_int_equal(number("SELECT held FROM buckets ORDER BY limit_id DESC LIMIT 1"), 770);
  audit();
  for (int i = 0; i < 2; i++) ledger_destroy(crowd.ledgers[i]);
}

// A customer's operations go through one writer: of two that its credits cover once, the first is taken, however many writers there are.
static void writers_of_one_ledger_share_its_customers_and_keep_each_ones_order(void **state) {
  (void)state;
  enum { CUSTOMERS = 64 };
  struct ledger_op ops[2 * CUSTOMERS];
  struct uuid customers[CUSTOMERS];
  struct buf error;
  int64_t before = number("SELECT count(*) FROM writers");
  buf_init(&error, 512);
  struct ledger *l = ledger_create(&(struct ledger_config){.url = cluster.url, .instance = "test", .lease_ms = 10000, .writers = 3}, &error);
  assert_non_null(l);
  buf_finish(&error);
  assert_int_equal(number("SELECT count(*) FROM writers") - before, 3);
  for (size_t i = 0; i < CUSTOMERS; i++) {
    customers[i] = customer_new();
    grant(l, customers[i], 10);
    ops[i] = admit(l, customers[i], 10);
    ops[CUSTOMERS + i] = admit(l, customers[i], 10);
  }
  assert_int_equal(ledger_run_all(l, ops, 2 * CUSTOMERS), CUSTOMERS);
  for (size_t i = 0; i < CUSTOMERS; i++) {
    assert_int_equal(ops[i].result, LEDGER_DONE);
    assert_int_equal(ops[CUSTOMERS + i].result, LEDGER_SHORT);
    ops[i] = settle(&ops[i], 7);
  }
  assert_int_equal(ledger_run_all(l, ops, CUSTOMERS), CUSTOMERS);
  assert_int_equal(number("SELECT count(*) FROM (SELECT customer_id FROM transfers GROUP BY customer_id HAVING count(DISTINCT writer_id) > 1 "
                          "AND bool_and(writer_id > (SELECT max(id) - 3 FROM writers))) t"), 0);
  assert_int_equal(number("SELECT count(DISTINCT writer_id) FROM transfers WHERE writer_id > (SELECT max(id) - 3 FROM writers)"), 3);
  ledger_destroy(l);
  audit();
}

static void a_poisoned_operation_stands_alone(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  grant(l, c, 1000);
  // The same call twice: the second hold breaks the primary key, and only that one is refused.
  struct ledger_op first = admit(l, c, 10), twin = first, other = admit(l, c, 10);
  assert_int_equal(ledger_run(l, &first), LEDGER_DONE);
  assert_int_equal(ledger_run(l, &twin), LEDGER_REFUSED);
  assert_int_equal(ledger_run(l, &other), LEDGER_DONE);
  assert_int_equal(other.held, 20);
  audit();
  ledger_destroy(l);
}

static void terminate_others(void) {
  (void)number("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
}

#define TERMINATIONS 20
#define PATIENCE_US INT64_C(60000000)
static void *terminator(void *arg) {
  _Atomic int *done = arg;
  while (atomic_fetch_add(done, 1) < TERMINATIONS) {
    terminate_others();
    usleep(100000 + (useconds_t)(*done * 7919 % 50000)); // no rhythm; time enough to connect again
  }
  return NULL;
}

static void lost_connections_and_commits_lose_and_double_nothing(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  grant(l, c, 1000000);
  _Atomic int terminated = 0;
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, terminator, &terminated), 0);
  amount charged = 0;
  int done = 0;
  // On a slow machine none may be through before the last blow: then one afterwards must be.
  for (int64_t until = clock_mono_us() + PATIENCE_US; atomic_load(&terminated) <= TERMINATIONS || (done == 0 && clock_mono_us() < until);) {
    struct ledger_op a = admit(l, c, 10);
    if (ledger_run(l, &a) != LEDGER_DONE) continue;
    struct ledger_op s = settle(&a, 3);
    int r;
    while ((r = ledger_run(l, &s)) == FAULT_DB) usleep(1000);
    assert_int_equal(r, LEDGER_DONE); // a DUPLICATE would mean that a landed answer was lost
    charged += 3;
    done++;
  }
  pthread_join(thread, NULL);
  assert_true(done > 0);
  struct ledger_op last = admit(l, c, 0);
  while (ledger_run(l, &last) == FAULT_DB) usleep(10000);
  assert_int_equal(last.balance, 1000000 - charged);
  assert_int_equal(last.held, 0);
  audit();
  ledger_destroy(l);
}

static void an_immediate_restart_of_the_database_loses_nothing_acknowledged(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  grant(l, c, 1000);
  struct ledger_op a = admit(l, c, 10);
  assert_int_equal(ledger_run(l, &a), LEDGER_DONE);
  cluster_stop(&cluster, SIGQUIT);
  struct ledger_op away = admit(l, c, 10);
  assert_int_equal(ledger_run(l, &away), FAULT_DB);
  cluster_launch(&cluster);
  db_destroy(db);
  connect_db();
  struct ledger_op s = settle(&a, 7);
  int r;
  while ((r = ledger_run(l, &s)) == FAULT_DB) usleep(10000);
  assert_int_equal(r, LEDGER_DONE);
  assert_int_equal(s.balance, 993);
  audit();
  ledger_destroy(l);
}

static void the_calls_of_a_dead_writer_are_swept_and_late_usage_corrects_them(void **state) {
  (void)state;
  struct ledger *dead = writer(10000), *alive = writer(300);
  struct uuid c = customer_new();
  grant(alive, c, 1000);
  usleep(400000); // the database may have been started again: each writer has a lease's time to come back
  while (ledger_sweep(alive, db) > 0) continue; // what other tests left open
  struct ledger_op a = admit(dead, c, 40);
  assert_int_equal(ledger_run(dead, &a), LEDGER_DONE);
  // Its lease is cut as if it had not been heard of: then it is fenced off though it still runs.
  assert_int_equal(db_exec(db, "UPDATE writers SET lease_until = now() - interval '1 s' WHERE id = (SELECT writer_id FROM holds ORDER BY call_id DESC LIMIT 1)"), 0);
  assert_int_equal(ledger_sweep(alive, db), 1);
  assert_int_equal(ledger_sweep(alive, db), 0);
  audit();
  struct ledger_op s = settle(&a, 31);
  assert_int_equal(ledger_run(dead, &s), LEDGER_DONE); // it finds itself fenced, registers anew, settles late
  assert_int_equal(s.charged, 31);
  assert_int_equal(s.balance, 969);
  struct ledger_op twice = settle(&a, 31);
  assert_int_equal(ledger_run(dead, &twice), LEDGER_DUPLICATE);
  audit();
  ledger_destroy(dead);
  ledger_destroy(alive);
}

static void a_voided_call_returns_to_its_grants(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  grant(l, c, 30);
  grant(l, c, 100);
  struct ledger_op a = admit(l, c, 60), other = admit(l, c, 20);
  assert_int_equal(ledger_run(l, &a), LEDGER_DONE);
  assert_int_equal(ledger_run(l, &other), LEDGER_DONE);
  struct ledger_op s = settle(&a, 50), t = settle(&other, 10);
  assert_int_equal(ledger_run(l, &s), LEDGER_DONE);
  assert_int_equal(ledger_run(l, &t), LEDGER_DONE);
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = c, .id = a.id, .evidence = STR("{\"reason\": \"test\"}")};
  assert_int_equal(ledger_run(l, &undo), LEDGER_DONE);
  assert_int_equal(undo.balance, 120);
  audit();
  ledger_destroy(l);
}

static struct ledger_retention retention = {.events_late_days = 35};

static void partitions_are_made_ahead_once(void **state) {
  (void)state;
  int64_t months = number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'calls'::regclass");
  assert_in_range(months, 5, 6); // two ahead, this one, those that late events reach, the default
  assert_int_equal(number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'call_evidence'::regclass"), months);
  int64_t day = clock_wall_us() / (INT64_C(86400) * 1000000);
  assert_int_equal(number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_identities'::regclass"), 2 + (day + 2) / 7 - day / 7); // the default
  assert_int_equal(ledger_partitions(db, &retention), 0);
  assert_false(retention.said);
}

static void a_grant_whose_time_has_run_out_expires_once(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  struct ledger_op g = {.kind = LEDGER_GRANT, .customer = c, .id = uuid_v7(ledger_now(l)),
                        .grant = {.source = 2, .priority = 1, .amount = 50, .expires_at = ledger_now(l) - 1000}};
  assert_int_equal(ledger_run(l, &g), LEDGER_DONE);
  assert_int_equal(ledger_expire(l, db), 1);
  assert_int_equal(ledger_expire(l, db), 0);
  assert_int_equal(g.balance, 50);
  audit();
  ledger_destroy(l);
}

// ---- what comes together: a locked row keeps the writer busy until all of it has gathered in one batch

static void count_done(struct ledger_op *op) {
  atomic_fetch_add((_Atomic int *)op->arg, 1);
}

static void lock_customer(struct uuid customer) {
  char sql[128], c[33];
  for (int i = 0; i < 16; i++) (void)snprintf(c + 2 * i, 3, "%02x", customer.b[i]);
  (void)snprintf(sql, sizeof sql, "BEGIN; SELECT id FROM customers WHERE id = '%s' FOR UPDATE", c);
  assert_int_equal(db_exec(db, sql), 0);
}

static void submit(struct ledger *l, struct ledger_op *op, _Atomic int *answered) {
  op->done = count_done;
  op->arg = answered;
  assert_int_equal(ledger_submit(l, op), 0);
}

static void run_together(struct ledger *l, struct ledger_op *ops, int count) {
  struct uuid blocked = customer_new();
  struct ledger_op first = {.kind = LEDGER_ADMIT, .customer = blocked, .id = ledger_call_id(l, blocked), .config_version = 1};
  _Atomic int answered = 0;
  lock_customer(blocked);
  submit(l, &first, &answered);
  usleep(100000);
  for (int i = 0; i < count; i++) submit(l, &ops[i], &answered);
  db_rollback(db);
  while (atomic_load(&answered) < count + 1) usleep(1000);
}

static int32_t newest_writer(void) {
  return (int32_t)number("SELECT writer_id::bigint FROM holds ORDER BY call_id DESC LIMIT 1");
}

static void a_settlement_that_comes_with_its_sweep_is_what_counts(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  grant(l, c, 1000);
  struct ledger_op a = admit(l, c, 40);
  assert_int_equal(ledger_run(l, &a), LEDGER_DONE);
  struct ledger_op ops[] = {{.kind = LEDGER_SWEEP, .customer = c, .id = a.id, .writer = newest_writer()}, settle(&a, 31)};
  run_together(l, ops, 2);
  assert_int_equal(ops[1].result, LEDGER_DONE);
  assert_int_equal(ops[1].charged, 31);
  assert_int_equal(ops[0].result, LEDGER_GONE);
  audit();
  ledger_destroy(l);
}

static void usage_found_late_twice_in_one_batch_corrects_once(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  grant(l, c, 1000);
  struct ledger_op a = admit(l, c, 40);
  assert_int_equal(ledger_run(l, &a), LEDGER_DONE);
  struct ledger_op sweep = {.kind = LEDGER_SWEEP, .customer = c, .id = a.id, .writer = newest_writer()};
  assert_int_equal(ledger_run(l, &sweep), LEDGER_DONE);
  struct ledger_op ops[] = {settle(&a, 7), settle(&a, 7)};
  run_together(l, ops, 2);
  assert_int_equal(ops[0].result, LEDGER_DONE);
  assert_int_equal(ops[1].result, LEDGER_DUPLICATE);
  assert_int_equal(ops[1].charged, 7);
  struct ledger_op voids[2] = {{.kind = LEDGER_VOID, .customer = c, .id = a.id}, {.kind = LEDGER_VOID, .customer = c, .id = a.id}};
  run_together(l, voids, 2);
  assert_int_equal(voids[0].result, LEDGER_DONE);
  assert_int_equal(voids[1].result, LEDGER_DUPLICATE);
  assert_int_equal(voids[0].balance, 1000);
  audit();
  ledger_destroy(l);
}

static void evidence_that_the_database_does_not_take_costs_no_charge(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid c = customer_new();
  grant(l, c, 100);
  struct ledger_op a = admit(l, c, 60);
  assert_int_equal(ledger_run(l, &a), LEDGER_DONE);
  struct ledger_op s = settle(&a, 25);
  s.evidence = STR("{\"raw\": 1e-20000}"); // JSON, but no number of PostgreSQL's
  assert_int_equal(ledger_run(l, &s), LEDGER_DONE);
  assert_int_equal(s.balance, 75);
  assert_int_equal(s.held, 0);
  audit();
  ledger_destroy(l);
}

static void a_writer_that_was_taken_for_dead_takes_its_holds_over(void **state) {
  (void)state;
  struct ledger *l = writer(10000), *other = writer(300);
  struct uuid c = customer_new();
  grant(l, c, 1000);
  usleep(400000);
  while (ledger_sweep(other, db) > 0) continue; // what other tests left open
  struct ledger_op a = admit(l, c, 40), b = admit(l, c, 10);
  assert_int_equal(ledger_run(l, &a), LEDGER_DONE);
  int32_t before = newest_writer();
  assert_int_equal(db_exec(db, "UPDATE writers SET epoch = epoch + 1 WHERE id = (SELECT writer_id FROM holds ORDER BY call_id DESC LIMIT 1)"), 0);
  assert_int_equal(ledger_run(l, &b), LEDGER_DONE);
  assert_int_not_equal(newest_writer(), before);
  assert_int_equal(ledger_sweep(other, db), 0);
  struct ledger_op s = settle(&a, 31);
  assert_int_equal(ledger_run(l, &s), LEDGER_DONE);
  assert_int_equal(s.held, 10);
  assert_int_equal(number("SELECT flags::bigint FROM calls ORDER BY id DESC LIMIT 1"), 0);
  audit();
  ledger_destroy(l);
  ledger_destroy(other);
}

static void a_lock_that_does_not_come_costs_neither_the_lease_nor_the_others(void **state) {
  (void)state;
  struct ledger *l = writer(7000);
  struct uuid locked = customer_new(), c = customer_new();
  grant(l, c, 100);
  struct ledger_op first = admit(l, c, 10), stuck = admit(l, locked, 0), other = admit(l, c, 10);
  _Atomic int answered = 0;
  assert_int_equal(ledger_run(l, &first), LEDGER_DONE);
  assert_int_equal(db_exec(db, "SET idle_in_transaction_session_timeout = 0"), 0);
  lock_customer(locked);
  submit(l, &stuck, &answered);
  usleep(100000);
  submit(l, &other, &answered);
  for (; atomic_load(&answered) < 2; usleep(20000))
    assert_int_equal(number("SELECT count(*) FROM writers w JOIN holds h ON h.writer_id = w.id "
                            "WHERE w.lease_until < clock_timestamp() AND h.call_id = (SELECT max(call_id::text)::uuid FROM holds)"), 0);
  struct ledger_op again = admit(l, locked, 0), next = admit(l, c, 10); // known by now: it stalls nobody any more
  assert_int_equal(ledger_run(l, &again), FAULT_DB);
  assert_int_equal(ledger_run(l, &next), LEDGER_DONE);
  db_rollback(db);
  assert_int_equal(stuck.result, FAULT_DB);
  assert_int_equal(other.result, LEDGER_DONE);
  audit();
  ledger_destroy(l);
}

static void idempotency_keys_are_forgotten_after_a_week(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, "INSERT INTO idempotency SELECT gen_random_uuid(), 'k', '', gen_random_uuid(), now() - d * interval '1 day' FROM unnest(ARRAY[1, 6, 8, 30]) d"), 0);
  assert_int_equal(ledger_forget(db), 2);
  assert_int_equal(ledger_forget(db), 0);
  assert_int_equal(number("SELECT count(*) FROM idempotency WHERE key = 'k'"), 2);
}

static void a_step_of_the_wall_clock_moves_neither_the_ledgers_time_nor_ids(void **state) {
  (void)state;
  struct ledger *l = writer(10000);
  struct uuid customer = customer_new();
  int64_t before = ledger_now(l);
  for (int i = 0; i < 2; i++) {
    wall_step_s = i ? -86400 : 86400;
    int64_t now = ledger_now(l), id = uuid_time_us(ledger_call_id(l, customer));
    wall_step_s = 0;
    assert_true(now >= before && now < before + INT64_C(3600) * 1000000);
    assert_true(id >= before - 1000 && id < before + INT64_C(3600) * 1000000);
  }
  ledger_destroy(l);
}

static int setup(void **state) {
  (void)state;
  log_open(LOG_ERROR + 1, false);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  connect_db();
  return ledger_partitions(db, &retention) > 0 ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  db_destroy(db);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_call_is_held_settled_and_explained_by_its_rows),
      cmocka_unit_test(two_writers_admit_exactly_what_can_be_paid),
      cmocka_unit_test(two_writers_admit_exactly_what_a_budget_allows),
      cmocka_unit_test(writers_of_one_ledger_share_its_customers_and_keep_each_ones_order),
      cmocka_unit_test(a_poisoned_operation_stands_alone),
      cmocka_unit_test(lost_connections_and_commits_lose_and_double_nothing),
      cmocka_unit_test(an_immediate_restart_of_the_database_loses_nothing_acknowledged),
      cmocka_unit_test(the_calls_of_a_dead_writer_are_swept_and_late_usage_corrects_them),
      cmocka_unit_test(a_voided_call_returns_to_its_grants),
      cmocka_unit_test(a_grant_whose_time_has_run_out_expires_once),
      cmocka_unit_test(a_settlement_that_comes_with_its_sweep_is_what_counts),
      cmocka_unit_test(usage_found_late_twice_in_one_batch_corrects_once),
      cmocka_unit_test(evidence_that_the_database_does_not_take_costs_no_charge),
      cmocka_unit_test(a_writer_that_was_taken_for_dead_takes_its_holds_over),
      cmocka_unit_test(a_lock_that_does_not_come_costs_neither_the_lease_nor_the_others),
      cmocka_unit_test(a_step_of_the_wall_clock_moves_neither_the_ledgers_time_nor_ids),
      cmocka_unit_test(partitions_are_made_ahead_once),
      cmocka_unit_test(idempotency_keys_are_forgotten_after_a_week),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
