// Invoices of plans and what pays them, in the places where they stand today and where they stood before 2025; and
// subscriptions as they are mirrored.
#include "told.h"
#include "payment/billing.h"
#include "payment/subscription.h"

#define END INT64_C(1893456000) // of the period: 2030

static struct product plan_make(const char *price, enum product_rollover rollover, bool trial) {
  struct product p = {.id = new_id(), .kind = PRODUCT_PLAN, .name = STR("Pro"), .description = STR(""), .currency = STR("usd"), .price = 5000, .credits = 60 * AMOUNT_ONE,
                      .bonus = 6 * AMOUNT_ONE, .bonus_expires_after_days = 10, .period = PRODUCT_MONTH, .rollover = rollover, .trial_credits = trial, .enabled = true,
                      .stripe_price = str_from(price)};
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(product_create(db, &p), PRODUCT_DONE);
  assert_int_equal(db_commit(db), 0);
  return p;
}

// A customer of ours with a customer at Stripe.
static struct uuid known(const char *stripe_customer) {
  struct uuid id = new_id();
  struct str kept;
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(billing_customer_put(db, &arena, id, str_from(stripe_customer), &kept), 0);
  assert_int_equal(db_commit(db), 0);
  return id;
}

static const char *line(const char *price, int cost, int quantity, bool proration) {
  return arena_printf(&arena, "{'id':'%s','amount':%d,'quantity':%d,'period':{'start':1890000000,'end':%lld},'pricing':{'price_details':{'price':'%s'}},"
                              "'parent':{'type':'subscription_item_details','subscription_item_details':{'proration':%s,'subscription':'sub_x'}}}",
                      fresh("il"), cost, quantity, (long long)END, price, proration ? "true" : "false");
}

static const char *line_of_old(const char *price, int cost, bool proration) {
  return arena_printf(&arena, "{'id':'%s','type':'subscription','amount':%d,'quantity':1,'period':{'end':%lld},'price':{'id':'%s','object':'price'},'proration':%s}", fresh("il"),
                      cost, (long long)END, price, proration ? "true" : "false");
}

static const char *invoice(const char *id, const char *customer, int paid, const char *lines, const char *more) {
  return arena_printf(&arena, "{'id':'%s','object':'invoice','customer':'%s','currency':'usd','amount_paid':%d,'lines':{'data':[%s],'has_more':false}%s}", id, customer, paid, lines, more);
}

static size_t count_of(struct uuid customer) {
  struct payment *list;
  return payments_of(customer, &list);
}

static void a_plans_period_is_a_payment_once_whichever_event_tells_it(void **state) {
  (void)state;
  struct product plan = plan_make("price_a", PRODUCT_ENDS, false);
  struct uuid customer = known("cus_a");
  const char *text = invoice("in_a", "cus_a", 10000, line("price_a", 10000, 2, false), "");
  assert_int_equal(told("invoice.paid", text), FACT_DONE);
  assert_int_equal(told("invoice.payment_succeeded", text), FACT_DONE);
  struct payment p = the_payment(customer);
  assert_true(p.kind == PAYMENT_PLAN && p.paid == 10000 && p.net == 10000 && uuid_eq(p.product_id, plan.id) && str_starts(p.reference, STR("in_a:il_")));
  assert_true(p.credits == 120 * AMOUNT_ONE && p.bonus == 12 * AMOUNT_ONE); // twice the plan
  assert_true(p.expires_at == END * 1000000 && p.bonus_expires_at == (INT64_C(1800000000) + 10 * 86400) * 1000000);
}

static void what_a_plan_leaves_may_stay_a_period_longer_or_for_ever(void **state) {
  (void)state;
  (void)plan_make("price_more", PRODUCT_ONE_MORE, false);
  (void)plan_make("price_stays", PRODUCT_STAYS, false);
  struct uuid more = known("cus_more"), stays = known("cus_stays");
  assert_int_equal(told("invoice.paid", invoice("in_more", "cus_more", 5000, line("price_more", 5000, 1, false), "")), FACT_DONE);
  assert_int_equal(told("invoice.paid", invoice("in_stays", "cus_stays", 5000, line("price_stays", 5000, 1, false), "")), FACT_DONE);
  assert_true(the_payment(more).expires_at == (END + 31 * 86400) * 1000000 && the_payment(stays).expires_at == 0);
}

