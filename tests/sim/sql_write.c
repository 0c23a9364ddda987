// The ledger's second trip: arrays of rows. A row that would break the schema's constraints is a finding: they are the second of
// the pair, and the ledger lives by the first.
#include "base/log.h"
#include "check.h"
#include "sql.h"
#include <stdio.h>

static void constraint(bool holds, const char *name) {
  if (!holds) check_fail("a constraint fires: %s", name);
}

static bool refused(struct backend *b, struct str text) {
  if (!text_is_poison(text)) return false;
  (void)backend_fail(b, "22P02");
  return true;
}

static bool write_customers(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk id = walk_begin(p, 1), balance = walk_begin(p, 2), held = walk_begin(p, 3), debt = walk_begin(p, 4),
              due = walk_begin(p, 5), open = walk_begin(p, 6), burning = walk_begin(p, 7), left = walk_begin(p, 8), burned = walk_begin(p, 9);
  while (walk_more(&id)) {
    struct row_customer *c = store_customer(walk_uuid(&id));
    ASSERT(c);
    if (!backend_lock(b, &c->lock)) return false;
    struct change *w = backend_change(b, CHANGE_BALANCE, c);
    w->money.balance = walk_i64(&balance);
    w->money.held = walk_i64(&held);
    w->money.debt = walk_i64(&debt);
    w->money.top_up_due = walk_i64(&due) != 0;
    w->money.open_holds = walk_i64(&open);
    struct str burns = walk_bytes(&burning);
    w->money.burning_known = burns.ptr != NULL;
    if (burns.ptr) memcpy(w->money.burning.b, burns.ptr, sizeof w->money.burning.b);
    w->money.burning_left = walk_i64(&left);
    w->money.burned = walk_i64(&burned);
    constraint(w->money.burning_left >= 0 && w->money.burned >= 0 && (w->money.burned == 0 || (w->money.burning_known && w->money.burning_left > 0)), "what burns, and what it has burned");
    constraint(w->money.open_holds >= 0, "how many explicit holds are open");
    constraint(w->money.held >= 0 && w->money.debt >= 0, "a customer's held and debt");
  }
  return true;
}

static bool write_buckets(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), id = walk_begin(p, 2), level = walk_begin(p, 3), drawn = walk_begin(p, 4),
              start = walk_begin(p, 5), end = walk_begin(p, 6), used = walk_begin(p, 7), held = walk_begin(p, 8);
  while (walk_more(&of)) {
    struct change *w = backend_change(b, CHANGE_BUCKET, store_customer(walk_uuid(&of)));
    w->limit = (struct row_limit){.id = walk_uuid(&id), .level = walk_i64(&level), .drawn_at = walk_i64(&drawn),
                                  .window_start = walk_i64(&start), .window_end = walk_i64(&end),
                                  .used = walk_i64(&used), .held = walk_i64(&held)};
    constraint(w->limit.level >= 0 && w->limit.used >= 0 && w->limit.held >= 0, "a bucket's level, used and held");
  }
  return true;
}

static bool is_new_hold(const struct backend *b, struct row_customer *c, struct uuid call) {
  for (size_t i = 0; i < b->changes.count; i++) {
    const struct change *w = &b->changes.at[i];
    if (w->kind == CHANGE_HOLD_NEW && w->customer == c && uuid_eq(w->hold.call, call)) return false;
  }
  return store_hold(c, call) == NULL;
}

static bool insert_holds(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 3), call = walk_begin(p, 4), key = walk_begin(p, 5), price = walk_begin(p, 6),
              held = walk_begin(p, 7), metered = walk_begin(p, 8), cost = walk_begin(p, 9), usage = walk_begin(p, 10),
              draws = walk_begin(p, 11), about = walk_begin(p, 12), once = walk_begin(p, 13),
              expires = walk_begin(p, 14);
  while (walk_more(&of)) {
    struct row_customer *c = store_customer(walk_uuid(&of));
    struct row_hold h = {.call = walk_uuid(&call), .key = walk_uuid(&key), .price = walk_uuid(&price),
                         .writer = (int32_t)arg_i64(p, 1), .epoch = arg_i64(p, 2), .amount = walk_i64(&held),
                         .metered = walk_i64(&metered), .cost = walk_i64(&cost), .usage = store_text(walk_bytes(&usage)),
                         .draws = store_text(walk_bytes(&draws)), .about = store_text(walk_bytes(&about)),
                         .once = store_text(walk_bytes(&once)), .expires_at = walk_time(&expires)};
    if (h.expires_at) h.writer = 0;
    if (refused(b, h.about) || refused(b, h.usage) || refused(b, h.once)) return false;
    constraint(is_new_hold(b, c, h.call), "one hold a call");
    constraint(h.amount >= 0 && h.metered >= 0 && h.cost >= 0, "a hold's amounts");
    backend_change(b, CHANGE_HOLD_NEW, c)->hold = h;
  }
  return true;
}

