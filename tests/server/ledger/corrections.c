// The fold's rules for calls that have ended: what is told again, found late, undone, swept; for operations on one call in
// one batch; and for what no amount can count.
#include "fold.h"

// ---- after the end

// The rows of call 11 as a later batch reads them, from what the last batch wrote.
static void read_ended(struct world *w, unsigned flags) {
  vec_clear(&w->f.ended);
  const struct fold_call *call = &w->f.calls.at[0];
  const struct fold_transfer *t = w->f.transfers.count ? &w->f.transfers.at[0] : NULL;
  struct fold_ended *e = vec_add(&w->f.ended);
  *e = (struct fold_ended){.customer = number(1), .call = call->id, .state = call->state, .flags = call->flags | flags,
                           .charge = call->charge, .place = call->place, .usage = call->usage.len ? call->usage : STR("{}")};
  if (!t) return;
  char *ids = arena_alloc(&w->arena, t->leg_count * 24);
  for (size_t i = 0; i < t->leg_count; i++) {
    const struct fold_leg *leg = &w->f.legs.at[t->first_leg + i];
    memcpy(ids + 16 * i, leg->grant.b, 16);
    for (int k = 0; k < 8; k++) ids[t->leg_count * 16 + 8 * i + (size_t)k] = (char)((uint64_t)leg->amount >> (56 - 8 * k));
  }
  e->legs[0] = (struct str){ids, 16 * t->leg_count};
  e->legs[1] = (struct str){ids + 16 * t->leg_count, 8 * t->leg_count};
  e->leg_count = t->leg_count;
}

static void settled_once(struct world *w, amount charge) {
  struct ledger_op a = admit(11, 50), s = settle(11, charge);
  s.usage = STR("{\"input_tokens\":10}");
  run(w, &a);
  next_batch(w);
  run(w, &s);
}

static void a_second_settlement_changes_nothing(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  settled_once(w, 20);
  read_ended(w, 0);
  next_batch(w);
  struct ledger_op again = settle(11, 33);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_int_equal(again.charged, 20);
  assert_int_equal(c->balance, 80);
}

static void usage_found_late_corrects_a_swept_call_upwards(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  settled_once(w, 20);
  read_ended(w, CALL_SWEPT);
  next_batch(w);
  struct ledger_op late = settle(11, 33);
  late.usage = STR("{\"input_tokens\":10,\"output_tokens\":4}");
  run(w, &late);
  assert_int_equal(late.result, LEDGER_DONE);
  assert_int_equal(late.charged, 33);
  assert_int_equal(c->balance, 67);
  const struct fold_call *row = &w->f.calls.at[0];
  assert_int_equal(row->revision, 1);
  assert_int_equal(row->charge, 13);
  assert_true(row->flags & CALL_LATE);
  assert_int_equal(row->usage.len, strlen("{\"output_tokens\":4}"));
  assert_memory_equal(row->usage.ptr, "{\"output_tokens\":4}", row->usage.len);
}

static void and_downwards_back_to_the_grants_that_paid_last_first(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){15, 100}, 2);
  settled_once(w, 20);
  read_ended(w, CALL_SWEPT);
  next_batch(w);
  struct ledger_op late = settle(11, 12);
  late.usage = STR("{\"input_tokens\":6}");
  run(w, &late);
  assert_int_equal(late.result, LEDGER_DONE);
  assert_int_equal(c->balance, 103);
  assert_int_equal(c->grants[1].left, 100);
  assert_int_equal(c->grants[0].left, 3);
  assert_int_equal(w->f.calls.at[0].charge, -8);
  assert_int_equal(w->f.transfers.at[0].kind, TRANSFER_REVERSE);
}

static void a_voided_call_gives_everything_back_once(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){15, 10}, 2);
  c->credit_limit = 100;
  settled_once(w, 45); // 20 of it debt
  assert_int_equal(c->debt, 20);
  read_ended(w, 0);
  next_batch(w);
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)};
  run(w, &undo);
  assert_int_equal(undo.result, LEDGER_DONE);
  assert_int_equal(c->balance, 25);
  assert_int_equal(c->debt, 0);
  assert_int_equal(w->f.calls.at[0].state, CALL_VOIDED);
  w->f.ended.at[0].state = CALL_VOIDED;
  struct ledger_op twice = undo;
  run(w, &twice);
  assert_int_equal(twice.result, LEDGER_DUPLICATE);
}

