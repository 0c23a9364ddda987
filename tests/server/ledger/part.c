// The fold's rules for explicit holds: their parts, their expiry, what comes after their end; and for calls that are priced again.
#include "fold.h"
#include "ledger/batch.h"

// ---- explicit holds

static struct ledger_op part(uint64_t hold, uint64_t call, amount charge) {
  return (struct ledger_op){.kind = LEDGER_PART, .customer = number(1), .id = number(hold), .part = number(call), .state = CALL_SETTLED, .charge = charge};
}

static void held(struct world *w, uint64_t call, amount hold, int64_t expires_at) {
  struct ledger_op op = admit(call, hold);
  op.expires_at = expires_at;
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  next_batch(w);
}

static void a_part_is_a_call_of_its_own_and_the_hold_goes_on_with_the_rest(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 11, 50, NOW + 1000);
  w->f.holds.at[0].writer_id = 0;
  struct ledger_op one = part(11, 12, 20), end = settle(11, 25);
  run(w, &one);
  assert_int_equal(one.result, LEDGER_DONE);
  assert_int_equal(c->balance, 80);
  assert_int_equal(c->held, 30);
  assert_true(w->f.calls.at[0].flags & CALL_PART);
  assert_true(uuid_eq(w->f.calls.at[0].id, number(12)));
  next_batch(w);
  run(w, &end);
  assert_int_equal(end.result, LEDGER_DONE);
  assert_int_equal(c->balance, 55);
  assert_int_equal(c->held, 0);
}

static void a_part_larger_than_the_hold_is_charged_all_the_same(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 11, 10, NOW + 1000);
  struct ledger_op one = part(11, 12, 30);
  run(w, &one);
  assert_int_equal(one.result, LEDGER_DONE);
  assert_int_equal(c->balance, 70);
  assert_int_equal(c->held, 0);
  assert_true(w->f.calls.at[0].flags & CALL_ABOVE_HOLD);
}

static void a_part_uses_what_its_budget_held(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  add_buckets(w, c, 60, 60);
  struct ledger_op a = admit(11, 50);
  a.expires_at = NOW + 1000;
  a.limits[0] = number(52);
  a.limit_count = 1;
  run(w, &a);
  assert_int_equal(a.result, LEDGER_DONE);
  next_batch(w);
  struct ledger_op one = part(11, 12, 20);
  one.part = ledger_call_id_at(NOW, number(1));
  run(w, &one);
  assert_int_equal(c->buckets[1].used, 20);
  assert_int_equal(c->buckets[1].held, 30);
  next_batch(w);
  struct ledger_op end = settle(11, 0);
  end.state = CALL_RELEASED;
  run(w, &end);
  assert_int_equal(c->buckets[1].used, 20);
  assert_int_equal(c->buckets[1].held, 0);
}

// Like every call by the time in its id, so that what is undone later is taken off where it was counted.
static void a_part_counts_in_the_window_in_which_it_was_used(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  add_buckets(w, c, 60, 60);
  struct ledger_op a = admit(11, 50), one = part(11, 12, 20);
  a.expires_at = NOW + 10000;
  a.limits[0] = number(52);
  a.limit_count = 1;
  run(w, &a);
  next_batch(w);
  w->f.now = NOW + 2000;
  c->buckets[1].current_start = NOW + 1000;
  c->buckets[1].current_end = NOW + 9000;
  one.part = ledger_call_id_at(NOW + 2000, number(1));
  run(w, &one);
  assert_int_equal(one.result, LEDGER_DONE);
  assert_int_equal(c->buckets[1].used, 20);
  assert_int_equal(c->buckets[1].held, 0);
}

static void what_has_no_price_has_not_the_pinned_one(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  held(w, 11, 50, NOW + 1000);
  w->f.holds.at[0].price = number(71);
  struct ledger_op one = part(11, 12, 0), pinned = part(11, 13, 5), end = settle(11, 0);
  one.state = end.state = CALL_UNRATED;
  one.unpriced = end.unpriced = true;
  run(w, &one);
  run(w, &pinned);
  run(w, &end);
  assert_int_equal(w->f.calls.count, 3);
  assert_true(uuid_is_nil(w->f.calls.at[0].price) && uuid_eq(w->f.calls.at[1].price, number(71)) && uuid_is_nil(w->f.calls.at[2].price));
}

