// The rules of money, one after the other, as plainly as they can be computed; what credits do stands in credits.c.
#include "rules.h"

uint64_t rule_batch;

void model_batch_begin(void) {
  rule_batch++;
  for (int i = 0; i < model_customer_count(); i++) {
    struct model_customer *c = model_customer_at(i);
    c->consumed = c->settled = 0;
    c->balance_before = model_balance(c);
    c->settled_count = 0;
    c->moved = false;
    free(c->told);
    c->told = NULL;
    c->told_count = 0;
    for (int k = 0; k < c->limit_count; k++) c->limits[k].used_before = c->limits[k].used;
    c->name_count = c->names_used = 0;
  }
}

// Whoever buys by itself is told with the movement, or with the mark: what is available then is at the mark, or below.
static bool is_low(const struct model_customer *c) {
  return c->top_up_at >= 0 && model_balance(c) - model_held(c) <= c->top_up_at;
}

// A mark is told when it was passed, in whatever direction.
static void tell_balance(struct model_customer *c) {
  wide before = c->balance_before, after = model_balance(c), mark = unless_negative(c->low_balance);
  struct uuid itself = {{0}};
  if (mark > 0 && before > mark && after <= mark) tell(c, "balance.low", itself, after, c->debt);
  if (before > 0 && after <= 0) tell(c, "balance.exhausted", itself, after, c->debt);
  if (before <= mark && after > mark) tell(c, "balance.refilled", itself, after, c->debt);
}

static void tell_budgets(struct model_customer *c) {
  for (int i = 0; i < c->limit_count; i++) {
    const struct model_limit *l = &c->limits[i];
    if (l->measure != 2 || l->amount == 0) continue;
    bool all = l->used_before < l->amount && l->used >= l->amount;
    bool most = l->used_before * 5 < l->amount * 4 && l->used * 5 >= l->amount * 4;
    if (all) tell(c, "limit.reached", l->id, l->used, l->amount);
    else if (most) tell(c, "budget.threshold", l->id, l->used, l->amount);
  }
}

void model_batch_end(void) {
  for (int i = 0; i < model_customer_count(); i++) {
    struct model_customer *c = model_customer_at(i);
    tell_balance(c);
    tell_budgets(c);
    if (c->settled_count > 0) tell(c, "usage.settled", (struct uuid){{0}}, c->settled, c->settled_count);
    if (c->moved && is_low(c)) c->top_up_due = true;
  }
}

void model_mark(struct model_customer *c, wide top_up_at) {
  c->top_up_at = top_up_at;
  c->top_up_due = is_low(c);
}

// ---- verbs

void rule_seen(struct model_answer *a, struct uuid object, int result) {
  a->result = result;
  if (a->existing_count < 8) a->existing[a->existing_count++] = object;
}

bool rule_is_over(const struct model_hold *h, const struct model_moment *at) {
  return h->expires_at != 0 && h->expires_at <= at->now;
}

struct uuid rule_price(const struct ledger_op *op, struct uuid pinned) {
  static const struct uuid none;
  return op->unpriced ? none : is_nil(op->price) ? pinned : op->price;
}

// Who changes a hold, or ends it, is told how it stood before.
void rule_found(struct model_answer *a, const struct model_hold *h, const struct model_moment *at) {
  if (!h) return;
  a->hold.found = true;
  a->hold.key = h->key;
  a->hold.price = h->price;
  a->hold.amount = h->amount;
  a->hold.expires_at = h->expires_at;
  a->hold.parted = h->parted;
  a->hold.over = rule_is_over(h, at);
}

