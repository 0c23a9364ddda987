// The rules of money, one after the other, as plainly as they can be computed; what credits do stands in credits.c.
#include "rules.h"

#define RETRY_US INT64_C(60000000)
#define DAY_US INT64_C(86400000000)
#define REQUEST ((wide)60000000) // units in a rate's bucket

static uint64_t batch;

void model_batch_begin(void) {
  batch++;
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

// ---- the same request again

static bool is_derived(struct str key) {
  return key.len > 0 && key.ptr[0] == '~';
}

static void seen(struct model_answer *a, struct uuid object, int result) {
  a->result = result;
  if (a->existing_count < 8) a->existing[a->existing_count++] = object;
}

// What is forgotten while the batch is under way may have been seen before that.
static bool may_be_seen(const struct model_kept *k, const struct model_moment *at) {
  return k->gone_at >= at->truly_begun_at;
}

static bool ask_once(const struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct str key = op->idempotency_key;
  if (key.len == 0 || (is_derived(key) && !op->retry)) return true;
  for (int i = 0; i < c->kept_count; i++) {
    const struct model_kept *k = &c->kept[i];
    if (!same_text(k->key, key)) continue;
    if (is_derived(key) && k->batch != batch && at->now - k->at > RETRY_US) continue;
    int result = is_derived(key) || memcmp(k->fingerprint, op->fingerprint, 32) == 0 ? LEDGER_DUPLICATE : LEDGER_REUSED;
    if (k->gone_at != 0 && !(may_be_seen(k, at) && told == result)) continue;
    seen(a, k->object, result);
    if (k->batch == batch && !is_nil(k->before)) seen(a, k->before, a->result); // the one is as lost as the other
  }
  for (int i = 0; i < c->hold_count; i++)
    if (is_derived(key) && same_text(c->holds[i].once, key)) seen(a, c->holds[i].call, LEDGER_DUPLICATE);
  return a->existing_count == 0;
}

static bool is_kept(const struct model_customer *c, struct str key) {
  for (int i = 0; i < c->kept_count; i++)
    if (same_text(c->kept[i].key, key) && c->kept[i].gone_at == 0) return true;
  return false;
}

static void keep(struct model_customer *c, struct str key, const unsigned char *fingerprint, struct uuid object, const struct model_moment *at) {
  struct model_kept *k = NULL;
  for (int i = 0; i < c->kept_count; i++)
    if (same_text(c->kept[i].key, key)) k = &c->kept[i];
  if (!k) k = MODEL_ADD(c->kept, c->kept_count);
  struct uuid before = k->object;
  memset(k, 0, sizeof *k);
  k->key = key;
  k->before = before;
  k->object = object;
  k->at = at->begun_at;
  k->batch = batch;
  if (fingerprint) memcpy(k->fingerprint, fingerprint, 32);
}

static void keep_own(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at) {
  if (op->idempotency_key.len > 0 && !is_derived(op->idempotency_key)) keep(c, op->idempotency_key, op->fingerprint, op->id, at);
}

static void keep_lost(struct model_customer *c, struct uuid call, struct str key, const struct model_moment *at) {
  if (is_derived(key)) keep(c, key, NULL, call, at);
}

static void give_up_own(struct model_customer *c, const struct model_hold *h) {
  for (int i = 0; i < c->kept_count; i++)
    if (!is_derived(h->once) && same_text(c->kept[i].key, h->once) && same(c->kept[i].object, h->call)) {
      c->kept[i] = c->kept[--c->kept_count];
      return;
    }
}

// ---- limits

static int64_t floor_day(int64_t us) {
  int64_t day = us / DAY_US;
  return day * DAY_US > us ? day - 1 : day;
}

// The month by stepping from 2023-11-01 (day 19662), where the worlds begin; they last for less than that many years.
static void month(int64_t day, int64_t *first, int64_t *next) {
  static const int lengths[] = {30, 31, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31};
  *first = 19662;
  for (int i = 0;; i++) {
    *next = *first + lengths[i % 24];
    if (day < *next) return;
    *first = *next;
  }
}

// Windows move on with the time at which the transaction began, and never back.
static void roll(const struct model_customer *c, struct model_limit *l, int64_t begun_at) {
  if ((l->period != 2 && l->period != 3) || l->window_end > begun_at) return;
  int64_t first = floor_day(begun_at + c->zone_offset), next = first + 1;
  if (l->period == 3) month(first, &first, &next);
  int64_t start = first * DAY_US - c->zone_offset;
  if (start <= l->window_start) return;
  l->window_start = start;
  l->window_end = next * DAY_US - c->zone_offset;
  l->used = l->used_before = 0;
}

static wide rate_now(const struct model_limit *l, int64_t now) {
  wide full = l->amount * REQUEST, level = l->level;
  if (l->drawn_at == 0 || now - l->drawn_at >= 60000000) level = full;
  else if (now > l->drawn_at) level += (wide)(now - l->drawn_at) * l->amount;
  return least(level, full);
}

static bool refuse(struct model_answer *a, const struct model_limit *l, wide left, int64_t refills_at) {
  a->result = LEDGER_LIMITED;
  a->limit = l->id;
  a->left = left;
  a->refills_at = refills_at;
  return false;
}

static bool covers(const struct model_customer *c, struct model_limit *l, wide spend, const struct model_moment *at, struct model_answer *a) {
  if (l->period == 1) {
    wide level = rate_now(l, at->now);
    if (level >= REQUEST) return true;
    wide missing = REQUEST - level;
    int64_t wait = l->amount ? (int64_t)(missing / l->amount + (missing % l->amount != 0)) : 0;
    return refuse(a, l, level / REQUEST, l->amount ? at->now + wait : 0);
  }
  wide taken = l->used + model_bucket_held(c, l);
  if (taken + spend <= l->amount) return true;
  return refuse(a, l, unless_negative(l->amount - taken), l->period == 4 ? 0 : l->window_end);
}

static void draw(struct model_limit *l, wide spend, int64_t now, struct model_hold *h) {
  if (l->period == 1) {
    l->level = rate_now(l, now) - REQUEST;
    if (now > l->drawn_at) l->drawn_at = now;
  } else h->draws[h->draw_count++] = (struct model_draw){l->id, l->window_start, spend};
}

// ---- verbs

static void admit(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  if (!ask_once(c, op, at, a, told)) return;
  a->result = LEDGER_STALE;
  if (op->config_version != c->version || c->suspended) return;
  for (size_t i = 0; i < op->limit_count; i++) {
    struct model_limit *l = model_limit(c, op->limits[i]);
    if (!l) return;
    roll(c, l, at->begun_at);
    if (!covers(c, l, op->hold, at, a)) return;
  }
  a->result = LEDGER_SHORT;
  if (!credits_cover(c, op->hold, op->debt_allowed)) return;
  a->result = LEDGER_DONE;
  keep_own(c, op, at);
  struct model_hold *h = MODEL_ADD(c->holds, c->hold_count);
  *h = (struct model_hold){.call = op->id, .key = op->key, .writer = at->writer, .amount = op->hold, .metered = op->charge,
                           .usage = model_usage(op->usage), .once = op->idempotency_key};
  for (size_t i = 0; i < op->limit_count; i++) draw(model_limit(c, op->limits[i]), op->hold, at->now, h);
}

static void extend(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a) {
  struct model_hold *h = model_hold(c, op->id);
  a->result = LEDGER_GONE;
  if (!h) return;
  wide more = op->hold - h->amount;
  a->result = LEDGER_SHORT;
  if (!credits_cover(c, more, op->debt_allowed)) return;
  for (int i = 0; i < h->draw_count; i++) {
    struct model_limit *l = model_limit(c, h->draws[i].limit);
    if (l) roll(c, l, at->begun_at);
    if (l && l->window_start == h->draws[i].window && !covers(c, l, more, at, a)) return;
  }
  for (int i = 0; i < h->draw_count; i++) {
    const struct model_limit *l = model_limit(c, h->draws[i].limit);
    if (l && l->window_start == h->draws[i].window) h->draws[i].amount += more;
  }
  h->amount = op->hold;
  h->metered = op->charge;
  h->usage = model_usage(op->usage);
  h->writer = at->writer;
  a->result = LEDGER_DONE;
}

static void note_settled(struct model_customer *c, int state, wide difference) {
  if (state != CALL_SETTLED && state != CALL_VOIDED) return;
  c->settled += difference;
  c->settled_count++;
}

static struct model_call *call_add(struct model_customer *c, const struct model_hold *h, int state, unsigned flags, wide charge, int64_t usage) {
  struct model_call *call = MODEL_ADD(c->calls, c->call_count);
  *call = (struct model_call){.id = h->call, .key = h->key, .state = state, .flags = flags, .charge = charge, .usage = usage, .batch = batch};
  if (charge > h->amount) call->flags |= CALL_ABOVE_HOLD;
  note_settled(c, state, charge);
  return call;
}

// The hold is given back; of what the budgets held for it, the charge was used.
static void hold_end(struct model_customer *c, const struct model_hold *h, wide charge) {
  for (int i = 0; i < h->draw_count; i++) {
    struct model_limit *l = model_limit(c, h->draws[i].limit);
    if (l && l->window_start == h->draws[i].window) l->used = least(l->used + charge, MOST);
  }
  c->holds[h - c->holds] = c->holds[--c->hold_count];
}

// The budgets that bound the call when it was made, where their window still stands.
static void correct_budgets(struct model_customer *c, const struct model_call *call, wide difference) {
  int64_t at = model_id_time(call->id);
  for (int i = 0; i < c->limit_count; i++) {
    struct model_limit *l = &c->limits[i];
    bool bound = (is_nil(l->key) || same(l->key, call->key)) && model_id_time(l->id) <= at;
    bool stands = at >= l->window_start && (l->period == 4 || at < l->window_end);
    if (l->measure == 2 && bound && stands) l->used = unless_negative(least(l->used + difference, MOST));
  }
}

static void correct(struct model_customer *c, struct model_call *call, int state, unsigned flags, wide charge, int64_t usage,
                    const struct model_moment *at, struct model_answer *a) {
  wide difference = charge - call->charge;
  a->charged = call->charge;
  a->result = LEDGER_REFUSED;
  if (!credits_fit(c, difference)) return;
  if (difference > 0) credits_burn(c, call, difference);
  else credits_give_back(c, call, -difference, at->now);
  correct_budgets(c, call, difference);
  note_settled(c, state, difference);
  call->state = state;
  call->flags = flags | CALL_LATE;
  call->charge = charge;
  call->usage = usage;
  call->revision++;
  call->batch = batch;
  a->charged = charge;
  a->result = LEDGER_DONE;
}

// Only a call that was swept is corrected, once, by what is known of its usage.
static void settle_late(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a) {
  struct model_call *call = model_call(c, op->id);
  a->charged = 0;
  a->result = LEDGER_UNKNOWN;
  if (!call) return;
  seen(a, op->id, LEDGER_DUPLICATE);
  a->charged = call->charge;
  bool nothing_new = op->state == CALL_UNRATED || (op->state == CALL_RELEASED && call->state == CALL_EXPIRED);
  if (!(call->flags & CALL_SWEPT) || nothing_new) return;
  correct(c, call, CALL_SETTLED, op->flags, op->charge, model_usage(op->usage), at, a);
}

static void settle(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a) {
  struct model_hold *h = model_hold(c, op->id);
  if (!h) {
    settle_late(c, op, at, a);
    if (op->undelivered && a->charged > 0) keep_lost(c, op->id, op->idempotency_key, at);
    return;
  }
  a->charged = 0;
  a->result = LEDGER_REFUSED;
  if (!credits_fit(c, op->charge)) return;
  struct model_hold was = *h;
  hold_end(c, h, op->charge);
  credits_burn(c, call_add(c, &was, (int)op->state, op->flags, op->charge, model_usage(op->usage)), op->charge);
  if (op->state == CALL_RELEASED) give_up_own(c, &was);
  if (op->undelivered && op->charge > 0) keep_lost(c, was.call, was.once, at);
  a->charged = op->charge;
  a->result = LEDGER_DONE;
}

// The hold of a writer that was fenced off. One that came back at this very moment may have taken it over: then both
// orders are right.
static bool is_swept(const struct model_hold *h, const struct ledger_op *op, const struct model_moment *at, int told) {
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
  hold_end(c, h, was.metered);
  unsigned flags = CALL_SWEPT | CALL_PARTIAL | (used ? CALL_ESTIMATED : 0u);
  credits_burn(c, call_add(c, &was, used ? CALL_SETTLED : CALL_EXPIRED, flags, was.metered, used ? was.usage : 0), was.metered);
  if (used) keep_lost(c, was.call, was.once, at);
  a->charged = was.metered;
  a->result = LEDGER_DONE;
}

static void grant(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  const struct model_grant *bought = credits_bought(c, op->grant.origin);
  bool is_new = ask_once(c, op, at, a, told);
  bool as_told = told == LEDGER_DUPLICATE && !is_kept(c, op->idempotency_key); // the key may be forgotten meanwhile
  if (bought && (is_new || as_told)) seen(a, bought->id, LEDGER_DUPLICATE);
  if (bought || !is_new) return;
  a->result = LEDGER_REFUSED;
  if (model_balance(c) + op->grant.amount > MOST) return;
  keep_own(c, op, at);
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

// A call whose last row was written in this same batch cannot be undone in it: that is tried again.
static void undo(struct model_customer *c, const struct ledger_op *op, const struct model_moment *at, struct model_answer *a, int told) {
  struct model_call *call = model_call(c, op->id);
  a->charged = 0;
  a->result = LEDGER_UNKNOWN;
  if (!call) return;
  a->result = call->state == CALL_VOIDED ? LEDGER_DUPLICATE : LEDGER_REFUSED;
  if (call->batch == batch && (told == LEDGER_UNKNOWN || told == LEDGER_REFUSED)) a->result = told;
  if (call->batch != batch && call->state == CALL_SETTLED) correct(c, call, CALL_VOIDED, 0, 0, 0, at, a);
}

struct model_answer model_apply(const struct ledger_op *op, const struct model_moment *at, int told) {
  struct model_answer a = {.result = LEDGER_UNKNOWN, .charged = -1};
  struct model_customer *c = model_customer(op->customer);
  if (!c) return a;
  switch (op->kind) {
  case LEDGER_ADMIT: admit(c, op, at, &a, told); break;
  case LEDGER_EXTEND: extend(c, op, at, &a); break;
  case LEDGER_SETTLE: settle(c, op, at, &a); break;
  case LEDGER_SWEEP: sweep(c, op, at, &a, told); break;
  case LEDGER_GRANT: grant(c, op, at, &a, told); break;
  case LEDGER_EXPIRE: expire(c, op, at, &a, told); break;
  case LEDGER_VOID: undo(c, op, at, &a, told); break;
  case LEDGER_REVERSE: credits_reverse(c, op, at->now, &a, told); break;
  }
  if (a.result == LEDGER_DONE && op->kind != LEDGER_EXPIRE && op->kind != LEDGER_REVERSE) c->moved = true;
  a.balance = model_balance(c);
  a.held = model_held(c);
  a.debt = c->debt;
  a.credit_limit = c->credit_limit;
  return a;
}
