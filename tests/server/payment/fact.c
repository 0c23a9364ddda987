// What Stripe says, read: ids and expanded objects, numbers that cannot be, orders that are not meant. And what Sessions and
// PaymentIntents do, each in any order and twice.
#include "told.h"

// ---- reading

static void an_id_is_a_text_or_an_object_with_one(void **state) {
  (void)state;
  struct json *o = parsed("{'a':'pi_1','b':{'id':'pi_2','object':'payment_intent'},'c':null,'d':7,'e':{'payment':{'payment_intent':'pi_3'}}}");
  assert_true(str_eq(fact_id(o, "a"), STR("pi_1")) && str_eq(fact_id(o, "b"), STR("pi_2")) && str_eq(fact_id(o, "e.payment.payment_intent"), STR("pi_3")));
  assert_true(fact_id(o, "c").len == 0 && fact_id(o, "d").len == 0 && fact_id(o, "x.y").len == 0 && fact_id(NULL, "a").len == 0);
  assert_true(fact_text(o, "b").len == 0 && fact_text(o, "d").len == 0);
  json_finish(o);
}

static void an_amount_that_cannot_be_is_none(void **state) {
  (void)state;
  struct json *o = parsed("{'a':0,'b':1000000000000000,'c':1000000000000001,'d':-1,'e':'5','f':5.0,'g':null}");
  assert_true(fact_minor(o, "a") == 0 && fact_minor(o, "b") == INT64_C(1000000000000000));
  const char *none[] = {"c", "d", "e", "f", "g", "h"};
  for (size_t i = 0; i < ARRAY_LEN(none); i++) assert_true(fact_minor(o, none[i]) == -1);
  assert_true(fact_int(o, "d") == -1 && fact_int(o, "e") == 0 && !fact_bool(o, "a") && !fact_bool(o, "g"));
  json_finish(o);
}

static void a_type_that_nobody_knows_is_left_alone(void **state) {
  (void)state;
  assert_int_equal(told("account.updated", "{'id':'acct_1'}"), FACT_IGNORED);
  assert_true(last.reason.len > 0 && !fact_known(STR("account.updated")) && !fact_known(STR("refund")) && fact_known(STR("refund.created")));
  assert_int_equal(told("charge.dispute.created", "{}"), FACT_PARKED);
}

// ---- whose it is

static int session(const char *members) {
  return told("checkout.session.completed",
              arena_printf(&arena, "{'id':'%s','object':'checkout.session','mode':'payment','payment_status':'paid','currency':'usd',%s}", fresh("cs"), members));
}

static const char *paid(const struct order *o, const char *intent, int64_t subtotal, int64_t total) {
  return arena_printf(&arena, "%s,'payment_intent':'%s','amount_subtotal':%lld,'amount_total':%lld", named(o), intent, (long long)subtotal, (long long)total);
}

static void an_order_that_is_not_here_or_is_anothers_is_for_somebody_to_look_at(void **state) {
  (void)state;
  struct order o = ordered(ORDER_PURCHASE), foreign = o, stranger = o;
  foreign.id = new_id();
  stranger.customer_id = new_id();
  assert_int_equal(session(paid(&foreign, "pi_foreign", 2000, 2000)), FACT_PARKED);
  assert_true(says(last.reason, "is not here"));
  assert_int_equal(session(paid(&stranger, "pi_foreign", 2000, 2000)), FACT_PARKED);
  assert_int_equal(session("'metadata':{'order_id':'12345'},'payment_intent':'pi_foreign','amount_subtotal':2000,'amount_total':2000"), FACT_PARKED);
  assert_true(says(last.reason, "none of this service"));
  assert_int_equal(session("'metadata':{},'payment_intent':'pi_foreign','amount_subtotal':2000,'amount_total':2000"), FACT_IGNORED);
  assert_int_equal(state_of(&o), ORDER_OPEN);
}