// What call 11 reads as, from what the last batch wrote besides.
static void read_correction(struct world *w) {
  const struct fold_call *row = &w->f.calls.at[0];
  *vec_add(&w->f.ended) = (struct fold_ended){.customer = number(1), .call = row->id, .price = row->price, .revision = row->revision, .state = row->state,
                                              .flags = row->flags, .charge = row->charge, .usage = row->usage};
}

static void unrated_once(struct world *w) {
  struct ledger_op a = admit(11, 50), s = settle(11, 0);
  s.state = CALL_UNRATED;
  s.usage = STR("{\"input_tokens\":10}");
  run(w, &a);
  next_batch(w);
  run(w, &s);
  read_ended(w, 0);
  next_batch(w);
}

static void what_waits_for_a_price_is_given_away_once(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  unrated_once(w);
  struct ledger_op away = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)}, twice = away, later = away;
  struct ledger_op *both[] = {&away, &twice};
  fold_run(&w->f, both, 2);
  assert_int_equal(away.result, LEDGER_DONE);
  assert_int_equal(twice.result, LEDGER_DUPLICATE);
  assert_int_equal(w->f.calls.count, 1);
  const struct fold_call *row = &w->f.calls.at[0];
  assert_int_equal(row->state, CALL_RELEASED);
  assert_int_equal(row->revision, 1);
  assert_int_equal(row->charge, 0);
  assert_memory_equal(row->usage.ptr, "{\"input_tokens\":-10}", row->usage.len);
  assert_int_equal(w->f.transfers.count, 0);
  assert_int_equal(c->balance, 100);
  read_correction(w);
  next_batch(w);
  run(w, &later);
  assert_int_equal(later.result, LEDGER_DUPLICATE);
}

static void what_was_given_away_stays_so_whatever_comes(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  unrated_once(w);
  struct ledger_op away = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)};
  run(w, &away);
  read_correction(w);
  next_batch(w);
  struct ledger_op late = settle(11, 33), priced = {.kind = LEDGER_RERATE, .customer = number(1), .id = number(11), .price = number(71), .charge = 40,
                                                    .usage = STR("{\"input_tokens\":10}")};
  run(w, &priced);
  assert_int_equal(priced.result, LEDGER_REFUSED);
  run(w, &late);
  assert_int_equal(late.result, LEDGER_DUPLICATE);
  assert_int_equal(c->balance, 100);
}

static void what_its_end_released_or_the_sweeper_expired_is_not_given_away(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  settled_once(w, 0);
  read_ended(w, 0);
  next_batch(w);
  const enum call_state states[] = {CALL_RELEASED, CALL_EXPIRED};
  for (size_t i = 0; i < ARRAY_LEN(states); i++) {
    w->f.ended.at[0].state = states[i];
    struct ledger_op away = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)};
    run(w, &away);
    assert_int_equal(away.result, LEDGER_REFUSED);
  }
  assert_int_equal(w->f.calls.count, 0);
}

static void what_returns_to_an_expired_grant_becomes_a_new_one(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){50}, 1);
  settled_once(w, 20);
  read_ended(w, 0);
  next_batch(w);
  c->grants[0].expires_at = NOW - 1;
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)};
  run(w, &undo);
  assert_int_equal(c->grant_count, 2);
  assert_int_equal(c->grants[0].left, 30);
  assert_int_equal(c->grants[0].consumed, 20);
  assert_int_equal(c->grants[1].left, 20);
  assert_int_equal(c->grants[1].expires_at, NOW + FOLD_GRACE_US);
  assert_int_equal(c->balance, 50);
}

static void the_sweeper_charges_what_was_noted_and_only_its_own_writers_holds(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){50}, 1);
  struct ledger_op a = admit(11, 40), b = admit(12, 10);
  a.charge = 6;
  run(w, &a);
  run(w, &b);
  next_batch(w);
  for (size_t i = 0; i < 2; i++) w->f.holds.at[i].writer_id = 3;
  struct ledger_op other = {.kind = LEDGER_SWEEP, .customer = number(1), .id = number(11), .writer = 2};
  run(w, &other);
  assert_int_equal(other.result, LEDGER_GONE);
  struct ledger_op sweep = {.kind = LEDGER_SWEEP, .customer = number(1), .id = number(11), .writer = 3}, nothing = sweep;
  nothing.id = number(12);
  struct ledger_op *both[] = {&sweep, &nothing};
  fold_run(&w->f, both, 2);
  assert_int_equal(w->f.calls.at[0].state, CALL_SETTLED);
  assert_true(w->f.calls.at[0].flags & CALL_ESTIMATED);
  assert_int_equal(w->f.calls.at[1].state, CALL_EXPIRED);
  assert_int_equal(c->balance, 44);
  assert_int_equal(c->held, 0);
}

