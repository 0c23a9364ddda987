// The ledger's first trip: locks, and what is read behind them.
#include "sql.h"
#include "base/log.h"
#include <stdlib.h>

static int uuid_order(const void *a, const void *b) {
  return uuid_cmp(*(const struct uuid *)a, *(const struct uuid *)b);
}

// The ids of an array, sorted, each once.
static size_t ids(const struct db_params *p, int n, struct uuid **ret) {
  struct walk w = walk_begin(p, n);
  size_t count = w.left, kept = 0;
  *ret = mem_alloc((count + 1) * sizeof **ret);
  for (size_t i = 0; i < count; i++) (*ret)[i] = walk_uuid(&w);
  qsort(*ret, count, sizeof **ret, uuid_order);
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || !uuid_eq((*ret)[kept - 1], (*ret)[i])) (*ret)[kept++] = (*ret)[i];
  return kept;
}

static void result_mark(struct db_result *r, int64_t v) {
  if (v >= 0) result_i64(r, v);
  else result_null(r);
}

static bool customers(struct backend *b, const struct db_params *p, struct db_result **ret) {
  CLEANUP(mem_freep) struct uuid *list = NULL;
  size_t count = ids(p, 1, &list);
  struct db_result *r = *ret = result_create(15);
  for (size_t i = 0; i < count; i++) {
    struct row_customer *c = store_customer(list[i]);
    if (!c) continue;
    if (!backend_lock(b, &c->lock)) return false;
    result_uuid(r, c->id);
    result_i64(r, c->config_version);
    result_i64(r, c->balance);
    result_i64(r, c->held);
    result_i64(r, c->debt);
    result_i64(r, c->credit_limit);
    result_i64(r, c->status == 2);
    result_mark(r, c->low_balance);
    result_mark(r, c->top_up_at);
    result_i64(r, c->top_up_due);
    result_i64(r, c->event_policy == 2);
    result_i64(r, c->open_holds);
    if (c->burning_known) result_uuid(r, c->burning);
    else result_null(r);
    result_i64(r, c->burning_left);
    result_i64(r, c->burned);
  }
  return true;
}

// SKIP LOCKED
static bool lockable(struct backend *b, const struct db_params *p, struct db_result **ret) {
  CLEANUP(mem_freep) struct uuid *list = NULL;
  size_t count = ids(p, 1, &list);
  *ret = result_create(1);
  for (size_t i = 0; i < count; i++) {
    const struct row_customer *c = store_customer(list[i]);
    if (c && (!c->lock.owner || c->lock.owner == b)) result_uuid(*ret, c->id);
  }
  return true;
}

struct pair {
  struct uuid customer, call;
};

static int pair_order(const void *a, const void *b) {
  const struct pair *x = a, *y = b;
  int by_customer = uuid_cmp(x->customer, y->customer);
  return by_customer ? by_customer : uuid_cmp(x->call, y->call);
}

static size_t pairs(const struct db_params *p, struct pair **ret) {
  struct walk c = walk_begin(p, 1), k = walk_begin(p, 2);
  size_t count = c.left;
  *ret = mem_alloc((count + 1) * sizeof **ret);
  for (size_t i = 0; i < count; i++) (*ret)[i] = (struct pair){walk_uuid(&c), walk_uuid(&k)};
  qsort(*ret, count, sizeof **ret, pair_order);
  return count;
}

static void hold_row(struct db_result *r, struct uuid customer, const struct row_hold *h) {
  result_uuid(r, customer);
  result_uuid(r, h->call);
  result_uuid(r, h->key);
  result_uuid(r, h->price);
  result_i64(r, h->writer);
  result_i64(r, h->epoch);
  result_i64(r, h->amount);
  result_i64(r, h->metered);
  result_i64(r, h->cost);
  result_text(r, h->usage);
  result_text(r, h->draws);
  result_text(r, h->once);
  result_text(r, h->about);
  if (h->expires_at) result_i64(r, h->expires_at);
  else result_null(r);
  result_i64(r, h->parted);
}

// A pair that was asked for twice comes twice, as a join gives it.
static bool holds(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b;
  CLEANUP(mem_freep) struct pair *list = NULL;
  size_t count = pairs(p, &list);
  *ret = result_create(15);
  for (size_t i = 0; i < count; i++) {
    struct row_customer *c = store_customer(list[i].customer);
    const struct row_hold *h = c ? store_hold(c, list[i].call) : NULL;
    if (h) hold_row(*ret, c->id, h);
  }
  return true;
}