// A row that another transaction has is waited for, and is gone then, maybe.
static bool hold_lock(struct backend *b, struct row_customer *c, struct uuid call, struct row_hold **ret) {
  *ret = store_hold(c, call);
  if (!*ret) return true;
  if (!backend_lock(b, &(*ret)->lock)) return false;
  *ret = store_hold(c, call);
  return true;
}

// Each extension is noted beside what the hold is about.
static struct str about_extended(const struct row_hold *h, int64_t to) {
  char text[512];
  int len = snprintf(text, sizeof text, "%.*s+%lld", STR_ARG(h->about), (long long)to);
  ASSERT(len > 0);
  return store_text((struct str){text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1});
}

static bool update_holds(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 3), call = walk_begin(p, 4), held = walk_begin(p, 5), metered = walk_begin(p, 6),
              cost = walk_begin(p, 7), usage = walk_begin(p, 8), draws = walk_begin(p, 9), expires = walk_begin(p, 10),
              parted = walk_begin(p, 11);
  while (walk_more(&of)) {
    struct row_customer *c = store_customer(walk_uuid(&of));
    struct row_hold *there = NULL, h = {.call = walk_uuid(&call), .writer = (int32_t)arg_i64(p, 1), .epoch = arg_i64(p, 2),
                                        .amount = walk_i64(&held), .metered = walk_i64(&metered), .cost = walk_i64(&cost),
                                        .usage = store_text(walk_bytes(&usage)), .draws = store_text(walk_bytes(&draws)),
                                        .expires_at = walk_time(&expires), .parted = walk_i64(&parted) != 0};
    if (refused(b, h.usage)) return false;
    constraint(h.amount >= 0 && h.metered >= 0 && h.cost >= 0, "a hold's amounts");
    if (!hold_lock(b, c, h.call, &there)) return false;
    if (!there) return backend_fail(b, "22012");
    if (there->expires_at) h.writer = 0;
    h.about = h.amount > there->amount ? about_extended(there, h.amount) : there->about;
    backend_change(b, CHANGE_HOLD, c)->hold = h;
  }
  return true;
}

static void grant_checked(const struct row_grant *g) {
  constraint(g->granted > 0 && g->left >= 0 && g->consumed >= 0 && g->expired >= 0 && g->refunded >= 0 && g->frozen >= 0, "a grant's amounts");
  constraint(g->granted == (amount_wide)g->left + g->consumed + g->expired + g->refunded + g->frozen,
             "granted = left + consumed + expired + refunded + frozen");
}

static bool write_grants(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), id = walk_begin(p, 2), left = walk_begin(p, 3), consumed = walk_begin(p, 4), expired = walk_begin(p, 5),
              refunded = walk_begin(p, 6), frozen = walk_begin(p, 7);
  while (walk_more(&of)) {
    struct row_customer *c = store_customer(walk_uuid(&of));
    struct row_grant g = {.id = walk_uuid(&id), .left = walk_i64(&left), .consumed = walk_i64(&consumed), .expired = walk_i64(&expired),
                          .refunded = walk_i64(&refunded), .frozen = walk_i64(&frozen)};
    const struct row_grant *there = store_grant(c, g.id);
    if (!there) continue;
    g.granted = there->granted;
    grant_checked(&g);
    backend_change(b, CHANGE_GRANT, c)->grant = g;
  }
  return true;
}

// Unique: a customer's grants by their ids, and by their origins where they have one.
static bool is_new_grant(const struct backend *b, const struct row_customer *c, const struct row_grant *g) {
  for (size_t i = 0; i < c->grants.count; i++)
    if (uuid_eq(c->grants.at[i].id, g->id) || (g->origin.len && str_eq(c->grants.at[i].origin, g->origin))) return false;
  for (size_t i = 0; i < b->changes.count; i++) {
    const struct change *w = &b->changes.at[i];
    if (w->kind != CHANGE_GRANT_NEW || w->customer != c) continue;
    if (uuid_eq(w->grant.id, g->id) || (g->origin.len && str_eq(w->grant.origin, g->origin))) return false;
  }
  return true;
}