// ---- what comes together, and what no amount can count

static void what_is_held_in_all_stays_an_amount(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  c->credit_limit = AMOUNT_MAX;
  struct ledger_op a = admit(11, AMOUNT_MAX - 10), b = admit(12, 50);
  run(w, &a);
  run(w, &b);
  assert_int_equal(a.result, LEDGER_DONE);
  assert_int_equal(b.result, LEDGER_SHORT);
  assert_int_equal(c->held, AMOUNT_MAX - 10);
}

static void a_charge_that_no_balance_can_count_is_refused(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op a = admit(11, 10), b = admit(12, 10), s = settle(11, AMOUNT_MAX - 1000), t = settle(12, AMOUNT_MAX - 1000);
  run(w, &a);
  run(w, &b);
  next_batch(w);
  run(w, &s);
  run(w, &t);
  assert_int_equal(s.result, LEDGER_DONE);
  assert_int_equal(t.result, LEDGER_REFUSED);
  assert_int_equal(c->held, 10);
  assert_int_equal(w->f.calls.count, 1);
}

static void a_call_is_not_undone_where_no_balance_can_count_what_returns(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  settled_once(w, 20);
  read_ended(w, 0);
  next_batch(w);
  struct ledger_op more = {.kind = LEDGER_GRANT, .customer = number(1), .id = number(300), .grant = {.source = 1, .amount = AMOUNT_MAX - 90}};
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)};
  run(w, &more);
  assert_int_equal(more.result, LEDGER_DONE);
  run(w, &undo);
  assert_int_equal(undo.result, LEDGER_REFUSED);
  assert_int_equal(undo.charged, 20);
  assert_int_equal(c->balance, AMOUNT_MAX - 10);
}

static void many_grants_in_one_batch_stay_within_its_memory(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, NULL, 0);
  for (uint64_t i = 0; i < 4000; i++) {
    struct ledger_op g = {.kind = LEDGER_GRANT, .customer = number(1), .id = number(5000 + i), .grant = {.source = 1, .amount = 1}};
    run(w, &g);
    assert_int_equal(g.result, LEDGER_DONE);
  }
  assert_int_equal(c->grant_count, 4000);
  assert_true(w->arena.used < 8 * 1024 * 1024);
}

static void a_grant_burns_in_its_turn_in_the_very_batch_that_gives_it(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  c->grants[0].priority = 100;
  struct ledger_op a = admit(11, 50), s = settle(11, 30);
  run(w, &a);
  next_batch(w);
  struct ledger_op first = {.kind = LEDGER_GRANT, .customer = number(1), .id = number(300), .grant = {.source = 2, .priority = 10, .amount = 20}};
  struct ledger_op last = first, sooner = first;
  last.id = number(301);
  last.grant.priority = 200;
  sooner.id = number(302);
  sooner.grant.priority = 100;
  sooner.grant.expires_at = NOW + 1000;
  struct ledger_op *ops[] = {&last, &first, &sooner, &s};
  fold_run(&w->f, ops, 4);
  const uint64_t order[] = {300, 302, 101, 301};
  for (size_t i = 0; i < 4; i++) assert_true(uuid_eq(c->grants[i].id, number(order[i])));
  assert_int_equal(c->grants[0].left, 0);
  assert_int_equal(c->grants[1].left, 10);
  assert_int_equal(c->grants[2].left, 100);
}

static void a_second_settlement_in_the_same_batch_is_told_of_the_first(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op a = admit(11, 50), s = settle(11, 20), again = settle(11, 33);
  run(w, &a);
  next_batch(w);
  struct ledger_op *both[] = {&s, &again};
  fold_run(&w->f, both, 2);
  assert_int_equal(s.result, LEDGER_DONE);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_int_equal(again.charged, 20);
  assert_int_equal(c->balance, 80);
}

