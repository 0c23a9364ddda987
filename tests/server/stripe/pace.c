// How fast and how stubbornly Stripe is asked.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "stripe/pace.h"

#define SECOND INT64_C(1000000)
#define START (INT64_C(1000) * SECOND)

// ---- the rate

static void twenty_go_at_once_and_then_twenty_a_second(void **state) {
  (void)state;
  struct pace_bucket b = {0};
  for (int i = 0; i < 20; i++) assert_int_equal(pace_take(&b, START), 0);
  for (int i = 1; i <= 100; i++) assert_int_equal(pace_take(&b, START), i * SECOND / 20);
}

static void whoever_would_wait_too_long_is_refused_and_takes_nothing(void **state) {
  (void)state;
  struct pace_bucket b = {0};
  for (int i = 0; i < 120; i++) assert_true(pace_take(&b, START) >= 0);
  for (int i = 0; i < 50; i++) assert_int_equal(pace_take(&b, START), -1);
  assert_int_equal(pace_take(&b, START + SECOND / 20), PACE_WAIT_MAX_US);
}

static void what_was_not_taken_is_not_saved_beyond_a_second(void **state) {
  (void)state;
  struct pace_bucket b = {0};
  for (int i = 0; i < 20; i++) (void)pace_take(&b, START);
  for (int i = 0; i < 20; i++) assert_int_equal(pace_take(&b, START + 3600 * SECOND), 0);
  assert_true(pace_take(&b, START + 3600 * SECOND) > 0);
}

// ---- the breaker

static void fails(struct pace_breaker *b, int64_t now, int times) {
  for (int i = 0; i < times; i++) {
    assert_true(pace_may(b, now));
    pace_tell(b, now, true);
  }
}

static void five_failures_in_a_row_open_it(void **state) {
  (void)state;
  struct pace_breaker b = {0};
  fails(&b, START, 4);
  pace_tell(&b, START, false);
  fails(&b, START, 4);
  assert_true(pace_may(&b, START));
  assert_false(pace_is_open(&b));
  pace_tell(&b, START, true);
  assert_true(pace_is_open(&b));
  assert_false(pace_may(&b, START));
  assert_false(pace_may(&b, START + PACE_OPEN_FIRST_US - 1));
  assert_true(pace_rests(&b, START + PACE_OPEN_FIRST_US - 1));
  assert_false(pace_rests(&b, START + PACE_OPEN_FIRST_US)); // to ask is not to go
  assert_true(pace_may(&b, START + PACE_OPEN_FIRST_US) && pace_rests(&b, START + PACE_OPEN_FIRST_US));
}

static void then_one_is_sent_to_see_and_closes_it(void **state) {
  (void)state;
  struct pace_breaker b = {0};
  fails(&b, START, 5);
  int64_t later = START + PACE_OPEN_FIRST_US;
  assert_true(pace_may(&b, later));
  assert_false(pace_may(&b, later));
  pace_tell(&b, later, false);
  assert_true(pace_may(&b, later));
  assert_true(pace_may(&b, later));
}

static void or_it_stays_open_for_twice_as_long(void **state) {
  (void)state;
  struct pace_breaker b = {0};
  int64_t now = START, open = PACE_OPEN_FIRST_US;
  fails(&b, now, 5);
  for (int i = 0; i < 10; i++) {
    assert_false(pace_may(&b, now + open - 1));
    now += open;
    fails(&b, now, 1);
    open = open * 2 < PACE_OPEN_LAST_US ? open * 2 : PACE_OPEN_LAST_US;
  }
  assert_int_equal(open, PACE_OPEN_LAST_US);
  assert_true(pace_may(&b, now + PACE_OPEN_LAST_US));
}

static void what_was_sent_before_it_opened_does_not_keep_it_open(void **state) {
  (void)state;
  struct pace_breaker b = {0};
  fails(&b, START, 5);
  for (int i = 0; i < 20; i++) pace_tell(&b, START + PACE_OPEN_FIRST_US - 1, true);
  assert_true(pace_may(&b, START + PACE_OPEN_FIRST_US));
}

