// The fold's driver, and what adds: admissions, grants, expiry. An admission is all or nothing: every bucket and the credits
// are asked first, then drawn from.
#include "ledger/fold.h"
#include "base/log.h"
#include <stdlib.h>

static int customer_cmp(const void *key, const void *element) {
  return uuid_cmp(*(const struct uuid *)key, ((const struct fold_customer *)element)->id);
}

struct fold_customer *fold_customer_find(struct fold *f, struct uuid id) {
  if (f->customers.count == 0) return NULL;
  return bsearch(&id, f->customers.at, f->customers.count, sizeof *f->customers.at, customer_cmp);
}

static int hold_cmp(const void *key, const void *element) {
  const struct uuid *k = key;
  const struct fold_hold *h = element;
  int order = uuid_cmp(k[0], h->customer);
  return order ? order : uuid_cmp(k[1], h->call);
}

struct fold_hold *fold_hold_find(struct fold *f, struct uuid customer, struct uuid call) {
  if (f->holds_read == 0) return NULL;
  struct uuid key[2] = {customer, call};
  struct fold_hold *h = bsearch(key, f->holds.at, f->holds_read, sizeof *f->holds.at, hold_cmp);
  return h && !h->ended ? h : NULL;
}

void fold_transfer_add(struct fold *f, struct uuid customer, enum transfer_kind kind, const struct fold_leg *legs, size_t count,
                       const char *reason) {
  struct fold_transfer *t = vec_add(&f->transfers);
  *t = (struct fold_transfer){.customer = customer, .kind = kind, .first_leg = f->legs.count, .leg_count = count, .reason = reason};
  t->ordinal = kind == TRANSFER_CONSUME ? 0 : ++f->ordinal;
  for (size_t i = 0; i < count; i++) {
    ASSERT(legs[i].amount > 0 && amount_add(t->amount, legs[i].amount, &t->amount));
    *vec_add(&f->legs) = legs[i];
  }
}

void fold_call_add(struct fold *f, const struct fold_call *call) {
  *vec_add(&f->calls) = *call;
}

// Burn order: by priority, then earliest expiry, then oldest.
static int burn_order(const void *x, const void *y) {
  const struct fold_grant *a = x, *b = y;
  int64_t of_a = a->expires_at ? a->expires_at : INT64_MAX, of_b = b->expires_at ? b->expires_at : INT64_MAX;
  if (a->priority != b->priority) return a->priority < b->priority ? -1 : 1;
  if (of_a != of_b) return of_a < of_b ? -1 : 1;
  return uuid_cmp(a->id, b->id);
}

void fold_grants_sort(struct fold_customer *c) {
  if (c->grant_count > 1) qsort(c->grants, c->grant_count, sizeof *c->grants, burn_order);
}

// In its place: what is spent behind it in this batch burns it in its turn.
struct fold_grant *fold_grant_add(struct fold *f, struct fold_customer *c, struct fold_grant grant) {
  if (c->grant_count >= c->grant_cap) {
    c->grant_cap = 2 * c->grant_count + 4;
    struct fold_grant *grown = arena_alloc(f->arena, c->grant_cap * sizeof *grown);
    if (c->grant_count) memcpy(grown, c->grants, c->grant_count * sizeof *grown);
    c->grants = grown;
  }
  size_t at = c->grant_count++;
  for (; at > 0 && burn_order(&grant, &c->grants[at - 1]) < 0; at--) c->grants[at] = c->grants[at - 1];
  c->grants[at] = grant;
  return &c->grants[at];
}

struct fold_grant *fold_grant_find(struct fold_customer *c, struct uuid id) {
  for (size_t i = 0; i < c->grant_count; i++)
    if (uuid_eq(c->grants[i].id, id)) return &c->grants[i];
  return NULL;
}

struct uuid fold_origin_find(const struct fold *f, const struct fold_customer *c, struct str origin) {
  for (size_t i = 0; i < f->origins.count; i++)
    if (uuid_eq(f->origins.at[i].customer, c->id) && str_eq(f->origins.at[i].origin, origin)) return f->origins.at[i].grant;
  for (size_t i = 0; i < c->grant_count; i++)
    if (c->grants[i].fresh && str_eq(c->grants[i].origin, origin)) return c->grants[i].id;
  return UUID_NIL;
}

void fold_customer_check(const struct fold_customer *c) {
  ASSERT(c->held >= 0 && c->debt >= 0 && c->open_holds >= 0 && c->burning_left >= 0 && c->burned >= 0);
  for (size_t i = 0; i < c->grant_count; i++) {
    const struct fold_grant *g = &c->grants[i];
    ASSERT(g->left >= 0 && g->consumed >= 0 && g->expired >= 0 && g->refunded >= 0 && g->frozen >= 0);
    ASSERT(g->granted == g->left + g->consumed + g->expired + g->refunded + g->frozen && (c->dirty || !g->dirty));
  }
}