// In no order that the ledger may count on: the last one first.
static void grants_of(struct row_customer *c, bool all, struct db_result *r) {
  for (size_t i = c->grants.count; i > 0; i--) {
    const struct row_grant *g = &c->grants.at[i - 1];
    if (!all && g->left == 0) continue;
    result_uuid(r, c->id);
    result_uuid(r, g->id);
    result_i64(r, g->source);
    result_i64(r, g->priority);
    if (g->expires_at) result_i64(r, g->expires_at);
    else result_null(r);
    result_i64(r, g->granted);
    result_i64(r, g->left);
    result_i64(r, g->consumed);
    result_i64(r, g->expired);
    result_i64(r, g->refunded);
    result_i64(r, g->frozen);
  }
}

static bool grants(const struct db_params *p, bool all, struct db_result **ret) {
  CLEANUP(mem_freep) struct uuid *list = NULL;
  size_t count = ids(p, 1, &list);
  *ret = result_create(11);
  for (size_t i = 0; i < count; i++) {
    struct row_customer *c = store_customer(list[i]);
    if (c) grants_of(c, all, *ret);
  }
  return true;
}

// An origin that was asked for twice comes twice, as a join gives it.
static bool origins(struct backend *b, const struct db_params *p, struct db_result **ret) {
  struct walk ofs = walk_begin(p, 1), texts = walk_begin(p, 2);
  *ret = result_create(3);
  while (walk_more(&ofs)) {
    const struct row_customer *c = store_customer(walk_uuid(&ofs));
    struct str origin = walk_bytes(&texts);
    if (text_is_poison(origin)) return backend_fail(b, "22021");
    for (size_t i = 0; c && i < c->grants.count; i++) {
      const struct row_grant *g = &c->grants.at[i];
      if (g->origin.len == 0 || !str_eq(g->origin, origin)) continue;
      result_uuid(*ret, c->id);
      result_uuid(*ret, g->id);
      result_text(*ret, g->origin);
    }
  }
  return true;
}

// ---- buckets, with the window that the transaction's beginning falls in

#define DAY_US INT64_C(86400000000)

static int64_t day_of(int64_t us) {
  return us >= 0 ? us / DAY_US : (us + 1) / DAY_US - 1;
}

// The civil calendar by counting: the first day of the month that the day is in, and of the one after.
static void month_of(int64_t day, int64_t *ret_first, int64_t *ret_next) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t at = 0;
  for (int year = 1970, month = 0;; month++) {
    if (month == 12) month = 0, year++;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t next = at + lengths[month] + (month == 1 && leap);
    if (day < next) {
      *ret_first = at;
      *ret_next = next;
      return;
    }
    at = next;
  }
}

static void window(const struct row_customer *c, const struct row_limit *l, int64_t now, int64_t *start, int64_t *end) {
  *start = l->window_start;
  *end = l->window_end;
  if (l->period == 1 || l->period == 4 || l->window_end > now) return;
  int64_t first = day_of(now + c->zone_offset), next = first + 1;
  if (l->period == 3) month_of(first, &first, &next);
  *start = first * DAY_US - c->zone_offset;
  *end = next * DAY_US - c->zone_offset;
}

static int limit_order(const void *a, const void *b) {
  return uuid_cmp((*(struct row_limit *const *)a)->id, (*(struct row_limit *const *)b)->id);
}

static void buckets_of(struct row_customer *c, int64_t now, struct db_result *r) {
  CLEANUP(mem_freep) struct row_limit **list = mem_alloc((c->limits.count + 1) * sizeof *list);
  for (size_t i = 0; i < c->limits.count; i++) list[i] = &c->limits.at[i];
  qsort(list, c->limits.count, sizeof *list, limit_order);
  for (size_t i = 0; i < c->limits.count; i++) {
    const struct row_limit *l = list[i];
    int64_t start, end;
    window(c, l, now, &start, &end);
    result_uuid(r, c->id);
    result_uuid(r, l->id);
    result_i64(r, l->measure);
    result_i64(r, l->period);
    result_i64(r, l->amount);
    result_i64(r, l->level);
    result_i64(r, l->drawn_at);
    result_i64(r, l->window_start);
    result_i64(r, l->window_end);
    result_i64(r, l->used);
    result_i64(r, l->held);
    result_i64(r, start);
    result_i64(r, end);
    if (uuid_is_nil(l->key)) result_null(r);
    else result_uuid(r, l->key);
  }
}