static void admit(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  if (!once_is_new(c, op, at, a, told)) return;
  a->result = LEDGER_STALE;
  if (op->config_version != c->version || c->suspended) return;
  a->result = LEDGER_CROWDED;
  if (op->expires_at && op->most_open && model_open_holds(c) >= op->most_open) return;
  a->result = LEDGER_STALE;
  for (size_t i = 0; i < op->limit_count; i++) {
    struct model_limit *l = model_limit(c, op->limits[i]);
    if (!l) return;
    limits_roll(c, l, at->begun_at);
    if (!limits_cover(c, l, op->hold, at, a)) return;
  }
  a->result = LEDGER_SHORT;
  if (!credits_reach(c, op->hold, op->debt_allowed)) return;
  a->result = LEDGER_DONE;
  once_keep_own(c, op, at);
  struct model_hold *h = MODEL_ADD(c->holds, c->hold_count);
  *h = (struct model_hold){.call = op->id, .key = op->key, .price = op->price, .writer = op->expires_at ? 0 : at->writer,
                           .expires_at = op->expires_at, .amount = op->hold, .metered = op->charge, .cost = op->cost,
                           .usage = model_usage(op->usage), .once = op->idempotency_key};
  for (size_t i = 0; i < op->limit_count; i++) limits_draw(model_limit(c, op->limits[i]), op->hold, at->now, h);
}

// An explicit hold: two may extend it at once, so what is said is what is to stand, never less than that; nothing said is as it is.
static bool is_extended(const struct model_customer *c, const struct model_hold *h, wide all, struct model_answer *a) {
  a->result = all < h->amount ? LEDGER_REFUSED : LEDGER_STALE;
  return h->expires_at == 0 || (all >= h->amount && !c->suspended);
}

static void extend(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a) {
  struct model_hold *h = model_hold(c, op->id);
  a->result = LEDGER_GONE;
  if (!h || (op->explicit && h->expires_at == 0) || rule_is_over(h, at)) return;
  wide all = h->expires_at && op->hold == 0 ? h->amount : op->hold;
  if (!is_extended(c, h, all, a) || !limits_extend(c, h, all, at, a)) return;
  a->result = LEDGER_SHORT;
  if (!credits_reach(c, all - h->amount, op->debt_allowed)) return;
  limits_redraw(c, h, all);
  rule_found(a, h, at);
  h->amount = all;
  h->metered = op->charge;
  h->cost = op->cost;
  h->usage = model_usage(op->usage);
  if (h->expires_at == 0) h->writer = at->writer;
  else if (op->expires_at > h->expires_at) h->expires_at = op->expires_at;
  h->touched = rule_batch;
  a->result = LEDGER_DONE;
}

// ---- ends

static void note_settled(struct model_customer *c, int state, wide difference) {
  if (state != CALL_SETTLED && state != CALL_VOIDED) return;
  c->settled += difference;
  c->settled_count++;
}

struct model_call *rule_call_add(struct model_customer *c, struct model_call call) {
  call.batch = rule_batch;
  note_settled(c, call.state, call.charge);
  struct model_call *added = MODEL_ADD(c->calls, c->call_count);
  *added = call;
  return added;
}

// The hold is given back, and its call costs so much.
static struct model_call *hold_end(struct model_customer *c, struct model_hold *h, struct model_call call) {
  call.id = h->call;
  call.key = h->key;
  if (call.charge > h->amount) call.flags |= CALL_ABOVE_HOLD;
  limits_return(c, h, call.charge);
  *h = c->holds[--c->hold_count];
  struct model_call *ended = rule_call_add(c, call);
  credits_burn(c, ended, call.charge);
  return ended;
}

void rule_correct(struct model_customer *c, struct model_call *call, struct model_call to, const struct model_moment *at, struct model_answer *a) {
  wide difference = to.charge - call->charge;
  a->charged = call->charge;
  a->result = LEDGER_REFUSED;
  if (!credits_fit(c, difference)) return;
  if (difference > 0) credits_burn(c, call, difference);
  else credits_give_back(c, call, -difference, at->now);
  limits_correct(c, call, difference);
  note_settled(c, to.state, difference);
  call->state = to.state;
  call->flags = to.flags | CALL_LATE;
  call->price = to.price;
  call->charge = to.charge;
  call->cost = to.cost;
  call->usage = to.usage;
  call->revision++;
  call->batch = rule_batch;
  a->charged = to.charge;
  a->result = LEDGER_DONE;
}

