// The fold's rules, without a database: each test sets up the rows that were locked, runs operations over them, and looks
// at what became of them. The last one runs random operations and holds the books against a plain count.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ledger/fold.h"
#include <stdlib.h>

#define NOW INT64_C(1700000000000000)

struct world {
  struct fold f;
  struct arena arena;
  uint64_t ids;
};

static struct uuid number(uint64_t n) {
  struct uuid id = {{0}};
  for (int i = 0; i < 8; i++) id.b[15 - i] = (uint8_t)(n >> (8 * i));
  return id;
}

static struct uuid next_id(void *arg, int64_t now) {
  struct world *w = arg;
  (void)now;
  return number(1000000 + w->ids++);
}

static int setup(void **state) {
  struct world *w = mem_alloc(sizeof *w);
  arena_init(&w->arena, 64 * 1024 * 1024);
  w->f.arena = &w->arena;
  w->f.now = NOW;
  w->f.new_id = next_id;
  w->f.new_id_arg = w;
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

// A customer (id 1) with grants of these amounts, in burn order, ids 101, 102, …
static struct fold_customer *customer(struct world *w, const amount *grants, size_t count) {
  struct fold_customer *c = vec_add(&w->f.customers);
  c->id = number(1);
  c->config_version = 7;
  for (size_t i = 0; i < count; i++) {
    (void)fold_grant_add(&w->f, c, (struct fold_grant){.id = number(101 + i), .source = 1, .granted = grants[i], .left = grants[i]});
    c->balance += grants[i];
  }
  return c;
}

static struct ledger_op admit(uint64_t call, amount hold) {
  return (struct ledger_op){.kind = LEDGER_ADMIT, .customer = number(1), .id = number(call), .hold = hold, .config_version = 7};
}

static struct ledger_op settle(uint64_t call, amount charge) {
  return (struct ledger_op){.kind = LEDGER_SETTLE, .customer = number(1), .id = number(call), .state = CALL_SETTLED, .charge = charge};
}

static void run(struct world *w, struct ledger_op *op) {
  fold_run(&w->f, &op, 1);
}

// What a next batch would read: the holds that stand, sorted.
static int by_call(const void *a, const void *b) {
  return uuid_cmp(((const struct fold_hold *)a)->call, ((const struct fold_hold *)b)->call);
}
static void next_batch(struct world *w) {
  size_t kept = 0;
  for (size_t i = 0; i < w->f.holds.count; i++)
    if (!w->f.holds.at[i].ended) w->f.holds.at[kept++] = w->f.holds.at[i];
  w->f.holds.count = kept;
  for (size_t i = 0; i < kept; i++) w->f.holds.at[i].fresh = w->f.holds.at[i].dirty = false;
  if (kept) qsort(w->f.holds.at, kept, sizeof *w->f.holds.at, by_call);
  vec_clear(&w->f.calls);
  vec_clear(&w->f.transfers);
  vec_clear(&w->f.legs);
}

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

static void add_buckets(struct world *w, struct fold_customer *c, int64_t requests, amount spend) {
  c->buckets = arena_alloc(&w->arena, 2 * sizeof *c->buckets);
  c->bucket_count = 2;
  c->buckets[0] = (struct bucket){.limit = number(51), .measure = BUCKET_REQUESTS, .period = BUCKET_MINUTE, .amount = requests};
  c->buckets[1] = (struct bucket){.limit = number(52), .measure = BUCKET_SPEND, .period = BUCKET_DAY, .amount = spend,
                                  .current_start = NOW - 5, .current_end = NOW + 1000};
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

// ---- extension

static void an_extension_holds_more_or_says_why_not(void **state) {
  struct world *w = *state;
  struct fold_customer *c = customer(w, (amount[]){100}, 1);
  struct ledger_op a = admit(11, 10);
  run(w, &a);
  next_batch(w);
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
  assert_int_equal(c->grants[0].expired, 20);
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
      RULE(an_extension_holds_more_or_says_why_not),
      RULE(grants_burn_in_order_and_calls_lie_side_by_side),
      RULE(what_no_grant_covers_becomes_debt_and_the_next_grant_repays_it_first),
      RULE(a_release_gives_the_hold_back_and_moves_nothing),
      RULE(expiry_takes_only_what_open_holds_do_not_need),
      RULE(a_second_settlement_changes_nothing),
      RULE(usage_found_late_corrects_a_swept_call_upwards),
      RULE(and_downwards_back_to_the_grants_that_paid_last_first),
      RULE(a_voided_call_gives_everything_back_once),
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
      RULE(random_operations_keep_the_books),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
