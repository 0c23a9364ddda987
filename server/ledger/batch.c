// A batch from its operations to its answers.
#include "ledger/batch.h"
#include "base/clock.h"
#include <stdlib.h>

#define ROW_STANDS "23505" // a row of that key: of an event's identity, or of anything else

void batch_init(struct batch *b) {
  *b = (struct batch){0};
  arena_init(&b->arena, LIMIT_REQUEST_ARENA);
  b->fold.arena = &b->arena;
  db_params_init(&b->params);
}

static void batch_reset(struct batch *b) {
  fold_reset(&b->fold);
  for (size_t i = 0; i < b->result_count; i++) db_result_finish(b->results[i]);
  b->result_count = 0;
  arena_finish(&b->arena);
  arena_init(&b->arena, LIMIT_REQUEST_ARENA);
}

void batch_finish(struct batch *b) {
  batch_reset(b);
  fold_finish(&b->fold);
  arena_finish(&b->arena);
  db_params_finish(&b->params);
}

// A sweep comes last: the settlement of the same call that came with it knows better. So does one that is found late than whoever
// prices the call again: where its estimate had a row in this batch already, what was used would be taken for told.
static int rank(const struct ledger_op *op) {
  return op->kind == LEDGER_SWEEP ? 2 : op->kind == LEDGER_RERATE;
}

int batch_order(const void *a, const void *b) {
  const struct ledger_op *x = *(struct ledger_op *const *)a, *y = *(struct ledger_op *const *)b;
  int by_customer = uuid_cmp(x->customer, y->customer);
  if (by_customer) return by_customer;
  if (rank(x) != rank(y)) return rank(x) < rank(y) ? -1 : 1;
  return x->order < y->order ? -1 : 1;
}

static struct uuid new_id(void *arg, int64_t now) {
  (void)arg;
  return uuid_v7(now);
}

// Operations on calls that have no hold must see the call's ended rows first.
static bool mark_late(struct batch *b) {
  bool marked = false;
  for (size_t i = 0; i < b->count; i++) {
    struct ledger_op *op = b->ops[i];
    if (op->late || (op->kind != LEDGER_SETTLE && op->kind != LEDGER_PART)) continue;
    if (op->result == LEDGER_UNKNOWN && fold_customer_find(&b->fold, op->customer)) op->late = marked = true;
  }
  return marked;
}

// Of an event that is not known its own row tells that it is new, by its key: most batches do not look for it in the week that they
// write to. One that meets a known event there is run again and looks first, and so do the next ones: events that are sent again come
// in numbers.
static int look_first(struct batch *b) {
  b->looks_for = BATCH_LOOKS_FOR;
  return BATCH_AGAIN;
}

int batch_run(struct batch *b, struct db *db, const struct batch_writer *w, struct ledger_op **ops, size_t count) {
  batch_reset(b);
  b->ops = ops;
  b->count = count;
  b->looks = false;
  for (size_t i = 0; i < count; i++) ops[i]->order = i;
  qsort(ops, count, sizeof *ops, batch_order);
  b->asked_at = clock_mono_us();
  int r = batch_read(b, db, w);
  b->heard_at = clock_mono_us();
  if (r != BATCH_DONE) return r;
  b->fold.now = b->now;
  b->fold.new_id = new_id;
  fold_run(&b->fold, ops, count);
  if (mark_late(b)) {
    db_pipe_rollback(db);
    return BATCH_AGAIN;
  }
  if (batch_may_know(b)) {
    db_pipe_rollback(db);
    return look_first(b);
  }
  r = batch_write(b, db, w);
  if (r == BATCH_BAD && !b->looks && b->fold.identity_slots && strcmp(db_sqlstate(db), ROW_STANDS) == 0) return look_first(b);
  if (r == BATCH_DONE && b->looks) b->looks_for--;
  return r;
}
