// The target form: how much of what a payment brought is to stand as refunded and as frozen.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "payment/target.h"

#define CREDITS (INT64_C(2000) * AMOUNT_ONE)

static struct target stand(struct target_facts f) {
  return target_of(CREDITS, &f);
}

static void nothing_said_takes_nothing(void **state) {
  (void)state;
  struct target t = stand((struct target_facts){.paid = 2000});
  assert_int_equal(t.refunded, 0);
  assert_int_equal(t.frozen, 0);
  assert_false(t.clamped);
}

static void a_part_of_the_money_is_that_part_of_the_credits(void **state) {
  (void)state;
  assert_int_equal(stand((struct target_facts){.paid = 2000, .out = 500}).refunded, CREDITS / 4);
  assert_int_equal(stand((struct target_facts){.paid = 2173, .out = 2173}).refunded, CREDITS); // with tax: all is all
  assert_int_equal(target_of(10, &(struct target_facts){.paid = 3, .out = 1}).refunded, 3);     // rounded down
  assert_int_equal(target_of(10, &(struct target_facts){.paid = 3, .out = 3}).refunded, 10);    // but never short at the end
}

static void the_refunds_and_the_charge_say_the_same_thing_once(void **state) {
  (void)state;
  assert_int_equal(stand((struct target_facts){.paid = 2000, .out = 500, .charged = 500}).refunded, CREDITS / 4);
  assert_int_equal(stand((struct target_facts){.paid = 2000, .out = 500, .charged = 1000}).refunded, CREDITS / 2); // one of them was not heard of
  assert_int_equal(stand((struct target_facts){.paid = 2000, .out = 0, .back = 500, .charged = 500}).refunded, 0);  // it came back
  assert_int_equal(stand((struct target_facts){.paid = 2000, .out = 700, .back = 500, .charged = 500}).refunded, CREDITS * 7 / 20);
}

static void disputed_money_is_frozen_and_lost_money_is_gone(void **state) {
  (void)state;
  struct target open = stand((struct target_facts){.paid = 2000, .disputed = 800});
  assert_int_equal(open.refunded, 0);
  assert_int_equal(open.frozen, CREDITS * 2 / 5);
  struct target lost = stand((struct target_facts){.paid = 2000, .lost = 800});
  assert_int_equal(lost.refunded, CREDITS * 2 / 5);
  assert_int_equal(lost.frozen, 0);
}

static void a_refund_and_a_dispute_of_the_whole_take_the_whole_and_no_more(void **state) {
  (void)state;
  struct target t = stand((struct target_facts){.paid = 2000, .out = 500, .disputed = 2000});
  assert_int_equal(t.refunded, CREDITS / 4);
  assert_int_equal(t.refunded + t.frozen, CREDITS);
  assert_true(t.clamped);
}

static void a_payment_of_nothing_cannot_be_taken_back(void **state) {
  (void)state;
  struct target t = stand((struct target_facts){.paid = 0, .disputed = 500});
  assert_int_equal(t.refunded + t.frozen, 0);
}

static void the_largest_amounts_do_not_overflow(void **state) {
  (void)state;
  const int64_t most = INT64_C(1000000000000000);
  struct target t = target_of(AMOUNT_MAX, &(struct target_facts){.paid = most, .out = most - 1});
  assert_true(t.refunded < AMOUNT_MAX && t.refunded > AMOUNT_MAX - 10000);
  t = target_of(AMOUNT_MAX, &(struct target_facts){.paid = 1, .out = most, .charged = most, .lost = most, .disputed = most});
  assert_int_equal(t.refunded, AMOUNT_MAX);
  assert_int_equal(t.frozen, 0);
}

// More taken is never less credits, and both together never more than there are.
static void more_facts_never_give_credits_back(void **state) {
  (void)state;
  unsigned seed = 99;
  for (int i = 0; i < 100000; i++) {
    int64_t n[5];
    for (int k = 0; k < 5; k++) n[k] = (seed = seed * 1664525 + 1013904223) >> 20;
    struct target_facts f = {.paid = n[0] + 1, .out = n[1], .charged = n[1], .lost = n[2], .disputed = n[3]}, g = f;
    g.disputed += n[4];
    struct target a = target_of(CREDITS, &f), b = target_of(CREDITS, &g);
    assert_true(a.refunded == b.refunded && b.frozen >= a.frozen);
    assert_true(b.refunded >= 0 && b.frozen >= 0 && b.refunded + b.frozen <= CREDITS);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_said_takes_nothing),
      cmocka_unit_test(a_part_of_the_money_is_that_part_of_the_credits),
      cmocka_unit_test(the_refunds_and_the_charge_say_the_same_thing_once),
      cmocka_unit_test(disputed_money_is_frozen_and_lost_money_is_gone),
      cmocka_unit_test(a_refund_and_a_dispute_of_the_whole_take_the_whole_and_no_more),
      cmocka_unit_test(a_payment_of_nothing_cannot_be_taken_back),
      cmocka_unit_test(the_largest_amounts_do_not_overflow),
      cmocka_unit_test(more_facts_never_give_credits_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
