// Refunds, charges and disputes as they come: whatever the order and however often, the same stands in the end.
#include "told.h"
#include "payment/billing.h"
#include "payment/target.h"

struct event {
  const char *type, *object, *fetched;
};

static struct target_facts facts_of(const char *intent) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, str_from(intent));
  assert_int_equal(db_run(db, STATEMENT_PAYMENT_FACTS, &p, &r), 0);
  return (struct target_facts){.out = db_i64(r, 0, 0), .back = db_i64(r, 0, 1), .charged = db_i64(r, 0, 2), .lost = db_i64(r, 0, 3), .disputed = db_i64(r, 0, 4)};
}

static void tell(const struct event *e) {
  int r = told_at(1800000000, e->type, e->object, NULL, NULL);
  if (r == FACT_FETCH) r = told_at(1800000000, e->type, e->object, NULL, e->fetched);
  assert_int_equal(r, FACT_DONE);
}

// ---- events of a payment of 2000

static const char *intent, *charge;

static struct event bought(const struct order *o) {
  return (struct event){"checkout.session.completed",
                        arena_printf(&arena, "{'id':'%s','mode':'payment','payment_status':'paid','currency':'usd',%s,'payment_intent':'%s','amount_subtotal':2000,'amount_total':2000}",
                                     fresh("cs"), named(o), intent), NULL};
}

static struct event refund(const char *type, const char *id, int minor, const char *status) {
  return (struct event){type, arena_printf(&arena, "{'id':'%s_%s','object':'refund','amount':%d,'currency':'usd','status':'%s','charge':'%s','payment_intent':'%s'}",
                                           id, intent, minor, status, charge, intent), NULL};
}

static struct event refunded(int minor) {
  return (struct event){"charge.refunded", arena_printf(&arena, "{'id':'%s','object':'charge','amount_refunded':%d,'payment_intent':'%s'}", charge, minor, intent), NULL};
}

static struct event dispute(const char *type, const char *id, int minor, const char *status, const char *balance) {
  return (struct event){type, arena_printf(&arena, "{'id':'%s_%s','object':'dispute','amount':%d,'currency':'usd','status':'%s','charge':'%s','payment_intent':'%s',"
                                                   "'reason':'fraudulent','balance_transactions':[%s]}", id, intent, minor, status, charge, intent, balance), NULL};
}

static struct order payment_begin(void) {
  intent = fresh("pi");
  charge = fresh("ch");
  return ordered(ORDER_PURCHASE);
}

static void shuffle(size_t order[], size_t count) {
  for (size_t i = count; i > 1; i--) {
    size_t j = (size_t)rand() % i, was = order[i - 1];
    order[i - 1] = order[j];
    order[j] = was;
  }
}

// Tells events 0..count-1 in the order of a seed, some of them twice.
static void tell_shuffled(const struct event *events, size_t count, unsigned seed) {
  size_t order[32];
  srand(seed);
  for (size_t i = 0; i < count; i++) order[i] = i;
  for (size_t i = 0; i < 4; i++) order[count + i] = (size_t)rand() % count;
  shuffle(order, count + 4);
  for (size_t i = 0; i < count + 4; i++) tell(&events[order[i]]);
}

#define SEEDS 40

static void refunds_that_grow_and_fail_stand_the_same_in_any_order(void **state) {
  (void)state;
  for (unsigned seed = 0; seed < SEEDS; seed++) {
    struct order o = payment_begin();
    struct event events[] = {bought(&o), refund("refund.created", "re_a", 500, "succeeded"), refunded(500), refund("refund.created", "re_b", 700, "pending"), refunded(1200),
                             refund("refund.updated", "re_b", 700, "succeeded"), refund("refund.failed", "re_b", 700, "failed"), refunded(500),
                             refund("refund.created", "re_c", 300, "succeeded"), refunded(800)};
    events[6].fetched = arena_printf(&arena, "{'data':[%s,%s,%s]}", refund("", "re_a", 500, "succeeded").object, refund("", "re_b", 700, "failed").object,
                                     refund("", "re_c", 300, "succeeded").object);
    tell_shuffled(events, ARRAY_LEN(events), seed);
    struct target_facts f = facts_of(intent);
    assert_true(f.out == 800 && f.back == 700 && f.charged == 1200 && target_refunded(&f) == 800);
    struct payment p = the_payment(o.customer_id);
    assert_true(p.pending && says(p.problem, "a refund came back"));
  }
}