// ---- admission

static struct bucket *bucket_find(struct fold_customer *c, struct uuid limit) {
  for (size_t i = 0; i < c->bucket_count; i++)
    if (uuid_eq(c->buckets[i].limit, limit)) return &c->buckets[i];
  return NULL;
}

static int64_t draw_quantity(const struct bucket *b, amount hold) {
  return b->measure == BUCKET_REQUESTS ? 1 : hold;
}

int refuse_limited(struct ledger_op *op, const struct bucket *b, const struct bucket_refusal *r) {
  op->limit = b->limit;
  op->left = r->left;
  op->refills_at = r->refills_at;
  op->limit_amount = b->amount;
  op->limit_measure = (int)b->measure;
  op->limit_period = (int)b->period;
  return LEDGER_LIMITED;
}

// Whether `more` can be held besides what is held already: promise 2's one comparison. A credit limit may be as large as
// an amount can be, what is held in all may not be larger.
bool credits_cover(const struct fold_customer *c, amount more, amount debt_allowed) {
  amount_wide after = (amount_wide)c->balance - c->held - more;
  amount held = 0;
  return after >= -((amount_wide)c->credit_limit + debt_allowed) && amount_add(c->held, more, &held);
}

bool fold_past_floor(const struct fold_customer *c) {
  return (amount_wide)c->balance - c->held < -(amount_wide)c->credit_limit;
}

static int admit_ask(struct fold *f, struct fold_customer *c, struct ledger_op *op, struct bucket *buckets[LIMIT_DRAWS]) {
  int seen = once_ask(f, op);
  if (seen != LEDGER_DONE) return seen;
  if (c->config_version != op->config_version || c->suspended) return LEDGER_STALE;
  if (op->expires_at && op->most_open && c->open_holds >= op->most_open) return LEDGER_CROWDED;
  for (size_t i = 0; i < op->limit_count; i++) {
    struct bucket_refusal refusal = {0};
    buckets[i] = bucket_find(c, op->limits[i]);
    if (!buckets[i]) return LEDGER_STALE;
    bucket_advance(buckets[i], f->now);
    if (!bucket_covers(buckets[i], draw_quantity(buckets[i], op->hold), f->now, &refusal))
      return refuse_limited(op, buckets[i], &refusal);
  }
  return credits_cover(c, op->hold, op->debt_allowed) ? LEDGER_DONE : LEDGER_SHORT;
}

static void fold_admit(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct bucket *buckets[LIMIT_DRAWS];
  ASSERT(op->hold >= 0 && op->charge >= 0 && op->limit_count <= LIMIT_DRAWS);
  op->result = admit_ask(f, c, op, buckets);
  if (op->result != LEDGER_DONE) return;
  once_keep(f, op);
  struct fold_hold *h = vec_add(&f->holds);
  *h = (struct fold_hold){.customer = op->customer, .call = op->id, .key = op->key, .price = op->price, .amount = op->hold,
                          .metered = op->charge, .cost = op->cost, .usage = op->usage, .idempotency_key = op->idempotency_key,
                          .expires_at = op->expires_at, .fresh = true, .op = op};
  for (size_t i = 0; i < op->limit_count; i++) {
    struct bucket *b = buckets[i];
    int64_t quantity = draw_quantity(b, op->hold);
    bucket_draw(b, quantity);
    if (b->period != BUCKET_MINUTE) h->draws[h->draw_count++] = (struct fold_draw){b->limit, b->window_start, quantity};
  }
  ASSERT(amount_add(c->held, op->hold, &c->held));
  c->open_holds += op->expires_at != 0;
  if (fold_past_floor(c) && op->hold > 0) f->past_floor++;
  c->dirty = true;
}

// ---- grants

static void fold_grant(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  ASSERT(op->grant.amount > 0);
  op->result = once_ask(f, op);
  if (op->result != LEDGER_DONE) return;
  op->existing = op->grant.origin.len ? fold_origin_find(f, c, op->grant.origin) : UUID_NIL;
  op->result = LEDGER_DUPLICATE;
  if (!uuid_is_nil(op->existing)) return;
  amount after = 0;
  op->result = LEDGER_REFUSED;
  if (!amount_add(c->balance, op->grant.amount, &after)) return;
  once_keep(f, op);
  struct fold_grant *g =
      fold_grant_add(f, c, (struct fold_grant){.id = op->id, .source = op->grant.source, .priority = op->grant.priority,
                                               .expires_at = op->grant.expires_at, .granted = op->grant.amount,
                                               .left = op->grant.amount, .reason = op->grant.reason, .origin = op->grant.origin,
                                               .paid = op->grant.paid, .currency = op->grant.currency, .dirty = true, .fresh = true});
  fold_transfer_add(f, c->id, TRANSFER_GRANT, &(struct fold_leg){g->id, g->granted}, 1, "");
  c->balance = after;
  c->dirty = true;
  burn_repay(f, c, g);
  op->result = LEDGER_DONE;
}

