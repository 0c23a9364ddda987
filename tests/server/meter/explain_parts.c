// Which grants paid: the part of a transfer's legs that a call lies in, less what was given back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "meter/explain_parts.h"

static struct arena arena;
static struct uuid id(uint8_t n) {
  return (struct uuid){.b = {[15] = n}};
}
// Legs of 10, 20 and 30 from the grants 1, 2 and 3.
static struct explain_legs legs(void) {
  struct explain_part *at = arena_alloc(&arena, 3 * sizeof *at);
  for (uint8_t i = 0; i < 3; i++) at[i] = (struct explain_part){id((uint8_t)(i + 1)), 10 * (i + 1)};
  return (struct explain_legs){at, 3};
}

static void expect(const struct explain_paid *paid, size_t at, uint8_t grant, amount a) {
  assert_true(at < paid->count);
  assert_true(uuid_eq(paid->at[at].grant, id(grant)));
  assert_int_equal(paid->at[at].amount, a);
}

static void a_call_takes_its_part_of_the_legs(void **state) {
  (void)state;
  struct explain_paid paid = {0};
  explain_paid_add(&arena, &paid, legs(), 5, 30);
  assert_int_equal(paid.count, 3);
  expect(&paid, 0, 1, 5);
  expect(&paid, 1, 2, 20);
  expect(&paid, 2, 3, 5);
}

static void a_call_inside_one_leg_was_paid_by_one(void **state) {
  (void)state;
  struct explain_paid paid = {0};
  explain_paid_add(&arena, &paid, legs(), 10, 20);
  assert_int_equal(paid.count, 1);
  expect(&paid, 0, 2, 20);
}

static void what_is_given_back_comes_off_the_end(void **state) {
  (void)state;
  struct explain_paid paid = {0};
  explain_paid_add(&arena, &paid, legs(), 0, 60);
  explain_paid_take(&paid, 45);
  assert_int_equal(paid.count, 2);
  expect(&paid, 0, 1, 10);
  expect(&paid, 1, 2, 5);
  explain_paid_take(&paid, 15);
  assert_int_equal(paid.count, 0);
}

static void one_grant_is_named_once(void **state) {
  (void)state;
  struct explain_paid paid = {0};
  explain_paid_add(&arena, &paid, legs(), 0, 15);
  explain_paid_add(&arena, &paid, legs(), 10, 5);
  assert_int_equal(explain_paid_merge(&paid), 2);
  expect(&paid, 0, 1, 10);
  expect(&paid, 1, 2, 10);
}

static int start(void **state) {
  (void)state;
  arena_init(&arena, 1 << 20);
  return 0;
}

static int finish(void **state) {
  (void)state;
  arena_finish(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_call_takes_its_part_of_the_legs),
      cmocka_unit_test(a_call_inside_one_leg_was_paid_by_one),
      cmocka_unit_test(what_is_given_back_comes_off_the_end),
      cmocka_unit_test(one_grant_is_named_once),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
