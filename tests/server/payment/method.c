// Customers and cards at Stripe: which card is charged, and what ends that. And what becomes of a top-up's order, each time
// the same however often it is told.
#include "told.h"
#include "payment/billing.h"
#include "payment/top_up.h"

static struct uuid known(const char *stripe_customer) {
  struct uuid id = new_id();
  struct str kept;
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(billing_customer_put(db, &arena, id, str_from(stripe_customer), &kept), 0);
  assert_int_equal(db_commit(db), 0);
  return id;
}

static struct billing billed(struct uuid customer) {
  struct billing b;
  assert_int_equal(billing_read(db, &arena, customer, &b), 0);
  return b;
}

static void agree(struct uuid customer) {
  struct top_up t = {.customer_id = customer, .enabled = true, .threshold = 5, .product_id = new_id(), .most = 1, .daily_count = 3, .monthly_cap = 10000,
                     .return_url = STR("https://example.com"), .consent_by = STR("key_1"), .consent_text = STR("1"), .consent_terms = STR("{}")};
  assert_int_equal(top_up_put(db, &t), 0);
}

static struct top_up agreed(struct uuid customer) {
  struct top_up t;
  assert_int_equal(top_up_read(db, &arena, customer, &t), TOP_UP_DONE);
  return t;
}

static const char *card(const char *id, const char *customer, const char *brand, const char *fingerprint) {
  return arena_printf(&arena, "{'id':'%s','object':'payment_method','customer':%s,'card':{'brand':'%s','last4':'4242','exp_month':4,'exp_year':2030,'fingerprint':'%s'}}", id,
                      customer ? arena_printf(&arena, "'%s'", customer) : "null", brand, fingerprint);
}

static void fail_once(struct uuid customer, const char *code, const char *decline) {
  struct order o = {.customer_id = customer, .id = new_id(), .kind = ORDER_TOP_UP, .product_id = new_id(), .currency = STR("usd"), .price = 2000, .credits = 1};
  assert_int_equal(payment_order_create(db, &o), 0);
  const char *text = arena_printf(&arena, "{'id':'%s','status':'requires_payment_method','currency':'usd',%s,'last_payment_error':{'code':'%s','decline_code':'%s'}}", fresh("pi"),
                                  named(&o), code, decline);
  assert_int_equal(told("payment_intent.payment_failed", text), FACT_DONE);
  assert_int_equal(told("payment_intent.payment_failed", text), FACT_DONE); // it counts once
  assert_int_equal(state_of(&o), ORDER_FAILED);
}

static void the_first_card_is_the_one_that_is_charged(void **state) {
  (void)state;
  struct uuid customer = known("cus_1");
  assert_int_equal(told("payment_method.attached", card("pm_1", "cus_1", "visa", "f1")), FACT_DONE);
  assert_int_equal(told("payment_method.attached", card("pm_2", "cus_1", "visa", "f2")), FACT_DONE);
  struct billing b = billed(customer);
  assert_true(str_eq(b.payment_method, STR("pm_1")) && str_eq(b.brand, STR("visa")) && b.exp_month == 4 && b.exp_year == 2030);
  assert_int_equal(told("setup_intent.succeeded", "{'id':'seti_1','customer':'cus_1','usage':'off_session','payment_method':'pm_3'}"), FACT_DONE);
  assert_true(str_eq(billed(customer).payment_method, STR("pm_3"))); // saved to be charged later
  assert_int_equal(told("setup_intent.succeeded", "{'id':'seti_2','customer':'cus_1','usage':'on_session','payment_method':'pm_4'}"), FACT_DONE);
  assert_true(str_eq(billed(customer).payment_method, STR("pm_3")));
  assert_int_equal(told("payment_method.attached", card("pm_5", "cus_of_nobody", "visa", "f1")), FACT_IGNORED);
}

