// How a hold grows: the usual output and a slice ahead, then slices that double, never beyond the cap.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "meter/slices.h"

static void a_hold_begins_with_the_usual_output_and_a_quarter_ahead(void **state) {
  (void)state;
  struct slices s;
  slices_begin(&s, 16384, 400, 0);
  assert_int_equal(s.slice, 100);
  assert_int_equal(s.held, 500);
}

static void the_first_slice_is_at_least_two_seconds_at_the_usual_rate(void **state) {
  (void)state;
  struct slices s;
  slices_begin(&s, 16384, 400, 150);
  assert_int_equal(s.slice, 300);
  slices_begin(&s, 16384, 0, 0);
  assert_int_equal(s.held, SLICE_LEAST);
}

static void a_hold_is_never_more_than_the_cap(void **state) {
  (void)state;
  struct slices s;
  slices_begin(&s, 50, 400, 0);
  assert_int_equal(s.held, 50);
  assert_false(slices_due(&s, 50));
  slices_begin(&s, INT64_MAX, INT64_MAX, INT64_MAX);
  assert_int_equal(s.held, INT64_MAX);
}

static void more_is_due_when_output_enters_the_last_slice(void **state) {
  (void)state;
  struct slices s;
  slices_begin(&s, 16384, 400, 0);
  assert_false(slices_due(&s, 400));
  assert_true(slices_due(&s, 401));
}

static void slices_double(void **state) {
  (void)state;
  struct slices s;
  slices_begin(&s, 16384, 400, 0);
  int64_t expected[] = {200, 400, 800, 1600}, held = 500;
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    s = slices_next(&s, s.held - s.slice + 1, 0);
    assert_int_equal(s.slice, expected[i]);
    assert_int_equal(s.held, held += expected[i]);
  }
}

static void a_slice_covers_at_least_two_seconds_at_the_rate_seen(void **state) {
  (void)state;
  struct slices s;
  slices_begin(&s, 1 << 20, 400, 0);
  s = slices_next(&s, 450, 5000);
  assert_int_equal(s.slice, 10000);
  assert_int_equal(s.held, 10500);
}

static void output_that_has_run_ahead_is_caught_up_with(void **state) {
  (void)state;
  struct slices s;
  slices_begin(&s, 16384, 400, 0);
  s = slices_next(&s, 3000, 0);
  assert_int_equal(s.held, 3200);
  assert_false(slices_due(&s, 3000));
}

// Whatever the output does, what is held stays one slice ahead of it or is the cap, and extensions stay few.
static void a_long_stream_needs_few_extensions_and_stays_covered(void **state) {
  (void)state;
  for (int64_t usual = 0; usual < 5000; usual += 313) {
    struct slices s;
    int extensions = 0;
    slices_begin(&s, 100000, usual, 0);
    for (int64_t output = 1; output <= 100000; output++) {
      if (slices_due(&s, output)) {
        s = slices_next(&s, output, 0);
        extensions++;
      }
      assert_true(s.held >= output);
      assert_true(s.held <= s.cap);
    }
    assert_true(extensions <= 11);
  }
}

int main(void) {
  const struct CMUnitTest rules[] = {
      cmocka_unit_test(a_hold_begins_with_the_usual_output_and_a_quarter_ahead),
      cmocka_unit_test(the_first_slice_is_at_least_two_seconds_at_the_usual_rate),
      cmocka_unit_test(a_hold_is_never_more_than_the_cap),
      cmocka_unit_test(more_is_due_when_output_enters_the_last_slice),
      cmocka_unit_test(slices_double),
      cmocka_unit_test(a_slice_covers_at_least_two_seconds_at_the_rate_seen),
      cmocka_unit_test(output_that_has_run_ahead_is_caught_up_with),
      cmocka_unit_test(a_long_stream_needs_few_extensions_and_stays_covered),
  };
  return cmocka_run_group_tests(rules, NULL, NULL);
}
