// What a batch tells: marks that were passed, grants, and what was settled; nothing where nobody listens.
#include "fold.h"
#include <string.h>

static struct fold_customer *listened(struct world *w, amount balance) {
  w->f.told = w->f.told_usage = true;
  struct fold_customer *c = customer(w, (amount[]){balance}, 1);
  c->balance_before = c->balance;
  return c;
}

static void spend(struct world *w, uint64_t call, amount a) {
  struct ledger_op hold = admit(call, a), end = settle(call, a);
  run(w, &hold);
  next_batch(w);
  vec_clear(&w->f.events);
  w->f.customers.at[0].balance_before = w->f.customers.at[0].balance;
  run(w, &end);
}

static size_t told(const struct world *w, const char *type) {
  size_t n = 0;
  for (size_t i = 0; i < w->f.events.count; i++) n += strcmp(w->f.events.at[i].type, type) == 0;
  return n;
}

static void nobody_who_listens_is_told_nothing(void **state) {
  struct world *w = *state;
  (void)customer(w, (amount[]){100}, 1);
  spend(w, 11, 100);
  assert_int_equal(w->f.events.count, 0);
}

static void a_low_balance_is_told_when_it_is_passed_and_not_again(void **state) {
  struct world *w = *state;
  struct fold_customer *c = listened(w, 100);
  c->low_balance = 40;
  spend(w, 11, 59);
  assert_int_equal(told(w, "balance.low"), 0);
  spend(w, 12, 1);
  assert_int_equal(told(w, "balance.low"), 1);
  spend(w, 13, 1);
  assert_int_equal(told(w, "balance.low"), 0);
}

static void an_exhausted_balance_and_a_refill_are_told(void **state) {
  struct world *w = *state;
  (void)listened(w, 100);
  spend(w, 11, 100);
  assert_int_equal(told(w, "balance.exhausted"), 1);
  vec_clear(&w->f.events);
  struct fold_customer *c = &w->f.customers.at[0];
  c->balance_before = c->balance;
  struct ledger_op more = {.kind = LEDGER_GRANT, .customer = number(1), .id = number(300), .grant = {.source = 1, .amount = 5}};
  run(w, &more);
  assert_int_equal(told(w, "balance.refilled"), 1);
  assert_int_equal(told(w, "grant.created"), 1);
}

static void what_was_settled_is_one_event_of_the_batch(void **state) {
  struct world *w = *state;
  (void)listened(w, 100);
  struct ledger_op a = admit(11, 10), b = admit(12, 20), x = settle(11, 7), y = settle(12, 9);
  run(w, &a);
  run(w, &b);
  next_batch(w);
  vec_clear(&w->f.events);
  struct ledger_op *both[] = {&x, &y};
  fold_run(&w->f, both, 2);
  assert_int_equal(told(w, "usage.settled"), 1);
  const struct fold_event *e = &w->f.events.at[0];
  assert_non_null(memmem(e->data.ptr, e->data.len, "\"count\":2", 9));
  assert_non_null(memmem(e->data.ptr, e->data.len, "\"charge\":\"0.000000016\"", 22));
}

static void amounts_that_one_event_cannot_count_are_told_in_two(void **state) {
  struct world *w = *state;
  struct fold_customer *c = listened(w, 100);
  for (uint64_t i = 0; i < 3; i++)
    *vec_add(&w->f.calls) = (struct fold_call){.customer = number(1), .id = number(11 + i), .state = CALL_VOIDED,
                                               .charge = i == 2 ? -1 : -(AMOUNT_MAX / 3) * 2};
  fold_tell(&w->f, c, 0, 0);
  assert_int_equal(told(w, "usage.settled"), 2);
  const struct fold_event *e = w->f.events.at;
  assert_non_null(memmem(e[0].data.ptr, e[0].data.len, "\"count\":1", 9));
  assert_non_null(memmem(e[1].data.ptr, e[1].data.len, "\"count\":2", 9));
}

static void a_budget_tells_four_fifths_and_the_whole_once_each(void **state) {
  struct world *w = *state;
  struct fold_customer *c = listened(w, 1000);
  add_buckets(w, c, 100, 100);
  c->buckets[1].dirty = true;
  c->buckets[1].used_before = 79;
  c->buckets[1].used = 80;
  fold_tell(&w->f, c, 0, 0);
  assert_int_equal(told(w, "budget.threshold"), 1);
  c->buckets[1].used_before = 80;
  c->buckets[1].used = 99;
  fold_tell(&w->f, c, 0, 0);
  assert_int_equal(told(w, "budget.threshold"), 1);
  c->buckets[1].used = 100;
  fold_tell(&w->f, c, 0, 0);
  assert_int_equal(told(w, "limit.reached"), 1);
  assert_int_equal(told(w, "budget.threshold"), 1);
}

static void an_expiry_is_told(void **state) {
  struct world *w = *state;
  struct fold_customer *c = listened(w, 100);
  c->grants[0].expires_at = NOW - 1;
  struct ledger_op op = {.kind = LEDGER_EXPIRE, .customer = number(1), .id = number(101)};
  run(w, &op);
  assert_int_equal(told(w, "grant.expired"), 1);
  assert_int_equal(told(w, "balance.exhausted"), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      T(nobody_who_listens_is_told_nothing),
      T(a_low_balance_is_told_when_it_is_passed_and_not_again),
      T(an_exhausted_balance_and_a_refill_are_told),
      T(what_was_settled_is_one_event_of_the_batch),
      T(amounts_that_one_event_cannot_count_are_told_in_two),
      T(a_budget_tells_four_fifths_and_the_whole_once_each),
      T(an_expiry_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
