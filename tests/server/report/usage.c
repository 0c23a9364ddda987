// The usage report over calls that the real ledger has written: it equals the books to the last unit, corrections
// included.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../books.h"
#include "report/usage.h"

static struct report report(struct uuid of, unsigned groups) {
  struct report r;
  assert_int_equal(report_usage(db, &arena, of, (struct report_bound){0}, (struct report_bound){0}, groups, &r),
                   REPORT_DONE);
  return r;
}

static amount spent(struct uuid of, amount given) {
  struct customer c;
  assert_int_equal(customer_read(db, &arena, of, &c), CUSTOMER_DONE);
  return given - c.balance;
}

static int64_t quantity(const struct report_row *row, const char *meter) {
  for (size_t i = 0; i < row->meter_count; i++)
    if (str_eq(row->meters[i].name, str_from(meter))) return row->meters[i].quantity;
  return 0;
}

static void the_report_equals_the_ledger(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), one = uuid_v7(clock_wall_us()), two = uuid_v7(clock_wall_us());
  (void)grant(of, 1000000, 100);
  for (int i = 0; i < 4; i++) (void)called(of, i % 2 ? one : two);
  struct uuid call = admit(of, one, embedding, 1000);
  settle(of, call, CALL_SETTLED, 200, 100, "{\"input_tokens\":10}");
  call = admit(of, one, chat, 1000);
  settle(of, call, CALL_RELEASED, 0, 0, "{}");
  struct report r = report(of, REPORT_DAY | REPORT_MODEL | REPORT_KEY);
  assert_int_equal(r.totals.charge, spent(of, 1000000));
  assert_int_equal(r.totals.charge, 4 * 1650 + 200);
  assert_int_equal(r.totals.cost, 4 * 825 + 100);
  assert_int_equal(r.totals.calls, 5);
  assert_int_equal(r.row_count, 3);
  amount sum = 0;
  for (size_t i = 0; i < r.row_count; i++) sum += r.rows[i].charge;
  assert_int_equal(sum, r.totals.charge);
  r = report(of, REPORT_MODEL);
  assert_int_equal(r.row_count, 2);
  assert_true(str_eq(r.rows[0].model, STR("chat")) && str_eq(r.rows[1].model, STR("embedding")));
  assert_int_equal(r.rows[0].calls, 4);
  assert_int_equal(quantity(&r.rows[0], "input_tokens"), 12);
  assert_int_equal(quantity(&r.rows[0], "output_tokens"), 8);
  assert_int_equal(report(of, 0).row_count, 1);
}

static void what_is_undone_is_taken_out_again(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), key = uuid_v7(clock_wall_us());
  (void)grant(of, 1000000, 100);
  (void)called(of, key);
  undo(of, called(of, key));
  struct report r = report(of, REPORT_KEY);
  assert_int_equal(r.totals.charge, spent(of, 1000000));
  assert_int_equal(r.totals.charge, 1650);
  assert_int_equal(quantity(&r.rows[0], "input_tokens"), 3);
}

static void days_are_the_customers(void **state) {
  (void)state;
  struct uuid of = customer("Pacific/Kiritimati"); // fourteen hours ahead
  (void)grant(of, 1000000, 100);
  struct uuid call = called(of, uuid_v7(clock_wall_us()));
  char local[CLOCK_TEXT_MAX];
  clock_print(uuid_time_us(call) + INT64_C(14) * 3600 * 1000000, local);
  struct str day = {local, 10};
  struct report r;
  assert_int_equal(
      report_usage(db, &arena, of, (struct report_bound){.day = day}, (struct report_bound){0}, REPORT_DAY, &r),
      REPORT_DONE);
  assert_int_equal(r.row_count, 1);
  assert_true(str_eq(r.rows[0].day, day));
  assert_int_equal(
      report_usage(db, &arena, of, (struct report_bound){.at = 1}, (struct report_bound){.day = day}, REPORT_DAY, &r),
      REPORT_DONE);
  assert_int_equal(r.row_count, 0);
  assert_int_equal(
      report_usage(db, &arena, of, (struct report_bound){.day = day}, (struct report_bound){.day = day}, 0, &r),
      REPORT_REVERSED);
  assert_int_equal(
      report_usage(db, &arena, uuid_v7(clock_wall_us()), (struct report_bound){0}, (struct report_bound){0}, 0, &r),
      REPORT_UNKNOWN);
}

static void csv_has_a_line_of_headings_and_one_for_each_row(void **state) {
  (void)state;
  struct uuid of = customer("UTC");
  (void)grant(of, 1000000, 100);
  (void)called(of, uuid_v7(clock_wall_us()));
  struct report r = report(of, REPORT_MODEL);
  struct buf out;
  buf_init(&out, 4096);
  report_write_csv(&out, &r, true);
  assert_string_equal(buf_cstr(&out),
                      "model,calls,charge,cost,input_tokens,output_tokens\r\nchat,1,0.00000165,0.000000825,3,2\r\n");
  buf_clear(&out);
  report_write_csv(&out, &r, false);
  assert_string_equal(buf_cstr(&out), "model,calls,charge,input_tokens,output_tokens\r\nchat,1,0.00000165,3,2\r\n");
  buf_finish(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_report_equals_the_ledger),
      cmocka_unit_test(what_is_undone_is_taken_out_again),
      cmocka_unit_test(days_are_the_customers),
      cmocka_unit_test(csv_has_a_line_of_headings_and_one_for_each_row),
  };
  return cmocka_run_group_tests(tests, books_open, books_close);
}