static void a_dispute_stands_where_it_ended_in_any_order(void **state) {
  (void)state;
  static const struct {
    const char *end, *balance;
    int64_t lost, disputed;
  } ends[] = {{"won", "{'amount':-2000},{'amount':2000}", 0, 0}, {"lost", "{'amount':-2000}", 2000, 0}, {"under_review", "{'amount':-2000}", 0, 2000}};
  for (size_t e = 0; e < ARRAY_LEN(ends); e++)
    for (unsigned seed = 0; seed < SEEDS; seed++) {
      struct order o = payment_begin();
      struct event events[] = {bought(&o), dispute("charge.dispute.created", "du", 2000, "needs_response", ""),
                               dispute("charge.dispute.funds_withdrawn", "du", 2000, "needs_response", "{'amount':-2000}"),
                               dispute("charge.dispute.updated", "du", 2000, "under_review", "{'amount':-2000}"),
                               dispute(strcmp(ends[e].end, "under_review") ? "charge.dispute.closed" : "charge.dispute.updated", "du", 2000, ends[e].end, ends[e].balance)};
      tell_shuffled(events, ARRAY_LEN(events), seed);
      struct target_facts f = facts_of(intent);
      assert_true(f.lost == ends[e].lost && f.disputed == ends[e].disputed);
      struct payment p = the_payment(o.customer_id);
      assert_true(p.pending && says(p.problem, "a dispute is lost") == (ends[e].lost > 0));
      struct billing b;
      assert_int_equal(billing_read(db, &arena, o.customer_id, &b), 0);
      assert_int_equal(b.disputed, ends[e].disputed > 0);
    }
}

static void one_that_is_won_late_is_won_in_any_order(void **state) {
  (void)state;
  for (unsigned seed = 0; seed < SEEDS; seed++) {
    struct order o = payment_begin();
    struct event events[] = {bought(&o), dispute("charge.dispute.created", "du", 2000, "needs_response", "{'amount':-2000}"),
                             dispute("charge.dispute.closed", "du", 2000, "lost", "{'amount':-2000}"), dispute("charge.dispute.updated", "du", 2000, "won", "{'amount':-2000}"),
                             dispute("charge.dispute.funds_reinstated", "du", 2000, "won", "{'amount':-2000},{'amount':1985}")};
    tell_shuffled(events, ARRAY_LEN(events), seed);
    struct target_facts f = facts_of(intent);
    assert_true(f.lost == 0 && f.disputed == 0);
  }
}

static void an_inquiry_takes_nothing_until_it_is_a_dispute(void **state) {
  (void)state;
  struct order o = payment_begin();
  struct billing b;
  struct event made = bought(&o), asked = dispute("charge.dispute.created", "du", 2000, "warning_needs_response", ""),
               closed = dispute("charge.dispute.closed", "du", 2000, "warning_closed", "");
  tell(&made), tell(&asked);
  assert_true(facts_of(intent).disputed == 0 && billing_read(db, &arena, o.customer_id, &b) == 0 && b.disputed);
  tell(&closed);
  assert_true(facts_of(intent).disputed == 0 && billing_read(db, &arena, o.customer_id, &b) == 0 && !b.disputed);
  o = payment_begin();
  struct event again = bought(&o), asks = dispute("charge.dispute.created", "du", 2000, "warning_under_review", ""),
               taken = dispute("charge.dispute.funds_withdrawn", "du", 2000, "needs_response", "{'amount':-2000}");
  tell(&taken), tell(&again), tell(&asks);
  assert_true(facts_of(intent).disputed == 2000 && billing_read(db, &arena, o.customer_id, &b) == 0 && b.disputed);
}

static void more_than_one_dispute_adds_up(void **state) {
  (void)state;
  struct order o = payment_begin();
  struct event events[] = {bought(&o), dispute("charge.dispute.created", "du_a", 700, "needs_response", ""), dispute("charge.dispute.created", "du_b", 900, "needs_response", ""),
                           dispute("charge.dispute.closed", "du_a", 700, "lost", "")};
  tell_shuffled(events, ARRAY_LEN(events), 5);
  struct target_facts f = facts_of(intent);
  assert_true(f.lost == 700 && f.disputed == 900);
}

static void what_nobody_has_heard_of_is_for_somebody_to_look_at(void **state) {
  (void)state;
  struct order o = payment_begin();
  static const struct {
    const char *status, *problem;
  } odd[] = {{"prevented", "was prevented"}, {"a_status_of_tomorrow", "not known"}};
  for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
    o = payment_begin();
    struct event made = bought(&o), d = dispute("charge.dispute.updated", "du", 2000, odd[i].status, "");
    tell(&made), tell(&d);
    assert_true(facts_of(intent).disputed == 0 && says(the_payment(o.customer_id).problem, odd[i].problem));
  }
  o = payment_begin();
  struct event made = bought(&o), won = dispute("charge.dispute.closed", "du", 2000, "won", ""), appeal = dispute("charge.dispute.updated", "du", 2000, "appeal_under_review", "");
  tell(&made), tell(&won), tell(&appeal);
  assert_true(facts_of(intent).disputed == 0 && says(the_payment(o.customer_id).problem, "appealed"));
}

