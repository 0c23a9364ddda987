// Usage that has happened already: charged at once, for an event is its own proof that it was used. An event is known by its
// identity, which stands in the same commit as its charge. Whether credits must cover it is its customer's policy. What is ahead of
// the ledger's clock has happened by now: so it counts in the window that stands, and a limit that is made later never binds it.
#include "base/log.h"
#include "ledger/fold.h"

// ---- the events that are known: those that were read, and those of this batch

static size_t slot_of(const struct fold *f, struct uuid customer, struct uuid identity) {
  size_t at = (size_t)(uuid_hash(identity) ^ uuid_hash(customer)) & f->identity_mask;
  for (; f->identity_slots[at] != 0; at = (at + 1) & f->identity_mask) {
    const struct fold_identity *one = &f->identities.at[f->identity_slots[at] - 1];
    if (uuid_eq(one->identity, identity) && uuid_eq(one->customer, customer)) break;
  }
  return at;
}

// Room for as many again as the batch has operations, at most half full.
static void slots_build(struct fold *f) {
  size_t room = 16;
  while (room < 2 * (f->identities.count + f->op_count)) room *= 2;
  f->identity_slots = arena_alloc(f->arena, room * sizeof *f->identity_slots);
  memset(f->identity_slots, 0, room * sizeof *f->identity_slots);
  f->identity_mask = room - 1;
  for (size_t i = 0; i < f->identities.count; i++)
    f->identity_slots[slot_of(f, f->identities.at[i].customer, f->identities.at[i].identity)] = i + 1;
}

static int event_ask(struct fold *f, struct ledger_op *op, size_t *ret_slot) {
  if (!f->identity_slots) slots_build(f);
  *ret_slot = slot_of(f, op->customer, op->event.identity);
  size_t known = f->identity_slots[*ret_slot];
  if (known == 0) return LEDGER_DONE;
  const struct fold_identity *one = &f->identities.at[known - 1];
  op->existing = one->call;
  return uuid_eq(one->content, op->event.content) ? LEDGER_DUPLICATE : LEDGER_REUSED;
}

static void event_keep(struct fold *f, const struct ledger_op *op, size_t slot) {
  *vec_add(&f->identities) = (struct fold_identity){.customer = op->customer, .identity = op->event.identity, .content = op->event.content,
                                                    .call = op->id, .source = op->event.source, .id = op->event.id, .fresh = true};
  f->identity_slots[slot] = f->identities.count;
}

// ---- the charge

// By the customer's wish an event is taken only where credits and budgets cover it. A budget of another window than the event's
// time has no say.
static int covered(const struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  int64_t at = uuid_time_us(op->id);
  for (size_t i = 0; i < c->bucket_count; i++) {
    struct bucket *b = &c->buckets[i];
    struct bucket_refusal refusal = {0};
    bool counts = budget_binds(b, op->key, op->id) && at >= b->window_start && (b->period == BUCKET_TOTAL || at < b->window_end);
    if (counts && !bucket_covers(b, op->charge, f->now, &refusal)) return refuse_limited(op, b, &refusal);
  }
  return credits_cover(c, op->charge, 0) ? LEDGER_DONE : LEDGER_SHORT;
}

void fold_record(struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  size_t slot = 0;
  ASSERT(op->charge >= 0 && op->cost >= 0 && (op->state == CALL_SETTLED || op->state == CALL_UNRATED));
  op->charged = 0;
  op->result = event_ask(f, op, &slot);
  if (op->result != LEDGER_DONE) return;
  op->result = LEDGER_STALE;
  if (op->config_version != 0 && op->config_version != c->config_version) return;
  op->result = LEDGER_REFUSED;
  if (!burn_fits(f, c, op->charge)) return;
  op->id = uuid_until(op->id, f->now);
  for (size_t i = 0; i < c->bucket_count; i++)
    if (c->buckets[i].measure == BUCKET_SPEND) bucket_advance(&c->buckets[i], f->now);
  op->result = c->refuses_events ? covered(f, c, op) : LEDGER_DONE;
  if (op->result != LEDGER_DONE) return;
  event_keep(f, op, slot);
  struct fold_call call = {.customer = op->customer, .id = op->id, .key = op->key, .price = op->price, .state = op->state,
                           .flags = op->flags | CALL_REPORTED, .charge = op->charge, .cost = op->cost, .usage = op->usage,
                           .evidence = op->evidence};
  call.place = burn_consume(f, c, op->charge);
  if (fold_past_floor(c) && op->charge > 0) {
    call.flags |= CALL_ABOVE_HOLD;
    f->past_floor++;
  }
  budgets_correct(c, &call, op->charge);
  fold_call_add(f, &call);
  op->charged = op->charge;
}
