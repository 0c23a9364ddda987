// Whether something is bought now: each rule alone, where it binds and where it just does not; and what a decline means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "payment/top_up.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define NOW (20000 * DAY + 12345 * SECOND)

// Below its mark, with nothing in the way: one pack of 20 credits for 2000.
static struct top_up agreed(void) {
  return (struct top_up){.enabled = true, .state = TOP_UP_READY, .threshold = 5 * AMOUNT_ONE, .most = 1, .daily_count = 3, .monthly_cap = 10000};
}
static struct top_up_facts facts(void) {
  return (struct top_up_facts){.now = NOW, .available = 5 * AMOUNT_ONE, .caught_up = true, .has_card = true, .product_sold = true, .price = 2000, .credits = 20 * AMOUNT_ONE};
}

static void buys(const struct top_up *t, const struct top_up_facts *f, int packs) {
  struct top_up_decision d = top_up_decide(t, f);
  assert_int_equal(d.verdict, TOP_UP_BUY);
  assert_int_equal(d.packs, packs);
}

static void waits(const struct top_up *t, const struct top_up_facts *f, int64_t until) {
  struct top_up_decision d = top_up_decide(t, f);
  assert_int_equal(d.verdict, TOP_UP_LATER);
  assert_true(strlen(d.reason) > 10);
  assert_true(d.retry_at == until);
}

// Whoever comes second changes neither when it is tried again nor what the customer is told of why.
static void stands(const struct top_up *t, const struct top_up_facts *f) {
  struct top_up_decision d = top_up_decide(t, f);
  assert_int_equal(d.verdict, TOP_UP_STANDS);
  assert_null(d.reason);
}

static void it_buys_at_its_mark_and_not_above(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  buys(&t, &f, 1);
  f.available = -100 * AMOUNT_ONE;
  buys(&t, &f, 1);
  f.available = t.threshold + 1;
  assert_int_equal(top_up_decide(&t, &f).verdict, TOP_UP_ENOUGH);
  t.enabled = false; // then nothing else counts
  assert_int_equal(top_up_decide(&t, &f).verdict, TOP_UP_ENOUGH);
}

static void it_is_off_or_suspended_or_waits_for_the_customer(void **state) {
  (void)state;
  struct top_up_facts f = facts();
  struct top_up t = agreed();
  t.enabled = false;
  stands(&t, &f);
  for (enum top_up_state s = TOP_UP_NEEDS_CUSTOMER; s <= TOP_UP_SUSPENDED; s++) {
    t = agreed();
    t.state = s;
    stands(&t, &f);
  }
}

static void a_failed_attempt_waits_its_time(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  t.retry_at = NOW + 1;
  stands(&t, &f);
  t.retry_at = NOW;
  buys(&t, &f, 1);
}

static void nothing_is_bought_before_stripe_was_caught_up_with(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  f.caught_up = false;
  waits(&t, &f, NOW + 5 * SECOND);
}

static void one_at_a_time(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  f.in_flight = true;
  waits(&t, &f, NOW + 30 * SECOND);
}

static void without_a_card_or_in_dispute_or_in_arrears_nothing_is_bought(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  f.has_card = false;
  waits(&t, &f, NOW + 600 * SECOND);
  f = facts();
  f.disputed = true;
  waits(&t, &f, NOW + 600 * SECOND);
  f = facts();
  f.past_due = true;
  waits(&t, &f, NOW + 600 * SECOND);
}

static void what_is_not_sold_is_not_bought(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  f.product_sold = false;
  waits(&t, &f, 20001 * DAY);
  f = facts();
  f.price = 0;
  waits(&t, &f, 0);
  f = facts();
  f.credits = 0;
  waits(&t, &f, 0);
}

static void the_days_count_holds_until_the_next_day(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  f.bought_today = 2;
  buys(&t, &f, 1);
  f.bought_today = 3;
  waits(&t, &f, 20001 * DAY);
  f.now = 20000 * DAY + DAY - 1;
  waits(&t, &f, 20001 * DAY);
}

