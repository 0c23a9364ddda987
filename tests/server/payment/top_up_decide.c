// Buying by itself: when, how much, and what a decline means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "payment/top_up.h"

#define SECOND INT64_C(1000000)
#define NOW (INT64_C(1795780000) * SECOND)

static struct top_up agreed(void) {
  return (struct top_up){.enabled = true, .state = TOP_UP_READY, .threshold = 5 * AMOUNT_ONE, .most = 1, .daily_count = 3, .monthly_cap = 10000};
}

static struct top_up_facts low(void) {
  return (struct top_up_facts){.now = NOW, .available = 5 * AMOUNT_ONE, .caught_up = true, .has_card = true, .product_sold = true, .price = 2000, .credits = 20 * AMOUNT_ONE};
}

static enum top_up_verdict verdict(struct top_up t, struct top_up_facts f) {
  return top_up_decide(&t, &f).verdict;
}

static void at_the_threshold_one_pack_is_bought(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = low();
  struct top_up_decision d = top_up_decide(&t, &f);
  assert_int_equal(d.verdict, TOP_UP_BUY);
  assert_int_equal(d.packs, 1);
}

static void above_it_nothing_is(void **state) {
  (void)state;
  struct top_up_facts f = low();
  f.available++;
  assert_int_equal(verdict(agreed(), f), TOP_UP_ENOUGH);
}

static void a_target_takes_as_many_packs_as_reach_it(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = low();
  t.target = 66 * AMOUNT_ONE;
  t.most = 10;
  assert_int_equal(top_up_decide(&t, &f).packs, 4); // 61 missing
  t.most = 2;
  assert_int_equal(top_up_decide(&t, &f).packs, 2);
  t.target = AMOUNT_MAX;
  f.available = -AMOUNT_MAX;
  t.most = 1000;
  t.monthly_cap = 2000 * 1000;
  assert_int_equal(top_up_decide(&t, &f).packs, 1000);
}

static void the_months_cap_is_never_passed(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = low();
  t.target = 200 * AMOUNT_ONE;
  t.most = 10;
  f.spent_this_month = 4500;
  assert_int_equal(top_up_decide(&t, &f).packs, 2); // 5500 are left
  f.spent_this_month = 8001;
  assert_int_equal(top_up_decide(&t, &f).verdict, TOP_UP_LATER);
  assert_true(top_up_decide(&t, &f).retry_at > f.now);
}

static void each_of_these_makes_it_wait(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f;
#define WAITS(change)                                      \
  do {                                                     \
    t = agreed();                                          \
    f = low();                                             \
    change;                                                \
    assert_int_equal(verdict(t, f), TOP_UP_LATER);         \
    assert_non_null(top_up_decide(&t, &f).reason);         \
  } while (0)
  WAITS(t.enabled = false);
  WAITS(t.state = TOP_UP_SUSPENDED);
  WAITS(t.state = TOP_UP_NEEDS_CUSTOMER);
  WAITS(t.retry_at = NOW + 1);
  WAITS(f.caught_up = false);
  WAITS(f.in_flight = true);
  WAITS(f.has_card = false);
  WAITS(f.disputed = true);
  WAITS(f.past_due = true);
  WAITS(f.product_sold = false);
  WAITS(f.bought_today = 3);
  WAITS((f.lately = 2, f.last_at = NOW - 300 * SECOND));
  WAITS(f.last_at = NOW - 29 * SECOND);
#undef WAITS
  f = low();
  f.lately = 1;
  f.last_at = NOW - 30 * SECOND;
  assert_int_equal(verdict(agreed(), f), TOP_UP_BUY);
}

static void judged(const char *code, const char *decline, const char *advice, enum top_up_failure expected) {
  struct top_up_error e = {str_from(code), str_from(decline), str_from(advice)};
  assert_int_equal(top_up_judge(&e), expected);
}

static void a_decline_is_what_the_bank_makes_of_it(void **state) {
  (void)state;
  judged("card_declined", "insufficient_funds", "try_again_later", TOP_UP_SOFT);
  judged("card_declined", "generic_decline", "", TOP_UP_SOFT);
  judged("processing_error", "", "", TOP_UP_SOFT);
  judged("", "", "", TOP_UP_SOFT);
  judged("card_declined", "lost_card", "do_not_try_again", TOP_UP_HARD);
  judged("card_declined", "stolen_card", "", TOP_UP_HARD);
  judged("card_declined", "generic_decline", "do_not_try_again", TOP_UP_HARD);
  judged("incorrect_number", "", "confirm_card_data", TOP_UP_HARD);
  judged("expired_card", "expired_card", "", TOP_UP_HARD);
  judged("authentication_required", "authentication_required", "", TOP_UP_ASKS_CUSTOMER);
  judged("card_declined", "authentication_required", "", TOP_UP_ASKS_CUSTOMER);
  judged("resource_missing", "", "", TOP_UP_GONE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(at_the_threshold_one_pack_is_bought),
      cmocka_unit_test(above_it_nothing_is),
      cmocka_unit_test(a_target_takes_as_many_packs_as_reach_it),
      cmocka_unit_test(the_months_cap_is_never_passed),
      cmocka_unit_test(each_of_these_makes_it_wait),
      cmocka_unit_test(a_decline_is_what_the_bank_makes_of_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
