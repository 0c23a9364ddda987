// Whoever guesses codes waits: ten at once, then one every six seconds; nobody waits for another; the memory is fixed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rest/guesses.h"

static struct guesses *g;

static int begin(void **state) {
  (void)state;
  g = guesses_create();
  return 0;
}

static int end(void **state) {
  (void)state;
  guesses_destroy(g);
  return 0;
}

static struct uuid customer(uint32_t n) {
  return (struct uuid){{1, 0x9f, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static void ten_at_once_then_one_every_six_seconds(void **state) {
  (void)state;
  int64_t now = 1000;
  for (int i = 0; i < GUESSES_MOST; i++) {
    assert_int_equal(guesses_wait(g, customer(1), now), 0);
    guesses_wrong(g, customer(1), now);
  }
  assert_int_equal(guesses_wait(g, customer(1), now), GUESS_EVERY_US);
  assert_int_equal(guesses_wait(g, customer(1), now + GUESS_EVERY_US - 1), 1);
  now += GUESS_EVERY_US;
  assert_int_equal(guesses_wait(g, customer(1), now), 0);
  guesses_wrong(g, customer(1), now);
  assert_int_equal(guesses_wait(g, customer(1), now), GUESS_EVERY_US);
  now += GUESSES_MOST * GUESS_EVERY_US;
  for (int i = 0; i < GUESSES_MOST; i++) guesses_wrong(g, customer(1), now);
  assert_int_equal(guesses_wait(g, customer(1), now), GUESS_EVERY_US);
}

static void nobody_waits_for_another(void **state) {
  (void)state;
  for (int i = 0; i < 100; i++) guesses_wrong(g, customer(1), 1000);
  for (uint32_t n = 2; n < 2000; n++) assert_int_equal(guesses_wait(g, customer(n), 1000), 0);
}

// A hundred thousand others that were wrong once: the one that was wrong most is still known.
static void many_others_do_not_make_one_forgotten(void **state) {
  (void)state;
  for (int i = 0; i < 12; i++) guesses_wrong(g, customer(1), 1000);
  for (uint32_t n = 2; n < 100000; n++) guesses_wrong(g, customer(n), 1000);
  assert_true(guesses_wait(g, customer(1), 1000) > 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
  const struct CMUnitTest tests[] = {TEST(ten_at_once_then_one_every_six_seconds), TEST(nobody_waits_for_another),
                                     TEST(many_others_do_not_make_one_forgotten)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