static void two_attempts_in_ten_minutes_and_thirty_seconds_between_them(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  f.lately = 1;
  f.last_at = NOW - 30 * SECOND + 1;
  waits(&t, &f, f.last_at + 30 * SECOND);
  f.last_at = NOW - 30 * SECOND;
  buys(&t, &f, 1);
  f.lately = 2;
  waits(&t, &f, f.last_at + 600 * SECOND);
}

static void the_months_sum_is_never_passed_fewer_packs_are_bought_instead(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  t.target = 85 * AMOUNT_ONE; // four packs from five credits
  t.most = 10;
  buys(&t, &f, 4);
  f.spent_this_month = 2000;
  buys(&t, &f, 4); // to the last unit
  f.spent_this_month = 2001;
  buys(&t, &f, 3);
  f.spent_this_month = 8000;
  buys(&t, &f, 1);
  f.spent_this_month = 8001;
  waits(&t, &f, 20001 * DAY);
  f.spent_this_month = 20000; // a cap that was lowered
  waits(&t, &f, 20001 * DAY);
}

static void as_many_packs_as_reach_the_target_and_no_more(void **state) {
  (void)state;
  struct top_up t = agreed();
  struct top_up_facts f = facts();
  t.monthly_cap = INT64_C(999999999999);
  t.most = 1000;
  t.target = 25 * AMOUNT_ONE;
  buys(&t, &f, 1);
  t.target = 25 * AMOUNT_ONE + 1;
  buys(&t, &f, 2);
  f.available = -75 * AMOUNT_ONE;
  t.target = 25 * AMOUNT_ONE;
  buys(&t, &f, 5);
  t.most = 3;
  buys(&t, &f, 3);
  t.most = 1000;
  t.target = AMOUNT_MAX; // beyond what 64 bits can hold between them
  f.available = -AMOUNT_MAX;
  buys(&t, &f, 1000);
  t.target = 0; // none: one pack, whatever is missing
  buys(&t, &f, 1);
}

static void what_is_decided_holds_every_rule_whatever_the_facts(void **state) {
  (void)state;
  srand(7);
  for (int i = 0; i < 200000; i++) {
    struct top_up t = agreed();
    struct top_up_facts f = facts();
    t.enabled = rand() % 8;
    t.target = rand() % 2 ? (rand() % 200) * AMOUNT_ONE : 0;
    t.most = 1 + rand() % 20;
    t.retry_at = rand() % 4 ? 0 : NOW + rand() % 3 - 1;
    f.available = (rand() % 20 - 10) * AMOUNT_ONE;
    f.in_flight = !(rand() % 8), f.disputed = !(rand() % 8), f.past_due = !(rand() % 8);
    f.has_card = rand() % 8, f.product_sold = rand() % 8, f.caught_up = rand() % 8;
    f.bought_today = rand() % 5, f.lately = rand() % 3, f.last_at = NOW - (rand() % 100) * SECOND;
    f.spent_this_month = rand() % 12000;
    struct top_up_decision d = top_up_decide(&t, &f);
    if (d.verdict != TOP_UP_BUY) continue;
    assert_true(t.enabled && f.available <= t.threshold && t.retry_at <= NOW);
    assert_true(f.caught_up && f.has_card && f.product_sold && !f.in_flight && !f.disputed && !f.past_due);
    assert_true(f.bought_today < t.daily_count && f.lately < 2 && NOW - f.last_at >= 30 * SECOND);
    assert_true(d.packs >= 1 && d.packs <= t.most && f.spent_this_month + d.packs * f.price <= t.monthly_cap);
  }
}

// ---- declines

static enum top_up_failure judged(const char *code, const char *decline, const char *advice) {
  struct top_up_error e = {.code = str_from(code), .decline_code = str_from(decline), .advice_code = str_from(advice)};
  return top_up_judge(&e);
}