static struct ledger_op sweep(uint64_t call) {
  return (struct ledger_op){.kind = LEDGER_SWEEP, .customer = number(1), .id = number(call), .evidence = STR("{}")};
}

static void an_explicit_hold_gives_back_when_its_time_is_over_and_not_before(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 11, 50, NOW + 1000);
  struct ledger_op early = sweep(11), late = sweep(11);
  run(w, &early);
  assert_int_equal(early.result, LEDGER_GONE);
  assert_int_equal(c->held, 50);
  w->f.now = NOW + 1000;
  run(w, &late);
  assert_int_equal(late.result, LEDGER_DONE);
  assert_int_equal(c->held, 0);
  assert_int_equal(c->balance, 100);
  assert_int_equal(w->f.calls.at[0].state, CALL_EXPIRED);
}

// ---- after its end

static struct fold_ended *ended(struct world *w, uint64_t call, enum call_state state, amount charge) {
  struct fold_ended *e = vec_add(&w->f.ended);
  *e = (struct fold_ended){.customer = number(1), .call = number(call), .price = number(70), .state = state, .charge = charge, .usage = STR("{}")};
  return e;
}

static void what_is_settled_after_the_expiry_is_charged_and_says_so(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  ended(w, 11, CALL_EXPIRED, 0);
  struct ledger_op s = settle(11, 30), p = part(11, 12, 5);
  run(w, &s);
  assert_int_equal(s.result, LEDGER_DONE);
  assert_int_equal(c->balance, 70);
  assert_true(w->f.calls.at[0].flags & CALL_LATE);
  assert_int_equal(w->f.calls.at[0].revision, 1);
  next_batch(w);
  run(w, &p);
  assert_int_equal(p.result, LEDGER_DONE);
  assert_int_equal(c->balance, 65);
  assert_int_equal(w->f.calls.at[0].flags & (CALL_LATE | CALL_PART), CALL_LATE | CALL_PART);
}

static void a_part_of_a_hold_that_was_settled_or_released_is_refused(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  ended(w, 11, CALL_RELEASED, 0);
  struct ledger_op p = part(11, 12, 5), unknown = part(13, 14, 5);
  run(w, &p);
  assert_int_equal(p.result, LEDGER_REFUSED);
  run(w, &unknown);
  assert_int_equal(unknown.result, LEDGER_UNKNOWN);
  assert_int_equal(c->balance, 100);
}

// ---- what an app may do to a hold, and how it learns how it stood

static void what_apps_may_do_is_done_to_explicit_holds_alone(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 11, 50, 0); // of a call through the gateway
  struct ledger_op end = settle(11, 0), one = part(11, 12, 5), more = {.kind = LEDGER_EXTEND, .customer = number(1), .id = number(11), .hold = 60};
  struct ledger_op *ops[] = {&end, &one, &more};
  for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
    ops[i]->explicit = true;
    run(w, ops[i]);
    assert_int_equal(ops[i]->result, i == 2 ? LEDGER_GONE : LEDGER_UNKNOWN);
  }
  assert_int_equal(c->held, 50);
  assert_int_equal(w->f.calls.count, 0);
  w->f.holds.at[0].ended = true;
  ended(w, 11, CALL_SETTLED, 7)->flags = CALL_SWEPT | CALL_ESTIMATED;
  end.charge = 1;
  run(w, &end);
  assert_int_equal(end.result, LEDGER_UNKNOWN);
  assert_int_equal(c->balance, 100);
}

