// The fold's rules, without a database: each test sets up the rows that were locked, runs operations over them, and looks
// at what became of them. The last one runs random operations and holds the books against a plain count.
#include "fold.h"

// ---- admission

static void a_hold_is_taken_down_to_the_last_unit_and_no_further(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op first = admit(11, 60), second = admit(12, 41), third = admit(13, 40);
  run(w, &first);
  run(w, &second);
  run(w, &third);
  assert_int_equal(first.result, LEDGER_DONE);
  assert_int_equal(second.result, LEDGER_SHORT);
  assert_int_equal(second.balance - second.held, 40);
  assert_int_equal(third.result, LEDGER_DONE);
  assert_int_equal(c->held, 100);
  assert_int_equal(w->f.holds.count, 2);
}

static void a_credit_limit_and_an_allowed_debt_lower_the_floor(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){10}, 1);
  c->credit_limit = 5;
  struct ledger_op a = admit(11, 16), b = admit(12, 15), d = admit(13, 3);
  run(w, &a);
  run(w, &b);
  assert_int_equal(a.result, LEDGER_SHORT);
  assert_int_equal(b.result, LEDGER_DONE);
  run(w, &d);
  assert_int_equal(d.result, LEDGER_SHORT);
  d.debt_allowed = 3;
  run(w, &d);
  assert_int_equal(d.result, LEDGER_DONE);
}

static void another_version_or_a_suspension_is_stale(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op a = admit(11, 1);
  a.config_version = 6;
  run(w, &a);
  assert_int_equal(a.result, LEDGER_STALE);
  a.config_version = 7;
  c->suspended = true;
  run(w, &a);
  assert_int_equal(a.result, LEDGER_STALE);
  assert_int_equal(c->held, 0);
}

static void an_unknown_customer_is_an_answer(void **state) {
  struct world *w = *state;
  struct ledger_op a = admit(11, 1);
  run(w, &a);
  assert_int_equal(a.result, LEDGER_UNKNOWN);
}

static struct ledger_op admit_limited(uint64_t call, amount hold) {
  struct ledger_op op = admit(call, hold);
  op.limits[0] = number(51);
  op.limits[1] = number(52);
  op.limit_count = 2;
  return op;
}

static void limits_and_credits_are_taken_all_or_nothing(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){1000}, 1);
  add_buckets(w, c, 3, 100);
  struct ledger_op a = admit_limited(11, 101), b = admit_limited(12, 100), d = admit_limited(13, 1);
  run(w, &a);
  assert_int_equal(a.result, LEDGER_LIMITED);
  assert_true(uuid_eq(a.limit, number(52)));
  assert_int_equal(a.left, 100);
  assert_int_equal(a.refills_at, NOW + 1000);
  assert_int_equal(c->held, 0);
  run(w, &b);
  assert_int_equal(b.result, LEDGER_DONE);
  assert_int_equal(c->buckets[0].level, 2 * BUCKET_REQUEST_UNITS); // the refused one took no request
  run(w, &d);
  assert_int_equal(d.result, LEDGER_LIMITED);
  // Short of credits: the buckets stay as they are too.
  c->balance = 50;
  c->buckets[1].held = 0;
  struct ledger_op e = admit_limited(14, 60);
  run(w, &e);
  assert_int_equal(e.result, LEDGER_SHORT);
  assert_int_equal(c->buckets[0].level, 2 * BUCKET_REQUEST_UNITS);
  assert_int_equal(c->buckets[1].held, 0);
}

static void a_settlement_returns_to_the_budget_what_was_not_used(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){1000}, 1);
  add_buckets(w, c, 9, 100);
  struct ledger_op a = admit_limited(11, 80), s = settle(11, 30);
  run(w, &a);
  next_batch(w);
  run(w, &s);
  assert_int_equal(c->buckets[1].held, 0);
  assert_int_equal(c->buckets[1].used, 30);
}

