// The reference's rules of usage that is told: events, parts of explicit holds, and calls that are priced again.
#include "check.h"
#include "rules.h"
#include <inttypes.h>

// Below its floor a customer's calls say so.
static unsigned above(const struct model_customer *c, wide charge) {
  bool below = model_balance(c) - model_held(c) < -c->credit_limit;
  return below && charge > 0 ? CALL_ABOVE_HOLD : 0;
}

// ---- events

// Where its customer wants it so, an event must be covered by each budget that it counts in, and by credits.
static bool is_covered(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a) {
  const struct model_limit *first = NULL;
  for (int i = 0; i < c->limit_count; i++) {
    struct model_limit *l = &c->limits[i];
    struct model_answer its = {0};
    bool refuses = limits_bind(l, op->key, op->id) && !limits_cover(c, l, op->charge, at, &its);
    if (!refuses || (first && memcmp(first->id.b, l->id.b, 16) < 0)) continue;
    first = l;
    (void)limits_cover(c, l, op->charge, at, a);
  }
  if (first) return false;
  a->result = LEDGER_SHORT;
  return credits_reach(c, op->charge, 0);
}

void usage_record(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a) {
  const struct model_event *known = model_event(c, op->event.identity);
  a->charged = 0;
  if (known) {
    rule_seen(a, known->call, same(known->content, op->event.content) ? LEDGER_DUPLICATE : LEDGER_REUSED);
    return;
  }
  a->result = LEDGER_STALE;
  if (op->config_version != 0 && op->config_version != c->version) return;
  a->result = LEDGER_REFUSED;
  if (!credits_fit(c, op->charge)) return;
  if (model_id_time(op->id) > at->now) check_fail("an event of %" PRId64 " is ahead of the clock, which says %" PRId64, model_id_time(op->id), at->now);
  for (int i = 0; i < c->limit_count; i++)
    if (c->limits[i].measure == 2) limits_roll(c, &c->limits[i], at->begun_at);
  if (c->refuses_events && !is_covered(c, op, at, a)) return;
  *MODEL_ADD(c->events, c->event_count) = (struct model_event){op->event.identity, op->event.content, op->id};
  struct model_call *call = rule_call_add(c, (struct model_call){.id = op->id, .key = op->key, .price = op->price, .state = (int)op->state,
                                                                 .flags = op->flags | CALL_REPORTED, .charge = op->charge, .cost = op->cost,
                                                                 .usage = model_usage(op->usage), .bare = op->evidence.len == 0});
  credits_burn(c, call, op->charge);
  call->flags |= above(c, op->charge);
  limits_correct(c, call, op->charge);
  a->charged = op->charge;
  a->result = LEDGER_DONE;
}

// ---- parts

// Only an explicit hold has parts, and as long as nobody has ended it: also when its time is over.
static bool is_parted(const struct ledger_op *op, const struct model_hold *h, const struct model_call *ended, struct model_answer *a) {
  bool theirs = h ? h->expires_at != 0 : ended && !ended->was_swept;
  a->result = theirs || (!op->explicit && (h || ended)) ? LEDGER_REFUSED : LEDGER_UNKNOWN;
  return a->result == LEDGER_REFUSED && (h || ended->state == CALL_EXPIRED);
}

void usage_part(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct model_hold *h = model_hold(c, op->id);
  const struct model_call *ended = h ? NULL : model_call(c, op->id);
  a->charged = 0;
  if (!once_is_new(c, op, at, a, told) || !is_parted(op, h, ended, a) || !credits_fit(c, op->charge)) return;
  rule_found(a, h, at);
  bool late = !h || rule_is_over(h, at), larger = h && op->charge > h->amount;
  struct uuid price = h ? h->price : ended->price;
  struct model_call *part = rule_call_add(c, (struct model_call){.id = op->part, .key = h ? h->key : ended->key, .state = (int)op->state,
                                                                 .price = rule_price(op, price),
                                                                 .flags = op->flags | CALL_PART | (late ? CALL_LATE : 0u) | (larger ? CALL_ABOVE_HOLD : 0u),
                                                                 .charge = op->charge, .cost = op->cost, .usage = model_usage(op->usage)});
  once_keep_own(c, op, at);
  limits_part(c, h, part, at);
  credits_burn(c, part, op->charge);
  if (h) {
    h->amount -= least(h->amount, op->charge);
    h->parted = true;
    h->touched = rule_batch;
  }
  *MODEL_ADD(c->parts, c->part_count) = (struct model_part){op->id, op->part};
  a->charged = op->charge;
  a->result = LEDGER_DONE;
}

// ---- priced again

// What is to stand, so that it may be said twice. A call whose last row was written in this same batch is tried again.
void usage_rerate(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct model_call *call = model_call(c, op->id);
  a->charged = 0;
  a->result = LEDGER_UNKNOWN;
  if (!call) return;
  a->result = LEDGER_REFUSED;
  if (call->batch == rule_batch && told == LEDGER_UNKNOWN) a->result = told;
  if (call->batch == rule_batch || (call->state != CALL_SETTLED && call->state != CALL_UNRATED)) return;
  a->charged = call->charge;
  bool stands = call->state == CALL_SETTLED && call->charge == op->charge && call->cost == op->cost && same(call->price, op->price);
  if (stands) rule_seen(a, op->id, LEDGER_DUPLICATE);
  if (stands) return;
  rule_correct(c, call, (struct model_call){.state = CALL_SETTLED, .flags = call->flags | CALL_RERATED, .price = op->price, .charge = op->charge,
                                            .cost = op->cost, .usage = model_usage(op->usage)}, at, a);
}
