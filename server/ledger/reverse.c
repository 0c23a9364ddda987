// A payment's refunds and disputes against the grant it bought. The operation says what is to stand as refunded and as
// frozen; what moves is the difference, so that it may be repeated, and come in any order. What the grant has left goes
// first, then what had expired, and what was spent already is owed: other grants repay it with what they have left.
#include "base/log.h"
#include "ledger/fold.h"

static amount least(amount a, amount b) {
  return a < b ? a : b;
}

static void move(struct fold *f, struct fold_customer *c, struct fold_grant *g, enum transfer_kind kind, amount a) {
  if (a == 0) return;
  fold_transfer_add(f, c->id, kind, &(struct fold_leg){g->id, a}, 1, "");
  g->dirty = c->dirty = true;
}

// Between refunded and frozen: the balance does not notice.
static void shift(struct fold *f, struct fold_customer *c, struct fold_grant *g, amount *refund, amount *freeze) {
  amount lost = *refund > 0 && *freeze < 0 ? least(*refund, -*freeze) : 0;
  amount contested = *refund < 0 && *freeze > 0 ? least(-*refund, *freeze) : 0;
  move(f, c, g, TRANSFER_LOSE, lost);
  move(f, c, g, TRANSFER_CONTEST, contested);
  amount to_refunded = lost - contested;
  g->refunded += to_refunded;
  g->frozen -= to_refunded;
  *refund -= to_refunded;
  *freeze += to_refunded;
}

// The grant has `a` left afterwards.
static void make_left(struct fold *f, struct fold_customer *c, struct fold_grant *g, amount a) {
  amount expired = a > g->left ? least(a - g->left, g->expired) : 0;
  move(f, c, g, TRANSFER_UNEXPIRE, expired);
  g->expired -= expired;
  g->left += expired;
  c->balance += expired;
  amount spent = a > g->left ? a - g->left : 0;
  move(f, c, g, TRANSFER_RECALL, spent);
  ASSERT(spent <= g->consumed);
  g->consumed -= spent;
  g->left += spent;
  ASSERT(amount_add(c->debt, spent, &c->debt));
}

static void take(struct fold *f, struct fold_customer *c, struct fold_grant *g, amount refund, amount freeze) {
  amount a = refund + freeze;
  make_left(f, c, g, a);
  move(f, c, g, TRANSFER_REFUND, refund);
  move(f, c, g, TRANSFER_FREEZE, freeze);
  g->left -= a;
  g->refunded += refund;
  g->frozen += freeze;
  ASSERT(amount_sub(c->balance, a, &c->balance));
  for (size_t i = 0; i < c->grant_count; i++) burn_repay(f, c, &c->grants[i]);
  if (a > 0 && fold_past_floor(c)) f->past_floor++;
}

static void give(struct fold *f, struct fold_customer *c, struct fold_grant *g, amount restore, amount thaw) {
  move(f, c, g, TRANSFER_RESTORE, restore);
  move(f, c, g, TRANSFER_THAW, thaw);
  g->refunded -= restore;
  g->frozen -= thaw;
  ASSERT(amount_add(c->balance, restore + thaw, &c->balance));
  if (restore + thaw > 0) (void)burn_return(f, c, g, restore + thaw);
}

// Whether an amount can count what stands afterwards, and what had expired in between.
static bool fits(const struct fold_customer *c, const struct fold_grant *g, amount taken) {
  amount after = 0, spent = taken - g->left - g->expired;
  return amount_sub(c->balance, taken, &after) && after > -AMOUNT_MAX && amount_add(c->balance, g->expired, &after) &&
         (spent <= 0 || amount_add(c->debt, spent, &after));
}

void fold_reverse(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  ASSERT(op->reverse.refunded >= 0 && op->reverse.frozen >= 0 && op->grant.origin.len > 0);
  op->charged = 0;
  op->existing = fold_origin_find(f, c, op->grant.origin);
  op->result = LEDGER_UNKNOWN;
  if (uuid_is_nil(op->existing)) return;
  struct fold_grant *g = fold_grant_find(c, op->existing);
  ASSERT(g);
  amount refund = least(op->reverse.refunded, g->granted);
  amount freeze = least(op->reverse.frozen, g->granted - refund) - g->frozen;
  refund -= g->refunded;
  op->result = LEDGER_REFUSED;
  if (!fits(c, g, refund + freeze)) return;
  op->charged = refund + freeze;
  op->result = LEDGER_DONE;
  shift(f, c, g, &refund, &freeze);
  if (refund > 0 || freeze > 0) take(f, c, g, refund, freeze);
  else give(f, c, g, -refund, -freeze);
}
