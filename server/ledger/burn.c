// Which grants pay, and to which it returns. Grants burn in order (priority, then earliest expiry, then oldest); what they do not
// cover becomes debt, and the next credit repays debt before anything else.
#include "base/log.h"
#include "ledger/fold.h"

static void leg_add(struct fold *f, struct uuid grant, amount a) {
  struct fold_leg *last = f->consumption.count ? &f->consumption.at[f->consumption.count - 1] : NULL;
  if (last && uuid_eq(last->grant, grant)) {
    ASSERT(amount_add(last->amount, a, &last->amount));
    return;
  }
  *vec_add(&f->consumption) = (struct fold_leg){grant, a};
}

bool burn_is_plain(const struct ledger_op *op) {
  return op->kind == LEDGER_RECORD || ((op->kind == LEDGER_SETTLE || op->kind == LEDGER_PART) && !op->late);
}

bool burn_covers(const struct fold_customer *c, amount charge) {
  return c->burning_known && (uuid_is_nil(c->burning) || charge < c->burning_left);
}

void burn_begin(struct fold *f, struct fold_customer *c) {
  ASSERT(c->grants_are == GRANTS_UNREAD && c->burning_known);
  c->grants_are = GRANTS_BURNING;
  if (uuid_is_nil(c->burning)) return;
  ASSERT(c->burning_left > 0);
  c->grants = arena_alloc(f->arena, sizeof *c->grants);
  c->grants[c->grant_count++] = (struct fold_grant){.id = c->burning, .granted = c->burning_left, .left = c->burning_left};
}

bool burn_read(struct fold_customer *c) {
  if (c->burned == 0) return true;
  struct fold_grant *g = fold_grant_find(c, c->burning);
  if (!g || g->left <= c->burned || g->left - c->burned != c->burning_left) return false;
  g->left -= c->burned;
  g->consumed += c->burned;
  return true;
}

// Of grants that were read, what the one that burned had paid goes into its row, and the first that has anything left burns.
static void burning_choose(struct fold_customer *c) {
  struct fold_grant *g = c->burned > 0 ? fold_grant_find(c, c->burning) : NULL;
  if (g) g->dirty = true;
  c->burning_known = true;
  c->burning = UUID_NIL;
  c->burning_left = c->burned = 0;
  for (size_t i = 0; i < c->grant_count && uuid_is_nil(c->burning); i++) {
    if (c->grants[i].left == 0) continue;
    c->burning = c->grants[i].id;
    c->burning_left = c->grants[i].left;
  }
}

void burn_end(struct fold_customer *c) {
  if (!c->dirty) return;
  if (c->grants_are == GRANTS_READ) burning_choose(c);
  if (c->grants_are != GRANTS_BURNING || c->grant_count == 0) return;
  ASSERT(c->grant_count == 1 && c->grants[0].left > 0 && amount_add(c->burned, c->grants[0].consumed, &c->burned));
  c->burning_left = c->grants[0].left;
}

bool burn_fits(const struct fold *f, const struct fold_customer *c, amount charge) {
  amount sum = 0;
  return amount_sub(c->balance, charge, &sum) && sum > -AMOUNT_MAX && amount_add(f->consumed, charge, &sum);
}

int64_t burn_consume(struct fold *f, struct fold_customer *c, amount charge) {
  ASSERT(charge >= 0);
  int64_t place = f->consumed;
  amount rest = charge;
  for (size_t i = 0; i < c->grant_count && rest > 0; i++) {
    struct fold_grant *g = &c->grants[i];
    amount take = g->left < rest ? g->left : rest;
    if (take == 0) continue;
    g->left -= take;
    g->consumed += take;
    g->dirty = true;
    rest -= take;
    leg_add(f, g->id, take);
  }
  if (rest > 0) {
    ASSERT(amount_add(c->debt, rest, &c->debt));
    leg_add(f, UUID_NIL, rest);
  }
  ASSERT(amount_sub(c->balance, charge, &c->balance));
  ASSERT(amount_add(f->consumed, charge, &f->consumed));
  c->dirty = true;
  return place;
}

void burn_repay(struct fold *f, struct fold_customer *c, struct fold_grant *g) {
  amount repaid = c->debt < g->left ? c->debt : g->left;
  if (repaid == 0) return;
  g->left -= repaid;
  g->consumed += repaid;
  g->dirty = true;
  c->debt -= repaid;
  c->dirty = true;
  fold_transfer_add(f, c->id, TRANSFER_REPAY, &(struct fold_leg){g->id, repaid}, 1, "");
}

// ---- returning

typedef vec(struct fold_leg) legs;

static struct fold_leg ended_leg(const struct fold_ended *row, size_t i) {
  struct fold_leg leg;
  memcpy(leg.grant.b, row->legs[0].ptr + 16 * i, 16);
  uint64_t a = 0;
  for (int b = 0; b < 8; b++) a = a << 8 | (unsigned char)row->legs[1].ptr[8 * i + (size_t)b];
  leg.amount = (amount)a;
  return leg;
}