static void what_is_not_as_it_was_ordered_is_for_somebody_to_look_at(void **state) {
  (void)state;
  struct order o = ordered(ORDER_PURCHASE), setup = ordered(ORDER_SETUP);
  assert_int_equal(session(paid(&o, "pi_x", 1999, 1999)), FACT_PARKED);
  assert_true(says(last.reason, "is about 1999, its order about 2000"));
  assert_int_equal(session(arena_printf(&arena, "%s,'amount_subtotal':2000,'amount_total':2000", named(&o))), FACT_PARKED);
  assert_int_equal(session(arena_printf(&arena, "%s,'payment_intent':'pi_x','amount_subtotal':2000", named(&o))), FACT_PARKED); // how much was paid is not told
  assert_int_equal(session(paid(&setup, "pi_x", 0, 0)), FACT_PARKED);
  const char *eur = arena_printf(&arena, "{'id':'cs_eur','mode':'payment','payment_status':'paid','currency':'eur',%s}", paid(&o, "pi_x", 2000, 2000));
  assert_int_equal(told("checkout.session.completed", eur), FACT_PARKED);
  assert_true(says(last.reason, "is in eur, its order in usd"));
  const char *modes[] = {"setup", "subscription", "tomorrow"};
  for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
    const char *other = arena_printf(&arena, "{'id':'cs_m','mode':'%s','payment_status':'paid','currency':'usd',%s}", modes[i], paid(&o, "pi_x", 2000, 2000));
    assert_int_equal(told("checkout.session.completed", other), FACT_PARKED);
  }
  assert_int_equal(state_of(&o), ORDER_OPEN);
}

static void an_order_of_the_other_mode_is_for_somebody_to_look_at(void **state) {
  (void)state;
  struct order o = {.customer_id = new_id(), .id = new_id(), .kind = ORDER_PURCHASE, .currency = STR("usd"), .price = 2000, .credits = 1, .livemode = true};
  assert_int_equal(payment_order_create(db, &o), 0);
  assert_int_equal(session(paid(&o, "pi_x", 2000, 2000)), FACT_PARKED);
  assert_true(says(last.reason, "other mode"));
}

// ---- Sessions

static void a_paid_session_is_a_payment_once(void **state) {
  (void)state;
  struct order o = ordered(ORDER_PURCHASE);
  const char *intent = fresh("pi"), *text = arena_printf(&arena, "%s,'total_details':{'amount_tax':380,'amount_discount':100}", paid(&o, intent, 2000, 2280));
  for (int i = 0; i < 3; i++) assert_int_equal(session(text), FACT_DONE);
  struct payment p = the_payment(o.customer_id);
  assert_true(str_eq(p.reference, str_from(intent)) && p.kind == PAYMENT_PURCHASE && p.pending);
  assert_true(p.paid == 2280 && p.net == 1900 && p.credits == 20 * AMOUNT_ONE);
  assert_int_equal(state_of(&o), ORDER_PAID);
}

static void what_is_paid_later_waits_and_may_fail(void **state) {
  (void)state;
  struct order o = ordered(ORDER_PURCHASE), failed = ordered(ORDER_PURCHASE);
  struct payment *none;
  for (int i = 0; i < 2; i++) {
    const struct order *of = i ? &failed : &o;
    const char *unpaid = arena_printf(&arena, "{'id':'%s','mode':'payment','payment_status':'unpaid','currency':'usd',%s}", fresh("cs"), paid(of, fresh("pi"), 2000, 2000));
    assert_int_equal(told("checkout.session.completed", unpaid), FACT_DONE);
    assert_int_equal(state_of(of), ORDER_AWAITING);
    assert_int_equal(payments_of(of->customer_id, &none), 0);
  }
  const char *late = arena_printf(&arena, "{'id':'%s','mode':'payment','payment_status':'paid','currency':'usd',%s}", fresh("cs"), paid(&o, fresh("pi"), 2000, 2000));
  assert_int_equal(told("checkout.session.async_payment_succeeded", late), FACT_DONE);
  assert_int_equal(state_of(&o), ORDER_PAID);
  assert_int_equal(told("checkout.session.async_payment_failed", late), FACT_DONE);
  assert_int_equal(state_of(&o), ORDER_PAID); // paid stays paid
  const char *lost = arena_printf(&arena, "{'id':'%s','mode':'payment','payment_status':'unpaid','currency':'usd',%s}", fresh("cs"), paid(&failed, fresh("pi"), 2000, 2000));
  assert_int_equal(told("checkout.session.async_payment_failed", lost), FACT_DONE);
  assert_int_equal(told("checkout.session.completed", lost), FACT_DONE); // which comes late
  assert_int_equal(state_of(&failed), ORDER_FAILED);
}