static void the_card_that_is_taken_away_ends_the_top_up_and_another_does_not(void **state) {
  (void)state;
  struct uuid customer = known("cus_d");
  assert_int_equal(told("payment_method.attached", card("pm_d", "cus_d", "visa", "f1")), FACT_DONE);
  agree(customer);
  assert_int_equal(told_at(1, "payment_method.detached", card("pm_other", NULL, "visa", "f1"), "{'customer':'cus_d'}", NULL), FACT_DONE);
  assert_true(agreed(customer).enabled && billed(customer).payment_method.ptr);
  assert_int_equal(told_at(1, "payment_method.detached", card("pm_d", NULL, "visa", "f1"), "{'customer':'cus_d'}", NULL), FACT_DONE);
  assert_true(!agreed(customer).enabled && says(agreed(customer).problem, "removed") && !billed(customer).payment_method.ptr);
}

static void of_a_thin_event_the_card_itself_says_whose_it_was(void **state) {
  (void)state;
  struct uuid customer = known("cus_thin");
  assert_int_equal(told("payment_method.attached", card("pm_thin", "cus_thin", "visa", "f1")), FACT_DONE);
  agree(customer);
  assert_int_equal(told("payment_method.detached", card("pm_thin", NULL, "visa", "f1")), FACT_DONE);
  assert_true(!agreed(customer).enabled && !billed(customer).payment_method.ptr);
  assert_int_equal(told("payment_method.detached", card("pm_of_nobody", NULL, "visa", "f1")), FACT_IGNORED);
}

static void a_customer_that_is_gone_ends_the_top_up(void **state) {
  (void)state;
  struct uuid customer = known("cus_gone");
  assert_int_equal(told("payment_method.attached", card("pm_g", "cus_gone", "visa", "f1")), FACT_DONE);
  agree(customer);
  assert_int_equal(told("customer.deleted", "{'id':'cus_gone','object':'customer','deleted':true}"), FACT_DONE);
  assert_true(!agreed(customer).enabled && !billed(customer).payment_method.ptr && !billed(customer).stripe_customer.ptr);
}

static void a_mandate_that_ends_ends_the_top_up(void **state) {
  (void)state;
  struct uuid customer = known("cus_m");
  assert_int_equal(told("payment_method.attached", card("pm_m", "cus_m", "visa", "f1")), FACT_DONE);
  agree(customer);
  assert_int_equal(told("mandate.updated", "{'id':'mandate_1','status':'active','payment_method':'pm_m'}"), FACT_DONE);
  assert_true(agreed(customer).enabled);
  assert_int_equal(told("mandate.updated", "{'id':'mandate_1','status':'inactive','payment_method':'pm_m'}"), FACT_DONE);
  assert_true(!agreed(customer).enabled);
}

static void a_card_that_was_renewed_may_be_tried_again_and_one_of_another_brand_needs_consent(void **state) {
  (void)state;
  struct uuid customer = known("cus_r");
  assert_int_equal(told("payment_method.attached", card("pm_r", "cus_r", "visa", "f1")), FACT_DONE);
  agree(customer);
  fail_once(customer, "expired_card", "");
  assert_int_equal(agreed(customer).state, TOP_UP_SUSPENDED);
  assert_int_equal(told("payment_method.automatically_updated", card("pm_r", "cus_r", "visa", "f1")), FACT_DONE);
  assert_true(agreed(customer).state == TOP_UP_READY && agreed(customer).failures == 0 && agreed(customer).enabled);
  assert_int_equal(told("payment_method.automatically_updated", card("pm_r", "cus_r", "mastercard", "f2")), FACT_DONE);
  assert_true(!agreed(customer).enabled && says(agreed(customer).problem, "consent"));
}

