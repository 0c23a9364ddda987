// Events whose time is ahead of the ledger's clock: they have happened by now, so they are recorded as of now, and each counts in
// exactly one window of a budget, in which it is also taken off.
#include "fold.h"
#include "ledger/batch.h"

#define MINUTE (INT64_C(60) * 1000000)

static struct ledger_op record(int64_t at, uint64_t identity, amount charge) {
  return (struct ledger_op){.kind = LEDGER_RECORD, .customer = number(1), .id = ledger_call_id_at(at, number(1)), .state = CALL_SETTLED, .charge = charge,
                            .usage = STR("{\"images\":1}"), .event = {number(identity), number(900), STR("app"), STR("1")}};
}

static struct bucket *day_until(struct world *w, struct fold_customer *c, struct uuid limit, int64_t end) {
  add_buckets(w, c, 60, 60);
  c->buckets[1].limit = limit;
  c->buckets[1].window_start = c->buckets[1].current_start = NOW - 100 * MINUTE;
  c->buckets[1].window_end = c->buckets[1].current_end = end;
  return &c->buckets[1];
}

// The call as a later batch reads it, and what undoes it.
static struct ledger_op undo(struct world *w, struct uuid call, amount charge) {
  static char legs[24];
  memcpy(legs, number(101).b, 16);
  legs[23] = (char)charge;
  *vec_add(&w->f.ended) = (struct fold_ended){.customer = number(1), .call = call, .state = CALL_SETTLED, .charge = charge, .usage = STR("{}"), .leg_count = 1,
                                              .legs = {{legs, 16}, {legs + 16, 8}}};
  next_batch(w);
  return (struct ledger_op){.kind = LEDGER_VOID, .customer = number(1), .id = call};
}

static void what_is_ahead_is_recorded_as_of_now_and_the_rest_when_it_was(void **state) {
  struct world *w = *state;
  (void)customer(w, (amount[]){100}, 1);
  struct ledger_op ops[] = {record(NOW + 4 * MINUTE, 1, 1), record(NOW, 2, 1), record(NOW - 4 * MINUTE, 3, 1)};
  const struct uuid asked[] = {ops[0].id, ops[1].id, ops[2].id};
  const int64_t at[] = {NOW, NOW, NOW - 4 * MINUTE};
  for (size_t i = 0; i < 3; i++) {
    run(w, &ops[i]);
    assert_int_equal(ops[i].result, LEDGER_DONE);
    assert_int_equal(uuid_time_us(ops[i].id), at[i]);
    assert_memory_equal(ops[i].id.b + 6, asked[i].b + 6, 10);
    assert_true(uuid_eq(w->f.calls.at[i].id, ops[i].id) && uuid_eq(w->f.identities.at[i].call, ops[i].id));
  }
}

static void beyond_a_windows_end_it_counts_in_the_window_that_stands(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct bucket *b = day_until(w, c, number(52), NOW + MINUTE);
  struct ledger_op op = record(NOW + 3 * MINUTE, 1, 30);
  run(w, &op);
  assert_int_equal(b->used, 30);
  struct ledger_op off = undo(w, op.id, 30);
  run(w, &off);
  assert_int_equal(off.result, LEDGER_DONE);
  assert_int_equal(b->used, 0);
}

static void in_the_next_window_it_counts_no_more(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct bucket *b = day_until(w, c, number(52), NOW + MINUTE);
  struct ledger_op op = record(NOW + 3 * MINUTE, 1, 30), next;
  run(w, &op);
  w->f.now = NOW + 2 * MINUTE;
  b->current_start = NOW + MINUTE;
  b->current_end = NOW + 1000 * MINUTE;
  next = record(w->f.now, 2, 7);
  run(w, &next);
  assert_int_equal(b->used, 7);
  struct ledger_op off = undo(w, op.id, 30); // nor is it taken off there
  run(w, &off);
  assert_int_equal(b->used, 7);
}

static void a_limit_that_is_made_later_is_not_told_when_it_is_undone(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op first = record(NOW + 4 * MINUTE, 1, 30), second;
  run(w, &first);
  struct bucket *b = day_until(w, c, ledger_call_id_at(NOW + MINUTE, number(1)), NOW + 100 * MINUTE);
  w->f.now = NOW + 2 * MINUTE;
  second = record(NOW + 5 * MINUTE, 2, 40);
  run(w, &second);
  assert_int_equal(b->used, 40);
  struct ledger_op off = undo(w, first.id, 30);
  run(w, &off);
  assert_int_equal(off.result, LEDGER_DONE);
  assert_int_equal(b->used, 40);
}

static void where_its_customer_wants_that_the_window_that_stands_must_cover_it(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct bucket *b = day_until(w, c, number(52), NOW + MINUTE);
  struct ledger_op op = record(NOW + 3 * MINUTE, 1, 61);
  c->refuses_events = true;
  run(w, &op);
  assert_int_equal(op.result, LEDGER_LIMITED);
  assert_int_equal(b->used, 0);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      RULE(what_is_ahead_is_recorded_as_of_now_and_the_rest_when_it_was),
      RULE(beyond_a_windows_end_it_counts_in_the_window_that_stands),
      RULE(in_the_next_window_it_counts_no_more),
      RULE(a_limit_that_is_made_later_is_not_told_when_it_is_undone),
      RULE(where_its_customer_wants_that_the_window_that_stands_must_cover_it),
  };
  return cmocka_run_group_tests_name("events ahead of the clock", tests, NULL, NULL);
}