// ---- another try

static struct pace_seen seen(int status, enum pace_told told) {
  return (struct pace_seen){.attempt = 1, .status = status, .told = told, .keyed = true, .sent = true};
}

static bool again(struct pace_seen s) {
  return pace_again(&s, 0) > 0;
}

static void stripes_word_goes_before_the_status(void **state) {
  static const int statuses[] = {0, 200, 400, 402, 404, 409, 429, 500, 503};
  (void)state;
  for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
    assert_true(again(seen(statuses[i], PACE_DO)));
    assert_false(again(seen(statuses[i], PACE_DO_NOT)));
  }
}

static void where_it_says_nothing_the_status_decides(void **state) {
  static const int wanted[] = {0, 409, 429, 500, 502, 503, 504, 599},
                   final[] = {200, 201, 302, 400, 401, 402, 403, 404, 424};
  (void)state;
  for (size_t i = 0; i < ARRAY_LEN(wanted); i++) assert_true(again(seen(wanted[i], PACE_NOT_TOLD)));
  for (size_t i = 0; i < ARRAY_LEN(final); i++) assert_false(again(seen(final[i], PACE_NOT_TOLD)));
}

static void what_has_no_key_and_may_have_happened_is_not_sent_again(void **state) {
  (void)state;
  struct pace_seen s = {.attempt = 1, .status = 0, .sent = true};
  assert_false(again(s));
  s.status = 500;
  assert_false(again(s));
  s.status = 429; // it was refused before anything was done
  assert_true(again(s));
  s.status = 0;
  s.sent = false;
  assert_true(again(s));
}

static void there_are_three_tries(void **state) {
  (void)state;
  struct pace_seen s = seen(500, PACE_NOT_TOLD);
  s.attempt = 2;
  assert_true(again(s));
  s.attempt = 3;
  assert_false(again(s));
  s.told = PACE_DO;
  assert_false(again(s));
}

static void pauses_grow_and_are_spread_but_never_under_half_a_second(void **state) {
  (void)state;
  struct pace_seen s = seen(500, PACE_NOT_TOLD);
  assert_int_equal(pace_again(&s, 0), SECOND / 2);
  assert_int_equal(pace_again(&s, UINT16_MAX), SECOND / 2);
  s.attempt = 2;
  assert_int_equal(pace_again(&s, 0), SECOND / 2);
  assert_int_equal(pace_again(&s, UINT16_MAX), SECOND);
  assert_in_range(pace_again(&s, UINT16_MAX / 2), SECOND * 74 / 100, SECOND * 76 / 100);
}

static void of_a_rate_limit_they_are_longer(void **state) {
  (void)state;
  struct pace_seen s = seen(429, PACE_NOT_TOLD);
  assert_int_equal(pace_again(&s, 0), SECOND);
  assert_int_equal(pace_again(&s, UINT16_MAX), 2 * SECOND);
  s.attempt = 2;
  assert_int_equal(pace_again(&s, UINT16_MAX), 4 * SECOND);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(twenty_go_at_once_and_then_twenty_a_second),
      cmocka_unit_test(whoever_would_wait_too_long_is_refused_and_takes_nothing),
      cmocka_unit_test(what_was_not_taken_is_not_saved_beyond_a_second),
      cmocka_unit_test(five_failures_in_a_row_open_it),
      cmocka_unit_test(then_one_is_sent_to_see_and_closes_it),
      cmocka_unit_test(or_it_stays_open_for_twice_as_long),
      cmocka_unit_test(what_was_sent_before_it_opened_does_not_keep_it_open),
      cmocka_unit_test(stripes_word_goes_before_the_status),
      cmocka_unit_test(where_it_says_nothing_the_status_decides),
      cmocka_unit_test(what_has_no_key_and_may_have_happened_is_not_sent_again),
      cmocka_unit_test(there_are_three_tries),
      cmocka_unit_test(pauses_grow_and_are_spread_but_never_under_half_a_second),
      cmocka_unit_test(of_a_rate_limit_they_are_longer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
