// A request that comes again is made once: by the caller's own key, or, where the request says that it is a retry, by a key
// derived from it. What came to nothing may be asked for again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ledger/fold.h"

#define NOW INT64_C(1700000000000000)
#define OWN STR("key_1:order-7")
#define DERIVED STR("~0123456789abcdef")

struct world {
  struct fold f;
  struct arena arena;
};

static struct uuid number(uint64_t n) {
  struct uuid id = {{0}};
  for (int i = 0; i < 8; i++) id.b[15 - i] = (uint8_t)(n >> (8 * i));
  return id;
}

static int setup(void **state) {
  struct world *w = mem_alloc(sizeof *w);
  arena_init(&w->arena, 1024 * 1024);
  w->f.arena = &w->arena;
  w->f.now = NOW;
  struct fold_customer *c = vec_add(&w->f.customers);
  c->id = number(1);
  c->config_version = 7;
  (void)fold_grant_add(&w->f, c, (struct fold_grant){.id = number(101), .source = 1, .granted = 1000, .left = 1000});
  c->balance = 1000;
  *state = w;
  return 0;
}

static int teardown(void **state) {
  struct world *w = *state;
  fold_finish(&w->f);
  arena_finish(&w->arena);
  mem_free(w);
  return 0;
}

static struct ledger_op admit(uint64_t call, struct str key, bool retry) {
  return (struct ledger_op){.kind = LEDGER_ADMIT, .customer = number(1), .id = number(call), .hold = 10, .config_version = 7,
                            .idempotency_key = key, .retry = retry};
}

static struct ledger_op settle(uint64_t call, enum call_state state, amount charge, bool undelivered) {
  return (struct ledger_op){.kind = LEDGER_SETTLE, .customer = number(1), .id = number(call), .state = state, .charge = charge,
                            .idempotency_key = DERIVED, .undelivered = undelivered};
}

// A hold as a later batch reads it, with its key.
static void read_hold(struct world *w, uint64_t call, struct str key, amount metered) {
  *vec_add(&w->f.holds) = (struct fold_hold){.customer = number(1), .call = number(call), .amount = 10, .metered = metered,
                                             .usage = STR("{}"), .idempotency_key = key, .writer_id = 3};
  w->f.customers.at[0].held += 10;
}

// A pending twin, as a later batch finds it by its key alone.
static void read_twin(struct world *w, uint64_t call) {
  *vec_add(&w->f.idempotents) =
      (struct fold_idempotent){.customer = number(1), .object = number(call), .key = DERIVED, .pending = true};
}

static void read_kept(struct world *w, uint64_t call, struct str key, int64_t age_ms) {
  *vec_add(&w->f.idempotents) =
      (struct fold_idempotent){.customer = number(1), .object = number(call), .key = key, .at = NOW - age_ms * 1000};
}

static void run(struct world *w, struct ledger_op *op) {
  fold_run(&w->f, &op, 1);
}

static size_t fresh(const struct world *w) {
  size_t n = 0;
  for (size_t i = 0; i < w->f.idempotents.count; i++) n += w->f.idempotents.at[i].fresh;
  return n;
}

// ---- the caller's own key

static void a_key_is_kept_with_its_admission(void **state) {
  struct world *w = *state;
  struct ledger_op a = admit(11, OWN, false);
  run(w, &a);
  assert_int_equal(a.result, LEDGER_DONE);
  assert_int_equal(fresh(w), 1);
  assert_true(str_eq(w->f.holds.at[0].idempotency_key, OWN));
}

static void a_key_whose_call_came_to_nothing_may_be_used_again(void **state) {
  struct world *w = *state;
  read_hold(w, 11, OWN, 0);
  read_kept(w, 11, OWN, 5);
  struct ledger_op released = settle(11, CALL_RELEASED, 0, false), again = admit(12, OWN, false);
  struct ledger_op *both[] = {&released, &again};
  fold_run(&w->f, both, 2);
  assert_int_equal(released.result, LEDGER_DONE);
  assert_int_equal(again.result, LEDGER_DONE);
  assert_int_equal(w->f.released.count, 1);
  assert_true(uuid_eq(w->f.released.at[0].call, number(11)));
}

