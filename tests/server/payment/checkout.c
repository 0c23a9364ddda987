// What is ordered, and the exact bytes that Stripe is sent for it: they stand for an Idempotency-Key.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "payment/checkout.h"
#include <string.h>

static struct product pack, plan;
static struct checkout_wish wish;
static struct order order;
static struct buf form;

#define BOUGHT(of, quantity) IDS(of) "&" of "[kind]=credit_purchase&" of "[product_id]=prd_00000000000000000000000003&" of "[quantity]=" quantity
#define IDS(of) of "[order_id]=ord_00000000000000000000000002&" of "[customer_id]=cus_00000000000000000000000001"

static int setup(void **state) {
  (void)state;
  pack = (struct product){.id = {{[15] = 3}},
                          .kind = PRODUCT_PACK,
                          .name = STR("20 & more"),
                          .description = STR(""),
                          .currency = STR("usd"),
                          .price = 2000,
                          .credits = 20 * AMOUNT_ONE,
                          .bonus = 1};
  plan = pack;
  plan.kind = PRODUCT_PLAN;
  plan.period = PRODUCT_MONTH;
  wish = (struct checkout_wish){.mode = CHECKOUT_PAYMENT,
                                .product = &pack,
                                .success_url = STR("https://a/?s={CHECKOUT_SESSION_ID}"),
                                .quantity = 1};
  buf_init(&form, 8192);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  buf_finish(&form);
  return 0;
}

static bool ordered(void) {
  return checkout_order(&wish, (struct uuid){{[15] = 1}}, (struct uuid){{[15] = 2}}, true, &order);
}

static void form_is(const char *text) {
  assert_true(ordered());
  checkout_form(&wish, &order, STR("cus_S"), 1700000000, &form);
  assert_string_equal(buf_cstr(&form), text);
  buf_clear(&form);
  checkout_form(&wish, &order, STR("cus_S"), 1700000000, &form);
  assert_string_equal(buf_cstr(&form), text);
}

static void a_pack(void **state) {
  (void)state;
  form_is("mode=payment&customer=cus_S&client_reference_id=ord_00000000000000000000000002&success_url=https%3A%2F%2Fa%"
          "2F%3Fs%3D%7BCHECKOUT_SESSION_ID%7D&"
          "expires_at=1700000000&line_items[0][quantity]=1&line_items[0][price_data][currency]=usd&line_items[0][price_"
          "data][unit_amount]=2000&"
          "line_items[0][price_data][product_data][name]=20%20%26%20more&" BOUGHT("metadata", "1") "&" BOUGHT("payment_intent_data[metadata]", "1"));
}

static void all_that_can_be_wished_for(void **state) {
  (void)state;
  pack.description = STR("d");
  pack.tax_code = STR("txcd_10000000");
  wish.cancel_url = STR("http://b");
  wish.quantity = 100;
  wish.save_payment_method = wish.allow_promotion_codes = wish.automatic_tax = true;
  form_is(
      "mode=payment&customer=cus_S&client_reference_id=ord_00000000000000000000000002&success_url=https%3A%2F%2Fa%2F%"
      "3Fs%3D%7BCHECKOUT_SESSION_ID%7D&"
      "cancel_url=http%3A%2F%2Fb&expires_at=1700000000&line_items[0][quantity]=100&line_items[0][price_data][currency]="
      "usd&"
      "line_items[0][price_data][unit_amount]=2000&line_items[0][price_data][product_data][name]=20%20%26%20more&"
      "line_items[0][price_data][product_data][description]=d&line_items[0][price_data][product_data][tax_code]=txcd_"
      "10000000&"
      "line_items[0][price_data][tax_behavior]=exclusive&allow_promotion_codes=true&automatic_tax[enabled]=true&"
      "billing_address_collection=required&customer_update[address]=auto&" BOUGHT("metadata", "100") "&" BOUGHT("payment_intent_data[metadata]", "100") "&payment_intent_"
                                                                                              "data[setup_future_usage]"
                                                                                              "=off_session");
}

static void a_plan_pays_by_its_invoices_and_has_no_kind(void **state) {
  (void)state;
  wish.mode = CHECKOUT_SUBSCRIPTION;
  wish.product = &plan;
  wish.save_payment_method = true;
  plan.stripe_price = STR("price_1");
  form_is("mode=subscription&customer=cus_S&client_reference_id=ord_00000000000000000000000002&success_url=https%3A%2F%"
          "2Fa%2F%3Fs%3D%7BCHECKOUT_SESSION_ID%7D&"
          "expires_at=1700000000&line_items[0][quantity]=1&line_items[0][price]=price_1&" IDS("metadata") "&" IDS(
              "subscription_data[metadata]"));
  buf_clear(&form);
  plan.stripe_price = (struct str){0};
  assert_true(ordered());
  checkout_form(&wish, &order, STR("cus_S"), 1, &form);
  assert_non_null(strstr(buf_cstr(&form), "&line_items[0][price_data][recurring][interval]=month&"));
}

static void a_card_to_be_saved(void **state) {
  (void)state;
  wish = (struct checkout_wish){.mode = CHECKOUT_SETUP,
                                .currency = STR("eur"),
                                .success_url = STR("https://a"),
                                .quantity = 1,
                                .automatic_tax = true};
  form_is("mode=setup&customer=cus_S&client_reference_id=ord_00000000000000000000000002&success_url=https%3A%2F%2Fa&"
          "expires_at=1700000000&currency=eur&" IDS("metadata") "&" IDS("setup_intent_data[metadata]"));
  assert_true(order.kind == ORDER_SETUP && order.price == 0 && order.credits == 0 && uuid_is_nil(order.product_id));
}

static void an_order_has_what_so_many_cost_and_bring(void **state) {
  (void)state;
  wish.quantity = 3;
  pack.expires_after_days = 30;
  assert_true(ordered());
  assert_true(order.kind == ORDER_PURCHASE && order.price == 6000 && order.credits == 60 * AMOUNT_ONE &&
              order.bonus == 3);
  assert_true(order.expires_after_days == 30 && order.bonus_expires_after_days == 0 && order.livemode &&
              order.attempt == 1);
}

static void more_than_can_be_counted_is_no_order(void **state) {
  (void)state;
  wish.quantity = 100;
  pack.price = INT64_C(9999999999);
  assert_true(ordered());
  pack.price++;
  assert_false(ordered());
  pack.price = 1;
  pack.credits = AMOUNT_MAX / 100;
  assert_true(ordered());
  pack.credits++;
  assert_false(ordered());
  pack.credits = 1;
  pack.bonus = AMOUNT_MAX;
  assert_false(ordered());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_pack),
      TEST(all_that_can_be_wished_for),
      TEST(a_plan_pays_by_its_invoices_and_has_no_kind),
      TEST(a_card_to_be_saved),
      TEST(an_order_has_what_so_many_cost_and_bring),
      TEST(more_than_can_be_counted_is_no_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
