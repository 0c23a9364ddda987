// What calls of a kind usually produce is learnt from what they produced.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "meter/usual.h"

static const struct uuid alice = {{1}}, bob = {{2}};
#define MODEL STR("gpt-4o-mini")

static void of_a_kind_never_seen_nothing_is_known(void **state) {
  (void)state;
  struct usual *u = usual_create();
  struct usual_call call = usual_of(u, alice, MODEL);
  assert_int_equal(call.output, 0);
  assert_int_equal(call.rate, 0);
  usual_destroy(u);
}

static void steady_calls_are_soon_known_closely(void **state) {
  (void)state;
  struct usual *u = usual_create();
  for (int i = 0; i < 60; i++) usual_learn(u, alice, MODEL, 300, 80);
  struct usual_call call = usual_of(u, alice, MODEL);
  assert_in_range(call.output, 300, 303);
  assert_int_equal(call.rate, 80);
  usual_destroy(u);
}

static void of_varied_calls_most_stay_below_what_is_usual(void **state) {
  (void)state;
  struct usual *u = usual_create();
  unsigned seed = 7;
  int below = 0;
  for (int i = 0; i < 2000; i++) {
    int64_t output = 100 + rand_r(&seed) % 400;
    if (i >= 200 && output <= usual_of(u, alice, MODEL).output) below++;
    usual_learn(u, alice, MODEL, output, 0);
  }
  assert_true(below > 1800 * 85 / 100);
  assert_true(usual_of(u, alice, MODEL).output < 700);
  usual_destroy(u);
}

static void each_key_has_its_own_habit_and_a_new_one_that_of_the_model(void **state) {
  (void)state;
  struct usual *u = usual_create();
  for (int i = 0; i < 60; i++) usual_learn(u, alice, MODEL, 1000, 0);
  assert_in_range(usual_of(u, bob, MODEL).output, 1000, 1010);
  for (int i = 0; i < 60; i++) usual_learn(u, bob, MODEL, 10, 0);
  assert_in_range(usual_of(u, bob, MODEL).output, 10, 12);
  assert_in_range(usual_of(u, alice, MODEL).output, 1000, 1010);
  assert_int_equal(usual_of(u, alice, STR("another")).output, 0);
  usual_destroy(u);
}

static void a_habit_that_changes_is_followed(void **state) {
  (void)state;
  struct usual *u = usual_create();
  for (int i = 0; i < 60; i++) usual_learn(u, alice, MODEL, 50, 0);
  for (int i = 0; i < 60; i++) usual_learn(u, alice, MODEL, 2000, 0);
  assert_true(usual_of(u, alice, MODEL).output >= 1990);
  usual_destroy(u);
}

static void any_number_is_taken(void **state) {
  (void)state;
  struct usual *u = usual_create();
  usual_learn(u, alice, MODEL, INT64_MAX, INT64_MAX);
  usual_learn(u, alice, MODEL, 0, 0);
  usual_learn(u, alice, MODEL, -1, -1);
  usual_learn(u, alice, MODEL, INT64_MAX, INT64_MAX);
  assert_true(usual_of(u, alice, MODEL).output > 0);
  usual_destroy(u);
}

// The table is of a fixed size: more kinds than it has places push each other out, and nothing else.
static void more_kinds_than_there_are_places_push_each_other_out(void **state) {
  (void)state;
  struct usual *u = usual_create();
  for (unsigned i = 0; i < 3 * LIMIT_USUAL_KINDS; i++) {
    struct uuid key = {{3, (uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)}};
    usual_learn(u, key, MODEL, 500, 0);
    assert_int_equal(usual_of(u, key, MODEL).output >= 500, 1);
  }
  usual_destroy(u);
}

int main(void) {
  const struct CMUnitTest rules[] = {
      cmocka_unit_test(of_a_kind_never_seen_nothing_is_known),
      cmocka_unit_test(steady_calls_are_soon_known_closely),
      cmocka_unit_test(of_varied_calls_most_stay_below_what_is_usual),
      cmocka_unit_test(each_key_has_its_own_habit_and_a_new_one_that_of_the_model),
      cmocka_unit_test(a_habit_that_changes_is_followed),
      cmocka_unit_test(any_number_is_taken),
      cmocka_unit_test(more_kinds_than_there_are_places_push_each_other_out),
  };
  return cmocka_run_group_tests(rules, NULL, NULL);
}
