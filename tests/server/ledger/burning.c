// Which grant burns stands in its customer's row: a charge that it covers leaves the grants alone, every other movement of credits
// brings them up to date, and whoever reads them finds what they have left. After each test the audit finds nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../books.h"
#include "ledger/audit.h"
#include "writers.h"

#define OPS_MAX 8

static struct batch batch;
static struct batch_writer writer;
static struct uuid whose;

static int64_t number(const char *sql) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_query(db, sql, &r) != 0) fail_msg("%s", db_error(db));
  assert_int_equal(db_rows(r), 1);
  return db_i64(r, 0, 0);
}

static void commit(struct ledger_op *ops, size_t count) {
  struct ledger_op *list[OPS_MAX];
  for (size_t i = 0; i < count; i++) list[i] = &ops[i];
  int r;
  do r = batch_run(&batch, db, &writer, list, count);
  while (r == BATCH_AGAIN);
  assert_int_equal(r, BATCH_DONE);
  writer.seq++;
}

static struct ledger_op event(amount charge) {
  return (struct ledger_op){.kind = LEDGER_RECORD, .customer = whose, .id = uuid_v7(clock_wall_us()), .price = chat, .charge = charge,
                            .usage = STR("{\"input_tokens\":3}"), .state = CALL_SETTLED, .evidence = STR("{}"),
                            .event = {.identity = uuid_v7(clock_wall_us()), .content = chat, .source = STR("s"), .id = STR("i")}};
}

static struct uuid spend(amount charge) {
  struct ledger_op op = event(charge);
  commit(&op, 1);
  assert_int_equal(op.result, LEDGER_DONE);
  return op.id;
}

static struct uuid give(amount a, int priority) {
  struct ledger_op op = {.kind = LEDGER_GRANT, .customer = whose, .id = uuid_v7(clock_wall_us()), .grant = {.amount = a, .source = 2, .priority = priority}};
  commit(&op, 1);
  assert_int_equal(op.result, LEDGER_DONE);
  return op.id;
}

// Of the grant of a priority: what it has left, as it is now and as its own row says.
static amount left(int priority) {
  char sql[100];
  (void)snprintf(sql, sizeof sql, "SELECT left_over FROM grants WHERE priority = %d", priority);
  return number(sql);
}
static amount written(int priority) {
  char sql[100];
  (void)snprintf(sql, sizeof sql, "SELECT left_over FROM grant_rows WHERE priority = %d", priority);
  return number(sql);
}
// The priority of what burns; 0: debt does; -1: it is not known.
static int64_t burning(void) {
  return number("SELECT CASE WHEN burning IS NULL THEN -1 ELSE coalesce((SELECT priority FROM grants g WHERE g.id = burning), 0) END FROM customers");
}

// ---- what is charged

static void charges_that_it_covers_leave_the_grant_alone(void **state) {
  (void)state;
  give(100, 1);
  spend(30);
  spend(69);
  assert_int_equal(left(1), 1);
  assert_int_equal(written(1), 100);
  assert_int_equal(number("SELECT consumed FROM grants"), 99);
  assert_int_equal(number("SELECT balance FROM customers"), 1);
}

static void what_takes_all_of_it_closes_it_and_the_next_one_burns(void **state) {
  (void)state;
  give(100, 1);
  give(50, 2);
  spend(40);
  spend(60);
  assert_int_equal(written(1), 0);
  assert_int_equal(number("SELECT count(*) FROM grant_rows WHERE open"), 1);
  assert_int_equal(burning(), 2);
  spend(20);
  assert_int_equal(left(2), 30);
  assert_int_equal(written(2), 50);
}

static void what_it_does_not_cover_is_paid_by_the_next_one_too(void **state) {
  (void)state;
  give(100, 1);
  give(50, 2);
  spend(40);
  spend(80);
  assert_int_equal(left(1), 0);
  assert_int_equal(left(2), 30);
  assert_int_equal(number("SELECT cardinality(leg_grants) FROM transfers WHERE amount = 80"), 2);
}

