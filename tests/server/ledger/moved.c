// The rows that a batch has read are written where they lay, behind their customer's lock. Who changes one without that lock is found
// out by the database: nothing of the batch is written, and it is read again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../books.h"
#include "customer/grant.h"
#include "writers.h"

static struct db *other; // a session of somebody else's
static struct batch batch;
static struct batch_writer writer;
static struct uuid whose, call;
static struct ledger_op op, *ops[] = {&op};

static struct uuid new_id(void *arg, int64_t now) {
  (void)arg;
  return uuid_v7(now);
}

static int64_t number(const char *sql) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_query(other, sql, &r) != 0) fail_msg("%s", db_error(other));
  return db_i64(r, 0, 0);
}

// A call is read, which locks its customer, and folded; nothing is written yet.
static void between_the_trips(amount charge) {
  call = uuid_v7(clock_wall_us());
  op = (struct ledger_op){.kind = LEDGER_RECORD, .customer = whose, .id = call, .price = chat, .charge = charge, .usage = STR("{\"input_tokens\":3}"),
                          .state = CALL_SETTLED, .event = {.identity = uuid_v7(clock_wall_us()), .content = call, .source = STR("s"), .id = STR("i")}};
  batch_init(&batch);
  batch.ops = ops;
  batch.count = 1;
  assert_int_equal(batch_read(&batch, db, &writer), BATCH_DONE);
  batch.fold.now = batch.now;
  batch.fold.new_id = new_id;
  fold_run(&batch.fold, ops, 1);
  assert_int_equal(op.result, LEDGER_DONE);
}

// What takes all that the grant has left writes the grant's row too.
static void a_row_that_moved_ends_the_batch_and_is_found_again(void **state) {
  (void)state;
  between_the_trips(1000);
  assert_int_equal(db_exec(other, "UPDATE grant_rows SET reason = 'moved'"), 0);
  assert_int_equal(batch_write(&batch, db, &writer), BATCH_BAD);
  assert_string_equal(db_sqlstate(db), "22012");
  assert_int_equal(number("SELECT count(*) FROM calls"), 0);
  assert_int_equal(number("SELECT balance FROM customers"), 1000);
  assert_int_equal(number("SELECT left_over FROM grants"), 1000);
  assert_int_equal(batch_run(&batch, db, &writer, ops, 1), BATCH_DONE);
  writer.seq++;
  assert_int_equal(number("SELECT balance FROM customers"), 0);
  assert_int_equal(number("SELECT left_over FROM grants"), 0);
  batch_finish(&batch);
}

static void a_budget_that_moved_ends_it_too(void **state) {
  (void)state;
  assert_int_equal(db_exec(other, "INSERT INTO limits (customer_id, id, measure, period, amount) SELECT id, id, 2, 4, 500 FROM customers; "
                                  "INSERT INTO buckets (customer_id, limit_id, window_end) SELECT id, id, 9223372036854775807 FROM customers"), 0);
  between_the_trips(40);
  assert_int_equal(db_exec(other, "UPDATE buckets SET used = used"), 0);
  assert_int_equal(batch_write(&batch, db, &writer), BATCH_BAD);
  assert_string_equal(db_sqlstate(db), "22012");
  assert_int_equal(number("SELECT balance FROM customers"), 1000);
  assert_int_equal(batch_run(&batch, db, &writer, ops, 1), BATCH_DONE);
  writer.seq++;
  assert_int_equal(number("SELECT used FROM buckets"), 40);
  batch_finish(&batch);
}

static void what_the_grant_covers_that_burns_does_not_look_at_it(void **state) {
  (void)state;
  between_the_trips(40);
  assert_int_equal(db_exec(other, "UPDATE grant_rows SET reason = 'moved'"), 0);
  assert_int_equal(batch_write(&batch, db, &writer), BATCH_DONE);
  writer.seq++;
  assert_int_equal(number("SELECT left_over FROM grants"), 960);
  assert_int_equal(number("SELECT left_over FROM grant_rows"), 1000);
  batch_finish(&batch);
}

static void who_is_told_of_an_expiry_waits_for_the_lock(void **state) {
  (void)state;
  assert_int_equal(db_exec(other, "UPDATE grant_rows SET expires_at = now() + interval '3 days'"), 0);
  between_the_trips(40);
  assert_int_equal(grants_tell_expiring(other), 0);
  assert_int_equal(batch_write(&batch, db, &writer), BATCH_DONE);
  writer.seq++;
  assert_int_equal(grants_tell_expiring(other), 1);
  assert_int_equal(number("SELECT left_over FROM grants"), 960);
  batch_finish(&batch);
}

static int open_all(void **state) {
  struct buf error;
  buf_init(&error, 512);
  int opened = books_open(state);
  other = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(other);
  buf_finish(&error);
  writer = writer_new(db);
  return opened;
}

// One customer with one grant of 1,000.
static int begin(void **state) {
  (void)state;
  if (db_exec(db, "TRUNCATE customers, customer_profiles, grant_rows, limits, buckets, calls, transfers, event_identities") != 0) return -1;
  whose = customer("UTC");
  (void)grant(whose, 1000, 100);
  return 0;
}

static int close_all(void **state) {
  db_destroy(other);
  return books_close(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_row_that_moved_ends_the_batch_and_is_found_again, begin),
      cmocka_unit_test_setup(a_budget_that_moved_ends_it_too, begin),
      cmocka_unit_test_setup(what_the_grant_covers_that_burns_does_not_look_at_it, begin),
      cmocka_unit_test_setup(who_is_told_of_an_expiry_waits_for_the_lock, begin),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