static void an_idempotency_key_admits_once(void **state) {
  struct world *w = *state;
  (void)customer(w, (amount[]){1000}, 1);
  struct ledger_op a = admit(11, 10), b = admit(12, 10), d = admit(13, 10);
  a.idempotency_key = b.idempotency_key = d.idempotency_key = STR("k");
  d.fingerprint[0] = 1;
  run(w, &a);
  run(w, &b);
  run(w, &d);
  assert_int_equal(a.result, LEDGER_DONE);
  assert_int_equal(b.result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(b.existing, number(11)));
  assert_int_equal(d.result, LEDGER_REUSED);
}

// ---- how many

static void a_customer_has_as_many_explicit_holds_open_as_it_may(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op ops[3] = {admit(11, 1), admit(12, 1), admit(13, 1)}, call = admit(14, 1), end = settle(11, 1), part = {0};
  for (size_t i = 0; i < ARRAY_LEN(ops); i++) ops[i].expires_at = NOW + 1000, ops[i].most_open = 2;
  call.most_open = 2;
  for (size_t i = 0; i < ARRAY_LEN(ops); i++) run(w, &ops[i]);
  run(w, &call);
  assert_int_equal(ops[1].result, LEDGER_DONE);
  assert_int_equal(ops[2].result, LEDGER_CROWDED);
  assert_int_equal(call.result, LEDGER_DONE); // calls are not counted
  assert_int_equal(c->open_holds, 2);
  next_batch(w);
  part = (struct ledger_op){.kind = LEDGER_PART, .explicit = true, .customer = number(1), .id = number(11), .part = number(15), .state = CALL_SETTLED};
  run(w, &part);
  assert_int_equal(c->open_holds, 2);
  run(w, &end);
  run(w, &ops[2]);
  assert_int_equal(ops[2].result, LEDGER_DONE);
  assert_int_equal(c->open_holds, 2);
}

// ---- settlement

static void grants_burn_in_order_and_calls_lie_side_by_side(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){30, 50}, 2);
  struct ledger_op ops[4] = {admit(11, 20), admit(12, 20), settle(11, 20), settle(12, 17)};
  for (int i = 0; i < 2; i++) run(w, &ops[i]);
  next_batch(w);
  struct ledger_op *both[2] = {&ops[2], &ops[3]};
  fold_run(&w->f, both, 2);
  assert_int_equal(w->f.calls.at[0].place, 0);
  assert_int_equal(w->f.calls.at[1].place, 20);
  assert_int_equal(w->f.transfers.count, 1);
  assert_int_equal(w->f.transfers.at[0].amount, 37);
  assert_int_equal(w->f.transfers.at[0].leg_count, 2);
  assert_int_equal(w->f.legs.at[0].amount, 30);
  assert_int_equal(w->f.legs.at[1].amount, 7);
  assert_int_equal(c->balance, 43);
  assert_int_equal(c->held, 0);
}

static void what_no_grant_covers_becomes_debt_and_the_next_grant_repays_it_first(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){10}, 1);
  struct ledger_op a = admit(11, 10), s = settle(11, 25);
  run(w, &a);
  next_batch(w);
  run(w, &s);
  assert_int_equal(s.result, LEDGER_DONE);
  assert_int_equal(c->debt, 15);
  assert_int_equal(c->balance, -15);
  assert_true(w->f.calls.at[0].flags & CALL_ABOVE_HOLD);
  assert_int_equal(w->f.past_floor, 1);
  struct ledger_op g = {.kind = LEDGER_GRANT, .customer = number(1), .id = number(103), .grant = {.source = 1, .amount = 40}};
  run(w, &g);
  assert_int_equal(c->debt, 0);
  assert_int_equal(c->balance, 25);
  assert_int_equal(c->grants[1].left, 25);
  assert_int_equal(c->grants[1].consumed, 15);
}

