// Faults planted in what the ledger does with events, explicit holds and new prices.
#include "base/log.h"
#include "ledger/batch.h"
#include "planted_list.h"
#include "store.h"

// ---- events

// Which of them the database had when nothing was locked yet.
static bool *known_before(const struct batch *b) {
  bool *known = mem_alloc((b->count + 1) * sizeof *known);
  for (size_t i = 0; i < b->count; i++) {
    const struct row_customer *c = store_customer(b->ops[i]->customer);
    for (size_t k = 0; c && k < c->identities.count; k++) known[i] |= uuid_eq(c->identities.at[k].identity, b->ops[i]->event.identity);
  }
  return known;
}

INSTEAD(int, batch_read, struct batch *b, struct db *db, const struct batch_writer *w) {
  bool *known = planted == LOOKED_UP_EARLY ? known_before(b) : NULL;
  int r = __real_batch_read(b, db, w);
  for (size_t i = 0; known && r == BATCH_DONE && i < b->count; i++)
    for (size_t k = b->fold.identities.count; !known[i] && b->ops[i]->kind == LEDGER_RECORD && k-- > 0;) {
      const struct fold_identity *one = &b->fold.identities.at[k];
      if (uuid_eq(one->customer, b->ops[i]->customer) && uuid_eq(one->identity, b->ops[i]->event.identity))
        b->fold.identities.at[k] = b->fold.identities.at[--b->fold.identities.count];
    }
  mem_free(known);
  return r;
}

INSTEAD(bool, batch_may_know, const struct batch *b) {
  return planted != REFUSED_UNSEEN && __real_batch_may_know(b);
}

static const struct fold_identity *anybodys(const struct fold *f, const struct ledger_op *op) {
  for (size_t i = 0; i < f->identities.count; i++)
    if (uuid_eq(f->identities.at[i].identity, op->event.identity)) return &f->identities.at[i];
  return NULL;
}

static void keep_refused(struct fold *f, const struct ledger_op *op) {
  *vec_add(&f->identities) = (struct fold_identity){.customer = op->customer, .identity = op->event.identity, .content = op->event.content,
                                                    .call = op->id, .source = op->event.source, .id = op->event.id, .fresh = true};
}

INSTEAD(struct uuid, uuid_until, struct uuid id, int64_t wall_us) {
  return planted == AHEAD ? id : __real_uuid_until(id, wall_us);
}

INSTEAD(void, fold_record, struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  const struct fold_identity *one = planted == ANYBODYS ? anybodys(f, op) : NULL;
  bool policy = c->refuses_events;
  if (one) {
    op->existing = one->call;
    op->result = uuid_eq(one->content, op->event.content) ? LEDGER_DUPLICATE : LEDGER_REUSED;
    return;
  }
  if (planted == NEVER_REFUSED) c->refuses_events = false;
  __real_fold_record(f, c, op);
  c->refuses_events = policy;
  bool refused = op->result == LEDGER_SHORT || op->result == LEDGER_LIMITED;
  if (refused && planted == REFUSED_KEPT) keep_refused(f, op);
  if (op->result != LEDGER_DUPLICATE || planted != DUPLICATE_CHARGED || !burn_fits(f, c, op->charge)) return;
  fold_call_add(f, &(struct fold_call){.customer = op->customer, .id = op->id, .key = op->key, .price = op->price, .state = op->state,
                                       .flags = op->flags | CALL_REPORTED, .charge = op->charge, .cost = op->cost, .usage = op->usage,
                                       .evidence = STR("{}"), .place = burn_consume(f, c, op->charge)});
}

// ---- explicit holds

static bool parting, rerating;

INSTEAD(void, fold_part, struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  amount before = h ? h->amount : 0;
  parting = true;
  __real_fold_part(f, c, op);
  parting = false;
  if (!h || op->result != LEDGER_DONE) return;
  if (planted == PART_RELEASED) h->amount = before;
  amount twice = before - h->amount < h->amount ? before - h->amount : h->amount;
  if (planted != PART_TWICE) return;
  h->amount -= twice;
  c->held -= twice;
}

INSTEAD(void, bucket_correct, struct bucket *b, int64_t at, int64_t difference) {
  bool left_out = (parting && planted == PART_UNCOUNTED) || (rerating && planted == BUDGET_STAYS);
  if (!left_out) __real_bucket_correct(b, at, difference);
}

// A hold whose time is over has been settled late: that counts for nothing where another settlement comes.
INSTEAD(void, settle_late, struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_ended *rows = NULL;
  size_t count = ended_find(f, op->customer, op->id, &rows);
  if (count > 1 && planted == LATE_TWICE && rows[0].state == CALL_EXPIRED) rows[count - 1].state = CALL_EXPIRED;
  __real_settle_late(f, c, op);
}