static void whoever_ends_a_hold_is_told_how_it_stood(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  held(w, 11, 50, NOW + 1000);
  w->f.holds.at[0].about = STR("{\"explicit\":true}");
  struct ledger_op one = part(11, 12, 20), end = settle(11, 10);
  run(w, &one);
  assert_int_equal(one.seen.amount, 50);
  assert_false(one.seen.parted);
  next_batch(w);
  run(w, &end);
  assert_int_equal(end.seen.amount, 30);
  assert_int_equal(end.seen.expires_at, NOW + 1000);
  assert_true(end.seen.parted && !end.seen.over && str_eq(end.seen.about, STR("{\"explicit\":true}")));
}

static void a_part_is_kept_with_its_hold_and_under_its_own_key(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  held(w, 11, 50, NOW + 1000);
  struct ledger_op one = part(11, 12, 20), again = part(11, 13, 20);
  one.idempotency_key = again.idempotency_key = STR("key_1:a");
  run(w, &one);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(again.existing, number(12)));
  assert_int_equal(w->f.parts.count, 1);
  assert_true(uuid_eq(w->f.parts.at[0].hold, number(11)) && uuid_eq(w->f.parts.at[0].part, number(12)));
}

static void a_part_after_a_late_settlement_is_refused(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  ended(w, 11, CALL_EXPIRED, 0);
  struct fold_ended *late = ended(w, 11, CALL_SETTLED, 30);
  late->revision = 1;
  struct ledger_op p = part(11, 12, 5);
  run(w, &p);
  assert_int_equal(p.result, LEDGER_REFUSED);
  assert_int_equal(c->balance, 100);
}

static void what_comes_after_its_time_is_late_also_before_it_is_swept(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  held(w, 11, 50, NOW + 1000);
  w->f.now = NOW + 1000;
  struct ledger_op one = part(11, 12, 20), end = settle(11, 10);
  run(w, &one);
  assert_true(w->f.calls.at[0].flags & CALL_LATE);
  next_batch(w);
  run(w, &end);
  assert_true(end.seen.over && w->f.calls.at[0].flags & CALL_LATE);
}

static void the_key_of_a_hold_that_was_released_still_names_it(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  struct ledger_op op = admit(11, 50), again = admit(12, 50), end = settle(11, 0);
  op.expires_at = again.expires_at = NOW + 1000;
  op.idempotency_key = again.idempotency_key = STR("key_1:a");
  end.state = CALL_RELEASED;
  run(w, &op);
  next_batch(w);
  run(w, &end);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(again.existing, number(11)));
}

static struct ledger_op rerate(uint64_t call, amount charge) {
  return (struct ledger_op){.kind = LEDGER_RERATE, .customer = number(1), .id = number(call), .price = number(71), .charge = charge, .usage = STR("{}")};
}

static void a_parked_call_is_rated_when_it_has_a_price(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  ended(w, 11, CALL_UNRATED, 0);
  struct ledger_op op = rerate(11, 40);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  assert_int_equal(op.charged, 40);
  assert_int_equal(c->balance, 60);
  assert_int_equal(w->f.calls.at[0].state, CALL_SETTLED);
  assert_true(w->f.calls.at[0].flags & CALL_RERATED);
}

static void what_stands_already_is_not_written_again(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  ended(w, 11, CALL_SETTLED, 40)->price = number(71);
  struct ledger_op op = rerate(11, 40);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DUPLICATE);
  assert_int_equal(op.charged, 40);
  assert_int_equal(w->f.calls.count, 0);
}

static void what_was_released_or_undone_costs_nothing_at_any_price(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  enum call_state states[] = {CALL_RELEASED, CALL_EXPIRED, CALL_VOIDED};
  for (size_t i = 0; i < ARRAY_LEN(states); i++) {
    vec_clear(&w->f.ended);
    ended(w, 11, states[i], 0);
    struct ledger_op op = rerate(11, 40);
    run(w, &op);
    assert_int_equal(op.result, LEDGER_REFUSED);
  }
}

// ---- what is tried again, and what comes after windows and ends