static void another_card_releases_and_the_same_does_not(void **state) {
  (void)state;
  struct uuid customer = known("cus_f");
  assert_int_equal(told("payment_method.attached", card("pm_f", "cus_f", "visa", "f1")), FACT_DONE);
  agree(customer);
  fail_once(customer, "card_declined", "stolen_card");
  assert_int_equal(agreed(customer).state, TOP_UP_SUSPENDED);
  assert_int_equal(told("payment_method.updated", card("pm_f", "cus_f", "visa", "f1")), FACT_DONE);
  assert_int_equal(agreed(customer).state, TOP_UP_SUSPENDED);
  assert_int_equal(told("payment_method.updated", card("pm_f", "cus_f", "visa", "f9")), FACT_DONE);
  assert_int_equal(agreed(customer).state, TOP_UP_READY);
}

// ---- failures

static void soft_declines_wait_longer_and_longer_and_three_suspend(void **state) {
  (void)state;
  struct uuid customer = known("cus_s");
  agree(customer);
  static const int64_t hours[] = {1, 24};
  for (int i = 0; i < 2; i++) {
    fail_once(customer, "card_declined", "insufficient_funds");
    struct top_up t = agreed(customer);
    int64_t wait = t.retry_at - clock_wall_us(), wanted = hours[i] * INT64_C(3600000000);
    assert_true(t.state == TOP_UP_READY && t.failures == i + 1 && wait > wanted - 60000000 && wait <= wanted);
  }
  fail_once(customer, "card_declined", "insufficient_funds");
  assert_true(agreed(customer).state == TOP_UP_SUSPENDED && agreed(customer).failures == 3);
}

static void a_bank_that_asks_needs_the_customer(void **state) {
  (void)state;
  struct uuid customer = known("cus_q");
  agree(customer);
  fail_once(customer, "authentication_required", "authentication_required");
  assert_int_equal(agreed(customer).state, TOP_UP_NEEDS_CUSTOMER);
}

static void what_is_gone_at_stripe_ends_the_top_up(void **state) {
  (void)state;
  struct uuid customer = known("cus_x");
  agree(customer);
  fail_once(customer, "resource_missing", "");
  assert_true(!agreed(customer).enabled);
}

static void a_payment_forgets_the_failures_before_it(void **state) {
  (void)state;
  struct uuid customer = known("cus_ok");
  agree(customer);
  fail_once(customer, "card_declined", "");
  struct order o = {.customer_id = customer, .id = new_id(), .kind = ORDER_TOP_UP, .product_id = new_id(), .currency = STR("usd"), .price = 2000, .credits = 20};
  assert_int_equal(payment_order_create(db, &o), 0);
  const char *text = arena_printf(&arena, "{'id':'%s','status':'succeeded','currency':'usd','amount_received':2000,%s}", fresh("pi"), named(&o));
  assert_int_equal(told("payment_intent.succeeded", text), FACT_DONE);
  assert_true(agreed(customer).failures == 0 && agreed(customer).retry_at == 0 && the_payment(customer).kind == PAYMENT_TOP_UP);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_card_is_the_one_that_is_charged),
      cmocka_unit_test(the_card_that_is_taken_away_ends_the_top_up_and_another_does_not),
      cmocka_unit_test(of_a_thin_event_the_card_itself_says_whose_it_was),
      cmocka_unit_test(a_customer_that_is_gone_ends_the_top_up),
      cmocka_unit_test(a_mandate_that_ends_ends_the_top_up),
      cmocka_unit_test(a_card_that_was_renewed_may_be_tried_again_and_one_of_another_brand_needs_consent),
      cmocka_unit_test(another_card_releases_and_the_same_does_not),
      cmocka_unit_test(soft_declines_wait_longer_and_longer_and_three_suspend),
      cmocka_unit_test(a_bank_that_asks_needs_the_customer),
      cmocka_unit_test(what_is_gone_at_stripe_ends_the_top_up),
      cmocka_unit_test(a_payment_forgets_the_failures_before_it),
  };
  return cmocka_run_group_tests(tests, rows_open, rows_close);
}
