// The fold's rules of a hold that grows: a call's own while it runs, and an explicit one, in amount and in time, for days.
#include "fold.h"

#define DAY (INT64_C(24) * 3600 * 1000000)

static struct ledger_op extend(amount hold, int64_t expires_at) {
  return (struct ledger_op){.kind = LEDGER_EXTEND, .explicit = true, .customer = number(1), .id = number(11), .hold = hold, .expires_at = expires_at};
}

// Hold 11: explicit unless expires_at is 0, with these budgets drawn.
static void held(struct world *w, amount hold, int64_t expires_at, size_t budgets) {
  struct ledger_op op = admit(11, hold);
  op.expires_at = expires_at;
  for (size_t i = 0; i < budgets; i++) op.limits[op.limit_count++] = number(52 + i);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  next_batch(w);
}

// A daily budget (52) and one for ever (53).
static struct bucket *budgets(struct world *w, struct fold_customer *c, amount daily, amount total) {
  c->buckets = arena_alloc(&w->arena, 2 * sizeof *c->buckets);
  c->bucket_count = 2;
  c->buckets[0] = (struct bucket){.limit = number(52), .measure = BUCKET_SPEND, .period = BUCKET_DAY, .amount = daily, .window_start = NOW - 5, .window_end = NOW + DAY - 5,
                                  .current_start = NOW - 5, .current_end = NOW + DAY - 5};
  c->buckets[1] = (struct bucket){.limit = number(53), .measure = BUCKET_SPEND, .period = BUCKET_TOTAL, .amount = total, .window_end = INT64_MAX};
  return c->buckets;
}

static void next_day(struct world *w, struct bucket *daily) {
  w->f.now += DAY;
  daily->current_start += DAY;
  daily->current_end += DAY;
}

static void an_extension_holds_more_or_says_why_not(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 10, 0, 0);
  struct ledger_op e = {.kind = LEDGER_EXTEND, .customer = number(1), .id = number(11), .hold = 90, .charge = 7};
  run(w, &e);
  assert_int_equal(e.result, LEDGER_DONE);
  assert_int_equal(c->held, 90);
  assert_int_equal(w->f.holds.at[0].metered, 7);
  e.hold = 101;
  run(w, &e);
  assert_int_equal(e.result, LEDGER_SHORT);
  e.id = number(99);
  run(w, &e);
  assert_int_equal(e.result, LEDGER_GONE);
}

static void an_extension_says_what_is_to_stand_and_what_it_leaves_out_stays(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 50, NOW + 1000, 0);
  struct {
    struct ledger_op op;
    int result;
    amount held;
    int64_t expires_at;
  } turns[] = {{extend(60, 0), LEDGER_DONE, 60, NOW + 1000},      {extend(60, NOW + 2000), LEDGER_DONE, 60, NOW + 2000},
               {extend(0, NOW + 1500), LEDGER_DONE, 60, NOW + 2000}, {extend(55, NOW + 9000), LEDGER_REFUSED, 60, NOW + 2000},
               {extend(101, 0), LEDGER_SHORT, 60, NOW + 2000}};
  for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
    run(w, &turns[i].op);
    assert_int_equal(turns[i].op.result, turns[i].result);
    assert_int_equal(c->held, turns[i].held);
    assert_int_equal(w->f.holds.at[0].expires_at, turns[i].expires_at);
  }
}

static void a_suspended_customers_hold_is_not_extended(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 50, NOW + 1000, 0);
  c->suspended = true;
  struct ledger_op op = extend(60, 0);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_STALE);
  assert_int_equal(c->held, 50);
}

static void a_hold_whose_time_has_run_out_is_not_revived_though_nobody_has_swept_it(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 50, NOW + 1000, 0);
  w->f.now = NOW + 1000;
  struct ledger_op longer = extend(0, NOW + DAY), more = extend(60, 0), end = settle(11, 20);
  run(w, &longer);
  run(w, &more);
  assert_int_equal(longer.result, LEDGER_GONE);
  assert_int_equal(more.result, LEDGER_GONE);
  assert_false(w->f.holds.at[0].dirty);
  assert_int_equal(w->f.holds.at[0].expires_at, NOW + 1000);
  run(w, &end); // what was used is charged all the same
  assert_int_equal(end.result, LEDGER_DONE);
  assert_int_equal(c->balance, 80);
}

static void limits_come_before_credits_as_they_do_at_an_admission(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  (void)budgets(w, c, 60, 1000);
  held(w, 50, NOW + DAY, 2);
  struct ledger_op more = extend(101, 0), anew = admit(12, 101);
  anew.limits[0] = number(52);
  anew.limit_count = 1;
  run(w, &more);
  run(w, &anew);
  assert_int_equal(more.result, LEDGER_LIMITED);
  assert_int_equal(anew.result, LEDGER_LIMITED);
  assert_int_equal(more.left, 10);
}