static void charges_of_one_batch_count_together(void **state) {
  (void)state;
  give(100, 1);
  give(50, 2);
  struct ledger_op ops[] = {event(60), event(60), event(10)};
  commit(ops, 3);
  assert_int_equal(left(1), 0);
  assert_int_equal(left(2), 20);
  assert_int_equal(burning(), 2);
}

static void where_nothing_is_open_debt_is_made(void **state) {
  (void)state;
  spend(10);
  assert_int_equal(burning(), 0);
  spend(15);
  assert_int_equal(number("SELECT debt FROM customers"), 25);
  give(40, 1);
  assert_int_equal(burning(), 1);
  assert_int_equal(left(1), 15);
  spend(5);
  assert_int_equal(left(1), 10);
  assert_int_equal(written(1), 15);
}

static void a_charge_as_large_as_one_can_be_counts_as_more_than_is_left(void **state) {
  (void)state;
  give(100, 1);
  struct ledger_op ops[] = {event(AMOUNT_MAX - 200), event(150), event(AMOUNT_MAX)};
  commit(ops, 3);
  assert_int_equal(ops[0].result, LEDGER_DONE);
  assert_int_equal(ops[1].result, LEDGER_DONE);
  assert_int_equal(ops[2].result, LEDGER_REFUSED);
  assert_int_equal(left(1), 0);
}

// ---- what else moves credits

static void what_is_given_to_burn_earlier_burns_at_once(void **state) {
  (void)state;
  give(100, 2);
  spend(30);
  give(50, 1);
  assert_int_equal(written(2), 70);
  assert_int_equal(burning(), 1);
  give(10, 3);
  assert_int_equal(burning(), 1);
  spend(49);
  assert_int_equal(left(1), 1);
  assert_int_equal(left(2), 70);
}

static void what_is_undone_comes_back_to_it(void **state) {
  (void)state;
  give(100, 1);
  struct uuid call = spend(30);
  spend(20);
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = whose, .id = call, .late = true, .evidence = STR("{}")};
  commit(&undo, 1);
  assert_int_equal(undo.result, LEDGER_DONE);
  assert_int_equal(left(1), 80);
  assert_int_equal(written(1), 80);
  spend(5);
  assert_int_equal(left(1), 75);
}

static void what_comes_back_to_a_grant_that_was_used_up_burns_again(void **state) {
  (void)state;
  give(100, 1);
  give(50, 2);
  struct uuid call = spend(100);
  spend(20);
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = whose, .id = call, .late = true, .evidence = STR("{}")};
  commit(&undo, 1);
  assert_int_equal(burning(), 1);
  assert_int_equal(written(2), 30);
}

static void what_expires_is_what_it_has_left(void **state) {
  (void)state;
  struct uuid first = give(100, 1);
  give(50, 2);
  spend(30);
  assert_int_equal(db_exec(db, "UPDATE grant_rows SET expires_at = now() - interval '1 second' WHERE priority = 1"), 0);
  struct ledger_op over = {.kind = LEDGER_EXPIRE, .customer = whose, .id = first};
  commit(&over, 1);
  assert_int_equal(over.charged, 70);
  assert_int_equal(burning(), 2);
  assert_int_equal(number("SELECT balance FROM customers"), 50);
}

static void a_refusal_leaves_all_rows_as_they_are(void **state) {
  (void)state;
  give(100, 1);
  spend(30);
  assert_int_equal(db_exec(db, "UPDATE customers SET event_policy = 2"), 0);
  struct ledger_op much = event(100);
  commit(&much, 1);
  assert_int_equal(much.result, LEDGER_SHORT);
  assert_int_equal(written(1), 100);
  assert_int_equal(left(1), 70);
}

static void who_is_not_known_to_burn_is_looked_for(void **state) {
  (void)state;
  give(100, 1);
  assert_int_equal(db_exec(db, "UPDATE customers SET burning = NULL, burning_left = 0"), 0); // as before migration 0016
  assert_int_equal(burning(), -1);
  spend(30);
  assert_int_equal(burning(), 1);
  assert_int_equal(written(1), 70);
}

