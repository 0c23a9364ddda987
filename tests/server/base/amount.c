// Rules of amounts: what text they take and give, where they stop, and how priced lines share a rounded total.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/amount.h"
#include "base/mem.h"

static void assert_prints(amount a, const char *expected) {
  char text[AMOUNT_TEXT_MAX];
  amount_print(a, text);
  assert_string_equal(text, expected);
}

static void assert_parses(const char *text, amount expected) {
  amount a = 42;
  assert_true(amount_parse(str_from(text), &a));
  assert_int_equal(a, expected);
}

static void assert_refuses(const char *text) {
  amount a = 42;
  assert_false(amount_parse(str_from(text), &a));
  assert_int_equal(a, 42);
}

static void prints_no_more_digits_than_needed(void **state) {
  (void)state;
  assert_prints(0, "0");
  assert_prints(1, "0.000000001");
  assert_prints(-1, "-0.000000001");
  assert_prints(12500000000, "12.5");
  assert_prints(-12500000000, "-12.5");
  assert_prints(10 * AMOUNT_ONE, "10");
  assert_prints(100000000, "0.1");
  assert_prints(AMOUNT_ONE + 10, "1.00000001");
}

static void prints_both_ends(void **state) {
  (void)state;
  assert_prints(INT64_MAX, "9223372036.854775807");
  assert_prints(INT64_MIN, "-9223372036.854775808");
}

static void parses_plain_decimals(void **state) {
  (void)state;
  assert_parses("0", 0);
  assert_parses("-0", 0);
  assert_parses("-0.000", 0);
  assert_parses("12.5", 12500000000);
  assert_parses("-12.5", -12500000000);
  assert_parses("007", 7 * AMOUNT_ONE);
  assert_parses("0.000000001", 1);
  assert_parses("1.000000000", AMOUNT_ONE);
  assert_parses("00000000000000000000000000000000000001", AMOUNT_ONE);
}

static void parses_both_ends_and_nothing_beyond(void **state) {
  (void)state;
  assert_parses("9223372036.854775807", INT64_MAX);
  assert_parses("-9223372036.854775808", INT64_MIN);
  assert_refuses("9223372036.854775808");
  assert_refuses("-9223372036.854775809");
  assert_refuses("9223372037");
  assert_refuses("-9223372037");
  assert_refuses("9223372036854775807");
  assert_refuses("18446744073709551616");
  assert_refuses("99999999999999999999999999999999");
}

static void refuses_everything_else(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",    "-",   ".",    "+1",  "1.",    ".5",    "-.5",          "1.0000000000", "1e3",
      "1E3", "0x1", " 1",   "1 ",  "1,5",   "1_000", "--1",          "1-",           "1.-5",
      "nan", "inf", "1.5.", "1..", "1.2.3", "\n1",   "0.0000000001", "1.5a",         "٣"};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) assert_refuses(texts[i]);
}

static void refuses_a_nul_inside(void **state) {
  (void)state;
  amount a;
  assert_false(amount_parse((struct str){"1\0", 2}, &a));
  assert_false(amount_parse((struct str){NULL, 0}, &a));
}

static uint64_t draw(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  uint64_t x = *seed ^ *seed >> 33;
  return (x * UINT64_C(0xFF51AFD7ED558CCD)) >> (*seed >> 58); // of all magnitudes
}

static void what_is_printed_parses_to_the_same(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int i = 0; i < 100000; i++) {
    char text[AMOUNT_TEXT_MAX];
    amount a = (amount)draw(&seed), back = 0;
    amount_print(a, text);
    assert_true(amount_parse(str_from(text), &back));
    assert_int_equal(a, back);
  }
}

static void sums_that_leave_int64_are_an_answer(void **state) {
  (void)state;
  amount a = 7;
  assert_true(amount_add(INT64_MAX - 1, 1, &a));
  assert_int_equal(a, INT64_MAX);
  assert_true(amount_sub(INT64_MIN + 1, 1, &a));
  assert_int_equal(a, INT64_MIN);
  a = 7;
  assert_false(amount_add(INT64_MAX, 1, &a));
  assert_false(amount_add(INT64_MIN, -1, &a));
  assert_false(amount_sub(INT64_MIN, 1, &a));
  assert_false(amount_sub(0, INT64_MIN, &a));
  assert_int_equal(a, 7);
}

static void a_single_line_rounds_half_to_even(void **state) {
  (void)state;
  static const struct {
    int64_t quantity;
    amount expected;
  } cases[] = {{0, 0},       {499999, 0},  {500000, 0},  {500001, 1},  {1000000, 1},
               {1499999, 1}, {1500000, 2}, {1500001, 2}, {2500000, 2}, {3500000, 4}};
  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    struct amount_line line = {.quantity = cases[i].quantity, .rate = 1, .per = 1000000};
    amount total = -1;
    assert_true(amount_lines(&line, 1, &total));
    assert_int_equal(total, cases[i].expected);
    assert_int_equal(line.total, cases[i].expected);
  }
}

static void every_per_means_its_units(void **state) {
  (void)state;
  struct amount_line lines[] = {{.quantity = 3, .rate = 7, .per = 1},
                                {.quantity = 3000, .rate = 7, .per = 1000},
                                {.quantity = 3000000, .rate = 7, .per = 1000000}};
  amount total;
  assert_true(amount_lines(lines, 3, &total));
  assert_int_equal(total, 63);
  for (int i = 0; i < 3; i++) assert_int_equal(lines[i].total, 21);
}

