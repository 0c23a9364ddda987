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

// A call of 40 is read, which locks its customer, and folded; nothing is written yet.
static void between_the_trips(void) {
  call = uuid_v7(clock_wall_us());
  op = (struct ledger_op){.kind = LEDGER_RECORD, .customer = whose, .id = call, .price = chat, .charge = 40, .usage = STR("{\"input_tokens\":3}"),
                          .state = CALL_SETTLED, .event = {.identity = uuid_v7(clock_wall_us()), .content = call, .source = STR("s"), .id = STR("i")}};
  batch_init(&batch);
  batch.ops = ops;
  batch.count = 1;
  assert_int_equal(batch_read(&batch, db, &writer), BATCH_DONE);
  batch.fold.now = batch.now;
  batch.fold.arena = &batch.arena;
  batch.fold.new_id = new_id;
  fold_run(&batch.fold, ops, 1);
  assert_int_equal(op.result, LEDGER_DONE);
}

static void a_row_that_moved_ends_the_batch_and_is_found_again(void **state) {
  (void)state;
  between_the_trips();
  assert_int_equal(db_exec(other, "UPDATE grants SET reason = 'moved'"), 0);
  assert_int_equal(batch_write(&batch, db, &writer), BATCH_BAD);
  assert_string_equal(db_sqlstate(db), "22012");
  assert_int_equal(number("SELECT count(*) FROM calls"), 0);
  assert_int_equal(number("SELECT balance FROM customers"), 1000);
  assert_int_equal(batch_run(&batch, db, &writer, ops, 1), BATCH_DONE);
  writer.seq++;
  assert_int_equal(number("SELECT balance FROM customers"), 960);
  assert_int_equal(number("SELECT left_over FROM grants"), 960);
  batch_finish(&batch);
}

static void who_is_told_of_an_expiry_waits_for_the_lock(void **state) {
  (void)state;
  assert_int_equal(db_exec(other, "UPDATE grants SET expires_at = now() + interval '3 days'"), 0);
  between_the_trips();
  assert_int_equal(grants_tell_expiring(other), 0);
  assert_int_equal(batch_write(&batch, db, &writer), BATCH_DONE);
  writer.seq++;
  assert_int_equal(grants_tell_expiring(other), 1);
  assert_int_equal(number("SELECT left_over FROM grants"), 920);
  batch_finish(&batch);
}

static int open_all(void **state) {
  struct buf error;
  buf_init(&error, 512);
  int opened = books_open(state);
  other = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(other);
  buf_finish(&error);
  whose = customer("UTC");
  (void)grant(whose, 1000, 100);
  writer = writer_new(db);
  return opened;
}

static int close_all(void **state) {
  db_destroy(other);
  return books_close(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_row_that_moved_ends_the_batch_and_is_found_again),
      cmocka_unit_test(who_is_told_of_an_expiry_waits_for_the_lock),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