static void the_old_places_are_read_too(void **state) {
  (void)state;
  (void)plan_make("price_old", PRODUCT_ENDS, false);
  struct uuid customer = known("cus_old");
  const char *text = invoice("in_old", "cus_old", 5000, line_of_old("price_old", 5000, false), ",'subscription':'sub_old','payment_intent':'pi_old','charge':'ch_old'");
  assert_int_equal(told("invoice.paid", text), FACT_DONE);
  assert_true(str_eq(the_payment(customer).payment_intent, STR("pi_old")) && the_payment(customer).credits == 60 * AMOUNT_ONE);
}

static void prorations_and_other_lines_bring_nothing(void **state) {
  (void)state;
  (void)plan_make("price_pro", PRODUCT_ENDS, false);
  struct uuid customer = known("cus_pro");
  const char *lines = arena_printf(&arena, "%s,%s,%s", line("price_pro", 700, 1, true), line_of_old("price_pro", 700, true), line("price_nobodys", 900, 1, false));
  assert_int_equal(told("invoice.paid", invoice("in_pro", "cus_pro", 2300, lines, "")), FACT_IGNORED);
  assert_int_equal(told("invoice.paid", invoice("in_item", "cus_pro", 2300, "{'id':'il_item','amount':2300,'type':'invoiceitem','parent':{'type':'invoice_item_details'}}", "")),
                   FACT_IGNORED);
  assert_int_equal(count_of(customer), 0);
}

static void a_period_that_cost_nothing_brings_what_the_plan_says(void **state) {
  (void)state;
  (void)plan_make("price_trial", PRODUCT_ENDS, true);
  (void)plan_make("price_no_trial", PRODUCT_ENDS, false);
  struct uuid with = known("cus_trial"), without = known("cus_no_trial");
  assert_int_equal(told("invoice.paid", invoice("in_trial", "cus_trial", 0, line("price_trial", 0, 1, false), "")), FACT_DONE);
  assert_int_equal(told("invoice.paid", invoice("in_no_trial", "cus_no_trial", 0, line("price_no_trial", 0, 1, false), "")), FACT_DONE);
  assert_true(the_payment(with).paid == 0 && count_of(without) == 0);
}

static void what_paid_an_invoice_is_learnt_before_or_after_it(void **state) {
  (void)state;
  (void)plan_make("price_ip", PRODUCT_ENDS, false);
  for (int first = 0; first < 3; first++) {
    const char *customer = fresh("cus_ip"), *id = fresh("in_ip"), *intent = fresh("pi_ip");
    struct uuid ours = known(customer);
    const char *paid_by = arena_printf(&arena, "{'id':'inpay_1','object':'invoice_payment','invoice':'%s','payment':{'type':'payment_intent','payment_intent':'%s'}}", id, intent);
    const char *expanded = first == 2 ? arena_printf(&arena, ",'payments':{'data':[{'payment':{'type':'payment_intent','payment_intent':{'id':'%s'}}}]}", intent) : "";
    if (first == 0) assert_int_equal(told("invoice_payment.paid", paid_by), FACT_DONE);
    assert_int_equal(told("invoice.paid", invoice(id, customer, 5000, line("price_ip", 5000, 1, false), expanded)), FACT_DONE);
    if (first == 1) assert_int_equal(told("invoice_payment.paid", paid_by), FACT_DONE);
    assert_true(str_eq(the_payment(ours).payment_intent, str_from(intent)) && the_payment(ours).pending);
  }
  assert_int_equal(told("invoice_payment.paid", "{'id':'inpay_2','invoice':'in_x','payment':{'type':'charge'}}"), FACT_IGNORED);
}

static void more_lines_than_an_event_holds_are_read_at_stripe(void **state) {
  (void)state;
  (void)plan_make("price_many", PRODUCT_ENDS, false);
  struct uuid customer = known("cus_many");
  const char *text = arena_printf(&arena, "{'id':'in_many','customer':'cus_many','currency':'usd','amount_paid':10000,'lines':{'data':[],'has_more':true}}");
  assert_int_equal(told("invoice.paid", text), FACT_FETCH);
  assert_true(str_eq(last.want, STR("/v1/invoices/in_many/lines?limit=100")));
  const char *lines = arena_printf(&arena, "{'data':[%s,%s],'has_more':false}", line("price_many", 5000, 1, false), line("price_many", 5000, 1, false));
  assert_int_equal(told_at(1, "invoice.paid", text, NULL, lines), FACT_DONE);
  assert_int_equal(count_of(customer), 2);
  assert_int_equal(told_at(1, "invoice.paid", text, NULL, "{'data':[],'has_more':true}"), FACT_PARKED);
  assert_int_equal(told_at(1, "invoice.paid", text, NULL, "{'error':{}}"), FACT_PARKED);
}