static bool insert_grants(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), id = walk_begin(p, 2), source = walk_begin(p, 3), priority = walk_begin(p, 4),
              expires = walk_begin(p, 5), granted = walk_begin(p, 6), left = walk_begin(p, 7), consumed = walk_begin(p, 8),
              expired = walk_begin(p, 9), refunded = walk_begin(p, 10), frozen = walk_begin(p, 11), reason = walk_begin(p, 12),
              origin = walk_begin(p, 13), paid = walk_begin(p, 14), currency = walk_begin(p, 15);
  while (walk_more(&of)) {
    struct row_customer *c = store_customer(walk_uuid(&of));
    struct row_grant g = {.id = walk_uuid(&id), .source = (int)walk_i64(&source), .priority = (int)walk_i64(&priority)};
    g.expires_at = walk_time(&expires);
    g.granted = walk_i64(&granted);
    g.left = walk_i64(&left);
    g.consumed = walk_i64(&consumed);
    g.expired = walk_i64(&expired);
    g.refunded = walk_i64(&refunded);
    g.frozen = walk_i64(&frozen);
    g.origin = store_text(walk_bytes(&origin));
    g.paid = walk_i64_or(&paid, -1);
    g.currency = store_text(walk_bytes(&currency));
    if (refused(b, walk_bytes(&reason)) || refused(b, g.origin) || refused(b, g.currency)) return false;
    constraint(is_new_grant(b, c, &g), "one grant of an id, and of an origin");
    constraint((g.paid < 0) == (g.currency.len == 0), "what was paid, and in what");
    grant_checked(&g);
    backend_change(b, CHANGE_GRANT_NEW, c)->grant = g;
  }
  return true;
}

static bool insert_calls(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 3), id = walk_begin(p, 4), key = walk_begin(p, 5), price = walk_begin(p, 6),
              charge = walk_begin(p, 7), cost = walk_begin(p, 8), place = walk_begin(p, 9), revision = walk_begin(p, 10),
              state = walk_begin(p, 11), flags = walk_begin(p, 12), usage = walk_begin(p, 13);
  while (walk_more(&of)) {
    struct row_customer *c = store_customer(walk_uuid(&of));
    struct row_call call = {.id = walk_uuid(&id), .key = walk_uuid(&key), .price = walk_uuid(&price),
                            .charge = walk_i64(&charge), .cost = walk_i64(&cost), .place = walk_i64(&place),
                            .seq = arg_i64(p, 2), .writer = (int32_t)arg_i64(p, 1), .revision = (int)walk_i64(&revision),
                            .state = (int)walk_i64(&state), .flags = (unsigned)walk_i64(&flags), .usage = store_text(walk_bytes(&usage))};
    if (refused(b, call.usage)) return false;
    for (size_t i = 0; i < c->calls.count; i++)
      constraint(!uuid_eq(c->calls.at[i].id, call.id) || c->calls.at[i].revision != call.revision, "one row of a call's revision");
    constraint(call.state >= 2 && call.state <= 6, "a call's state");
    backend_change(b, CHANGE_CALL, c)->call = call;
  }
  return true;
}

static bool delete_holds(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), call = walk_begin(p, 2);
  while (walk_more(&of)) {
    struct row_customer *c = store_customer(walk_uuid(&of));
    struct uuid id = walk_uuid(&call);
    struct row_hold *there = NULL;
    if (!hold_lock(b, c, id, &there)) return false;
    if (!there) return backend_fail(b, "22012");
    backend_change(b, CHANGE_HOLD_GONE, c)->hold = (struct row_hold){.call = id, .about = there->about};
  }
  return true;
}

static bool insert_evidence(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), call = walk_begin(p, 2), revision = walk_begin(p, 3), evidence = walk_begin(p, 4), admission = walk_begin(p, 5);
  while (walk_more(&of)) {
    struct change *w = backend_change(b, CHANGE_EVIDENCE, store_customer(walk_uuid(&of)));
    w->call.id = walk_uuid(&call);
    w->call.revision = (int)walk_i64(&revision);
    if (refused(b, walk_bytes(&evidence))) return false;
    struct str about = walk_bytes(&admission);
    if (about.ptr) w->call.admission = store_text(about);
  }
  return true;
}

// ---- transfers: their legs stand in two arrays, of which each has a piece

static size_t legs(const struct db_params *p, int n, struct str **ret) {
  struct walk w = walk_begin(p, n);
  size_t count = w.left;
  *ret = mem_alloc((count + 1) * sizeof **ret);
  for (size_t i = 0; i < count; i++) (*ret)[i] = store_text(walk_bytes(&w));
  return count;
}

// [first:last], from 1; what lies outside is left out.
static size_t slice(struct str *all, size_t count, int64_t first, int64_t last, struct str **ret) {
  if (first < 1) first = 1;
  if (last > (int64_t)count) last = (int64_t)count;
  *ret = first <= last ? &all[first - 1] : NULL;
  return first <= last ? (size_t)(last - first) + 1 : 0;
}

static bool is_new_transfer(const struct backend *b, const struct change *w) {
  for (const struct change *c = b->changes.at; c < w; c++)
    if (c->kind == CHANGE_TRANSFER && c->customer == w->customer && c->transfer.ordinal == w->transfer.ordinal) return false;
  return true;
}

