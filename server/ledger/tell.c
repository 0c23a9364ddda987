// What a batch tells the outside, in its own commit: marks that a balance or a budget has passed, in either direction, by
// what stood before the batch and what stands after it; and what was settled, one event for a customer and batch.
#include "event/event.h"
#include "json/write.h"
#include "ledger/fold.h"

#define EVENT_BYTES_MAX (1024 * 1024)

struct telling {
  struct fold *f;
  struct fold_customer *c;
  struct buf out;
  struct json_writer w;
};

static void begin(struct telling *t) {
  buf_clear(&t->out);
  t->w = json_writer(&t->out);
  json_object_begin(&t->w);
  json_member_id(&t->w, "customer", "cus", t->c->id);
}

static void end(struct telling *t, enum event_type type) {
  json_object_end(&t->w);
  if (t->out.full) return; // larger than any reader takes: usage is in the reports
  *vec_add(&t->f->events) = (struct fold_event){t->f->new_id(t->f->new_id_arg, t->f->now), t->c->id, event_name(type),
                                                arena_str(t->f->arena, buf_str(&t->out))};
}

static void balance(struct telling *t, enum event_type type) {
  const struct fold_customer *c = t->c;
  begin(t);
  json_member_amount(&t->w, "balance", c->balance);
  json_member_amount(&t->w, "debt", c->debt);
  if (c->low_balance >= 0) json_member_amount(&t->w, "low_balance", c->low_balance);
  end(t, type);
}

static void balances(struct telling *t) {
  const struct fold_customer *c = t->c;
  amount before = c->balance_before, after = c->balance, mark = c->low_balance > 0 ? c->low_balance : 0;
  if (before > mark && after <= mark && mark > 0) balance(t, EVENT_BALANCE_LOW);
  if (before > 0 && after <= 0) balance(t, EVENT_BALANCE_EXHAUSTED);
  if (before <= mark && after > mark) balance(t, EVENT_BALANCE_REFILLED);
}

// ---- budgets

static bool passes(const struct bucket *b, int percent) {
  amount_wide mark = (amount_wide)b->amount * percent;
  return (amount_wide)b->used_before * 100 < mark && (amount_wide)b->used * 100 >= mark;
}

static void budget(struct telling *t, const struct bucket *b, enum event_type type, int percent) {
  begin(t);
  json_member_id(&t->w, "limit", "lim", b->limit);
  json_member_id(&t->w, "key", "key", b->key);
  json_member_amount(&t->w, "used", b->used);
  json_member_amount(&t->w, "amount", b->amount);
  json_member_int(&t->w, "percent", percent);
  json_member_time(&t->w, "window_end", b->period == BUCKET_TOTAL ? 0 : b->window_end);
  end(t, type);
}

static void budgets(struct telling *t) {
  for (size_t i = 0; i < t->c->bucket_count; i++) {
    const struct bucket *b = &t->c->buckets[i];
    if (!b->dirty || b->measure != BUCKET_SPEND || b->amount == 0) continue;
    if (passes(b, 80) && !passes(b, 100)) budget(t, b, EVENT_BUDGET_THRESHOLD, 80);
    if (passes(b, 100)) budget(t, b, EVENT_LIMIT_REACHED, 100);
  }
}

// ---- grants

static void grant(struct telling *t, const struct fold_grant *g) {
  begin(t);
  json_member_id(&t->w, "grant", "grt", g->id);
  json_member_amount(&t->w, "amount", g->granted);
  json_member_str(&t->w, "reason", g->reason);
  json_member_str(&t->w, "origin", g->origin);
  json_member_time(&t->w, "expires_at", g->expires_at);
  end(t, EVENT_GRANT_CREATED);
}

static void expired(struct telling *t, const struct fold_leg *leg) {
  begin(t);
  json_member_id(&t->w, "grant", "grt", leg->grant);
  json_member_amount(&t->w, "amount", leg->amount);
  end(t, EVENT_GRANT_EXPIRED);
}

static void grants(struct telling *t, size_t first_transfer) {
  for (size_t i = 0; i < t->c->grant_count; i++)
    if (t->c->grants[i].fresh) grant(t, &t->c->grants[i]);
  for (size_t i = first_transfer; i < t->f->transfers.count; i++)
    if (t->f->transfers.at[i].kind == TRANSFER_EXPIRE) expired(t, &t->f->legs.at[t->f->transfers.at[i].first_leg]);
}

// ---- usage

static void call(struct telling *t, const struct fold_call *call) {
  json_object_begin(&t->w);
  json_member_id(&t->w, "call", "call", call->id);
  json_member_id(&t->w, "key", "key", call->key);
  json_member_int(&t->w, "revision", call->revision);
  json_member_text(&t->w, "state", call_state_name(call->state));
  json_member_amount(&t->w, "charge", call->charge);
  json_member_raw(&t->w, "usage", call->usage.len ? call->usage : STR("{}"));
  json_object_end(&t->w);
}

// One event, of as many calls as an amount can count the charges of: all, but where some give back the largest there are.
// Returns where the next one begins.
static size_t usage_event(struct telling *t, size_t at) {
  amount sum = 0;
  size_t count = 0;
  begin(t);
  json_key(&t->w, "calls");
  json_array_begin(&t->w);
  for (; at < t->f->calls.count; at++) {
    const struct fold_call *one = &t->f->calls.at[at];
    if (one->state != CALL_SETTLED && one->state != CALL_VOIDED) continue;
    if (!amount_add(sum, one->charge, &sum)) break;
    call(t, one);
    count++;
  }
  json_array_end(&t->w);
  json_member_int(&t->w, "count", (int64_t)count);
  json_member_amount(&t->w, "charge", sum);
  json_member_amount(&t->w, "balance", t->c->balance);
  if (count > 0) end(t, EVENT_USAGE_SETTLED);
  return at;
}

static void usage(struct telling *t, size_t first_call) {
  for (size_t at = first_call; at < t->f->calls.count;) at = usage_event(t, at);
}

void fold_tell(struct fold *f, struct fold_customer *c, size_t first_call, size_t first_transfer) {
  if (!f->told) return;
  struct telling t = {.f = f, .c = c};
  buf_init(&t.out, EVENT_BYTES_MAX);
  grants(&t, first_transfer);
  if (f->told_usage) usage(&t, first_call);
  budgets(&t);
  balances(&t);
  buf_finish(&t.out);
}