static void who_asks_again_after_the_hold_has_ended_is_not_told_how_it_stood_before(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  held(w, 11, 50, NOW + 1000);
  struct ledger_op end = settle(11, 10); // a batch that did not land, and once more when the hold has been swept
  run(w, &end);
  assert_int_equal(end.seen.amount, 50);
  w->f.holds.at[0].ended = true;
  vec_clear(&w->f.calls);
  ended(w, 11, CALL_EXPIRED, 0);
  run(w, &end);
  assert_int_equal(end.result, LEDGER_DONE);
  assert_true(end.seen.amount == 0 && end.seen.expires_at == 0 && !end.seen.about.ptr);
}

static struct uuid at(int64_t us, uint64_t n) {
  struct uuid id = number(n);
  for (int i = 0; i < 6; i++) id.b[i] = (uint8_t)((uint64_t)us / 1000 >> (40 - 8 * i));
  return id;
}

#define DAY (INT64_C(24) * 3600 * 1000000)
static struct bucket *next_day(struct world *w, struct fold_customer *c) {
  w->f.now = NOW + DAY;
  c->buckets[1].current_start = NOW + 1000;
  c->buckets[1].current_end = NOW + 2 * DAY;
  return &c->buckets[1];
}

static void a_part_counts_in_the_window_it_was_used_in_not_in_that_of_its_hold(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  add_buckets(w, c, 60, 60);
  struct ledger_op a = admit(11, 50), one = part(11, 12, 20), late = part(13, 14, 5);
  a.expires_at = NOW + 3 * DAY;
  a.limits[0] = number(52);
  a.limit_count = 1;
  run(w, &a);
  next_batch(w);
  const struct bucket *b = next_day(w, c);
  one.part = at(w->f.now, 12);
  run(w, &one);
  assert_int_equal(b->window_start, NOW + 1000);
  assert_int_equal(b->used, 20);
  assert_int_equal(b->held, 0);
  ended(w, 13, CALL_EXPIRED, 0);
  late.part = at(w->f.now, 14);
  run(w, &late);
  assert_int_equal(b->used, 25);
}

static void what_undoes_a_part_takes_from_its_budget_what_the_part_had_put_there(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  held(w, 11, 50, NOW + 1000); // before there was a limit
  add_buckets(w, c, 60, 60);
  c->buckets[1].window_start = c->buckets[1].current_start;
  c->buckets[1].window_end = c->buckets[1].current_end;
  c->buckets[1].used = 30;
  w->f.now = NOW + 900;
  struct ledger_op one = part(11, 12, 20), undo = {.kind = LEDGER_VOID, .customer = number(1)};
  undo.id = one.part = at(w->f.now, 12);
  run(w, &one);
  assert_int_equal(c->buckets[1].used, 50);
  struct fold_ended *e = ended(w, 12, CALL_SETTLED, 0);
  *e = (struct fold_ended){.customer = number(1), .call = one.part, .state = CALL_SETTLED, .charge = 20, .usage = STR("{}"), .leg_count = 1};
  static char legs[24] = {[23] = 20};
  memcpy(legs, number(101).b, 16);
  e->legs[0] = (struct str){legs, 16};
  e->legs[1] = (struct str){legs + 16, 8};
  next_batch(w);
  run(w, &undo);
  assert_int_equal(undo.result, LEDGER_DONE);
  assert_int_equal(c->buckets[1].used, 30);
}

static void what_is_known_of_a_call_comes_before_what_it_is_to_cost(void **state) {
  (void)state;
  struct ledger_op again = rerate(11, 5), known = settle(11, 7), gone = sweep(12), *ops[] = {&gone, &again, &known};
  for (size_t i = 0; i < 3; i++) ops[i]->order = i;
  qsort(ops, 3, sizeof *ops, batch_order);
  assert_true(ops[0] == &known && ops[1] == &again && ops[2] == &gone);
}

