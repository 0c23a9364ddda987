// What is known of how a customer pays, part by part.
#include "payment/billing.h"
#include "payment/order.h"
#include "rows.h"

static struct billing now_of(struct uuid customer) {
  struct billing b;
  assert_int_equal(billing_read(db, &arena, customer, &b), 0);
  assert_true(uuid_eq(b.customer_id, customer));
  return b;
}

static void of_whom_nothing_is_known_there_is_nothing(void **state) {
  (void)state;
  struct billing b = now_of(new_id());
  assert_true(!b.stripe_customer.ptr && !b.payment_method.ptr && b.email.len == 0 && b.brand.len == 0 &&
              b.last4.len == 0);
  assert_true(!b.past_due && !b.disputed && b.updated_at == 0);
}

static void the_first_customer_at_stripe_stays(void **state) {
  (void)state;
  struct uuid customer = new_id(), whose, order;
  struct str counts;
  assert_int_equal(billing_email_put(db, customer, STR("a@example.com")), 0);
  assert_int_equal(billing_customer_put(db, &arena, customer, STR("cus_A"), &counts), 0);
  assert_true(str_eq(counts, STR("cus_A")));
  assert_int_equal(billing_customer_put(db, &arena, customer, STR("cus_B"), &counts), 0);
  assert_true(str_eq(counts, STR("cus_A")) && str_eq(now_of(customer).stripe_customer, STR("cus_A")));
  assert_true(str_eq(now_of(customer).email, STR("a@example.com")));
  assert_int_equal(payment_object_find(db, STR("cus_A"), &whose, &order), ORDER_DONE);
  assert_true(uuid_eq(whose, customer) && uuid_is_nil(order));
}

static void a_card_comes_and_goes(void **state) {
  (void)state;
  struct billing card = {.customer_id = new_id(),
                         .payment_method = STR("pm_1"),
                         .brand = STR("visa"),
                         .last4 = STR("4242"),
                         .fingerprint = STR("f"),
                         .exp_month = 12,
                         .exp_year = 2030};
  struct str counts;
  assert_int_equal(billing_customer_put(db, &arena, card.customer_id, STR("cus_C"), &counts), 0);
  assert_int_equal(billing_card_put(db, &card), 0);
  struct billing b = now_of(card.customer_id);
  assert_true(str_eq(b.payment_method, STR("pm_1")) && str_eq(b.brand, STR("visa")) && str_eq(b.last4, STR("4242")));
  assert_true(b.exp_month == 12 && b.exp_year == 2030 && str_eq(b.fingerprint, STR("f")));
  assert_int_equal(billing_customer_drop(db, card.customer_id), 0);
  b = now_of(card.customer_id);
  assert_true(!b.stripe_customer.ptr && !b.payment_method.ptr && b.last4.len == 0 && b.exp_month == 0);
}

// A subscription of its is said to be so.
static void subscribe(struct uuid customer, const char *id, const char *status) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, str_from(id));
  db_param_null(&p);
  db_param_text(&p, str_from(status));
  db_param_i64(&p, 1);
  db_param_null(&p);
  db_param_null(&p);
  db_param_i64(&p, 1);
  assert_int_equal(db_run(db, STATEMENT_SUBSCRIPTION_PUT, &p, NULL), 0);
  assert_int_equal(billing_past_due_note(db, customer), 0);
}

static void owing_and_disputing_are_told_apart(void **state) {
  (void)state;
  struct uuid customer = new_id();
  subscribe(customer, "sub_1", "past_due");
  assert_true(now_of(customer).past_due && !now_of(customer).disputed);
  assert_int_equal(billing_disputed_put(db, customer, true), 0);
  subscribe(customer, "sub_2", "active");
  assert_true(now_of(customer).past_due); // the other one owes
  subscribe(customer, "sub_1", "active");
  assert_true(!now_of(customer).past_due && now_of(customer).disputed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(of_whom_nothing_is_known_there_is_nothing),
      cmocka_unit_test(the_first_customer_at_stripe_stays),
      cmocka_unit_test(a_card_comes_and_goes),
      cmocka_unit_test(owing_and_disputing_are_told_apart),
  };
  return cmocka_run_group_tests(tests, rows_open, rows_close);
}
