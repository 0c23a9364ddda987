// An event that was taken before is known again, whatever its batch has looked for: most look only in other weeks than the one
// they write to, whose key tells when they write. What a batch answers is what it would answer had it looked everywhere.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>

#include "../books.h"
#include "writers.h"

static struct batch batch;
static struct batch_writer writer;
static struct uuid whose, taken; // a customer, and the identity of an event of it that was taken for 40
static struct ledger_op first;

static int64_t number(const char *sql) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_query(db, sql, &r) != 0) fail_msg("%s", db_error(db));
  return db_i64(r, 0, 0);
}

static struct ledger_op event(struct uuid identity, amount charge) {
  return (struct ledger_op){.kind = LEDGER_RECORD, .customer = whose, .id = uuid_v7(clock_wall_us()), .price = chat, .charge = charge,
                            .usage = STR("{\"input_tokens\":3}"), .state = CALL_SETTLED,
                            .event = {.identity = identity, .content = whose, .source = STR("s"), .id = STR("i")}};
}

static struct ledger_op new_event(amount charge) {
  return event(uuid_v7(clock_wall_us()), charge);
}

static int run_once(struct ledger_op *ops, size_t count) {
  struct ledger_op *list[8];
  for (size_t i = 0; i < count; i++) list[i] = &ops[i];
  int r = batch_run(&batch, db, &writer, list, count);
  if (r == BATCH_DONE) writer.seq++;
  return r;
}

// Until it has its answers; how often it took more than once.
static int run(struct ledger_op *ops, size_t count) {
  int r, again = 0;
  while ((r = run_once(ops, count)) == BATCH_AGAIN) again++;
  assert_int_equal(r, BATCH_DONE);
  return again;
}

static void events_that_are_new_are_taken_at_once(void **state) {
  (void)state;
  struct ledger_op ops[] = {new_event(1), new_event(2), new_event(3)};
  assert_int_equal(run(ops, 3), 0);
  assert_false(batch.looks);
  assert_int_equal(number("SELECT balance FROM customers"), 1000 - 40 - 6);
  assert_int_equal(number("SELECT count(*) FROM event_identities"), 4);
}

static void one_that_was_taken_is_a_duplicate_and_those_beside_it_are_taken_once(void **state) {
  (void)state;
  struct ledger_op ops[] = {new_event(1), event(taken, 40), new_event(3)};
  assert_int_equal(run(ops, 3), 1);
  assert_int_equal(ops[0].result, LEDGER_DONE);
  assert_int_equal(ops[1].result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(ops[1].existing, first.id));
  assert_int_equal(ops[2].result, LEDGER_DONE);
  assert_int_equal(number("SELECT balance FROM customers"), 1000 - 40 - 4);
  assert_int_equal(number("SELECT count(*) FROM calls"), 3);
}

static void with_other_content_it_is_a_conflict(void **state) {
  (void)state;
  struct ledger_op op = event(taken, 40);
  op.event.content = taken;
  assert_int_equal(run(&op, 1), 1);
  assert_int_equal(op.result, LEDGER_REUSED);
  assert_true(uuid_eq(op.existing, first.id));
}

static void what_would_refuse_it_now_does_not_hide_that_it_was_taken(void **state) {
  (void)state;
  struct ledger_op short_of = event(taken, 5000), stale = event(taken, 40);
  stale.config_version = 99;
  assert_int_equal(db_exec(db, "UPDATE customers SET event_policy = 2"), 0);
  assert_int_equal(run(&short_of, 1), 1);
  assert_int_equal(short_of.result, LEDGER_DUPLICATE);
  batch.looks_for = 0;
  assert_int_equal(run(&stale, 1), 1);
  assert_int_equal(stale.result, LEDGER_DUPLICATE);
}

static void and_one_that_is_new_is_refused_once_it_was_looked_for(void **state) {
  (void)state;
  struct ledger_op op = new_event(5000);
  assert_int_equal(db_exec(db, "UPDATE customers SET event_policy = 2"), 0);
  assert_int_equal(run(&op, 1), 1);
  assert_int_equal(op.result, LEDGER_SHORT);
  assert_true(batch.looks);
}

// Of a week before, or of one ahead where the database's clock was set back.
static void one_of_another_week_is_found_at_once(void **state) {
  (void)state;
  static const char *const moved[] = {"UPDATE event_identities SET week = week - 1", "UPDATE event_identities SET week = week + 2"};
  for (size_t i = 0; i < ARRAY_LEN(moved); i++) {
    struct ledger_op op = event(taken, 40);
    assert_int_equal(db_exec(db, moved[i]), 0);
    assert_int_equal(run(&op, 1), 0);
    assert_int_equal(op.result, LEDGER_DUPLICATE);
  }
  assert_int_equal(number("SELECT balance FROM customers"), 960);
}