// The part of a transfer's legs that lies in [place, place + charge).
static void paid_add(legs *paid, const struct fold_ended *row) {
  amount at = 0, from = row->place, to = row->place + row->charge;
  for (size_t i = 0; i < row->leg_count; i++) {
    struct fold_leg leg = ended_leg(row, i);
    amount low = at > from ? at : from, high = at + leg.amount < to ? at + leg.amount : to;
    at += leg.amount;
    if (high <= low) continue;
    *vec_add(paid) = (struct fold_leg){leg.grant, high - low};
  }
}

// Takes `a` off the end; what is taken goes to *taken where it is wanted.
static void paid_take(legs *paid, amount a, legs *taken) {
  while (a > 0) {
    ASSERT(paid->count > 0);
    struct fold_leg *last = &paid->at[paid->count - 1];
    amount part = last->amount < a ? last->amount : a;
    if (taken) *vec_add(taken) = (struct fold_leg){last->grant, part};
    last->amount -= part;
    a -= part;
    if (last->amount == 0) paid->count--;
  }
}

// Its time has run out: what returned goes into a new grant of the same kind, for a while. It counts as spent, not as expired:
// a reversal must not find there what the new grant has.
static struct fold_grant *grant_renew(struct fold *f, struct fold_customer *c, struct fold_grant *old, amount a) {
  old->left -= a;
  old->consumed += a;
  fold_transfer_add(f, c->id, TRANSFER_RENEW, &(struct fold_leg){old->id, a}, 1, "returned to an expired grant");
  struct fold_grant *g =
      fold_grant_add(f, c, (struct fold_grant){.id = f->new_id(f->new_id_arg, f->now), .source = old->source, .priority = old->priority,
                                               .expires_at = f->now + FOLD_GRACE_US, .granted = a, .left = a,
                                               .reason = STR("returned from an expired grant"), .dirty = true, .fresh = true});
  fold_transfer_add(f, c->id, TRANSFER_GRANT, &(struct fold_leg){g->id, a}, 1, "returned from an expired grant");
  return g;
}

struct fold_grant *burn_return(struct fold *f, struct fold_customer *c, struct fold_grant *g, amount back) {
  g->left += back;
  g->dirty = c->dirty = true;
  if (g->expires_at && g->expires_at <= f->now) g = grant_renew(f, c, g, back);
  burn_repay(f, c, g);
  return g;
}

static void leg_return(struct fold *f, struct fold_customer *c, struct fold_leg leg) {
  if (uuid_is_nil(leg.grant)) {
    // The debt that this call made may have been repaid by a later grant: then that much comes back as a new one.
    amount off = c->debt < leg.amount ? c->debt : leg.amount;
    c->debt -= off;
    amount rest = leg.amount - off;
    if (rest == 0) return;
    // The balance rose with the reversal; the grant stands for that, it gives nothing more.
    (void)fold_grant_add(f, c, (struct fold_grant){.id = f->new_id(f->new_id_arg, f->now), .source = 4, .priority = 100,
                                                   .granted = rest, .left = rest,
                                                   .reason = STR("returned after its debt was repaid"), .dirty = true, .fresh = true});
    return;
  }
  struct fold_grant *g = fold_grant_find(c, leg.grant);
  ASSERT(g && g->consumed >= leg.amount);
  g->consumed -= leg.amount;
  (void)burn_return(f, c, g, leg.amount);
}

// What a grant has been recalled of since is owed, not consumed: that part returns as debt does.
static void recalled_split(struct fold_customer *c, const legs *taken, legs *ret) {
  for (size_t i = 0; i < taken->count; i++) {
    struct fold_leg leg = taken->at[i];
    const struct fold_grant *g = uuid_is_nil(leg.grant) ? NULL : fold_grant_find(c, leg.grant);
    ASSERT(g || uuid_is_nil(leg.grant));
    amount consumed = g ? g->consumed : 0;
    for (size_t k = 0; k < ret->count; k++)
      if (g && uuid_eq(ret->at[k].grant, leg.grant)) consumed -= ret->at[k].amount;
    amount own = consumed < leg.amount ? consumed : leg.amount;
    if (own > 0) *vec_add(ret) = (struct fold_leg){leg.grant, own};
    if (leg.amount > own) *vec_add(ret) = (struct fold_leg){UUID_NIL, leg.amount - own};
  }
}

void burn_reverse(struct fold *f, struct fold_customer *c, const struct fold_ended *rows, size_t count, amount back) {
  legs paid = {0}, taken = {0}, returned = {0};
  for (size_t i = 0; i < count; i++) {
    if (rows[i].charge > 0) paid_add(&paid, &rows[i]);
    else paid_take(&paid, -rows[i].charge, NULL);
  }
  paid_take(&paid, back, &taken);
  recalled_split(c, &taken, &returned);
  fold_transfer_add(f, c->id, TRANSFER_REVERSE, returned.at, returned.count, "");
  for (size_t i = 0; i < returned.count; i++) leg_return(f, c, returned.at[i]);
  ASSERT(amount_add(c->balance, back, &c->balance));
  c->dirty = true;
  vec_finish(&paid);
  vec_finish(&taken);
  vec_finish(&returned);
}
