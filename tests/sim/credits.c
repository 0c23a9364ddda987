// The reference's rules of credits: which grants pay and to which it returns, and what a payment's refunds and disputes take of
// the grant that it bought.
#include "rules.h"

#define GRACE_US (INT64_C(7) * 24 * 3600 * 1000000)
static const struct uuid nobody;

bool credits_reach(const struct model_customer *c, wide more, wide debt_allowed) {
  wide held = model_held(c);
  return model_balance(c) - held - more >= -(c->credit_limit + debt_allowed) && held + more <= MOST;
}

bool credits_fit(const struct model_customer *c, wide charge) {
  return model_counts(c, charge) && c->consumed + charge <= MOST;
}

// ---- paying

static bool burns_before(const struct model_grant *a, const struct model_grant *b) {
  if (a->priority != b->priority) return a->priority < b->priority;
  int64_t of_a = a->expires_at ? a->expires_at : INT64_MAX, of_b = b->expires_at ? b->expires_at : INT64_MAX;
  return of_a != of_b ? of_a < of_b : memcmp(a->id.b, b->id.b, 16) < 0;
}

static void pay(struct model_call *call, struct uuid grant, wide part) {
  if (part > 0) *MODEL_ADD(call->paid, call->paid_count) = (struct model_paid){grant, part};
}

static struct model_grant *burns_first(struct model_customer *c) {
  struct model_grant *first = NULL;
  for (int i = 0; i < c->grant_count; i++)
    if (c->grants[i].left > 0 && (!first || burns_before(&c->grants[i], first))) first = &c->grants[i];
  return first;
}

// By priority, then earliest expiry, then oldest; what nobody covers is debt.
void credits_burn(struct model_customer *c, struct model_call *call, wide charge) {
  struct model_grant *first;
  c->consumed += charge;
  while (charge > 0 && (first = burns_first(c))) {
    wide part = least(first->left, charge);
    first->left -= part;
    first->consumed += part;
    charge -= part;
    pay(call, first->id, part);
  }
  c->debt += charge;
  pay(call, nobody, charge);
}

static void repay(struct model_customer *c, struct model_grant *g) {
  wide part = least(c->debt, g->left);
  g->left -= part;
  g->consumed += part;
  c->debt -= part;
}

// ---- grants

static struct model_grant *grant_add(struct model_customer *c, struct uuid id, int source, int priority, int64_t expires_at, wide given) {
  struct model_grant *g = MODEL_ADD(c->grants, c->grant_count);
  *g = (struct model_grant){.id = id, .source = source, .priority = priority, .expires_at = expires_at, .granted = given, .left = given,
                            .paid = -1};
  tell(c, "grant.created", id, given, 0);
  return g;
}

static struct uuid name_next(struct model_customer *c) {
  return c->names_used < c->name_count ? c->names[c->names_used++] : nobody;
}

struct model_grant *credits_bought(struct model_customer *c, struct str origin) {
  for (int i = 0; i < c->grant_count; i++)
    if (origin.len > 0 && same_text(c->grants[i].origin, origin)) return &c->grants[i];
  return NULL;
}

void credits_grant(struct model_customer *c, const struct ledger_op *op) {
  struct model_grant *g = grant_add(c, op->id, op->grant.source, op->grant.priority, op->grant.expires_at, op->grant.amount);
  c->given += op->grant.amount;
  g->origin = op->grant.origin;
  g->currency = op->grant.currency;
  if (op->grant.currency.len > 0) g->paid = op->grant.paid;
  repay(c, g);
}

// ---- giving back

// To a grant whose time has run out it comes as a new one of the same kind, for a while: the old one has given it, so there it
// is spent. Debt is repaid first.
static void return_to(struct model_customer *c, struct model_grant *g, wide part, int64_t now) {
  if (g->expires_at && g->expires_at <= now) {
    g->consumed += part;
    g = grant_add(c, name_next(c), g->source, g->priority, now + GRACE_US, part);
  } else g->left += part;
  repay(c, g);
}

// What had become debt is debt no more; where that was repaid meanwhile it comes back as a grant, an adjustment.
static void return_owed(struct model_customer *c, wide part) {
  wide off = least(c->debt, part);
  c->debt -= off;
  if (part > off) (void)grant_add(c, name_next(c), 4, 100, 0, part - off);
}