static void a_release_gives_the_hold_back_and_moves_nothing(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){10}, 1);
  struct ledger_op a = admit(11, 10), s = settle(11, 0);
  s.state = CALL_RELEASED;
  run(w, &a);
  next_batch(w);
  run(w, &s);
  assert_int_equal(c->held, 0);
  assert_int_equal(c->balance, 10);
  assert_int_equal(w->f.transfers.count, 0);
  assert_int_equal(w->f.calls.at[0].state, CALL_RELEASED);
}

static void expiry_takes_only_what_open_holds_do_not_need(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  c->grants[0].expires_at = NOW - 1;
  struct ledger_op a = admit(11, 30), e = {.kind = LEDGER_EXPIRE, .customer = number(1), .id = number(101)};
  run(w, &a);
  run(w, &e);
  assert_int_equal(e.charged, 70);
  assert_int_equal(c->balance, 30);
  next_batch(w);
  struct ledger_op s = settle(11, 10);
  run(w, &s);
  run(w, &e);
  assert_int_equal(c->balance, 0);
  assert_int_equal(c->grants[0].expired, 90);
}

// ---- many

// A plain count beside the fold: credits in, credits out, what is held.
static void random_operations_keep_the_books(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, NULL, 0);
  amount given = 0, charged = 0, expired = 0, held = 0;
  struct { uint64_t call; amount hold; } open[64];
  size_t opened = 0;
  srand(20);
  for (uint64_t i = 0; i < 5000; i++) {
    int kind = rand() % 10;
    next_batch(w);
    if (kind == 0) {
      struct ledger_op g = {.kind = LEDGER_GRANT, .customer = number(1), .id = number(100000 + i),
                            .grant = {.source = 1, .amount = 1 + rand() % 500, .expires_at = rand() % 3 ? 0 : NOW - 1}};
      run(w, &g);
      given += g.grant.amount;
    } else if (kind <= 5 && opened < 64) {
      struct ledger_op a = admit(200000 + i, rand() % 60);
      bool covered = c->balance - c->held >= a.hold;
      run(w, &a);
      assert_int_equal(a.result, covered ? LEDGER_DONE : LEDGER_SHORT);
      if (!covered) continue;
      open[opened].call = 200000 + i;
      open[opened++].hold = a.hold;
      held += a.hold;
    } else if (kind == 6 && c->grant_count) {
      struct ledger_op e = {.kind = LEDGER_EXPIRE, .customer = number(1), .id = c->grants[(size_t)rand() % c->grant_count].id};
      run(w, &e);
      if (e.result == LEDGER_DONE) expired += e.charged;
    } else if (opened) {
      size_t at = (size_t)rand() % opened;
      struct ledger_op s = settle(open[at].call, rand() % 70);
      run(w, &s);
      charged += s.charge;
      held -= open[at].hold;
      open[at] = open[--opened];
    }
    assert_int_equal(c->held, held);
    assert_int_equal(c->balance, given - charged - expired);
    amount left = 0;
    for (size_t g = 0; g < c->grant_count; g++) left += c->grants[g].left;
    assert_int_equal(c->balance, left - c->debt);
  }
}

int main(void) {
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      RULE(a_hold_is_taken_down_to_the_last_unit_and_no_further),
      RULE(a_credit_limit_and_an_allowed_debt_lower_the_floor),
      RULE(another_version_or_a_suspension_is_stale),
      RULE(an_unknown_customer_is_an_answer),
      RULE(limits_and_credits_are_taken_all_or_nothing),
      RULE(a_settlement_returns_to_the_budget_what_was_not_used),
      RULE(an_idempotency_key_admits_once),
      RULE(a_customer_has_as_many_explicit_holds_open_as_it_may),
      RULE(grants_burn_in_order_and_calls_lie_side_by_side),
      RULE(what_no_grant_covers_becomes_debt_and_the_next_grant_repays_it_first),
      RULE(a_release_gives_the_hold_back_and_moves_nothing),
      RULE(expiry_takes_only_what_open_holds_do_not_need),
      RULE(random_operations_keep_the_books),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