static bool buckets(struct backend *b, const struct db_params *p, struct db_result **ret) {
  CLEANUP(mem_freep) struct uuid *list = NULL;
  size_t count = ids(p, 1, &list);
  *ret = result_create(14);
  for (size_t i = 0; i < count; i++) {
    struct row_customer *c = store_customer(list[i]);
    if (c) buckets_of(c, b->begun_at, *ret);
  }
  return true;
}

// ---- repeated requests

static bool onces(struct backend *b, const struct db_params *p, struct db_result **ret) {
  struct walk ofs = walk_begin(p, 1), keys = walk_begin(p, 2);
  *ret = result_create(5);
  while (walk_more(&ofs)) {
    const struct row_customer *c = store_customer(walk_uuid(&ofs));
    struct str key = walk_bytes(&keys);
    if (text_is_poison(key)) return backend_fail(b, "22021");
    for (size_t i = 0; c && i < c->onces.count; i++) {
      const struct row_once *o = &c->onces.at[i];
      if (!str_eq(o->key, key)) continue;
      result_uuid(*ret, c->id);
      result_text(*ret, o->key);
      result_text(*ret, store_text((struct str){(const char *)o->fingerprint, 32}));
      result_uuid(*ret, o->object);
      result_i64(*ret, o->created_at);
    }
  }
  return true;
}

static bool twins(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b;
  struct walk ofs = walk_begin(p, 1), keys = walk_begin(p, 2);
  *ret = result_create(3);
  while (walk_more(&ofs)) {
    const struct row_customer *c = store_customer(walk_uuid(&ofs));
    struct str key = walk_bytes(&keys);
    for (size_t i = 0; c && i < c->holds.count; i++) {
      if (!str_eq(c->holds.at[i]->once, key)) continue;
      result_uuid(*ret, c->id);
      result_text(*ret, c->holds.at[i]->once);
      result_uuid(*ret, c->holds.at[i]->call);
    }
  }
  return true;
}

// ---- calls that have ended

static const struct row_transfer *paid_by(const struct row_customer *c, const struct row_call *call) {
  for (size_t i = c->transfers.count; i-- > 0;) {
    const struct row_transfer *t = &c->transfers.at[i];
    if (t->writer == call->writer && t->seq == call->seq && t->ordinal == 0) return t;
  }
  return NULL;
}

static void ended_row(struct db_result *r, const struct row_customer *c, const struct row_call *call) {
  const struct row_transfer *t = paid_by(c, call);
  result_uuid(r, c->id);
  result_uuid(r, call->id);
  result_uuid(r, call->key);
  result_uuid(r, call->price);
  result_i64(r, call->revision);
  result_i64(r, call->state);
  result_i64(r, call->flags);
  result_i64(r, call->charge);
  result_i64(r, call->cost);
  result_i64(r, call->place);
  result_text(r, call->usage);
  for (int i = 0; i < 2; i++) {
    if (t) result_array(r, t->legs[i], t->leg_count);
    else result_null(r);
  }
}

// Revisions were appended in their order.
static bool ended(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b;
  CLEANUP(mem_freep) struct pair *list = NULL;
  size_t count = pairs(p, &list);
  *ret = result_create(13);
  for (size_t i = 0; i < count; i++) {
    const struct row_customer *c = store_customer(list[i].customer);
    if (!c || (i > 0 && pair_order(&list[i], &list[i - 1]) == 0)) continue;
    for (size_t k = 0; k < c->calls.count; k++)
      if (uuid_eq(c->calls.at[k].id, list[i].call)) ended_row(*ret, c, &c->calls.at[k]);
  }
  return true;
}

// Calls are kept for ever here.
static bool closed(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b, (void)p;
  *ret = result_create(1);
  result_uuid(*ret, UUID_NIL);
  return true;
}

static bool grants_open(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b;
  return grants(p, false, ret);
}

static bool grants_all(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)b;
  return grants(p, true, ret);
}

const struct sql_statement sql_reads[] = {
    {STATEMENT_LEDGER_CUSTOMERS, customers},
    {STATEMENT_LEDGER_LOCKABLE, lockable},
    {STATEMENT_LEDGER_HOLDS, holds},
    {STATEMENT_LEDGER_GRANTS, grants_open},
    {STATEMENT_LEDGER_GRANTS_ALL, grants_all},
    {STATEMENT_LEDGER_ORIGINS, origins},
    {STATEMENT_LEDGER_BUCKETS, buckets},
    {STATEMENT_LEDGER_IDEMPOTENCY, onces},
    {STATEMENT_LEDGER_TWINS, twins},
    {STATEMENT_LEDGER_CLOSED, closed},
    {STATEMENT_LEDGER_ENDED, ended},
    {0},
};
