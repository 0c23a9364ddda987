// The fold's rules for usage that has happened already: an event is charged once for ever, whatever its policy lets it do to
// the balance.
#include "fold.h"
#include "ledger/batch.h"

static struct ledger_op record(uint64_t call, uint64_t identity, uint64_t content, amount charge) {
  return (struct ledger_op){.kind = LEDGER_RECORD, .customer = number(1), .id = number(call), .state = CALL_SETTLED, .charge = charge,
                            .usage = STR("{\"images\":1}"), .event = {number(identity), number(content), STR("app"), STR("1")}};
}

static void read_identity(struct world *w, uint64_t identity, uint64_t content, uint64_t call) {
  *vec_add(&w->f.identities) = (struct fold_identity){.customer = number(1), .identity = number(identity), .content = number(content), .call = number(call)};
}

// ---- events

static void an_event_is_charged_at_once_and_remembered(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op op = record(11, 500, 900, 30);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  assert_int_equal(op.charged, 30);
  assert_int_equal(c->balance, 70);
  assert_int_equal(c->held, 0);
  assert_int_equal(w->f.calls.count, 1);
  assert_int_equal(w->f.calls.at[0].flags, CALL_REPORTED);
  assert_int_equal(w->f.calls.at[0].state, CALL_SETTLED);
  assert_int_equal(w->f.identities.count, 1);
  assert_true(w->f.identities.at[0].fresh && uuid_eq(w->f.identities.at[0].call, number(11)));
}

static void an_event_that_comes_again_is_a_duplicate_and_costs_nothing(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  read_identity(w, 500, 900, 9);
  struct ledger_op op = record(11, 500, 900, 30);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(op.existing, number(9)));
  assert_int_equal(c->balance, 100);
  assert_int_equal(w->f.calls.count, 0);
}

static void the_same_identity_with_other_content_is_a_conflict(void **state) {
  struct world *w = *state;
  customer(w, (amount[]){100}, 1);
  read_identity(w, 500, 900, 9);
  struct ledger_op op = record(11, 500, 901, 30);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_REUSED);
  assert_true(uuid_eq(op.existing, number(9)));
}

static void of_many_in_one_batch_each_identity_counts_once(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){1000}, 1);
  struct ledger_op ops[200], *list[200];
  for (uint64_t i = 0; i < 200; i++) {
    ops[i] = record(100 + i, 500 + i % 50, 900, 2);
    list[i] = &ops[i];
  }
  fold_run(&w->f, list, 200);
  for (uint64_t i = 0; i < 200; i++) {
    assert_int_equal(ops[i].result, i < 50 ? LEDGER_DONE : LEDGER_DUPLICATE);
    if (i >= 50) assert_true(uuid_eq(ops[i].existing, number(100 + i % 50)));
  }
  assert_int_equal(c->balance, 900);
}

static void an_identity_of_another_customer_is_another_event(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  *vec_add(&w->f.identities) = (struct fold_identity){.customer = number(2), .identity = number(500), .content = number(900), .call = number(9)};
  struct ledger_op op = record(11, 500, 900, 30);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  assert_int_equal(c->balance, 70);
}

static void what_credits_do_not_cover_is_accepted_into_debt(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){20}, 1);
  struct ledger_op op = record(11, 500, 900, 30);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  assert_int_equal(c->balance, -10);
  assert_int_equal(c->debt, 10);
  assert_int_equal(w->f.past_floor, 1);
  assert_true(w->f.calls.at[0].flags & CALL_ABOVE_HOLD);
}

static void or_refused_where_the_customer_wants_that_and_nothing_is_kept_of_it(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){20}, 1);
  c->refuses_events = true;
  struct ledger_op op = record(11, 500, 900, 30), fits = record(12, 500, 900, 20);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_SHORT);
  assert_int_equal(c->balance, 20);
  assert_int_equal(w->f.calls.count + w->f.identities.count + w->f.transfers.count, 0);
  run(w, &fits);
  assert_int_equal(fits.result, LEDGER_DONE);
  assert_int_equal(c->balance, 0);
}

static void what_is_held_is_not_there_for_an_event_that_must_be_covered(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  c->refuses_events = true;
  c->held = 80;
  struct ledger_op op = record(11, 500, 900, 30);
  run(w, &op);
  assert_int_equal(op.result, LEDGER_SHORT);
}

static void a_key_of_the_customers_reports_under_the_version_it_was_read_with(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op op = record(11, 500, 900, 30);
  op.config_version = 6;
  run(w, &op);
  assert_int_equal(op.result, LEDGER_STALE);
  assert_int_equal(c->balance, 100);
}

static void an_event_without_a_price_is_kept_and_costs_nothing_yet(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op op = record(11, 500, 900, 0);
  op.state = CALL_UNRATED;
  run(w, &op);
  assert_int_equal(op.result, LEDGER_DONE);
  assert_int_equal(c->balance, 100);
  assert_int_equal(w->f.calls.at[0].state, CALL_UNRATED);
}

int main(void) {
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      RULE(an_event_is_charged_at_once_and_remembered),
      RULE(an_event_that_comes_again_is_a_duplicate_and_costs_nothing),
      RULE(the_same_identity_with_other_content_is_a_conflict),
      RULE(of_many_in_one_batch_each_identity_counts_once),
      RULE(an_identity_of_another_customer_is_another_event),
      RULE(what_credits_do_not_cover_is_accepted_into_debt),
      RULE(or_refused_where_the_customer_wants_that_and_nothing_is_kept_of_it),
      RULE(what_is_held_is_not_there_for_an_event_that_must_be_covered),
      RULE(a_key_of_the_customers_reports_under_the_version_it_was_read_with),
      RULE(an_event_without_a_price_is_kept_and_costs_nothing_yet),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