static void a_plan_is_known_by_the_order_that_began_it(void **state) {
  (void)state;
  struct product plan = plan_make("price_by_order", PRODUCT_ENDS, false);
  struct order o = {.customer_id = known("cus_by_order"), .id = new_id(), .kind = ORDER_SUBSCRIPTION, .product_id = plan.id, .currency = STR("usd"), .price = 5000, .credits = 1};
  assert_int_equal(payment_order_create(db, &o), 0);
  const char *parent = arena_printf(&arena, ",'parent':{'type':'subscription_details','subscription_details':{'subscription':'sub_by_order',%s}}", named(&o));
  assert_int_equal(told("invoice.paid", invoice("in_by_order", "cus_nobody", 5000, line("price_made_there", 5000, 1, false), parent)), FACT_DONE);
  assert_true(uuid_eq(the_payment(o.customer_id).product_id, plan.id));
}

static void what_cannot_be_right_is_for_somebody_to_look_at(void **state) {
  (void)state;
  (void)plan_make("price_odd", PRODUCT_ENDS, false);
  assert_int_equal(told("invoice.paid", invoice("in_odd", "cus_of_nobody", 5000, line("price_odd", 5000, 1, false), "")), FACT_PARKED);
  assert_true(says(last.reason, "a customer who is not here"));
  (void)known("cus_odd");
  const char *eur = arena_printf(&arena, "{'id':'in_eur','customer':'cus_odd','currency':'eur','amount_paid':5000,'lines':{'data':[%s]}}", line("price_odd", 5000, 1, false));
  assert_int_equal(told("invoice.paid", eur), FACT_PARKED);
  assert_true(says(last.reason, "is in eur, its plan in usd"));
}

static void an_invoice_that_failed_brings_nothing(void **state) {
  (void)state;
  (void)plan_make("price_owed", PRODUCT_ENDS, false);
  struct uuid customer = known("cus_owed");
  assert_int_equal(told("invoice.payment_failed", invoice("in_owed", "cus_owed", 0, line("price_owed", 5000, 1, false), "")), FACT_DONE);
  assert_int_equal(count_of(customer), 0);
}

// ---- subscriptions

static int subscription(int64_t created, const char *id, const char *status, const char *more) {
  const char *text = arena_printf(&arena, "{'id':'%s','object':'subscription','customer':'cus_sub','status':'%s'%s}", id, status, more);
  return told_at(created, str_eq(str_from(status), STR("canceled")) ? "customer.subscription.deleted" : "customer.subscription.updated", text, NULL, NULL);
}

static struct subscription mirrored(struct uuid customer, const char *id) {
  struct subscription *list;
  size_t count;
  assert_int_equal(subscription_list(db, &arena, customer, &list, &count), 0);
  for (size_t i = 0; i < count; i++)
    if (str_eq(list[i].id, str_from(id))) return list[i];
  fail();
  return list[0];
}

static void a_subscription_is_as_the_newest_event_says(void **state) {
  (void)state;
  struct product plan = plan_make("price_sub", PRODUCT_ENDS, false);
  struct uuid customer = known("cus_sub");
  const char *items = ",'items':{'data':[{'id':'si_1','quantity':3,'current_period_end':1893456000,'price':{'id':'price_sub'}}]},'cancel_at':1893456001";
  assert_int_equal(subscription(100, "sub_1", "past_due", items), FACT_DONE);
  assert_int_equal(subscription(90, "sub_1", "active", ""), FACT_DONE); // says nothing any more
  struct subscription s = mirrored(customer, "sub_1");
  assert_true(str_eq(s.status, STR("past_due")) && s.quantity == 3 && uuid_eq(s.product_id, plan.id));
  assert_true(s.current_period_end == END * 1000000 && s.cancel_at == (END + 1) * 1000000);
  struct billing b;
  assert_true(billing_read(db, &arena, customer, &b) == 0 && b.past_due);
  assert_int_equal(subscription(110, "sub_1", "active", ",'current_period_end':1893456002"), FACT_DONE); // where it stood before 2025
  assert_true(mirrored(customer, "sub_1").current_period_end == (END + 2) * 1000000 && uuid_eq(mirrored(customer, "sub_1").product_id, plan.id));
  assert_true(billing_read(db, &arena, customer, &b) == 0 && !b.past_due);
  assert_int_equal(subscription(120, "sub_1", "canceled", ""), FACT_DONE);
  assert_int_equal(subscription(130, "sub_1", "active", ""), FACT_DONE); // the end is final
  assert_true(str_eq(mirrored(customer, "sub_1").status, STR("canceled")));
}