static bool insert_transfers(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct str *grants, *amounts;
  size_t grant_count = legs(p, 3, &grants), amount_count = legs(p, 4, &amounts);
  struct walk of = walk_begin(p, 5), ordinal = walk_begin(p, 6), kind = walk_begin(p, 7), moved = walk_begin(p, 8),
              first = walk_begin(p, 9), last = walk_begin(p, 10), balance = walk_begin(p, 12);
  while (walk_more(&of)) {
    struct change *w = backend_change(b, CHANGE_TRANSFER, store_customer(walk_uuid(&of)));
    struct row_transfer *t = &w->transfer;
    *t = (struct row_transfer){.writer = (int32_t)arg_i64(p, 1), .seq = arg_i64(p, 2), .ordinal = (int)walk_i64(&ordinal),
                               .kind = (int)walk_i64(&kind), .amount = walk_i64(&moved), .balance = walk_i64(&balance)};
    int64_t from = walk_i64(&first), to = walk_i64(&last);
    t->leg_count = slice(grants, grant_count, from, to, &t->legs[0]);
    constraint(is_new_transfer(b, w), "one transfer of an ordinal");
    constraint(slice(amounts, amount_count, from, to, &t->legs[1]) == t->leg_count && t->amount >= 0, "a transfer's legs");
  }
  return true;
}

// ---- repeated requests

static bool delete_onces(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), key = walk_begin(p, 2), object = walk_begin(p, 3);
  while (walk_more(&of)) {
    struct change *w = backend_change(b, CHANGE_ONCE_GONE, store_customer(walk_uuid(&of)));
    w->once = (struct row_once){.key = store_text(walk_bytes(&key)), .object = walk_uuid(&object)};
  }
  return true;
}

// ON CONFLICT DO UPDATE takes each row once in a statement.
static bool comes_twice(const struct backend *b, const struct change *w) {
  for (const struct change *c = b->changes.at; c < w; c++)
    if (c->kind == CHANGE_ONCE && c->customer == w->customer && str_eq(c->once.key, w->once.key)) return true;
  return false;
}

static bool insert_onces(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk of = walk_begin(p, 1), key = walk_begin(p, 2), fingerprint = walk_begin(p, 3), object = walk_begin(p, 4);
  while (walk_more(&of)) {
    struct change *w = backend_change(b, CHANGE_ONCE, store_customer(walk_uuid(&of)));
    w->once = (struct row_once){.key = store_text(walk_bytes(&key)), .created_at = b->begun_at};
    memcpy(w->once.fingerprint, walk_bytes(&fingerprint).ptr, 32);
    w->once.object = walk_uuid(&object);
    if (refused(b, w->once.key)) return false;
    if (comes_twice(b, w)) return backend_fail(b, "21000");
  }
  return true;
}

// ---- what is told

static bool insert_events(struct backend *b, const struct db_params *p, struct db_result **ret) {
  (void)ret;
  struct walk id = walk_begin(p, 1), of = walk_begin(p, 2), type = walk_begin(p, 3), data = walk_begin(p, 4);
  while (walk_more(&id)) {
    struct uuid event = walk_uuid(&id);
    struct change *w = backend_change(b, CHANGE_EVENT, store_customer(walk_uuid(&of)));
    w->event.id = event;
    w->event.type = store_text(walk_bytes(&type));
    w->event.data = store_text(walk_bytes(&data));
    for (const struct change *c = b->changes.at; c < w; c++)
      constraint(c->kind != CHANGE_EVENT || !uuid_eq(c->event.id, event), "one event of an id");
  }
  return true;
}

const struct sql_statement sql_writes[] = {
    {STATEMENT_LEDGER_WRITE_CUSTOMERS, write_customers},
    {STATEMENT_LEDGER_WRITE_BUCKETS, write_buckets},
    {STATEMENT_LEDGER_INSERT_HOLDS, insert_holds},
    {STATEMENT_LEDGER_UPDATE_HOLDS, update_holds},
    {STATEMENT_LEDGER_WRITE_GRANTS, write_grants},
    {STATEMENT_LEDGER_INSERT_GRANTS, insert_grants},
    {STATEMENT_LEDGER_INSERT_CALLS, insert_calls},
    {STATEMENT_LEDGER_DELETE_HOLDS, delete_holds},
    {STATEMENT_LEDGER_INSERT_EVIDENCE, insert_evidence},
    {STATEMENT_LEDGER_INSERT_TRANSFERS, insert_transfers},
    {STATEMENT_LEDGER_DELETE_IDEMPOTENCY, delete_onces},
    {STATEMENT_LEDGER_INSERT_IDEMPOTENCY, insert_onces},
    {STATEMENT_LEDGER_INSERT_EVENTS, insert_events},
    {0},
};