static void a_key_whose_call_was_charged_is_used_up(void **state) {
  struct world *w = *state;
  read_hold(w, 11, OWN, 0);
  read_kept(w, 11, OWN, 5);
  struct ledger_op settled = settle(11, CALL_SETTLED, 4, true), again = admit(12, OWN, false);
  struct ledger_op *both[] = {&settled, &again};
  fold_run(&w->f, both, 2);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_int_equal(w->f.released.count, 0);
}

// ---- the client's own retries

static void equal_requests_are_two_calls_while_neither_says_it_is_a_retry(void **state) {
  struct world *w = *state;
  read_twin(w, 10);
  struct ledger_op a = admit(11, DERIVED, false), b = admit(12, DERIVED, false);
  struct ledger_op *both[] = {&a, &b};
  fold_run(&w->f, both, 2);
  assert_int_equal(a.result, LEDGER_DONE);
  assert_int_equal(b.result, LEDGER_DONE);
  assert_int_equal(fresh(w), 0);
}

static void a_retry_of_a_running_call_is_not_made(void **state) {
  struct world *w = *state;
  read_twin(w, 10);
  struct ledger_op again = admit(11, DERIVED, true);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(again.existing, number(10)));
  assert_int_equal(w->f.customers.at[0].held, 0);
}

static void nor_one_that_comes_in_the_same_batch_as_its_first(void **state) {
  struct world *w = *state;
  struct ledger_op first = admit(11, DERIVED, false), again = admit(12, DERIVED, true);
  struct ledger_op *both[] = {&first, &again};
  fold_run(&w->f, both, 2);
  assert_int_equal(first.result, LEDGER_DONE);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_true(uuid_eq(again.existing, number(11)));
}

static void a_retry_of_a_call_that_was_charged_and_lost_is_not_made(void **state) {
  struct world *w = *state;
  read_hold(w, 11, DERIVED, 0);
  read_twin(w, 11);
  struct ledger_op lost = settle(11, CALL_SETTLED, 4, true), again = admit(12, DERIVED, true);
  struct ledger_op *both[] = {&lost, &again};
  fold_run(&w->f, both, 2);
  assert_int_equal(lost.result, LEDGER_DONE);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_int_equal(fresh(w), 1);
}

static void a_retry_of_a_call_that_was_charged_and_delivered_is_a_call(void **state) {
  struct world *w = *state;
  read_hold(w, 11, DERIVED, 0);
  read_twin(w, 11);
  struct ledger_op fine = settle(11, CALL_SETTLED, 4, false), again = admit(12, DERIVED, true);
  struct ledger_op *both[] = {&fine, &again};
  fold_run(&w->f, both, 2);
  assert_int_equal(again.result, LEDGER_DONE);
}

static void and_so_is_one_of_a_call_that_cost_nothing(void **state) {
  struct world *w = *state;
  read_hold(w, 11, DERIVED, 0);
  read_twin(w, 11);
  struct ledger_op nothing = settle(11, CALL_RELEASED, 0, true), again = admit(12, DERIVED, true);
  struct ledger_op *both[] = {&nothing, &again};
  fold_run(&w->f, both, 2);
  assert_int_equal(again.result, LEDGER_DONE);
  assert_int_equal(w->f.released.count, 0);
}

static void a_lost_call_is_remembered_for_the_window_and_no_longer(void **state) {
  struct world *w = *state;
  read_kept(w, 10, DERIVED, LIMIT_RETRY_WINDOW_MS);
  struct ledger_op within = admit(11, DERIVED, true);
  run(w, &within);
  assert_int_equal(within.result, LEDGER_DUPLICATE);
  w->f.now += 1000;
  struct ledger_op after = admit(12, DERIVED, true);
  run(w, &after);
  assert_int_equal(after.result, LEDGER_DONE);
}

static void a_swept_call_that_was_charged_was_lost(void **state) {
  struct world *w = *state;
  read_hold(w, 11, DERIVED, 6);
  struct ledger_op sweep = {.kind = LEDGER_SWEEP, .customer = number(1), .id = number(11), .writer = 3}, again = admit(12, DERIVED, true);
  run(w, &sweep);
  assert_int_equal(sweep.result, LEDGER_DONE);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
}

