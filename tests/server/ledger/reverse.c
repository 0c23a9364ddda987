// The fold's rules for reversals: refunds and disputes against the grant that a payment bought, in target form.
#include "fold.h"

#define ORIGIN STR("grant:pi_1")

static struct ledger_op bought(uint64_t id, amount a) {
  return (struct ledger_op){.kind = LEDGER_GRANT, .customer = number(1), .id = number(id),
                            .grant = {.source = 1, .priority = 100, .amount = a, .origin = ORIGIN, .paid = 2000, .currency = STR("usd")}};
}

static struct ledger_op reverse(amount refunded, amount frozen) {
  return (struct ledger_op){.kind = LEDGER_REVERSE, .customer = number(1), .grant = {.origin = ORIGIN},
                            .reverse = {.refunded = refunded, .frozen = frozen}};
}

static int stand(struct world *w, amount refunded, amount frozen) {
  struct ledger_op op = reverse(refunded, frozen);
  run(w, &op);
  return op.result;
}

static void spend(struct world *w, uint64_t call, amount a) {
  struct ledger_op hold = admit(call, a), end = settle(call, a);
  run(w, &hold);
  next_batch(w);
  run(w, &end);
}

static const struct fold_grant *the_grant(struct fold_customer *c) {
  return fold_grant_find(c, number(201));
}

// A customer who bought 100 and spent `spent` of it.
static struct fold_customer *buyer(struct world *w, amount spent) {
  (void)customer(w, NULL, 0);
  struct ledger_op op = bought(201, 100);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  if (spent) spend(w, 11, spent);
  next_batch(w);
  return &w->f.customers.at[0];
}

static void a_payment_grants_once(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 0);
  struct ledger_op again = bought(202, 100);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(again.existing, number(201)));
  assert_int_equal(c->balance, 100);
}

static void also_where_a_later_batch_reads_its_origin(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  *vec_add(&w->f.origins) = (struct fold_origin){c->id, number(101), ORIGIN};
  struct ledger_op again = bought(202, 100);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(again.existing, number(101)));
}

static void a_reversal_before_its_grant_is_unknown(void **state) {
  struct world *w = *state;
  (void)customer(w, NULL, 0);
  assert_int_equal(stand(w, 10, 0), LEDGER_UNKNOWN);
}

static void what_is_left_is_taken_first_and_repeating_takes_nothing(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 30);
  assert_int_equal(stand(w, 50, 0), LEDGER_DONE);
  assert_int_equal(c->balance, 20);
  assert_int_equal(the_grant(c)->refunded, 50);
  assert_int_equal(the_grant(c)->left, 20);
  size_t moved = w->f.transfers.count;
  assert_int_equal(stand(w, 50, 0), LEDGER_DONE);
  assert_int_equal(w->f.transfers.count, moved);
  assert_int_equal(c->balance, 20);
}

static void what_was_spent_is_owed_and_blocks(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 70);
  assert_int_equal(stand(w, 100, 0), LEDGER_DONE);
  assert_int_equal(c->balance, -70);
  assert_int_equal(c->debt, 70);
  assert_int_equal(the_grant(c)->refunded, 100);
  assert_int_equal(the_grant(c)->consumed, 0);
  assert_int_equal(w->f.past_floor, 1);
  struct ledger_op more = admit(12, 1);
  run(w, &more);
  assert_int_equal(more.result, LEDGER_SHORT);
}

// Else their time could run out meanwhile, and the next purchase would pay the whole.
static void what_is_owed_is_repaid_at_once_by_what_other_grants_have_left(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 70);
  struct ledger_op more = {.kind = LEDGER_GRANT, .customer = number(1), .id = number(202),
                           .grant = {.source = 2, .priority = 200, .amount = 50, .expires_at = NOW + 1}};
  run(w, &more);
  next_batch(w);
  assert_int_equal(stand(w, 100, 0), LEDGER_DONE);
  assert_int_equal(c->balance, -20);
  assert_int_equal(c->debt, 20);
  assert_int_equal(fold_grant_find(c, number(202))->left, 0);
  assert_int_equal(fold_grant_find(c, number(202))->consumed, 50);
  w->f.now = NOW + 2;
  struct ledger_op expire = {.kind = LEDGER_EXPIRE, .customer = number(1), .id = number(202)};
  run(w, &expire);
  struct ledger_op next = {.kind = LEDGER_GRANT, .customer = number(1), .id = number(203), .grant = {.source = 1, .priority = 100, .amount = 60}};
  run(w, &next);
  assert_int_equal(c->debt, 0);
  assert_int_equal(c->balance, 40);
  assert_int_equal(stand(w, 0, 0), LEDGER_DONE);
  assert_int_equal(c->balance, 140);
}