// What the fault leaves out: budgets drawn from in a window that is past, or not at all.
static bool is_unasked(const struct fold_hold *h, const struct bucket *b) {
  bool ever = false, now = false;
  for (size_t i = 0; i < h->draw_count; i++)
    if (uuid_eq(h->draws[i].limit, b->limit)) ever = true, now |= h->draws[i].window == b->window_start;
  return planted == WINDOW_UNASKED ? ever && !now : !ever;
}

// As if those were rates, which have no say.
INSTEAD(void, fold_extend, struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  enum bucket_measure *measures = mem_alloc((c->bucket_count + 1) * sizeof *measures);
  int64_t expires_at = h ? h->expires_at : 0;
  for (size_t i = 0; i < c->bucket_count; i++) {
    struct bucket *b = &c->buckets[i];
    measures[i] = b->measure;
    bool binds = expires_at && b->measure == BUCKET_SPEND && (uuid_is_nil(b->key) || uuid_eq(b->key, h->key));
    if (!binds || (planted != WINDOW_UNASKED && planted != BUDGET_UNASKED)) continue;
    bucket_advance(b, f->now);
    if (is_unasked(h, b)) b->measure = BUCKET_REQUESTS;
  }
  if (expires_at && planted == REVIVES) h->expires_at = INT64_MAX;
  __real_fold_extend(f, c, op);
  if (expires_at && planted == REVIVES) h->expires_at = op->result == LEDGER_DONE && op->expires_at > expires_at ? op->expires_at : expires_at;
  for (size_t i = 0; i < c->bucket_count; i++) c->buckets[i].measure = measures[i];
  mem_free(measures);
}

void usage_sweep(const struct fold *f, struct fold_hold *h, struct ledger_op *op) {
  if (planted != SWEEPS_EXTENDED || h->expires_at == 0) return;
  h->dirty = false;
  h->expires_at = f->now;
  op->writer = h->writer_id;
}

static amount *floors; // what each extension had said it may owe
static struct ledger_op *found;

void usage_before(struct fold *f, struct ledger_op **ops, size_t count) {
  (void)f;
  floors = mem_alloc((count + 1) * sizeof *floors);
  found = mem_alloc((count + 1) * sizeof *found);
  for (size_t i = 0; i < count; i++) {
    found[i] = *ops[i];
    floors[i] = ops[i]->debt_allowed;
    if (planted == ONE_MORE && ops[i]->most_open) ops[i]->most_open++;
    if (planted == EXTENDS_PAST && ops[i]->kind == LEDGER_EXTEND && ops[i]->explicit) ops[i]->debt_allowed = AMOUNT_MAX / 2;
  }
}

void usage_after(struct fold *f, struct ledger_op **ops, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct ledger_op *op = ops[i];
    op->debt_allowed = floors[i];
    op->most_open = found[i].most_open;
    if (planted == FOUND_BEFORE && op->seen.amount == 0) op->seen = found[i].seen;
    struct fold_hold *h = op->kind == LEDGER_EXTEND && op->result == LEDGER_DONE ? fold_hold_find(f, op->customer, op->id) : NULL;
    if (h && planted == NEARER && h->expires_at && op->expires_at) h->expires_at = op->expires_at;
  }
  mem_free(floors);
  mem_free(found);
}

// ---- new prices

INSTEAD(void, fold_rerate, struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_ended *rows = NULL;
  size_t count = ended_find(f, op->customer, op->id, &rows);
  amount asked = op->charge;
  if (count > 1 && planted == GIVEN_RATED && rows[count - 1].state == CALL_RELEASED) rows[count - 1].state = CALL_UNRATED;
  for (size_t i = 0; i < count && planted == ADDS_UP; i++)
    if (!amount_add(op->charge, rows[i].charge, &op->charge)) op->charge = asked;
  rerating = true;
  __real_fold_rerate(f, c, op);
  rerating = false;
  op->charge = asked;
}

// As if one of the customer's other grants had paid it all.
bool usage_repaid(const struct fold_customer *c, const struct fold_ended *row, amount back, struct fold_ended *ret) {
  static char legs[24];
  const struct fold_grant *other = NULL;
  for (size_t i = 0; i < c->grant_count; i++)
    if (c->grants[i].consumed >= back) other = &c->grants[i];
  if (planted != TO_ANOTHER || !rerating || !other || row->charge < back) return false;
  *ret = *row;
  memcpy(legs, other->id.b, 16);
  for (int i = 0; i < 8; i++) legs[16 + i] = (char)((uint64_t)row->charge >> (56 - 8 * i));
  ret->place = 0;
  ret->legs[0] = (struct str){legs, 16};
  ret->legs[1] = (struct str){legs + 16, 8};
  ret->leg_count = 1;
  return true;
}
