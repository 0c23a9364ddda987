// How a hold ends: settled, released, swept; and how a part of an explicit one is charged before that, as a call of its own.
#include "base/log.h"
#include "ledger/fold.h"

void hold_tell(const struct fold *f, const struct fold_hold *h, struct ledger_op *op) {
  op->seen.key = h->key;
  op->seen.price = h->price;
  op->seen.amount = h->amount;
  op->seen.expires_at = h->expires_at;
  op->seen.about = h->about;
  op->seen.parted = h->parted;
  op->seen.over = h->expires_at != 0 && h->expires_at <= f->now;
}

// What is charged of an explicit hold whose time has run out is late, also where it has not been swept yet.
static unsigned late_flag(const struct ledger_op *op) {
  return op->seen.over && op->state != CALL_RELEASED ? CALL_LATE : 0;
}

// Gives the hold back: the credits held, and what each budget held of it, of which `charge` was used.
static void hold_end(struct fold_customer *c, struct fold_hold *h, amount charge) {
  ASSERT(c->held >= h->amount);
  c->held -= h->amount;
  c->open_holds -= h->expires_at != 0;
  c->dirty = true;
  h->ended = true;
  for (size_t i = 0; i < h->draw_count; i++)
    for (size_t b = 0; b < c->bucket_count; b++)
      if (uuid_eq(c->buckets[b].limit, h->draws[i].limit)) bucket_return(&c->buckets[b], h->draws[i].window, h->draws[i].amount, charge);
}

// The rest goes on. What budgets held for the part is given back; that it is used they count as any call's.
static void hold_reduce(struct fold_customer *c, struct fold_hold *h, amount charge) {
  amount part = charge < h->amount ? charge : h->amount;
  h->amount -= part;
  h->parted = true;
  c->held -= part;
  h->dirty = c->dirty = true;
  for (size_t i = 0; i < h->draw_count; i++)
    for (size_t b = 0; b < c->bucket_count; b++) {
      if (!uuid_eq(c->buckets[b].limit, h->draws[i].limit) || c->buckets[b].measure != BUCKET_SPEND) continue;
      amount drawn = charge < h->draws[i].amount ? charge : h->draws[i].amount;
      bucket_return(&c->buckets[b], h->draws[i].window, drawn, 0);
      h->draws[i].amount -= drawn;
    }
}

struct uuid price_of(const struct ledger_op *op, struct uuid pinned) {
  return op->unpriced ? UUID_NIL : uuid_is_nil(op->price) ? pinned : op->price;
}

static void hold_settle(struct fold *f, struct fold_customer *c, struct fold_hold *h, struct fold_call call) {
  ASSERT(call.charge >= 0 && call_state_may(CALL_PENDING, call.state));
  if (call.charge > h->amount) call.flags |= CALL_ABOVE_HOLD;
  call.admission = h->about;
  hold_end(c, h, call.charge);
  call.place = burn_consume(f, c, call.charge);
  if (fold_past_floor(c) && call.charge > h->amount) f->past_floor++;
  fold_call_add(f, &call);
}

// ---- verbs

// What ends a call through the gateway has no key of its own: its undelivered answer is known by the call's.
void fold_settle(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  op->charged = 0;
  op->result = op->explicit ? once_ask(f, op) : LEDGER_DONE;
  op->replayed = op->result == LEDGER_DUPLICATE;
  if (op->result != LEDGER_DONE) return;
  op->result = LEDGER_UNKNOWN;
  if (!hold_fits(h, op)) return;
  if (!h) {
    settle_late(f, c, op);
    if (op->explicit && op->result == LEDGER_DONE) once_keep(f, op);
    if (op->undelivered && op->charged > 0) once_lost(f, op->customer, op->id, op->idempotency_key);
    return;
  }
  op->result = LEDGER_REFUSED;
  if (!burn_fits(f, c, op->charge)) return;
  hold_tell(f, h, op);
  hold_settle(f, c, h,
              (struct fold_call){.customer = op->customer, .id = op->id, .key = h->key,
                                 .price = price_of(op, h->price), .state = op->state,
                                 .flags = op->flags | late_flag(op),
                                 .charge = op->charge, .cost = op->cost, .usage = op->usage, .evidence = op->evidence});
  if (op->explicit) once_keep(f, op);
  if (op->state == CALL_RELEASED && h->expires_at == 0) once_release(f, h); // an explicit one was made, whatever became of it
  if (op->undelivered && op->charge > 0) once_lost(f, h->customer, h->call, h->idempotency_key);
  op->charged = op->charge;
  op->result = LEDGER_DONE;
}