// What was ended by a rule is corrected by what is known of its usage: a call whose instance died, an explicit hold whose time ran out.
static void settle_late(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a) {
  struct model_call *call = model_call(c, op->id);
  a->charged = 0;
  a->result = LEDGER_UNKNOWN;
  if (!call || (op->explicit && call->was_swept)) return;
  rule_seen(a, op->id, LEDGER_DUPLICATE);
  a->charged = call->charge;
  bool expired = call->state == CALL_EXPIRED, nothing_new = op->state == (expired ? CALL_RELEASED : CALL_UNRATED);
  if ((!(call->flags & CALL_SWEPT) && !expired) || nothing_new) return;
  rule_correct(c, call, (struct model_call){.state = op->state == CALL_UNRATED ? CALL_UNRATED : CALL_SETTLED, .flags = op->flags, .price = rule_price(op, call->price),
                                            .charge = op->charge, .cost = op->cost, .usage = model_usage(op->usage)}, at, a);
}

static void settle(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct model_hold *h = model_hold(c, op->id);
  a->charged = 0;
  if (op->explicit && !once_is_new(c, op, at, a, told)) return;
  if (!h) {
    settle_late(c, op, at, a);
    if (op->explicit && a->result == LEDGER_DONE) once_keep_own(c, op, at);
    if (op->undelivered && a->charged > 0) once_keep_lost(c, op->id, op->idempotency_key, at);
    return;
  }
  a->result = LEDGER_UNKNOWN;
  if (op->explicit && h->expires_at == 0) return;
  a->result = LEDGER_REFUSED;
  if (!credits_fit(c, op->charge)) return;
  struct model_hold was = *h;
  rule_found(a, h, at);
  bool late = rule_is_over(h, at) && op->state != CALL_RELEASED;
  (void)hold_end(c, h, (struct model_call){.price = rule_price(op, was.price), .state = (int)op->state, .flags = op->flags | (late ? CALL_LATE : 0u),
                                           .charge = op->charge, .cost = op->cost, .usage = model_usage(op->usage)});
  if (op->explicit) once_keep_own(c, op, at);
  if (op->state == CALL_RELEASED && was.expires_at == 0) once_give_up(c, &was); // an explicit one was made, whatever became of it
  if (op->undelivered && op->charge > 0) once_keep_lost(c, was.call, was.once, at);
  a->charged = op->charge;
  a->result = LEDGER_DONE;
}

// The hold of a writer that was fenced off. One that came back at this very moment may have taken it over: then both
// orders are right. An explicit one when its time is over, but not where an earlier operation of the batch had it.
static bool is_swept(const struct model_hold *h, const struct ledger_op *op, const struct model_moment *at, int told) {
  if (h->expires_at != 0) return op->writer == 0 && rule_is_over(h, at) && h->touched != rule_batch;
  if (h->writer == op->writer) return true;
  bool moved_meanwhile = h->writer_before == op->writer && h->moved_at >= at->truly_begun_at;
  return moved_meanwhile && told == LEDGER_DONE;
}

static void sweep(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct model_hold *h = model_hold(c, op->id);
  a->charged = 0;
  a->result = LEDGER_GONE;
  if (!h || !is_swept(h, op, at, told) || !credits_fit(c, h->metered)) return;
  struct model_hold was = *h;
  bool used = was.metered > 0;
  unsigned flags = was.expires_at ? 0 : CALL_SWEPT | CALL_PARTIAL | (used ? CALL_ESTIMATED : 0u);
  struct model_call *call = hold_end(c, h, (struct model_call){.price = was.price, .state = used ? CALL_SETTLED : CALL_EXPIRED, .flags = flags, .charge = was.metered,
                                                               .cost = was.cost, .usage = used ? was.usage : 0});
  call->was_swept = was.expires_at == 0;
  if (used) once_keep_lost(c, was.call, was.once, at);
  a->charged = was.metered;
  a->result = LEDGER_DONE;
}