struct returning {
  struct uuid grant; // nil: debt
  wide part, recalled; // of that
};

// What a call had paid, from the end.
static int paid_take(struct model_call *call, wide back, struct returning *ret) {
  int count = 0;
  while (back > 0) {
    struct model_paid *last = &call->paid[call->paid_count - 1];
    wide part = least(last->amount, back);
    ret[count++] = (struct returning){last->grant, part, 0};
    last->amount -= part;
    back -= part;
    if (last->amount == 0) call->paid_count--;
  }
  return count;
}

// Of what a grant paid, that was recalled by reversals which it does not count as consumed any more.
static void recalled_find(struct model_customer *c, struct returning *all, int count) {
  for (int i = 0; i < count; i++) {
    const struct model_grant *g = is_nil(all[i].grant) ? NULL : model_grant(c, all[i].grant);
    if (!g) continue;
    wide consumed = g->consumed;
    for (int k = 0; k < i; k++)
      if (same(all[k].grant, g->id)) consumed -= all[k].part - all[k].recalled;
    all[i].recalled = unless_negative(all[i].part - consumed);
  }
}

// To the grants that paid. What was recalled from them meanwhile is owed, so it returns as debt does.
void credits_give_back(struct model_customer *c, struct model_call *call, wide back, int64_t now) {
  struct returning *all = calloc((size_t)call->paid_count + 1, sizeof *all);
  if (!all) abort();
  int count = paid_take(call, back, all);
  recalled_find(c, all, count);
  for (int i = 0; i < count; i++) {
    struct model_grant *g = is_nil(all[i].grant) ? NULL : model_grant(c, all[i].grant);
    wide owed = g ? all[i].recalled : all[i].part, own = all[i].part - owed;
    if (own > 0) {
      g->consumed -= own;
      return_to(c, g, own, now);
    }
    return_owed(c, owed);
  }
  free(all);
}

void credits_expire(struct model_customer *c, struct model_grant *g, wide gone) {
  g->left -= gone;
  g->expired += gone;
  c->moved = true;
  tell(c, "grant.expired", g->id, gone, 0);
}

// ---- reversals

// What is left goes first, then what had expired, and what was spent is owed. Nobody owes while something is left.
struct taking {
  wide left, expired, spent;
};
static struct taking taking_of(const struct model_grant *g, wide more) {
  struct taking t = {.left = least(g->left, unless_negative(more))};
  t.expired = least(g->expired, unless_negative(more) - t.left);
  t.spent = unless_negative(more) - t.left - t.expired;
  return t;
}

// It is refused where an amount cannot count what stands afterwards, and may be where one could not on the way there.
static bool is_refused(const struct model_customer *c, const struct model_grant *g, const struct taking *t, wide more, int told) {
  wide back = more < 0 ? -more : 0;
  if (!model_counts(c, t->left + t->spent - back) || c->debt + t->spent > MOST) return true;
  bool on_the_way = !model_counts(c, more) || model_balance(c) + g->expired > MOST;
  return on_the_way && told == LEDGER_REFUSED;
}

// What is to stand as refunded and as frozen, together at most what was granted; refunded goes before frozen. Only what that is
// more or less than before is taken or given back: between the two nothing moves that the customer has.
void credits_reverse(struct model_customer *c, const struct ledger_op *op, int64_t now, struct model_answer *a, int told) {
  struct model_grant *g = credits_bought(c, op->grant.origin);
  a->charged = 0;
  a->result = LEDGER_UNKNOWN;
  if (!g) return;
  a->existing[a->existing_count++] = g->id;
  wide refunded = least(op->reverse.refunded, g->granted), frozen = least(op->reverse.frozen, g->granted - refunded);
  wide more = refunded + frozen - g->refunded - g->frozen;
  struct taking t = taking_of(g, more);
  a->result = LEDGER_REFUSED;
  if (is_refused(c, g, &t, more, told)) return;
  a->result = LEDGER_DONE;
  a->charged = more;
  c->moved |= refunded != g->refunded || frozen != g->frozen;
  g->refunded = refunded;
  g->frozen = frozen;
  g->left -= t.left;
  g->expired -= t.expired;
  g->consumed -= t.spent;
  c->debt += t.spent;
  if (more < 0) return_to(c, g, -more, now);
  for (struct model_grant *other; c->debt > 0 && (other = burns_first(c));) repay(c, other);
}