static void a_session_that_ran_out_does_not_undo_a_payment(void **state) {
  (void)state;
  struct order o = ordered(ORDER_PURCHASE), unpaid = ordered(ORDER_PURCHASE);
  assert_int_equal(session(paid(&o, fresh("pi"), 2000, 2000)), FACT_DONE);
  for (int i = 0; i < 2; i++) {
    const char *expired = arena_printf(&arena, "{'id':'%s','mode':'payment','status':'expired','currency':'usd',%s}", fresh("cs"), named(i ? &unpaid : &o));
    assert_int_equal(told("checkout.session.expired", expired), FACT_DONE);
  }
  assert_int_equal(state_of(&o), ORDER_PAID);
  assert_int_equal(state_of(&unpaid), ORDER_EXPIRED);
}

static int given_away(const struct order *o, const char *id, int discount) {
  return told("checkout.session.completed",
              arena_printf(&arena, "{'id':'%s','mode':'payment','payment_status':'no_payment_required','currency':'usd',%s,'amount_subtotal':2000,'amount_total':0,"
                                   "'total_details':{'amount_discount':%d}}", id, named(o), discount));
}

static void where_a_discount_took_all_the_session_is_the_payment(void **state) {
  (void)state;
  struct order o = ordered(ORDER_PURCHASE), odd = ordered(ORDER_PURCHASE);
  const char *id = fresh("cs");
  assert_int_equal(given_away(&o, id, 2000), FACT_DONE);
  struct payment p = the_payment(o.customer_id);
  assert_true(str_eq(p.reference, str_from(id)) && p.kind == PAYMENT_NOTHING && p.paid == 0 && p.payment_intent.len == 0);
  assert_int_equal(given_away(&odd, fresh("cs"), 0), FACT_PARKED);
}

static void a_card_that_is_saved_is_read_at_stripe_and_bought_with_nothing(void **state) {
  (void)state;
  struct order o = ordered(ORDER_SETUP);
  struct payment *none;
  const char *text = arena_printf(&arena, "{'id':'cs_setup','mode':'setup','payment_status':'no_payment_required','setup_intent':'seti_1','currency':'usd',%s}", named(&o));
  assert_int_equal(told("checkout.session.completed", text), FACT_FETCH);
  assert_true(str_starts(last.want, STR("/v1/setup_intents/seti_1?")));
  const char *answer = "{'id':'seti_1','payment_method':{'id':'pm_1','card':{'brand':'visa','last4':'4242','exp_month':4,'exp_year':2030,'fingerprint':'f1'}}}";
  assert_int_equal(told_at(1, "checkout.session.completed", text, NULL, answer), FACT_DONE);
  assert_int_equal(state_of(&o), ORDER_PAID);
  assert_int_equal(payments_of(o.customer_id, &none), 0);
}

// ---- PaymentIntents

static int intent(const struct order *o, const char *id, const char *status, int64_t received) {
  const char *text = arena_printf(&arena, "{'id':'%s','object':'payment_intent','status':'%s','currency':'usd','amount':2000,'amount_received':%lld,'latest_charge':'ch_%s',%s}",
                                  id, status, (long long)received, id, named(o));
  return told(arena_printf(&arena, "payment_intent.%s", status), text);
}

static void the_two_events_of_one_payment_are_one_payment(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    struct order o = ordered(ORDER_PURCHASE);
    const char *id = fresh("pi");
    if (i) assert_int_equal(intent(&o, id, "succeeded", 2000), FACT_DONE);
    assert_int_equal(session(paid(&o, id, 2000, 2000)), FACT_DONE);
    assert_int_equal(intent(&o, id, "succeeded", 2000), FACT_DONE);
    assert_true(the_payment(o.customer_id).paid == 2000 && the_payment(o.customer_id).net == 2000);
  }
}

static void what_an_invoice_pays_is_no_purchase(void **state) {
  (void)state;
  assert_int_equal(told("payment_intent.succeeded", "{'id':'pi_of_invoice','status':'succeeded','currency':'usd','amount_received':2000,'metadata':{}}"), FACT_IGNORED);
  assert_int_equal(told("payment_intent.succeeded", "{'id':'pi_k','currency':'usd','amount_received':2000,'metadata':{'kind':'other'}}"), FACT_IGNORED);
}