static void of_two_events_of_one_second_stripe_says_which_was_the_last(void **state) {
  (void)state;
  struct uuid customer = known("cus_two");
  const char *active = "{'id':'sub_two','customer':'cus_two','status':'active'}", *past_due = "{'id':'sub_two','customer':'cus_two','status':'past_due'}";
  const char *type = "customer.subscription.updated";
  assert_int_equal(told_at(200, type, past_due, NULL, NULL), FACT_DONE);
  assert_int_equal(told_at(200, type, past_due, NULL, NULL), FACT_DONE); // says the same
  assert_int_equal(told_at(200, type, active, NULL, NULL), FACT_FETCH);
  assert_true(str_eq(last.want, STR("/v1/subscriptions/sub_two")));
  assert_int_equal(told_at(200, type, active, NULL, past_due), FACT_DONE);
  assert_true(str_eq(mirrored(customer, "sub_two").status, STR("past_due")));
  assert_int_equal(told_at(200, type, active, NULL, "{'error':{'code':'resource_missing'}}"), FACT_DONE); // then the later heard of counts
  assert_true(str_eq(mirrored(customer, "sub_two").status, STR("active")));
}

static void a_subscription_that_is_heard_of_before_its_page_knows_its_plan(void **state) {
  (void)state;
  struct product plan = plan_make("price_early", PRODUCT_ENDS, false);
  struct order o = {.customer_id = known("cus_early"), .id = new_id(), .kind = ORDER_SUBSCRIPTION, .product_id = plan.id, .currency = STR("usd"), .price = 5000, .credits = 1};
  assert_int_equal(payment_order_create(db, &o), 0);
  const char *text = arena_printf(&arena, "{'id':'sub_early','customer':'cus_early','status':'active',%s}", named(&o));
  assert_int_equal(told("customer.subscription.created", text), FACT_DONE);
  assert_true(uuid_eq(mirrored(o.customer_id, "sub_early").product_id, plan.id));
}

static void a_subscription_of_nobody_is_left_alone(void **state) {
  (void)state;
  assert_int_equal(told("customer.subscription.created", "{'id':'sub_2','customer':'cus_of_nobody','status':'active'}"), FACT_IGNORED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plans_period_is_a_payment_once_whichever_event_tells_it),
      cmocka_unit_test(what_a_plan_leaves_may_stay_a_period_longer_or_for_ever),
      cmocka_unit_test(the_old_places_are_read_too),
      cmocka_unit_test(prorations_and_other_lines_bring_nothing),
      cmocka_unit_test(a_period_that_cost_nothing_brings_what_the_plan_says),
      cmocka_unit_test(what_paid_an_invoice_is_learnt_before_or_after_it),
      cmocka_unit_test(more_lines_than_an_event_holds_are_read_at_stripe),
      cmocka_unit_test(a_plan_is_known_by_the_order_that_began_it),
      cmocka_unit_test(what_cannot_be_right_is_for_somebody_to_look_at),
      cmocka_unit_test(an_invoice_that_failed_brings_nothing),
      cmocka_unit_test(a_subscription_is_as_the_newest_event_says),
      cmocka_unit_test(of_two_events_of_one_second_stripe_says_which_was_the_last),
      cmocka_unit_test(a_subscription_that_is_heard_of_before_its_page_knows_its_plan),
      cmocka_unit_test(a_subscription_of_nobody_is_left_alone),
  };
  return cmocka_run_group_tests(tests, rows_open, rows_close);
}
