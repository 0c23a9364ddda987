// Faults planted in the product, one at a time: the linker leads the product's own calls through here. A simulation that
// does not find each of them within a few hundred worlds finds nothing else either.
#include "planted.h"
#include "planted_list.h"
#include "ledger/session.h"
#include "meter/principal.h"
#include <stdio.h>

enum planted planted;
static const char *const names[PLANTED_COUNT] = {
#define X(id, name) [id] = name,
    PLANTED(X)
#undef X
};

bool planted_choose(const char *name) {
  for (int i = 1; i < PLANTED_COUNT; i++)
    if (strcmp(names[i], name) == 0) planted = (enum planted)i;
  return planted != NOTHING;
}

const char *planted_option(void) {
  static char text[80];
  (void)snprintf(text, sizeof text, " --planted %s", names[planted]);
  return text;
}

const char *planted_usage(void) {
  static char text[4096];
  size_t len = (size_t)snprintf(text, sizeof text, "\n--planted one of:");
  for (int i = 1; i < PLANTED_COUNT; i++) len += (size_t)snprintf(text + len, sizeof text - len, "\n  %s", names[i]);
  return text;
}

INSTEAD(bool, bucket_covers, const struct bucket *b, int64_t quantity, int64_t now, struct bucket_refusal *ret) {
  bool one_more = planted == OFF_BY_ONE && b->measure == BUCKET_SPEND && quantity > 0;
  return __real_bucket_covers(b, one_more ? quantity - 1 : quantity, now, ret);
}

INSTEAD(void, bucket_return, struct bucket *b, int64_t window, int64_t held, int64_t used) {
  __real_bucket_return(b, window, planted == NOT_GIVEN_BACK ? 0 : held, used);
}

INSTEAD(void, bucket_advance, struct bucket *b, int64_t now) {
  if (planted != NEVER_ROLLS || b->period == BUCKET_MINUTE || b->window_end == 0) __real_bucket_advance(b, now);
}

INSTEAD(int, session_landed, struct session *s) {
  int r = __real_session_landed(s);
  if (r == 1 && planted == NOT_LANDED) return 0;
  return r == 0 && planted == LANDED ? 1 : r;
}

// An operation that gives for what was given for in this batch: looked at without its origin, and written with it.
static struct ledger_op *hidden;
static struct str hidden_origin;

static void origin_show(void) {
  if (hidden) hidden->grant.origin = hidden_origin;
  hidden = NULL;
}

static void origin_hide(const struct fold *f, struct ledger_op *op) {
  origin_show();
  bool given = false;
  for (size_t i = 0; i < f->customers.count; i++)
    for (size_t k = 0; k < f->customers.at[i].grant_count; k++) {
      const struct fold_grant *g = &f->customers.at[i].grants[k];
      given |= g->fresh && uuid_eq(f->customers.at[i].id, op->customer) && str_eq(g->origin, op->grant.origin);
    }
  if (op->kind != LEDGER_GRANT || op->grant.origin.len == 0 || !given) return;
  hidden = op;
  hidden_origin = op->grant.origin;
  op->grant.origin = (struct str){0};
}

INSTEAD(void, fold_run, struct fold *f, struct ledger_op **ops, size_t count) {
  for (size_t i = 0; i < count && planted == ANY_VERSION; i++) {
    const struct fold_customer *c = fold_customer_find(f, ops[i]->customer);
    if (c && ops[i]->kind == LEDGER_ADMIT) ops[i]->config_version = c->config_version;
  }
  if (planted == ORIGIN_UNREAD) vec_clear(&f->origins);
  usage_before(f, ops, count);
  __real_fold_run(f, ops, count);
  usage_after(f, ops, count);
  origin_show();
  for (size_t i = 0; i < f->customers.count && planted == MARK_ABOVE_HELD; i++) {
    struct fold_customer *c = &f->customers.at[i];
    if (c->balance > c->top_up_at) c->top_up_due = false;
  }
}

