// The rules of buckets: exact refill, all-or-nothing draws, windows that roll forward and never back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ledger/bucket.h"

#define MINUTE INT64_C(60000000)
#define NOW INT64_C(1700000000000000)

static struct bucket rate(int64_t per_minute) {
  return (struct bucket){.measure = BUCKET_REQUESTS, .period = BUCKET_MINUTE, .amount = per_minute};
}

static bool draw(struct bucket *b, int64_t quantity, int64_t now, struct bucket_refusal *r) {
  bucket_advance(b, now);
  if (!bucket_covers(b, quantity, now, r)) return false;
  bucket_draw(b, quantity);
  return true;
}

static void a_rate_starts_full_and_passes_exactly_its_amount(void **state) {
  (void)state;
  struct bucket b = rate(7);
  struct bucket_refusal r = {0};
  for (int i = 0; i < 7; i++) assert_true(draw(&b, 1, NOW, &r));
  assert_false(draw(&b, 1, NOW, &r));
  assert_int_equal(r.left, 0);
}

static void a_rate_refills_exactly_and_says_when(void **state) {
  (void)state;
  struct bucket b = rate(7);
  struct bucket_refusal r = {0};
  for (int i = 0; i < 7; i++) assert_true(draw(&b, 1, NOW, &r));
  assert_false(draw(&b, 1, NOW, &r));
  int64_t at = r.refills_at;
  assert_int_equal(at, NOW + (MINUTE + 6) / 7);
  assert_false(draw(&b, 1, at - 1, &r));
  assert_true(draw(&b, 1, at, &r));
  // Seven in any minute, whatever the rhythm: a minute on it is full again, and no fuller.
  for (int i = 0; i < 7; i++) assert_true(draw(&b, 1, at + 3 * MINUTE, &r));
  assert_false(draw(&b, 1, at + 3 * MINUTE, &r));
}

static void a_clock_that_goes_back_gives_nothing(void **state) {
  (void)state;
  struct bucket b = rate(1);
  struct bucket_refusal r = {0};
  assert_true(draw(&b, 1, NOW, &r));
  assert_false(draw(&b, 1, NOW - 10 * MINUTE, &r));
  assert_false(draw(&b, 1, NOW + MINUTE - 1, &r));
  assert_true(draw(&b, 1, NOW + MINUTE, &r));
}

static void a_rate_of_zero_never_passes_and_never_refills(void **state) {
  (void)state;
  struct bucket b = rate(0);
  struct bucket_refusal r = {.refills_at = 1};
  assert_false(draw(&b, 1, NOW, &r));
  assert_int_equal(r.refills_at, 0);
}

static void a_lowered_rate_keeps_no_more_than_its_new_amount(void **state) {
  (void)state;
  struct bucket b = rate(100);
  struct bucket_refusal r = {0};
  assert_true(draw(&b, 1, NOW, &r));
  b.amount = 2;
  assert_true(draw(&b, 1, NOW, &r));
  assert_true(draw(&b, 1, NOW, &r));
  assert_false(draw(&b, 1, NOW, &r));
}

static struct bucket budget(int64_t most) {
  return (struct bucket){.measure = BUCKET_SPEND, .period = BUCKET_DAY, .amount = most, .current_start = NOW, .current_end = NOW + 1000};
}

static void a_budget_counts_what_is_held_and_used(void **state) {
  (void)state;
  struct bucket b = budget(100);
  struct bucket_refusal r = {0};
  assert_true(draw(&b, 60, NOW, &r));
  assert_false(draw(&b, 41, NOW, &r));
  assert_int_equal(r.left, 40);
  assert_int_equal(r.refills_at, NOW + 1000);
  bucket_return(&b, NOW, 60, 10);
  assert_int_equal(b.used, 10);
  assert_true(draw(&b, 90, NOW, &r));
  assert_false(draw(&b, 1, NOW, &r));
}

static void a_budget_rolls_forward_and_forgets_holds_of_the_old_window(void **state) {
  (void)state;
  struct bucket b = budget(100);
  struct bucket_refusal r = {0};
  assert_true(draw(&b, 100, NOW, &r));
  b.current_start = NOW + 1000;
  b.current_end = NOW + 2000;
  assert_true(draw(&b, 100, NOW + 1000, &r));
  bucket_return(&b, NOW, 100, 55); // a call of yesterday: today's budget is not touched
  assert_int_equal(b.held, 100);
  assert_int_equal(b.used, 0);
  b.current_start = NOW; // a clock that lags behind: never back
  bucket_advance(&b, NOW + 1001);
  assert_int_equal(b.window_start, NOW + 1000);
}

static void a_total_never_refills_and_sums_do_not_wrap(void **state) {
  (void)state;
  struct bucket b = {.measure = BUCKET_SPEND, .period = BUCKET_TOTAL, .amount = INT64_MAX, .used = INT64_MAX - 5};
  struct bucket_refusal r = {0};
  assert_true(draw(&b, 5, NOW, &r));
  assert_false(draw(&b, 1, NOW, &r));
  assert_int_equal(r.refills_at, 0);
  assert_int_equal(r.left, 0);
  b.used = b.held = INT64_MAX - 5; // what was used above its hold
  assert_false(draw(&b, 1, NOW, &r));
  assert_int_equal(r.left, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_rate_starts_full_and_passes_exactly_its_amount),
      cmocka_unit_test(a_rate_refills_exactly_and_says_when),
      cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
      cmocka_unit_test(a_rate_of_zero_never_passes_and_never_refills),
      cmocka_unit_test(a_lowered_rate_keeps_no_more_than_its_new_amount),
      cmocka_unit_test(a_budget_counts_what_is_held_and_used),
      cmocka_unit_test(a_budget_rolls_forward_and_forgets_holds_of_the_old_window),
      cmocka_unit_test(a_total_never_refills_and_sums_do_not_wrap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
