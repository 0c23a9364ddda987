// How much of a grant is gone by what was refunded and disputed: exact to the unit, never more than was granted, and the
// same whatever of it came first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "payment/target.h"

#define MINOR_MAX INT64_C(1000000000000000) // as much as one fact may say

static struct target of(amount granted, int64_t paid, int64_t out, int64_t lost, int64_t disputed) {
  return target_of(granted, &(struct target_facts){.paid = paid, .out = out, .lost = lost, .disputed = disputed});
}

// granted * gone / paid, rounded down, by long division: a bit of `gone` at a time.
static amount by_hand(amount granted, int64_t gone, int64_t paid) {
  amount whole = 0;
  int64_t rest = 0; // below paid
  for (int bit = 62; bit >= 0; bit--) {
    amount_wide next = (amount_wide)rest * 2 + ((gone >> bit & 1) ? (amount_wide)granted % paid : 0);
    whole = whole * 2 + (amount)(next / paid) + ((gone >> bit & 1) ? granted / paid : 0);
    rest = (int64_t)(next % paid);
  }
  return whole;
}

static int64_t below(int64_t bound) {
  return (int64_t)((((uint64_t)rand() << 42) ^ ((uint64_t)rand() << 21) ^ (uint64_t)rand()) % (uint64_t)bound);
}

static void a_part_of_the_money_is_the_same_part_of_the_credits(void **state) {
  (void)state;
  assert_true(of(2000, 2000, 500, 0, 0).refunded == 500);
  assert_true(of(2000, 2380, 1190, 0, 0).refunded == 1000); // tax and all
  assert_true(of(100, 3, 1, 0, 0).refunded == 33 && of(100, 3, 2, 0, 0).refunded == 66);
  assert_true(of(100, 3, 3, 0, 0).refunded == 100); // all of it, with no rest
  assert_true(of(1, 1000, 999, 0, 0).refunded == 0 && of(1, 1000, 1000, 0, 0).refunded == 1);
}

static void products_of_128_bits_are_exact(void **state) {
  (void)state;
  assert_true(of(AMOUNT_MAX, MINOR_MAX, MINOR_MAX, 0, 0).refunded == AMOUNT_MAX);
  assert_true(of(AMOUNT_MAX, MINOR_MAX, MINOR_MAX - 1, 0, 0).refunded == AMOUNT_MAX - 9224); // 9223.37 a unit, rounded up
  assert_true(of(AMOUNT_MAX, 2, 1, 0, 0).refunded == AMOUNT_MAX / 2);
  assert_true(of(AMOUNT_MAX, MINOR_MAX, 1, 0, 0).refunded == AMOUNT_MAX / MINOR_MAX);
  srand(1);
  for (int i = 0; i < 20000; i++) {
    amount granted = 1 + below(i % 2 ? AMOUNT_MAX : 1000);
    int64_t paid = 1 + below(i % 3 ? MINOR_MAX : 100), gone = below(paid);
    assert_true(of(granted, paid, gone, 0, 0).refunded == by_hand(granted, gone, paid));
  }
}

static void together_they_take_what_is_gone_and_never_more_than_was_granted(void **state) {
  (void)state;
  srand(2);
  for (int i = 0; i < 20000; i++) {
    amount granted = 1 + below(i % 2 ? AMOUNT_MAX : 1000);
    int64_t paid = 1 + below(i % 3 ? MINOR_MAX : 100);
    int64_t out = below(2 * paid), lost = below(2 * paid), disputed = below(2 * paid), gone = out + lost + disputed;
    struct target t = of(granted, paid, out, lost, disputed);
    assert_true(t.refunded >= 0 && t.frozen >= 0 && t.frozen <= granted - t.refunded);
    assert_true(t.refunded + t.frozen == (gone >= paid ? granted : by_hand(granted, gone, paid)));
    assert_int_equal(t.clamped, gone > paid);
  }
}

static void more_that_is_gone_never_takes_less(void **state) {
  (void)state;
  srand(3);
  for (int i = 0; i < 5000; i++) {
    amount granted = 1 + below(1000000);
    int64_t paid = 1 + below(1000);
    amount before = 0;
    for (int64_t out = 0; out <= paid + 3; out += 1 + below(20)) {
      amount now = of(granted, paid, out, 0, 0).refunded;
      assert_true(now >= before);
      before = now;
    }
  }
}

static void what_is_lost_is_gone_and_what_is_disputed_is_frozen(void **state) {
  (void)state;
  struct target t = of(2000, 2000, 500, 0, 2000); // a partial refund, then a dispute of all
  assert_true(t.refunded == 500 && t.frozen == 1500 && t.clamped);
  t = of(2000, 2000, 500, 2000, 0);
  assert_true(t.refunded == 2000 && t.frozen == 0 && t.clamped);
  t = of(2000, 2000, 0, 700, 300);
  assert_true(t.refunded == 700 && t.frozen == 300 && !t.clamped);
  t = of(2000, 2000, 0, 0, 2500); // more than was paid
  assert_true(t.refunded == 0 && t.frozen == 2000 && t.clamped);
  t = of(2000, 2000, 2000, 0, 0);
  assert_true(t.refunded == 2000 && t.frozen == 0 && !t.clamped);
}

static void nothing_is_taken_back_of_what_cost_nothing(void **state) {
  (void)state;
  struct target t = of(2000, 0, 500, 100, 100);
  assert_true(t.refunded == 0 && t.frozen == 0);
}

// ---- refunds as their charge tells them

static int64_t refunded(int64_t out, int64_t back, int64_t charged) {
  return target_refunded(&(struct target_facts){.paid = 2000, .out = out, .back = back, .charged = charged});
}

static void of_two_accounts_of_refunds_the_larger_counts(void **state) {
  (void)state;
  assert_true(refunded(0, 0, 0) == 0);
  assert_true(refunded(500, 0, 0) == 500);    // the charge was not told
  assert_true(refunded(0, 0, 500) == 500);    // only the charge was
  assert_true(refunded(500, 0, 500) == 500);  // both
  assert_true(refunded(700, 0, 500) == 700);  // the charge is behind
  assert_true(refunded(500, 0, 1200) == 1200); // a refund is missing
}

static void what_came_back_counts_no_more(void **state) {
  (void)state;
  assert_true(refunded(0, 500, 500) == 0);
  assert_true(refunded(0, 500, 0) == 0);        // below zero is nothing
  assert_true(refunded(700, 500, 1200) == 700); // the charge still says what it said before
  assert_true(refunded(200, 500, 1200) == 700); // and of the rest one is missing
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_part_of_the_money_is_the_same_part_of_the_credits),
      cmocka_unit_test(products_of_128_bits_are_exact),
      cmocka_unit_test(together_they_take_what_is_gone_and_never_more_than_was_granted),
      cmocka_unit_test(more_that_is_gone_never_takes_less),
      cmocka_unit_test(what_is_lost_is_gone_and_what_is_disputed_is_frozen),
      cmocka_unit_test(nothing_is_taken_back_of_what_cost_nothing),
      cmocka_unit_test(of_two_accounts_of_refunds_the_larger_counts),
      cmocka_unit_test(what_came_back_counts_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