static void who_has_met_one_looks_first_for_so_many_batches(void **state) {
  (void)state;
  struct ledger_op again = event(taken, 40);
  assert_int_equal(run(&again, 1), 1);
  for (int i = 1; i < BATCH_LOOKS_FOR; i++) {
    struct ledger_op op = new_event(1);
    assert_int_equal(run(&op, 1), 0);
    assert_true(batch.looks);
  }
  struct ledger_op op = new_event(1);
  assert_int_equal(run(&op, 1), 0);
  assert_false(batch.looks);
}

static void and_for_so_many_more_after_each_that_it_finds(void **state) {
  (void)state;
  struct ledger_op again = event(taken, 40);
  assert_int_equal(run(&again, 1), 1);
  for (int i = 2; i < BATCH_LOOKS_FOR; i++) {
    struct ledger_op op = new_event(1);
    assert_int_equal(run(&op, 1), 0);
  }
  assert_int_equal(run(&again, 1), 0);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_int_equal(batch.looks_for, BATCH_LOOKS_FOR - 1);
}

// A batch without events, an empty one too, changes nothing of that.
static void batches_without_events_do_not_count(void **state) {
  (void)state;
  struct ledger_op again = event(taken, 40);
  assert_int_equal(run(&again, 1), 1);
  unsigned left = batch.looks_for;
  struct ledger_op given = {.kind = LEDGER_GRANT, .customer = whose, .id = uuid_v7(clock_wall_us()), .grant = {.source = 1, .amount = 5, .reason = STR("")}};
  assert_int_equal(run(&given, 1), 0);
  assert_int_equal(run(NULL, 0), 0);
  assert_int_equal(batch.looks_for, left);
}

// The same key of another table is broken: it is looked for once, and the database's word stands.
static void another_row_that_stands_is_no_event_that_was_taken(void **state) {
  (void)state;
  struct ledger_op op = new_event(1);
  op.id = first.id;
  assert_int_equal(run_once(&op, 1), BATCH_AGAIN);
  assert_int_equal(run_once(&op, 1), BATCH_BAD);
  assert_string_equal(db_sqlstate(db), "23505");
  assert_int_equal(number("SELECT balance FROM customers"), 960);
}

static int open_all(void **state) {
  struct ledger_retention retention = {.events_late_days = 35};
  int opened = books_open(state);
  writer = writer_new(db);
  int64_t week = clock_wall_us() / (INT64_C(604800) * 1000000) - 1;
  char sql[256];
  (void)snprintf(sql, sizeof sql, "CREATE TABLE event_identities_%" PRId64 " PARTITION OF event_identities FOR VALUES FROM (%" PRId64 ") TO (%" PRId64 ")", week, week, week + 1);
  return opened != 0 || ledger_partitions(db, &retention) < 0 || db_exec(db, sql) != 0 ? -1 : 0;
}

// One customer with one grant of 1,000, and an event of 40 taken in a batch that did not look.
static int begin(void **state) {
  (void)state;
  if (db_exec(db, "TRUNCATE customers, customer_profiles, grant_rows, calls, transfers, event_identities") != 0) return -1;
  whose = customer("UTC");
  (void)grant(whose, 1000, 100);
  batch_init(&batch);
  taken = uuid_v7(clock_wall_us());
  first = event(taken, 40);
  return run(&first, 1);
}

static int end(void **state) {
  (void)state;
  batch_finish(&batch);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(events_that_are_new_are_taken_at_once, begin, end),
      cmocka_unit_test_setup_teardown(one_that_was_taken_is_a_duplicate_and_those_beside_it_are_taken_once, begin, end),
      cmocka_unit_test_setup_teardown(with_other_content_it_is_a_conflict, begin, end),
      cmocka_unit_test_setup_teardown(what_would_refuse_it_now_does_not_hide_that_it_was_taken, begin, end),
      cmocka_unit_test_setup_teardown(and_one_that_is_new_is_refused_once_it_was_looked_for, begin, end),
      cmocka_unit_test_setup_teardown(one_of_another_week_is_found_at_once, begin, end),
      cmocka_unit_test_setup_teardown(who_has_met_one_looks_first_for_so_many_batches, begin, end),
      cmocka_unit_test_setup_teardown(and_for_so_many_more_after_each_that_it_finds, begin, end),
      cmocka_unit_test_setup_teardown(batches_without_events_do_not_count, begin, end),
      cmocka_unit_test_setup_teardown(another_row_that_stands_is_no_event_that_was_taken, begin, end),
  };
  return cmocka_run_group_tests(tests, open_all, books_close);
}