static void where_the_amount_is_not_the_orders_the_session_decides(void **state) {
  (void)state;
  struct order o = ordered(ORDER_PURCHASE), top_up = ordered(ORDER_TOP_UP);
  const char *id = fresh("pi");
  assert_int_equal(intent(&o, id, "succeeded", 2380), FACT_FETCH);
  assert_true(says(last.want, "/v1/checkout/sessions?payment_intent=") && says(last.want, id));
  const char *text = arena_printf(&arena, "{'id':'%s','status':'succeeded','currency':'usd','amount_received':2380,%s}", id, named(&o));
  assert_int_equal(told_at(1, "payment_intent.succeeded", text, NULL, "{'data':[]}"), FACT_PARKED);
  assert_true(says(last.reason, "was paid 2380, its order is about 2000"));
  const char *list = arena_printf(&arena, "{'data':[{'id':'cs_taxed','mode':'payment','payment_status':'paid','currency':'usd',%s,'total_details':{'amount_tax':380}}]}",
                                  paid(&o, id, 2000, 2380));
  assert_int_equal(told_at(1, "payment_intent.succeeded", text, NULL, list), FACT_DONE);
  assert_true(the_payment(o.customer_id).paid == 2380 && the_payment(o.customer_id).net == 2000);
  assert_int_equal(intent(&top_up, fresh("pi"), "succeeded", 1999), FACT_FETCH);
}

static void tax_inside_the_price_is_no_price_of_credits_whichever_event_comes_first(void **state) {
  (void)state;
  const char *const forms[] = {"mode=payment&automatic_tax[enabled]=true", "allow_promotion_codes=true&mode=payment"};
  for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
    struct order o = ordered(ORDER_PURCHASE);
    struct str frozen;
    const char *id = fresh("pi"), *text = arena_printf(&arena, "{'id':'%s','status':'succeeded','currency':'usd','amount_received':2000,%s}", id, named(&o));
    assert_int_equal(payment_order_freeze(db, &arena, o.customer_id, o.id, str_from(forms[i]), &frozen), ORDER_DONE);
    assert_int_equal(told("payment_intent.succeeded", text), FACT_FETCH);
    const char *list = arena_printf(&arena, "{'data':[{'id':'cs_inside','mode':'payment','payment_status':'paid','currency':'usd',%s,'total_details':{'amount_tax':319}}]}",
                                    paid(&o, id, 2000, 2000));
    assert_int_equal(told_at(1, "payment_intent.succeeded", text, NULL, list), FACT_DONE);
    assert_true(the_payment(o.customer_id).paid == 2000 && the_payment(o.customer_id).net == 1681);
  }
}

static void a_buyer_whose_card_is_declined_may_try_again(void **state) {
  (void)state;
  struct order o = ordered(ORDER_PURCHASE), debit = ordered(ORDER_PURCHASE), ended = ordered(ORDER_PURCHASE);
  assert_int_equal(intent(&o, "pi_d", "payment_failed", 0), FACT_DONE);
  assert_int_equal(state_of(&o), ORDER_OPEN);
  assert_int_equal(intent(&debit, "pi_p", "processing", 0), FACT_DONE);
  assert_int_equal(state_of(&debit), ORDER_AWAITING);
  assert_int_equal(intent(&ended, "pi_c", "canceled", 0), FACT_DONE);
  assert_int_equal(state_of(&ended), ORDER_CANCELLED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_id_is_a_text_or_an_object_with_one),
      cmocka_unit_test(an_amount_that_cannot_be_is_none),
      cmocka_unit_test(a_type_that_nobody_knows_is_left_alone),
      cmocka_unit_test(an_order_that_is_not_here_or_is_anothers_is_for_somebody_to_look_at),
      cmocka_unit_test(what_is_not_as_it_was_ordered_is_for_somebody_to_look_at),
      cmocka_unit_test(an_order_of_the_other_mode_is_for_somebody_to_look_at),
      cmocka_unit_test(a_paid_session_is_a_payment_once),
      cmocka_unit_test(what_is_paid_later_waits_and_may_fail),
      cmocka_unit_test(a_session_that_ran_out_does_not_undo_a_payment),
      cmocka_unit_test(where_a_discount_took_all_the_session_is_the_payment),
      cmocka_unit_test(a_card_that_is_saved_is_read_at_stripe_and_bought_with_nothing),
      cmocka_unit_test(the_two_events_of_one_payment_are_one_payment),
      cmocka_unit_test(what_an_invoice_pays_is_no_purchase),
      cmocka_unit_test(where_the_amount_is_not_the_orders_the_session_decides),
      cmocka_unit_test(tax_inside_the_price_is_no_price_of_credits_whichever_event_comes_first),
      cmocka_unit_test(a_buyer_whose_card_is_declined_may_try_again),
  };
  return cmocka_run_group_tests(tests, rows_open, rows_close);
}