// ---- credits, and what is undone

static void grant(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  const struct model_grant *bought = credits_bought(c, op->grant.origin);
  bool is_new = once_is_new(c, op, at, a, told);
  bool as_told = told == LEDGER_DUPLICATE && !once_is_kept(c, op->idempotency_key); // the key may be forgotten meanwhile
  if (bought && (is_new || as_told)) rule_seen(a, bought->id, LEDGER_DUPLICATE);
  if (bought || !is_new) return;
  a->result = LEDGER_REFUSED;
  if (model_balance(c) + op->grant.amount > MOST) return;
  once_keep_own(c, op, at);
  credits_grant(c, op);
  a->result = LEDGER_DONE;
}

// Expiry takes what open holds do not need. Where there is nothing to take, it is the same whether the grant is known.
static void expire(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct model_grant *g = model_grant(c, op->id);
  bool over = g && g->expires_at != 0 && g->expires_at <= at->now;
  wide gone = over ? least(g->left, unless_negative(model_balance(c) - model_held(c))) : 0;
  a->result = over && (gone > 0 || told == LEDGER_DONE) ? LEDGER_DONE : LEDGER_UNKNOWN;
  if (over && g->left > 0) a->result = LEDGER_DONE;
  if (gone > 0) credits_expire(c, g, gone);
}

// A charge is undone, what waits for a price is given away; either way once. A call whose last row was written in this same batch
// cannot be undone in it: that is tried again.
static void undo(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct model_call *call = model_call(c, op->id);
  a->charged = 0;
  a->result = LEDGER_UNKNOWN;
  if (!call) return;
  bool waits = call->state == CALL_UNRATED, given_away = call->state == CALL_RELEASED && call->revision > 0;
  a->result = call->state == CALL_VOIDED || given_away ? LEDGER_DUPLICATE : LEDGER_REFUSED;
  if (call->batch == rule_batch && (told == LEDGER_UNKNOWN || told == LEDGER_REFUSED)) a->result = told;
  if (call->batch == rule_batch || (call->state != CALL_SETTLED && !waits)) return;
  rule_correct(c, call, (struct model_call){.state = waits ? CALL_RELEASED : CALL_VOIDED, .price = call->price}, at, a);
}

struct model_answer model_apply(const struct ledger_op *op, const struct model_moment *at, int told) {
  struct model_answer a = {.result = LEDGER_UNKNOWN, .charged = -1};
  struct model_customer *c = model_customer(op->customer);
  if (!c) return a;
  switch (op->kind) {
  case LEDGER_ADMIT: admit(c, op, at, &a, told); break;
  case LEDGER_EXTEND: extend(c, op, at, &a); break;
  case LEDGER_SETTLE: settle(c, op, at, &a, told); break;
  case LEDGER_SWEEP: sweep(c, op, at, &a, told); break;
  case LEDGER_RECORD: usage_record(c, op, at, &a); break;
  case LEDGER_PART: usage_part(c, op, at, &a, told); break;
  case LEDGER_GRANT: grant(c, op, at, &a, told); break;
  case LEDGER_EXPIRE: expire(c, op, at, &a, told); break;
  case LEDGER_VOID: undo(c, op, at, &a, told); break;
  case LEDGER_RERATE: usage_rerate(c, op, at, &a, told); break;
  case LEDGER_REVERSE: credits_reverse(c, op, at->now, &a, told); break;
  }
  if (a.result == LEDGER_DONE && op->kind != LEDGER_EXPIRE && op->kind != LEDGER_REVERSE) c->moved = true;
  a.balance = model_balance(c);
  a.held = model_held(c);
  a.debt = c->debt;
  a.credit_limit = c->credit_limit;
  return a;
}