static void the_sum_is_rounded_once_and_not_each_line(void **state) {
  (void)state;
  struct amount_line lines[4]; // four times 0.4 are 1.6: 2, where rounding each would give 0
  amount total;
  for (int i = 0; i < 4; i++) lines[i] = (struct amount_line){.quantity = 400, .rate = 1, .per = 1000};
  assert_true(amount_lines(lines, 4, &total));
  assert_int_equal(total, 2);
  assert_int_equal(lines[0].total, 1); // a tie goes to the earlier line
  assert_int_equal(lines[1].total, 1);
  assert_int_equal(lines[2].total, 0);
  assert_int_equal(lines[3].total, 0);
}

static void the_largest_remainder_is_served_first(void **state) {
  (void)state;
  struct amount_line lines[] = {{.quantity = 1300, .rate = 1, .per = 1000},
                                {.quantity = 2900, .rate = 1, .per = 1000},
                                {.quantity = 1800, .rate = 1, .per = 1000}};
  amount total; // 1.3 + 2.9 + 1.8 = 6
  assert_true(amount_lines(lines, 3, &total));
  assert_int_equal(total, 6);
  assert_int_equal(lines[0].total, 1);
  assert_int_equal(lines[1].total, 3);
  assert_int_equal(lines[2].total, 2);
}

static void no_lines_cost_nothing(void **state) {
  (void)state;
  amount total = 5;
  assert_true(amount_lines(NULL, 0, &total));
  assert_int_equal(total, 0);
}

static void lines_reach_the_end_of_int64_exactly(void **state) {
  (void)state;
  struct amount_line lines[] = {{.quantity = INT64_MAX, .rate = 1, .per = 1},
                                {.quantity = 499999, .rate = 1, .per = 1000000}};
  amount total;
  assert_true(amount_lines(lines, 2, &total));
  assert_int_equal(total, INT64_MAX);
  assert_int_equal(lines[0].total, INT64_MAX);
  struct amount_line wide = {.quantity = INT64_MAX, .rate = 1000000, .per = 1000000};
  assert_true(amount_lines(&wide, 1, &total));
  assert_int_equal(total, INT64_MAX);
}

static void lines_beyond_int64_write_nothing(void **state) {
  (void)state;
  struct amount_line cases[][2] = {
      {{INT64_MAX, 1, 1, -1}, {500000, 1, 1000000, -1}}, // half a unit more: the even neighbour is outside
      {{INT64_MAX, 1, 1, -1}, {1, 1, 1, -1}},
      {{INT64_MAX, INT64_MAX, 1, -1}, {0, 0, 1, -1}},
      {{INT64_MAX, INT64_MAX, 1000000, -1}, {INT64_MAX, INT64_MAX, 1000000, -1}},
      {{INT64_MAX, 1000001, 1000000, -1}, {0, 0, 1, -1}},
  };
  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    amount total = -1;
    assert_false(amount_lines(cases[i], 2, &total));
    assert_int_equal(total, -1);
    assert_int_equal(cases[i][0].total, -1);
    assert_int_equal(cases[i][1].total, -1);
  }
}

// The reference: thousands of whole and fractional parts, added apart.
static void assert_fair(const struct amount_line *lines, size_t count, amount total) {
  int64_t whole = 0, millionths = 0, given = 0;
  for (size_t i = 0; i < count; i++) {
    int64_t exact = lines[i].quantity * lines[i].rate, per = lines[i].per;
    whole += exact / per;
    millionths += exact % per * (AMOUNT_PER / per);
    given += lines[i].total;
    assert_in_range(lines[i].total, exact / per, exact / per + (exact % per != 0));
  }
  whole += millionths / AMOUNT_PER;
  millionths %= AMOUNT_PER;
  bool up = millionths > AMOUNT_PER / 2 || (millionths == AMOUNT_PER / 2 && whole % 2 == 1);
  assert_int_equal(total, whole + up);
  assert_int_equal(given, total);
}

static void lines_add_up_whatever_they_are(void **state) {
  (void)state;
  static const int32_t pers[] = {1, 1000, 1000000};
  uint64_t seed = 7;
  for (int round = 0; round < 20000; round++) {
    struct amount_line lines[12] = {0};
    size_t count = draw(&seed) % ARRAY_LEN(lines) + 1;
    amount total = -1;
    for (size_t i = 0; i < count; i++) {
      lines[i].per = pers[draw(&seed) % 3];
      lines[i].quantity = (int64_t)(draw(&seed) % 2000000) / (round % 2 ? 1 : 500) * (round % 2 ? 1 : 500);
      lines[i].rate = (int64_t)(draw(&seed) % 5000);
    }
    assert_true(amount_lines(lines, count, &total));
    assert_fair(lines, count, total);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(prints_no_more_digits_than_needed),
      cmocka_unit_test(prints_both_ends),
      cmocka_unit_test(parses_plain_decimals),
      cmocka_unit_test(parses_both_ends_and_nothing_beyond),
      cmocka_unit_test(refuses_everything_else),
      cmocka_unit_test(refuses_a_nul_inside),
      cmocka_unit_test(what_is_printed_parses_to_the_same),
      cmocka_unit_test(sums_that_leave_int64_are_an_answer),
      cmocka_unit_test(a_single_line_rounds_half_to_even),
      cmocka_unit_test(every_per_means_its_units),
      cmocka_unit_test(the_sum_is_rounded_once_and_not_each_line),
      cmocka_unit_test(the_largest_remainder_is_served_first),
      cmocka_unit_test(no_lines_cost_nothing),
      cmocka_unit_test(lines_reach_the_end_of_int64_exactly),
      cmocka_unit_test(lines_beyond_int64_write_nothing),
      cmocka_unit_test(lines_add_up_whatever_they_are),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