// By hand, or by a restore of one table: nobody knows what the customer has.
static void rows_that_do_not_belong_together_wait_alone(void **state) {
  (void)state;
  give(100, 1);
  spend(30);
  assert_int_equal(db_exec(db, "UPDATE grant_rows SET left_over = 20, consumed = 80"), 0);
  struct uuid unsound = whose;
  whose = customer("UTC");
  struct ledger_op ops[] = {event(75), event(3)};
  ops[0].customer = unsound;
  commit(ops, 2);
  assert_int_equal(ops[0].result, FAULT_DB);
  assert_int_equal(ops[1].result, LEDGER_DONE);
  assert_int_equal(number("SELECT balance FROM customers WHERE burned > 0"), 70);
  assert_int_equal(db_exec(db, "UPDATE grant_rows SET left_over = 100, consumed = 0"), 0);
  commit(&ops[0], 1);
  assert_int_equal(ops[0].result, LEDGER_DONE);
}

// ---- the audit

static void count(void *arg, const struct audit_finding *f) {
  if (strstr(f->rule, "the grant that burns")) ++*(int *)arg;
}

static int found(void) {
  struct audit_progress p;
  int findings = 0;
  assert_int_equal(audit_run(db, count, NULL, &findings, &p), 0);
  return findings;
}

static void the_audit_finds_another_that_burns_and_one_that_has_less(void **state) {
  static const char *const wrong[] = {
      "UPDATE customers SET burning = (SELECT id FROM grants WHERE priority = 2), burning_left = 50",
      "UPDATE customers SET burning_left = 99",
      "UPDATE customers SET burning = '00000000-0000-0000-0000-000000000000', burning_left = 0",
      "UPDATE customers SET burning = '00000000-0000-0000-0000-000000000001'",
  };
  (void)state;
  give(100, 1);
  give(50, 2);
  for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
    assert_int_equal(found(), 0);
    assert_int_equal(db_exec(db, wrong[i]), 0);
    assert_int_equal(found(), 1);
    assert_int_equal(db_exec(db, "UPDATE customers SET burning = (SELECT id FROM grants WHERE priority = 1), burning_left = 100"), 0);
  }
}

static void print_finding(void *arg, const struct audit_finding *f) {
  (void)arg;
  print_error("audit: %s: %s\n", f->rule, f->row);
}

static int begin(void **state) {
  (void)state;
  if (db_exec(db, "TRUNCATE customers, customer_profiles, grant_rows, calls, call_evidence, transfers, event_identities") != 0) return -1;
  whose = customer("UTC");
  return 0;
}

static int end(void **state) {
  struct audit_progress p;
  (void)state;
  return audit_run(db, print_finding, NULL, NULL, &p) == 0 && p.findings == 0 ? 0 : -1;
}

static int open_all(void **state) {
  int opened = books_open(state);
  batch_init(&batch);
  writer = writer_new(db);
  return opened;
}

static int close_all(void **state) {
  batch_finish(&batch);
  return books_close(state);
}

int main(void) {
#define RULE(name) cmocka_unit_test_setup_teardown(name, begin, end)
  const struct CMUnitTest tests[] = {
      RULE(charges_that_it_covers_leave_the_grant_alone),
      RULE(what_takes_all_of_it_closes_it_and_the_next_one_burns),
      RULE(what_it_does_not_cover_is_paid_by_the_next_one_too),
      RULE(charges_of_one_batch_count_together),
      RULE(where_nothing_is_open_debt_is_made),
      RULE(a_charge_as_large_as_one_can_be_counts_as_more_than_is_left),
      RULE(what_is_given_to_burn_earlier_burns_at_once),
      RULE(what_is_undone_comes_back_to_it),
      RULE(what_comes_back_to_a_grant_that_was_used_up_burns_again),
      RULE(what_expires_is_what_it_has_left),
      RULE(a_refusal_leaves_all_rows_as_they_are),
      RULE(who_is_not_known_to_burn_is_looked_for),
      RULE(rows_that_do_not_belong_together_wait_alone),
      RULE(the_audit_finds_another_that_burns_and_one_that_has_less),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