INSTEAD(enum principal_answer, principal_find, struct principals *p, struct str text, bool fresh, struct principal **ret) {
  return __real_principal_find(p, text, fresh && planted != TRUSTS, ret);
}

INSTEAD(struct fold_hold *, fold_hold_find, struct fold *f, struct uuid customer, struct uuid call) {
  struct fold_hold *h = __real_fold_hold_find(f, customer, call);
  for (size_t i = 0; !h && planted == ENDS_TWICE && i < f->holds_read; i++)
    if (uuid_eq(f->holds.at[i].customer, customer) && uuid_eq(f->holds.at[i].call, call)) h = &f->holds.at[i];
  return h;
}

INSTEAD(int, principal_load, struct principals *p, struct db *db, struct str text, struct principal **ret) {
  int r = __real_principal_load(p, db, text, ret);
  if (r == PRINCIPAL_FOUND && planted == NEVER_EXPIRES) (*ret)->runs_out_at = INT64_MAX;
  return r;
}

INSTEAD(void, fold_sweep, struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  struct fold_hold *h = fold_hold_find(f, op->customer, op->id);
  if (h && planted == SWEEPS_ALL) op->writer = h->writer_id;
  if (h) usage_sweep(f, h, op);
  __real_fold_sweep(f, c, op);
  if (op->result == LEDGER_DONE && planted == SWEEPS_TWICE) (void)burn_consume(f, c, op->charged);
}

INSTEAD(int, ledger_sweep, struct ledger *l, struct db *db) {
  return planted == NEVER_SWEEPS ? 0 : __real_ledger_sweep(l, db);
}

INSTEAD(bool, burn_read, struct fold_customer *c) {
  if (planted == BURNED_FORGOTTEN) c->burned = 0;
  return __real_burn_read(c);
}

// Whatever was given that burns before it.
INSTEAD(void, burn_end, struct fold_customer *c) {
  struct uuid burned = c->burning;
  __real_burn_end(c);
  const struct fold_grant *g = planted == BURNS_ON && c->grants_are == GRANTS_READ ? fold_grant_find(c, burned) : NULL;
  if (!g || g->left == 0) return;
  c->burning = g->id;
  c->burning_left = g->left;
}

INSTEAD(int64_t, burn_consume, struct fold *f, struct fold_customer *c, amount charge) {
  bool swap = planted == BURNS_WRONG && c->grant_count > 1;
  if (!swap) return __real_burn_consume(f, c, charge);
  struct fold_grant first = c->grants[0];
  c->grants[0] = c->grants[1];
  c->grants[1] = first;
  return __real_burn_consume(f, c, charge);
}

static bool reversing;

INSTEAD(void, burn_repay, struct fold *f, struct fold_customer *c, struct fold_grant *g) {
  if (planted != NO_REPAYMENT && !(planted == OWED_BESIDE && reversing)) __real_burn_repay(f, c, g);
}

static struct fold_grant *bought(struct fold *f, struct fold_customer *c, const struct ledger_op *op) {
  struct uuid id = fold_origin_find(f, c, op->grant.origin);
  return uuid_is_nil(id) ? NULL : fold_grant_find(c, id);
}

INSTEAD(void, fold_reverse, struct fold *f, struct fold_customer *c, struct ledger_op *op) {
  const struct ledger_op asked = *op;
  const struct fold_grant *g = bought(f, c, op);
  amount owed = c->debt;
  if (g && planted == AS_DIFFERENCE) {
    op->reverse.refunded = op->reverse.refunded > AMOUNT_MAX - g->refunded ? AMOUNT_MAX : op->reverse.refunded + g->refunded;
    op->reverse.frozen = op->reverse.frozen > AMOUNT_MAX - g->frozen ? AMOUNT_MAX : op->reverse.frozen + g->frozen;
  }
  reversing = true;
  __real_fold_reverse(f, c, op);
  reversing = false;
  op->reverse = asked.reverse;
  if (planted != NOT_OWED || c->debt <= owed) return;
  c->balance += c->debt - owed;
  c->debt = owed;
}