// ---- windows

static void in_its_own_window_a_budget_is_asked_for_what_is_more(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  const struct bucket *daily = budgets(w, c, 60, 60);
  held(w, 50, NOW + DAY, 2);
  struct ledger_op more = extend(60, 0), most = extend(61, 0);
  run(w, &more);
  run(w, &most);
  assert_int_equal(more.result, LEDGER_DONE);
  assert_int_equal(most.result, LEDGER_LIMITED);
  assert_int_equal(daily->held, 60);
}

static void in_a_new_window_a_budget_is_asked_for_the_whole(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct bucket *daily = budgets(w, c, 60, 1000);
  held(w, 50, NOW + 3 * DAY, 2);
  next_day(w, daily);
  daily->amount = 49;
  struct ledger_op longer = extend(0, NOW + 4 * DAY), again = longer, end = settle(11, 30);
  run(w, &longer); // also where only its time grows
  assert_int_equal(longer.result, LEDGER_LIMITED);
  assert_true(uuid_eq(longer.limit, number(52)));
  assert_int_equal(longer.left, 49);
  assert_int_equal(daily->held, 0);
  assert_int_equal(w->f.holds.at[0].expires_at, NOW + 3 * DAY);
  daily->amount = 50;
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DONE);
  assert_int_equal(daily->held, 50);
  assert_int_equal(c->buckets[1].held, 50); // the one for ever has it once
  assert_int_equal(w->f.holds.at[0].draw_count, 2);
  run(w, &end);
  assert_int_equal(daily->held, 0);
  assert_int_equal(daily->used, 30);
  assert_int_equal(c->buckets[1].used, 30);
}

static void a_budget_that_came_later_is_asked_for_the_whole(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  const struct bucket *daily = budgets(w, c, 60, 54);
  held(w, 50, NOW + DAY, 1);
  struct ledger_op more = extend(55, 0);
  run(w, &more);
  assert_int_equal(more.result, LEDGER_LIMITED);
  assert_true(uuid_eq(more.limit, number(53)));
  assert_int_equal(daily->held, 50); // all or nothing
  more.hold = 54;
  run(w, &more);
  assert_int_equal(more.result, LEDGER_DONE);
  assert_int_equal(daily->held, 54);
  assert_int_equal(c->buckets[1].held, 54);
}

static void a_budget_of_another_key_has_no_say(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  budgets(w, c, 60, 0)[1].key = number(7);
  held(w, 50, NOW + DAY, 1);
  struct ledger_op more = extend(60, 0);
  run(w, &more);
  assert_int_equal(more.result, LEDGER_DONE);
  assert_int_equal(c->buckets[1].held, 0);
}

static void what_parts_have_given_back_is_not_asked_for_again(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  const struct bucket *daily = budgets(w, c, 60, 1000);
  held(w, 50, NOW + DAY, 2);
  struct ledger_op part = {.kind = LEDGER_PART, .explicit = true, .customer = number(1), .id = number(11), .part = number(12), .state = CALL_SETTLED, .charge = 20};
  struct ledger_op more = extend(40, 0), end = settle(11, 0);
  run(w, &part);
  run(w, &more);
  assert_int_equal(more.result, LEDGER_DONE);
  assert_int_equal(daily->held, 40);
  run(w, &end);
  assert_int_equal(daily->held, 0);
}

static void a_calls_hold_asks_the_budgets_of_its_own_window_alone(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct bucket *daily = budgets(w, c, 60, 60);
  held(w, 50, 0, 1);
  next_day(w, daily);
  struct ledger_op more = extend(90, 0);
  more.explicit = false;
  run(w, &more);
  assert_int_equal(more.result, LEDGER_DONE);
  assert_int_equal(daily->held, 0);
  assert_int_equal(c->buckets[1].held, 0);
}

int main(void) {
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      RULE(an_extension_holds_more_or_says_why_not),
      RULE(an_extension_says_what_is_to_stand_and_what_it_leaves_out_stays),
      RULE(a_suspended_customers_hold_is_not_extended),
      RULE(a_hold_whose_time_has_run_out_is_not_revived_though_nobody_has_swept_it),
      RULE(limits_come_before_credits_as_they_do_at_an_admission),
      RULE(in_its_own_window_a_budget_is_asked_for_what_is_more),
      RULE(in_a_new_window_a_budget_is_asked_for_the_whole),
      RULE(a_budget_that_came_later_is_asked_for_the_whole),
      RULE(a_budget_of_another_key_has_no_say),
      RULE(what_parts_have_given_back_is_not_asked_for_again),
      RULE(a_calls_hold_asks_the_budgets_of_its_own_window_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
