// How a hold grows: all or nothing, budgets first, then credits, as at an admission. A call through the gateway asks those budgets
// again that it has drawn from, where their window still stands. An explicit hold may live for days: what it is to be from now on is
// asked of every budget that binds it now, in the window that stands now, as if it were taken anew. Its charge counts there, then.
#include "base/log.h"
#include "ledger/fold.h"

// What it has drawn from a budget in the window that stands; NULL: nothing.
static const struct fold_draw *drawn(const struct fold_hold *h, const struct bucket *b) {
  for (size_t i = 0; i < h->draw_count; i++)
    if (uuid_eq(h->draws[i].limit, b->limit) && h->draws[i].window == b->window_start) return &h->draws[i];
  return NULL;
}

// The budgets that have a say, brought to now.
static size_t budgets_find(const struct fold *f, struct fold_customer *c, const struct fold_hold *h, struct bucket *ret[LIMIT_DRAWS]) {
  size_t count = 0;
  for (size_t i = 0; i < c->bucket_count; i++) {
    struct bucket *b = &c->buckets[i];
    if (b->measure != BUCKET_SPEND || (!uuid_is_nil(b->key) && !uuid_eq(b->key, h->key))) continue;
    bucket_advance(b, f->now);
    if (h->expires_at == 0 && !drawn(h, b)) continue;
    ASSERT(count < LIMIT_DRAWS);
    ret[count++] = b;
  }
  return count;
}

static int extend_ask(const struct fold *f, const struct fold_customer *c, const struct fold_hold *h, struct ledger_op *op, amount all,
                      struct bucket *const budgets[], size_t count) {
  amount more = all - h->amount;
  for (size_t i = 0; i < count; i++) {
    struct bucket_refusal refusal = {0};
    if (!bucket_covers(budgets[i], drawn(h, budgets[i]) ? more : all, f->now, &refusal)) return refuse_limited(op, budgets[i], &refusal);
  }
  return credits_cover(c, more, op->debt_allowed) ? LEDGER_DONE : LEDGER_SHORT;
}

// What it drew in windows that are past is forgotten: nothing is given back there.
static void budgets_draw(struct fold_hold *h, amount all, struct bucket *const budgets[], size_t count) {
  struct fold_draw draws[LIMIT_DRAWS];
  for (size_t i = 0; i < count; i++) {
    const struct fold_draw *before = drawn(h, budgets[i]);
    amount more = before ? all - h->amount : all;
    bucket_draw(budgets[i], more);
    draws[i] = (struct fold_draw){budgets[i]->limit, budgets[i]->window_start, before ? before->amount + more : more};
  }
  memcpy(h->draws, draws, count * sizeof *draws);
  h->draw_count = count;
}

void fold_extend(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  struct bucket *budgets[LIMIT_DRAWS];
  op->result = LEDGER_GONE;
  if (!h || !hold_fits(h, op)) return;
  if (h->expires_at && h->expires_at <= f->now) return; // whether it has been swept or not
  amount all = h->expires_at && op->hold == 0 ? h->amount : op->hold;
  op->result = LEDGER_REFUSED;
  if (h->expires_at && all < h->amount) return; // two may extend an explicit one at once
  ASSERT(all >= h->amount);
  op->result = LEDGER_STALE;
  if (h->expires_at && c->suspended) return;
  size_t count = budgets_find(f, c, h, budgets);
  op->result = extend_ask(f, c, h, op, all, budgets, count);
  if (op->result != LEDGER_DONE) return;
  budgets_draw(h, all, budgets, count);
  hold_tell(f, h, op);
  ASSERT(amount_add(c->held, all - h->amount, &c->held));
  h->amount = all;
  h->metered = op->charge;
  h->cost = op->cost;
  h->usage = op->usage;
  if (h->expires_at && op->expires_at > h->expires_at) h->expires_at = op->expires_at;
  h->dirty = c->dirty = true;
}
