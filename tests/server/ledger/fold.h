// The fold without a database: the rows as they would have been locked, and what runs operations over them.
#pragma once
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

static inline struct uuid number(uint64_t n) {
  struct uuid id = {{0}};
  for (int i = 0; i < 8; i++) id.b[15 - i] = (uint8_t)(n >> (8 * i));
  return id;
}

static inline struct uuid next_id(void *arg, int64_t now) {
  struct world *w = arg;
  (void)now;
  return number(1000000 + w->ids++);
}

static inline int setup(void **state) {
  struct world *w = mem_alloc(sizeof *w);
  arena_init(&w->arena, 64 * 1024 * 1024);
  w->f.arena = &w->arena;
  w->f.now = NOW;
  w->f.new_id = next_id;
  w->f.new_id_arg = w;
  *state = w;
  return 0;
}

static inline int teardown(void **state) {
  struct world *w = *state;
  fold_finish(&w->f);
  arena_finish(&w->arena);
  mem_free(w);
  return 0;
}

// A customer (id 1) with grants of these amounts, in burn order, ids 101, 102, …
static inline struct fold_customer *customer(struct world *w, const amount *grants, size_t count) {
  struct fold_customer *c = vec_add(&w->f.customers);
  c->id = number(1);
  c->config_version = 7;
  c->low_balance = c->top_up_at = -1;
  for (size_t i = 0; i < count; i++) {
    (void)fold_grant_add(&w->f, c, (struct fold_grant){.id = number(101 + i), .source = 1, .granted = grants[i], .left = grants[i]});
    c->balance += grants[i];
  }
  return c;
}

static inline struct ledger_op admit(uint64_t call, amount hold) {
  return (struct ledger_op){.kind = LEDGER_ADMIT, .customer = number(1), .id = number(call), .hold = hold, .config_version = 7};
}

static inline struct ledger_op settle(uint64_t call, amount charge) {
  return (struct ledger_op){.kind = LEDGER_SETTLE, .customer = number(1), .id = number(call), .state = CALL_SETTLED, .charge = charge};
}

static inline void run(struct world *w, struct ledger_op *op) {
  fold_run(&w->f, &op, 1);
}

// What a next batch would read: the holds that stand, sorted.
static inline int by_call(const void *a, const void *b) {
  return uuid_cmp(((const struct fold_hold *)a)->call, ((const struct fold_hold *)b)->call);
}
static inline void next_batch(struct world *w) {
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

static inline void add_buckets(struct world *w, struct fold_customer *c, int64_t requests, amount spend) {
  c->buckets = arena_alloc(&w->arena, 2 * sizeof *c->buckets);
  c->bucket_count = 2;
  c->buckets[0] = (struct bucket){.limit = number(51), .measure = BUCKET_REQUESTS, .period = BUCKET_MINUTE, .amount = requests};
  c->buckets[1] = (struct bucket){.limit = number(52), .measure = BUCKET_SPEND, .period = BUCKET_DAY, .amount = spend,
                                  .current_start = NOW - 5, .current_end = NOW + 1000};
}