static void a_restored_reversal_repays_what_it_made_owed(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 70);
  assert_int_equal(stand(w, 100, 0), LEDGER_DONE);
  assert_int_equal(stand(w, 0, 0), LEDGER_DONE);
  assert_int_equal(c->balance, 30);
  assert_int_equal(c->debt, 0);
  assert_int_equal(the_grant(c)->left, 30);
  assert_int_equal(the_grant(c)->consumed, 70);
}

static void disputed_credits_are_frozen_then_thawed_or_lost(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 0);
  assert_int_equal(stand(w, 0, 100), LEDGER_DONE);
  assert_int_equal(c->balance, 0);
  assert_int_equal(the_grant(c)->frozen, 100);
  assert_int_equal(stand(w, 100, 0), LEDGER_DONE); // lost
  assert_int_equal(c->balance, 0);
  assert_int_equal(the_grant(c)->refunded, 100);
  assert_int_equal(w->f.transfers.at[w->f.transfers.count - 1].kind, TRANSFER_LOSE);
  assert_int_equal(stand(w, 0, 100), LEDGER_DONE); // looked at again
  assert_int_equal(w->f.transfers.at[w->f.transfers.count - 1].kind, TRANSFER_CONTEST);
  assert_int_equal(stand(w, 0, 0), LEDGER_DONE); // won late
  assert_int_equal(c->balance, 100);
}

static void targets_above_the_grant_are_the_grant(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 0);
  assert_int_equal(stand(w, 60, 600), LEDGER_DONE);
  assert_int_equal(the_grant(c)->refunded, 60);
  assert_int_equal(the_grant(c)->frozen, 40);
}

static void expired_credits_are_taken_before_spent_ones_are_owed(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 40);
  c->grants[0].expires_at = NOW - 1;
  struct ledger_op expire = {.kind = LEDGER_EXPIRE, .customer = number(1), .id = number(201)};
  run(w, &expire);
  assert_int_equal(c->balance, 0);
  assert_int_equal(stand(w, 60, 0), LEDGER_DONE);
  assert_int_equal(c->debt, 0);
  assert_int_equal(the_grant(c)->expired, 0);
  assert_int_equal(stand(w, 75, 0), LEDGER_DONE);
  assert_int_equal(c->debt, 15);
}

static void what_comes_back_to_an_expired_grant_is_a_new_one_with_grace(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 0);
  assert_int_equal(stand(w, 0, 100), LEDGER_DONE);
  c->grants[0].expires_at = NOW - 1;
  assert_int_equal(stand(w, 0, 0), LEDGER_DONE);
  assert_int_equal(c->balance, 100);
  assert_int_equal(c->grant_count, 2);
  assert_int_equal(the_grant(c)->consumed, 100);
  assert_int_equal(the_grant(c)->left, 0);
}

// The new grant has what the old one gave: to take that from the old one as if it had expired would leave it to the customer.
static void and_is_taken_with_it_when_the_payment_is_reversed_again(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 0);
  c->grants[0].expires_at = NOW - 1;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(stand(w, 0, 100), LEDGER_DONE);
    assert_int_equal(c->balance, 0);
    assert_int_equal(stand(w, 0, 0), LEDGER_DONE);
    assert_int_equal(c->balance, 100);
  }
  assert_int_equal(stand(w, 100, 0), LEDGER_DONE);
  assert_int_equal(c->balance, 0);
  assert_int_equal(c->debt, 0);
}