static void what_names_only_its_charge_is_found_when_the_charge_is_known(void **state) {
  (void)state;
  for (int known = 0; known < 2; known++) {
    struct order o = payment_begin();
    struct event made = bought(&o), of_charge = {"charge.succeeded", arena_printf(&arena, "{'id':'%s','payment_intent':'%s','amount_refunded':0}", charge, intent), NULL};
    const char *re = fresh("re"), *du = fresh("du");
    struct event r = {"refund.created", arena_printf(&arena, "{'id':'%s','amount':500,'currency':'usd','status':'succeeded','charge':'%s'}", re, charge), NULL};
    struct event d = {"charge.dispute.created", arena_printf(&arena, "{'id':'%s','amount':300,'currency':'usd','status':'needs_response','charge':{'id':'%s'}}", du, charge), NULL};
    tell(&made);
    if (known) tell(&of_charge);
    tell(&r), tell(&d);
    if (!known) tell(&of_charge);
    struct target_facts f = facts_of(intent);
    assert_true(f.out == 500 && f.disputed == 300 && the_payment(o.customer_id).pending);
  }
}

static void a_refund_that_is_edited_changes_nothing(void **state) {
  (void)state;
  struct order o = payment_begin();
  struct event made = bought(&o), r = refund("refund.created", "re", 500, "succeeded");
  tell(&made), tell(&r);
  assert_int_equal(payment_told(db, str_from(intent), 500, false, STR("")), 0);
  struct event edited = refund("refund.updated", "re", 500, "succeeded");
  tell(&edited);
  assert_true(!the_payment(o.customer_id).pending);
}

static void once_one_came_back_all_are_read(void **state) {
  (void)state;
  (void)payment_begin();
  struct event failed = refund("charge.refund.updated", "re", 500, "canceled");
  assert_int_equal(told(failed.type, failed.object), FACT_FETCH);
  assert_true(says(last.want, "/v1/refunds?payment_intent=") && says(last.want, intent));
  failed.fetched = arena_printf(&arena, "{'data':[%s,%s]}", failed.object, refund("", "re_never_told", 900, "succeeded").object);
  tell(&failed);
  struct target_facts f = facts_of(intent);
  assert_true(f.out == 900 && f.back == 500);
}

static void what_cannot_be_put_against_anything_is_for_somebody_to_look_at(void **state) {
  (void)state;
  assert_int_equal(told("refund.created", "{'id':'re_1','amount':5,'status':'succeeded'}"), FACT_PARKED);
  assert_int_equal(told("refund.created", "{'id':'re_1','payment_intent':'pi_1','status':'succeeded'}"), FACT_PARKED);
  assert_int_equal(told("charge.refunded", "{'id':'ch_1','payment_intent':'pi_1'}"), FACT_PARKED);
  assert_int_equal(told("charge.refunded", "{'id':'ch_1','amount_refunded':5}"), FACT_IGNORED);
  assert_int_equal(told("charge.dispute.created", "{'id':'du_1','amount':5,'status':'needs_response'}"), FACT_PARKED);
}

static void an_early_warning_is_told_also_where_it_comes_first(void **state) {
  (void)state;
  struct order o = payment_begin();
  struct event made = bought(&o);
  tell(&made);
  assert_int_equal(told("radar.early_fraud_warning.created", arena_printf(&arena, "{'id':'issfr_1','charge':'%s','payment_intent':'%s'}", charge, intent)), FACT_DONE);
  assert_true(says(the_payment(o.customer_id).problem, "early fraud warning"));
  o = payment_begin();
  made = bought(&o);
  assert_int_equal(told("radar.early_fraud_warning.created", arena_printf(&arena, "{'id':'issfr_2','charge':'%s','payment_intent':'%s'}", charge, intent)), FACT_DONE);
  tell(&made);
  assert_true(says(the_payment(o.customer_id).problem, "early fraud warning"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refunds_that_grow_and_fail_stand_the_same_in_any_order),
      cmocka_unit_test(a_dispute_stands_where_it_ended_in_any_order),
      cmocka_unit_test(one_that_is_won_late_is_won_in_any_order),
      cmocka_unit_test(an_inquiry_takes_nothing_until_it_is_a_dispute),
      cmocka_unit_test(more_than_one_dispute_adds_up),
      cmocka_unit_test(what_nobody_has_heard_of_is_for_somebody_to_look_at),
      cmocka_unit_test(what_names_only_its_charge_is_found_when_the_charge_is_known),
      cmocka_unit_test(a_refund_that_is_edited_changes_nothing),
      cmocka_unit_test(once_one_came_back_all_are_read),
      cmocka_unit_test(what_cannot_be_put_against_anything_is_for_somebody_to_look_at),
      cmocka_unit_test(an_early_warning_is_told_also_where_it_comes_first),
  };
  log_open(LOG_ERROR + 1, false);
  return cmocka_run_group_tests(tests, rows_open, rows_close);
}