static void of_a_call_that_is_not_its_own_an_app_learns_nothing_also_where_it_is_corrected_at_once(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  ended(w, 11, CALL_SETTLED, 0)->flags = CALL_SWEPT | CALL_ESTIMATED;
  struct ledger_op known = settle(11, 9), apps = settle(11, 1);
  apps.explicit = true;
  run(w, &known);
  assert_int_equal(known.result, LEDGER_DONE);
  run(w, &apps);
  assert_int_equal(apps.result, LEDGER_UNKNOWN);
  assert_int_equal(apps.charged, 0);
}

static void what_has_no_price_has_not_the_pinned_one_when_it_is_late_either(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  ended(w, 11, CALL_EXPIRED, 0)->price = number(71);
  struct ledger_op end = settle(11, 0);
  end.state = CALL_UNRATED;
  end.unpriced = true;
  run(w, &end);
  assert_int_equal(end.result, LEDGER_DONE);
  assert_true(uuid_is_nil(w->f.calls.at[0].price));
}

static void a_call_may_be_priced_again_as_often_as_one_likes(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  for (int i = 0; i < 500; i++) ended(w, 11, CALL_SETTLED, 0)->revision = i;
  struct ledger_op op = rerate(11, 40);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  assert_int_equal(w->f.calls.at[0].revision, 500);
  assert_int_equal(c->balance, 60);
}

static void what_is_settled_late_without_a_price_waits_for_one(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  ended(w, 11, CALL_EXPIRED, 0);
  struct ledger_op end = settle(11, 0), rated = rerate(11, 40);
  end.state = CALL_UNRATED;
  end.usage = STR("{\"images\":3}");
  run(w, &end);
  assert_int_equal(end.result, LEDGER_DONE);
  assert_int_equal(w->f.calls.at[0].state, CALL_UNRATED);
  assert_true(w->f.calls.at[0].revision == 1 && str_eq(w->f.calls.at[0].usage, end.usage));
  struct fold_ended *e = ended(w, 11, CALL_UNRATED, 0);
  e->revision = 1;
  next_batch(w);
  run(w, &rated);
  assert_int_equal(rated.result, LEDGER_DONE);
  assert_int_equal(c->balance, 60);
}

int main(void) {
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      RULE(a_part_is_a_call_of_its_own_and_the_hold_goes_on_with_the_rest),
      RULE(a_part_larger_than_the_hold_is_charged_all_the_same),
      RULE(a_part_uses_what_its_budget_held),
      RULE(a_part_counts_in_the_window_in_which_it_was_used),
      RULE(what_has_no_price_has_not_the_pinned_one),
      RULE(an_explicit_hold_gives_back_when_its_time_is_over_and_not_before),
      RULE(what_is_settled_after_the_expiry_is_charged_and_says_so),
      RULE(a_part_of_a_hold_that_was_settled_or_released_is_refused),
      RULE(what_apps_may_do_is_done_to_explicit_holds_alone),
      RULE(whoever_ends_a_hold_is_told_how_it_stood),
      RULE(a_part_is_kept_with_its_hold_and_under_its_own_key),
      RULE(a_part_after_a_late_settlement_is_refused),
      RULE(what_comes_after_its_time_is_late_also_before_it_is_swept),
      RULE(the_key_of_a_hold_that_was_released_still_names_it),
      RULE(a_parked_call_is_rated_when_it_has_a_price),
      RULE(what_stands_already_is_not_written_again),
      RULE(what_was_released_or_undone_costs_nothing_at_any_price),
      RULE(who_asks_again_after_the_hold_has_ended_is_not_told_how_it_stood_before),
      RULE(a_part_counts_in_the_window_it_was_used_in_not_in_that_of_its_hold),
      RULE(what_undoes_a_part_takes_from_its_budget_what_the_part_had_put_there),
      RULE(what_is_known_of_a_call_comes_before_what_it_is_to_cost),
      RULE(of_a_call_that_is_not_its_own_an_app_learns_nothing_also_where_it_is_corrected_at_once),
      RULE(what_has_no_price_has_not_the_pinned_one_when_it_is_late_either),
      RULE(a_call_may_be_priced_again_as_often_as_one_likes),
      RULE(what_is_settled_late_without_a_price_waits_for_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