static void an_amount_that_cannot_be_counted_is_refused(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 0);
  spend(w, 11, 100);
  c->debt = AMOUNT_MAX - 50;
  c->balance = -(AMOUNT_MAX - 50);
  assert_int_equal(stand(w, 51, 0), LEDGER_REFUSED);
  assert_int_equal(the_grant(c)->refunded, 0);
  assert_int_equal(c->debt, AMOUNT_MAX - 50);
  assert_int_equal(stand(w, 49, 0), LEDGER_DONE);
  assert_int_equal(c->debt, AMOUNT_MAX - 1);
}

// The call was paid by a grant that has been reversed since: undoing it takes from what is owed, not from the grant.
static void a_call_undone_after_its_grant_was_reversed_lowers_what_is_owed(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 70);
  assert_int_equal(stand(w, 100, 0), LEDGER_DONE);
  static const unsigned char flat[24] = {[15] = 201, [23] = 70};
  *vec_add(&w->f.ended) = (struct fold_ended){.customer = number(1), .call = number(11), .state = CALL_SETTLED, .charge = 70,
                                              .usage = STR("{}"), .leg_count = 1,
                                              .legs = {{(const char *)flat, 16}, {(const char *)flat + 16, 8}}};
  struct ledger_op undo = {.kind = LEDGER_VOID, .customer = number(1), .id = number(11)};
  run(w, &undo);
  assert_int_equal(undo.result, LEDGER_DONE);
  assert_int_equal(c->debt, 0);
  assert_int_equal(c->balance, 0);
  assert_int_equal(the_grant(c)->refunded, 100);
}

// Whatever the order of what was to stand, the last word decides, and the books add up on the way.
static void only_the_last_word_counts(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 45);
  unsigned seed = 4711;
  for (int i = 0; i < 20000; i++) {
    seed = seed * 1664525 + 1013904223;
    amount refunded = (seed >> 8) % 121, frozen = (seed >> 16) % 121;
    assert_int_equal(stand(w, refunded, frozen), LEDGER_DONE);
    amount taken = refunded + frozen < 100 ? refunded + frozen : 100;
    assert_int_equal(c->balance, 100 - 45 - taken);
    assert_int_equal(the_grant(c)->refunded, refunded < 100 ? refunded : 100);
    assert_int_equal(the_grant(c)->refunded + the_grant(c)->frozen, taken);
    assert_int_equal(c->balance, the_grant(c)->left - c->debt);
    assert_true(the_grant(c)->left == 0 || c->debt == 0);
    next_batch(w);
  }
}

static void going_below_the_mark_is_noticed_with_the_movement(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 0);
  c->top_up_at = 40;
  spend(w, 11, 59);
  assert_false(c->top_up_due);
  spend(w, 12, 1);
  assert_true(c->top_up_due);
}

static void and_never_where_there_is_no_mark(void **state) {
  struct world *w = *state;
  struct fold_customer *c = buyer(w, 0);
  c->top_up_at = -1;
  spend(w, 11, 100);
  assert_false(c->top_up_due);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      T(a_payment_grants_once),
      T(also_where_a_later_batch_reads_its_origin),
      T(a_reversal_before_its_grant_is_unknown),
      T(what_is_left_is_taken_first_and_repeating_takes_nothing),
      T(what_was_spent_is_owed_and_blocks),
      T(what_is_owed_is_repaid_at_once_by_what_other_grants_have_left),
      T(a_restored_reversal_repays_what_it_made_owed),
      T(disputed_credits_are_frozen_then_thawed_or_lost),
      T(targets_above_the_grant_are_the_grant),
      T(expired_credits_are_taken_before_spent_ones_are_owed),
      T(what_comes_back_to_an_expired_grant_is_a_new_one_with_grace),
      T(and_is_taken_with_it_when_the_payment_is_reversed_again),
      T(an_amount_that_cannot_be_counted_is_refused),
      T(a_call_undone_after_its_grant_was_reversed_lowers_what_is_owed),
      T(only_the_last_word_counts),
      T(going_below_the_mark_is_noticed_with_the_movement),
      T(and_never_where_there_is_no_mark),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