// A grant's time has run out: what open holds do not need of the balance goes; the rest when they have ended.
static void fold_expire(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  op->result = LEDGER_DONE;
  for (size_t i = 0; i < c->grant_count; i++) {
    struct fold_grant *g = &c->grants[i];
    if (!uuid_eq(g->id, op->id) || g->expires_at == 0 || g->expires_at > f->now) continue;
    amount unheld = c->balance > c->held ? c->balance - c->held : 0;
    amount gone = g->left < unheld ? g->left : unheld;
    if (gone == 0) return;
    g->left -= gone;
    g->expired += gone;
    g->dirty = c->dirty = true;
    c->balance -= gone;
    fold_transfer_add(f, c->id, TRANSFER_EXPIRE, &(struct fold_leg){g->id, gone}, 1, "its time ran out");
    op->charged = gone;
    return;
  }
  op->result = LEDGER_UNKNOWN;
}

// ---- the driver

static void fold_one(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  memset(&op->seen, 0, sizeof op->seen); // of an earlier try, after which somebody else may have ended the hold
  switch (op->kind) {
  case LEDGER_ADMIT: fold_admit(f, c, op); break;
  case LEDGER_EXTEND: fold_extend(f, c, op); break;
  case LEDGER_SETTLE: fold_settle(f, c, op); break;
  case LEDGER_SWEEP: fold_sweep(f, c, op); break;
  case LEDGER_RECORD: fold_record(f, c, op); break;
  case LEDGER_PART: fold_part(f, c, op); break;
  case LEDGER_GRANT: fold_grant(f, c, op); break;
  case LEDGER_EXPIRE: fold_expire(f, c, op); break;
  case LEDGER_VOID: fold_void(f, c, op); break;
  case LEDGER_RERATE: fold_rerate(f, c, op); break;
  case LEDGER_REVERSE: fold_reverse(f, c, op); break;
  }
  op->balance = c->balance;
  op->held = c->held;
  op->debt = c->debt;
  op->credit_limit = c->credit_limit;
}

static void customer_end(struct fold *f, struct fold_customer *c) {
  if (f->consumption.count)
    fold_transfer_add(f, c->id, TRANSFER_CONSUME, f->consumption.at, f->consumption.count, "");
  fold_tell(f, c, f->first_call, f->first_transfer);
  f->first_call = f->calls.count;
  f->first_transfer = f->transfers.count;
  vec_clear(&f->consumption);
  f->consumed = 0;
  f->ordinal = 0;
  burn_end(c);
  // Noticed with the movement itself, so that no instance misses it; whoever buys says when it is over.
  if (c->dirty && c->top_up_at >= 0 && (amount_wide)c->balance - c->held <= c->top_up_at) c->top_up_due = true;
  fold_customer_check(c);
}

void fold_run(struct fold *f, struct ledger_op **ops, size_t count) {
  struct fold_customer *c = NULL;
  f->holds_read = f->holds.count;
  f->op_count = count;
  f->identity_slots = NULL;
  f->first_call = f->calls.count;
  f->first_transfer = f->transfers.count;
  for (size_t i = 0; i < count; i++) {
    struct ledger_op *op = ops[i];
    ASSERT(i == 0 || uuid_cmp(ops[i - 1]->customer, op->customer) <= 0);
    if (!c || !uuid_eq(c->id, op->customer)) {
      if (c) customer_end(f, c);
      c = fold_customer_find(f, op->customer);
    }
    op->result = c && c->unsound ? FAULT_DB : LEDGER_UNKNOWN;
    if (c && !c->unsound) fold_one(f, c, op);
  }
  if (c) customer_end(f, c);
}

void fold_reset(struct fold *f) {
  vec_clear(&f->customers);
  vec_clear(&f->holds);
  vec_clear(&f->ended);
  vec_clear(&f->idempotents);
  vec_clear(&f->origins);
  vec_clear(&f->identities);
  vec_clear(&f->released);
  vec_clear(&f->parts);
  vec_clear(&f->calls);
  vec_clear(&f->transfers);
  vec_clear(&f->legs);
  vec_clear(&f->events);
  vec_clear(&f->consumption);
  f->holds_read = 0;
  f->first_call = f->first_transfer = 0;
  f->consumed = 0;
  f->ordinal = 0;
  f->past_floor = 0;
}

void fold_finish(struct fold *f) {
  vec_finish(&f->customers);
  vec_finish(&f->holds);
  vec_finish(&f->ended);
  vec_finish(&f->idempotents);
  vec_finish(&f->origins);
  vec_finish(&f->identities);
  vec_finish(&f->released);
  vec_finish(&f->parts);
  vec_finish(&f->calls);
  vec_finish(&f->transfers);
  vec_finish(&f->legs);
  vec_finish(&f->events);
  vec_finish(&f->consumption);
}