static void a_card_that_will_never_pay_is_a_hard_decline(void **state) {
  (void)state;
  static const char *const declines[] = {"lost_card", "stolen_card", "pickup_card", "restricted_card", "fraudulent", "invalid_account", "revocation_of_authorization",
                                         "revocation_of_all_authorizations", "stop_payment_order", "merchant_blacklist", "card_not_supported", "expired_card", "incorrect_number",
                                         "new_account_information_available"};
  for (size_t i = 0; i < ARRAY_LEN(declines); i++) assert_int_equal(judged("card_declined", declines[i], ""), TOP_UP_HARD);
  static const char *const codes[] = {"expired_card", "incorrect_number", "incorrect_cvc", "invalid_cvc"};
  for (size_t i = 0; i < ARRAY_LEN(codes); i++) assert_int_equal(judged(codes[i], "", ""), TOP_UP_HARD);
  assert_int_equal(judged("card_declined", "generic_decline", "do_not_try_again"), TOP_UP_HARD);
  assert_int_equal(judged("card_declined", "insufficient_funds", "do_not_try_again"), TOP_UP_HARD); // advice goes before
  assert_int_equal(judged("incorrect_zip", "", "confirm_card_data"), TOP_UP_HARD);
}

static void a_card_that_may_pay_later_is_a_soft_one(void **state) {
  (void)state;
  static const char *const declines[] = {"insufficient_funds", "processing_error", "generic_decline", "card_velocity_exceeded", "do_not_honor", "", "a_word_of_tomorrow"};
  for (size_t i = 0; i < ARRAY_LEN(declines); i++) {
    assert_int_equal(judged("card_declined", declines[i], ""), TOP_UP_SOFT);
    assert_int_equal(judged("card_declined", declines[i], "try_again_later"), TOP_UP_SOFT);
  }
  assert_int_equal(judged("", "", ""), TOP_UP_SOFT);
  assert_int_equal(judged("processing_error", "", ""), TOP_UP_SOFT);
  assert_int_equal(judged("card_declined", "lost_card_holder", ""), TOP_UP_SOFT); // whole words only
}

static void a_bank_that_asks_asks_the_customer(void **state) {
  (void)state;
  assert_int_equal(judged("authentication_required", "", ""), TOP_UP_ASKS_CUSTOMER);
  assert_int_equal(judged("card_declined", "authentication_required", ""), TOP_UP_ASKS_CUSTOMER);
  assert_int_equal(judged("authentication_required", "authentication_required", "try_again_later"), TOP_UP_ASKS_CUSTOMER);
}

static void what_is_missing_at_stripe_is_gone(void **state) {
  (void)state;
  assert_int_equal(judged("resource_missing", "", ""), TOP_UP_GONE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_buys_at_its_mark_and_not_above),
      cmocka_unit_test(it_is_off_or_suspended_or_waits_for_the_customer),
      cmocka_unit_test(a_failed_attempt_waits_its_time),
      cmocka_unit_test(nothing_is_bought_before_stripe_was_caught_up_with),
      cmocka_unit_test(one_at_a_time),
      cmocka_unit_test(without_a_card_or_in_dispute_or_in_arrears_nothing_is_bought),
      cmocka_unit_test(what_is_not_sold_is_not_bought),
      cmocka_unit_test(the_days_count_holds_until_the_next_day),
      cmocka_unit_test(two_attempts_in_ten_minutes_and_thirty_seconds_between_them),
      cmocka_unit_test(the_months_sum_is_never_passed_fewer_packs_are_bought_instead),
      cmocka_unit_test(as_many_packs_as_reach_the_target_and_no_more),
      cmocka_unit_test(what_is_decided_holds_every_rule_whatever_the_facts),
      cmocka_unit_test(a_card_that_will_never_pay_is_a_hard_decline),
      cmocka_unit_test(a_card_that_may_pay_later_is_a_soft_one),
      cmocka_unit_test(a_bank_that_asks_asks_the_customer),
      cmocka_unit_test(what_is_missing_at_stripe_is_gone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