INSTEAD(struct fold_grant *, burn_return, struct fold *f, struct fold_customer *c, struct fold_grant *g, amount back) {
  bool over = g->expires_at && g->expires_at <= f->now;
  struct uuid old = g->id;
  if (over && planted == NOT_RENEWED) {
    g->left += back;
    g->dirty = c->dirty = true;
    burn_repay(f, c, g);
    return g;
  }
  g = __real_burn_return(f, c, g, back);
  for (size_t i = 0; over && planted == RENEWED_EXPIRES && i < f->transfers.count; i++)
    if (f->transfers.at[i].kind == TRANSFER_RENEW && uuid_eq(f->legs.at[f->transfers.at[i].first_leg].grant, old)) {
      f->transfers.at[i].kind = TRANSFER_EXPIRE;
      fold_grant_find(c, old)->consumed -= back;
      fold_grant_find(c, old)->expired += back;
    }
  return g;
}

// As if what was recalled had never been taken back: it goes to the grant, out of what was refunded of it.
INSTEAD(void, burn_reverse, struct fold *f, struct fold_customer *c, const struct fold_ended *rows, size_t count, amount back) {
  struct fold_ended another;
  bool astray = count == 1 && usage_repaid(c, rows, back, &another);
  for (size_t i = 0; i < c->grant_count && planted == TO_RECALLED; i++) c->grants[i].consumed += c->grants[i].refunded;
  __real_burn_reverse(f, c, astray ? &another : rows, count, back);
  for (size_t i = 0; i < c->grant_count && planted == TO_RECALLED; i++) {
    struct fold_grant *g = &c->grants[i];
    amount kept = g->consumed < g->refunded ? g->consumed : g->refunded;
    g->consumed -= kept;
    g->refunded = kept;
  }
}

INSTEAD(void, fold_tell, struct fold *f, struct fold_customer *c, size_t first_call, size_t first_transfer) {
  for (size_t i = 0; i < c->bucket_count && planted == TOLD_AGAIN; i++) c->buckets[i].used_before = 0;
  __real_fold_tell(f, c, first_call, first_transfer);
}

INSTEAD(int, once_ask, const struct fold *f, struct ledger_op *op) {
  bool derived = op->idempotency_key.len > 0 && op->idempotency_key.ptr[0] == LEDGER_DERIVED;
  if (planted == TWO_OF_ORIGIN) origin_hide(f, op);
  return derived && planted == RETRY_CHARGED ? LEDGER_DONE : __real_once_ask(f, op);
}

INSTEAD(void, once_keep, struct fold *f, const struct ledger_op *op) {
  origin_show();
  struct ledger_op kept = *op;
  if (planted == PART_AS_HOLD) kept.part = op->id;
  if (planted != END_FORGOTTEN || op->kind != LEDGER_SETTLE) __real_once_keep(f, &kept);
}

INSTEAD(void, fold_call_add, struct fold *f, const struct fold_call *call) {
  struct fold_call copy = *call;
  if (planted == FORGETS_ABOUT) copy.admission = (struct str){0};
  if (planted == NOT_LATE && copy.state == CALL_SETTLED) copy.flags &= ~(unsigned)CALL_LATE;
  __real_fold_call_add(f, &copy);
}

INSTEAD(void, fold_transfer_add, struct fold *f, struct uuid customer, enum transfer_kind kind, const struct fold_leg *legs, size_t count,
        const char *reason) {
  __real_fold_transfer_add(f, customer, kind, legs, count, reason);
  struct fold_transfer *t = &f->transfers.at[f->transfers.count - 1];
  if (planted == LEGS_ASTRAY && t->first_leg > 0) t->first_leg--;
  if (planted == LOST_TWICE && kind == TRANSFER_LOSE) fold_customer_find(f, customer)->balance -= t->amount;
}

INSTEAD(void, once_release, struct fold *f, const struct fold_hold *h) {
  if (planted != KEY_KEPT) __real_once_release(f, h);
}