static void a_call_is_corrected_once_in_a_batch(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  settled_once(w, 20);
  read_ended(w, CALL_SWEPT);
  next_batch(w);
  struct ledger_op late = settle(11, 5), again = settle(11, 5);
  struct ledger_op *both[] = {&late, &again};
  fold_run(&w->f, both, 2);
  assert_int_equal(late.result, LEDGER_DONE);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_int_equal(again.charged, 5);
  assert_int_equal(c->balance, 95);
  next_batch(w);
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)}, twice = undo;
  c->grants[0].left = 80; // as after the sweep alone
  c->grants[0].consumed = 20;
  c->balance = 80;
  struct ledger_op *voids[] = {&undo, &twice};
  fold_run(&w->f, voids, 2);
  assert_int_equal(undo.result, LEDGER_DONE);
  assert_int_equal(twice.result, LEDGER_DUPLICATE);
  assert_int_equal(c->balance, 100);
}

static void usage_without_a_price_leaves_the_estimate(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  settled_once(w, 20);
  read_ended(w, CALL_SWEPT);
  next_batch(w);
  struct ledger_op late = settle(11, 0);
  late.state = CALL_UNRATED;
  run(w, &late);
  assert_int_equal(late.result, LEDGER_DUPLICATE);
  assert_int_equal(late.charged, 20);
  assert_int_equal(c->balance, 80);
}

static void a_correction_leaves_the_budgets_of_other_keys_alone(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  add_buckets(w, c, 9, 1000);
  c->buckets[0] = c->buckets[1];
  c->buckets[0].limit = number(0);
  c->buckets[1].limit = number(1);
  for (int i = 0; i < 2; i++) {
    c->buckets[i].window_end = NOW;
    c->buckets[i].used = 40;
    c->buckets[i].key = number(i == 0 ? 7 : 8);
  }
  settled_once(w, 20);
  read_ended(w, 0);
  w->f.ended.at[0].key = number(7);
  next_batch(w);
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)};
  run(w, &undo);
  assert_int_equal(undo.result, LEDGER_DONE);
  assert_int_equal(c->buckets[0].used, 20);
  assert_int_equal(c->buckets[1].used, 40);
}

static void a_hold_taken_over_in_the_same_batch_is_not_swept(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){50}, 1);
  struct ledger_op a = admit(11, 40), e = {.kind = LEDGER_EXTEND, .customer = number(1), .id = number(11), .hold = 45};
  struct ledger_op sweep = {.kind = LEDGER_SWEEP, .customer = number(1), .id = number(11), .writer = 3};
  run(w, &a);
  next_batch(w);
  w->f.holds.at[0].writer_id = 3;
  struct ledger_op *both[] = {&e, &sweep};
  fold_run(&w->f, both, 2);
  assert_int_equal(e.result, LEDGER_DONE);
  assert_int_equal(sweep.result, LEDGER_GONE);
  assert_int_equal(c->held, 45);
}

int main(void) {
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      RULE(a_second_settlement_changes_nothing),
      RULE(usage_found_late_corrects_a_swept_call_upwards),
      RULE(and_downwards_back_to_the_grants_that_paid_last_first),
      RULE(a_voided_call_gives_everything_back_once),
      RULE(what_waits_for_a_price_is_given_away_once),
      RULE(what_was_given_away_stays_so_whatever_comes),
      RULE(what_its_end_released_or_the_sweeper_expired_is_not_given_away),
      RULE(what_returns_to_an_expired_grant_becomes_a_new_one),
      RULE(the_sweeper_charges_what_was_noted_and_only_its_own_writers_holds),
      RULE(what_is_held_in_all_stays_an_amount),
      RULE(a_charge_that_no_balance_can_count_is_refused),
      RULE(a_call_is_not_undone_where_no_balance_can_count_what_returns),
      RULE(many_grants_in_one_batch_stay_within_its_memory),
      RULE(a_grant_burns_in_its_turn_in_the_very_batch_that_gives_it),
      RULE(a_second_settlement_in_the_same_batch_is_told_of_the_first),
      RULE(a_call_is_corrected_once_in_a_batch),
      RULE(usage_without_a_price_leaves_the_estimate),
      RULE(a_correction_leaves_the_budgets_of_other_keys_alone),
      RULE(a_hold_taken_over_in_the_same_batch_is_not_swept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