static void a_call_that_was_lost_while_it_was_settled_is_noted_afterwards_once(void **state) {
  struct world *w = *state;
  *vec_add(&w->f.ended) = (struct fold_ended){.customer = number(1), .call = number(11), .state = CALL_SETTLED, .charge = 4, .usage = STR("{}")};
  struct ledger_op note = settle(11, CALL_SETTLED, 4, true);
  run(w, &note);
  assert_int_equal(note.result, LEDGER_DUPLICATE);
  assert_int_equal(note.charged, 4);
  run(w, &note);
  assert_int_equal(fresh(w), 1);
  assert_int_equal(w->f.customers.at[0].balance, 1000);
  struct ledger_op again = admit(12, DERIVED, true);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
}

// ---- what ends an explicit hold

static struct ledger_op ending(uint64_t call, amount charge, unsigned char fingerprint) {
  struct ledger_op op = settle(call, CALL_SETTLED, charge, false);
  op.explicit = true;
  op.idempotency_key = OWN;
  op.fingerprint[0] = fingerprint;
  return op;
}

static void the_key_of_a_settlement_is_kept_with_it_and_says_what_is_the_same(void **state) {
  struct world *w = *state;
  read_hold(w, 11, STR(""), 0);
  w->f.holds.at[0].expires_at = NOW + 1000;
  w->f.customers.at[0].open_holds = 1;
  struct ledger_op first = ending(11, 4, 1), same = ending(11, 4, 1), other = ending(11, 5, 2), elsewhere = ending(12, 4, 3);
  run(w, &first);
  assert_int_equal(first.result, LEDGER_DONE);
  assert_int_equal(fresh(w), 1);
  run(w, &same);
  assert_int_equal(same.result, LEDGER_DUPLICATE);
  assert_true(same.replayed && uuid_eq(same.existing, number(11)));
  run(w, &other);
  assert_int_equal(other.result, LEDGER_REUSED);
  run(w, &elsewhere);
  assert_int_equal(elsewhere.result, LEDGER_REUSED);
  assert_int_equal(w->f.customers.at[0].balance, 996);
}

static void a_settlement_of_what_has_ended_leaves_no_key(void **state) {
  struct world *w = *state;
  *vec_add(&w->f.ended) = (struct fold_ended){.customer = number(1), .call = number(11), .state = CALL_SETTLED, .charge = 4, .usage = STR("{}")};
  struct ledger_op again = ending(11, 4, 1);
  run(w, &again);
  assert_int_equal(again.result, LEDGER_DUPLICATE);
  assert_false(again.replayed); // whether it is the same is for the caller to see
  assert_int_equal(fresh(w), 0);
}

static void one_that_comes_late_is_kept_too(void **state) {
  struct world *w = *state;
  *vec_add(&w->f.ended) = (struct fold_ended){.customer = number(1), .call = number(11), .state = CALL_EXPIRED, .usage = STR("{}")};
  struct ledger_op late = ending(11, 4, 1), again = late;
  run(w, &late);
  assert_int_equal(late.result, LEDGER_DONE);
  run(w, &again);
  assert_true(again.result == LEDGER_DUPLICATE && again.replayed);
  assert_int_equal(w->f.customers.at[0].balance, 996);
}

int main(void) {
#define RULE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest rules[] = {
      RULE(a_key_is_kept_with_its_admission),
      RULE(a_key_whose_call_came_to_nothing_may_be_used_again),
      RULE(a_key_whose_call_was_charged_is_used_up),
      RULE(equal_requests_are_two_calls_while_neither_says_it_is_a_retry),
      RULE(a_retry_of_a_running_call_is_not_made),
      RULE(nor_one_that_comes_in_the_same_batch_as_its_first),
      RULE(a_retry_of_a_call_that_was_charged_and_lost_is_not_made),
      RULE(a_retry_of_a_call_that_was_charged_and_delivered_is_a_call),
      RULE(and_so_is_one_of_a_call_that_cost_nothing),
      RULE(a_lost_call_is_remembered_for_the_window_and_no_longer),
      RULE(a_swept_call_that_was_charged_was_lost),
      RULE(a_call_that_was_lost_while_it_was_settled_is_noted_afterwards_once),
      RULE(the_key_of_a_settlement_is_kept_with_it_and_says_what_is_the_same),
      RULE(a_settlement_of_what_has_ended_leaves_no_key),
      RULE(one_that_comes_late_is_kept_too),
  };
  return cmocka_run_group_tests(rules, NULL, NULL);
}