// A part is a call of its own, so that each charge lies in one transfer. What comes after the hold has expired is charged
// all the same: it was used.
void fold_part(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  struct fold_ended *rows = NULL;
  op->charged = 0;
  op->result = once_ask(f, op);
  if (op->result != LEDGER_DONE) return;
  size_t count = h ? 0 : ended_find(f, op->customer, op->id, &rows);
  const struct fold_call *fresh = h ? NULL : fresh_find(f, op);
  op->charged = 0;
  op->result = LEDGER_UNKNOWN;
  if (!hold_fits(h, op) || (!h && count == 0 && !fresh) || (count > 0 && !ended_fits(&rows[0], op))) return;
  op->result = LEDGER_REFUSED;
  if ((!h && (fresh || rows[count - 1].state != CALL_EXPIRED)) || !burn_fits(f, c, op->charge)) return;
  if (h) hold_tell(f, h, op);
  struct fold_call part = {.customer = op->customer, .id = op->part, .key = h ? h->key : rows[0].key, .state = op->state,
                           .price = price_of(op, h ? h->price : rows[0].price),
                           .flags = op->flags | CALL_PART | (h ? late_flag(op) : (unsigned)CALL_LATE), .charge = op->charge, .cost = op->cost,
                           .usage = op->usage, .evidence = op->evidence};
  if (h && op->charge > h->amount) part.flags |= CALL_ABOVE_HOLD;
  once_keep(f, op);
  for (size_t i = 0; i < c->bucket_count; i++)
    if (c->buckets[i].measure == BUCKET_SPEND) bucket_advance(&c->buckets[i], f->now);
  if (h) hold_reduce(c, h, op->charge);
  budgets_correct(c, &part, op->charge); // by its own time, whenever its hold was taken
  part.place = burn_consume(f, c, op->charge);
  if (fold_past_floor(c) && (!h || part.flags & CALL_ABOVE_HOLD)) f->past_floor++;
  fold_call_add(f, &part);
  *vec_add(&f->parts) = (struct fold_part){op->customer, op->id, op->part};
  op->charged = op->charge;
  op->result = LEDGER_DONE;
}

// Only a hold that still lives by the fenced writer is swept: an instance that came back may have taken it over, also
// in this batch. An explicit one is swept when its own time is over; what was used of it has been told in parts.
static bool is_over(const struct fold *f, const struct fold_hold *h, const struct ledger_op *op) {
  if (h->dirty || h->writer_id != op->writer) return false;
  return h->expires_at == 0 || h->expires_at <= f->now;
}

void fold_sweep(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  op->charged = 0;
  op->result = LEDGER_GONE;
  if (!h || !is_over(f, h, op) || !burn_fits(f, c, h->metered)) return;
  bool explicit = h->expires_at != 0;
  enum call_state state = h->metered > 0 ? CALL_SETTLED : CALL_EXPIRED;
  hold_settle(f, c, h,
              (struct fold_call){.customer = op->customer, .id = op->id, .key = h->key, .price = h->price, .state = state,
                                 .flags = explicit ? 0 : CALL_SWEPT | CALL_PARTIAL | (state == CALL_SETTLED ? CALL_ESTIMATED : 0),
                                 .charge = h->metered, .cost = h->cost,
                                 .usage = state == CALL_SETTLED ? h->usage : STR("{}"), .evidence = op->evidence});
  if (h->metered > 0) once_lost(f, h->customer, h->call, h->idempotency_key); // its caller was cut off
  op->charged = h->metered;
  op->result = LEDGER_DONE;
}
