// Tables as arrays, found by walking them.
#include "store.h"
#include "base/log.h"
#include "fiber.h"
#include "process.h"

struct store store;

void store_begin(void) {
  store = (struct store){.clock = WALL_BEGINNING};
  store.started_at = store_clock() - INT64_C(3600000000);
}

int64_t store_clock(void) {
  return fiber_now() + store.clock;
}

struct row_customer *store_customer(struct uuid id) {
  for (size_t i = 0; i < store.customers.count; i++)
    if (uuid_eq(store.customers.at[i]->id, id)) return store.customers.at[i];
  return NULL;
}

struct row_writer *store_writer(int32_t id) {
  return id >= 1 && (size_t)id <= store.writers.count ? store.writers.at[id - 1] : NULL;
}

#define FIND(name, type, list, id_member, at_i)                                                                        \
  struct type *name(struct row_customer *c, struct uuid id) {                                                          \
    for (size_t i = 0; i < c->list.count; i++)                                                                         \
      if (uuid_eq((at_i)->id_member, id)) return (at_i);                                                               \
    return NULL;                                                                                                       \
  }
FIND(store_limit, row_limit, limits, id, &c->limits.at[i])
FIND(store_grant, row_grant, grants, id, &c->grants.at[i])
FIND(store_hold, row_hold, holds, call, c->holds.at[i])

struct row_grant store_grant_now(const struct row_customer *c, const struct row_grant *g) {
  struct row_grant now = *g;
  int64_t burned = c->burning_known && uuid_eq(c->burning, g->id) ? c->burned : 0;
  now.left -= burned;
  now.consumed += burned;
  return now;
}

struct row_key *store_key(struct uuid id) {
  for (size_t i = 0; i < store.keys.count; i++)
    if (uuid_eq(store.keys.at[i].id, id)) return &store.keys.at[i];
  return NULL;
}

struct str store_text(struct str s) {
  return s.len ? (struct str){mem_dup(s.ptr, s.len), s.len} : (struct str){"", 0};
}

// ---- applying

#define LIST_DROP(list, is_it)                                                                                         \
  for (size_t i = (list).count; i-- > 0;)                                                                              \
    if (is_it) (list).at[i] = (list).at[--(list).count]

static void writer_new(const struct change *c) {
  *vec_add(&store.writers) = mem_dup(&c->writer, sizeof c->writer);
}

static struct row_writer *writer_of(const struct change *c) {
  struct row_writer *w = store_writer(c->writer.id);
  ASSERT(w);
  return w;
}

static void writer_seq(const struct change *c) {
  struct row_writer *w = writer_of(c);
  ASSERT(w->epoch == c->writer.epoch && w->seq == c->writer.seq - 1);
  w->seq = c->writer.seq;
  w->lease_until = c->writer.lease_until;
}

static void writer_epoch(const struct change *c) {
  writer_of(c)->epoch++;
}

static void writer_lease(const struct change *c) {
  writer_of(c)->lease_until = c->writer.lease_until;
}

static void money(const struct change *c) {
  c->customer->balance = c->money.balance;
  c->customer->held = c->money.held;
  c->customer->debt = c->money.debt;
  c->customer->top_up_due = c->money.top_up_due;
  c->customer->open_holds = c->money.open_holds;
  c->customer->burning_known = c->money.burning_known;
  c->customer->burning = c->money.burning;
  c->customer->burning_left = c->money.burning_left;
  c->customer->burned = c->money.burned;
}

static void version(const struct change *c) {
  c->customer->config_version++;
}

static void status(const struct change *c) {
  if (c->status.members & 16) c->customer->status = c->status.status;
  if (c->status.members & 128) c->customer->credit_limit = c->status.credit_limit;
  if (c->status.members & 1024) c->customer->low_balance = c->status.low_balance ? c->status.low_balance : -1;
  if (c->status.members & 2048) c->customer->event_policy = c->status.event_policy;
}

static void top_up_mark(const struct change *c) {
  c->customer->top_up_at = c->money.top_up_at;
  c->customer->top_up_due = c->money.top_up_due;
}

static void top_up_enough(const struct change *c) {
  c->customer->top_up_due = false;
}

static void key_new(const struct change *c) {
  *vec_add(&store.keys) = c->key;
}

static void key_revoked(const struct change *c) {
  struct row_key *k = store_key(c->key.id);
  ASSERT(k);
  k->revoked_at = c->key.revoked_at;
}

static void limit_new(const struct change *c) {
  *vec_add(&c->customer->limits) = c->limit;
}

static void limit_amount(const struct change *c) {
  struct row_limit *l = store_limit(c->customer, c->limit.id);
  ASSERT(l);
  l->amount = c->limit.amount;
}

static void limit_gone(const struct change *c) {
  LIST_DROP(c->customer->limits, uuid_eq(c->customer->limits.at[i].id, c->limit.id));
}

static void bucket(const struct change *c) {
  struct row_limit *l = store_limit(c->customer, c->limit.id);
  ASSERT(l);
  l->level = c->limit.level;
  l->drawn_at = c->limit.drawn_at;
  l->window_start = c->limit.window_start;
  l->window_end = c->limit.window_end;
  l->used = c->limit.used;
  l->held = c->limit.held;
}

static void hold_new(const struct change *c) {
  *vec_add(&c->customer->holds) = mem_dup(&c->hold, sizeof c->hold);
}

static struct row_hold *hold_of(const struct change *c) {
  struct row_hold *h = store_hold(c->customer, c->hold.call);
  ASSERT(h);
  return h;
}

static void hold_writer(const struct change *c) {
  struct row_hold *h = hold_of(c);
  h->writer = c->hold.writer;
  h->epoch = c->hold.epoch;
}

static void hold(const struct change *c) {
  struct row_hold *h = hold_of(c);
  h->amount = c->hold.amount;
  h->metered = c->hold.metered;
  h->cost = c->hold.cost;
  h->usage = c->hold.usage;
  h->draws = c->hold.draws;
  h->about = c->hold.about;
  h->expires_at = c->hold.expires_at;
  h->parted = c->hold.parted;
  hold_writer(c);
}

static void hold_gone(const struct change *c) {
  (void)hold_of(c);
  LIST_DROP(c->customer->holds, uuid_eq(c->customer->holds.at[i]->call, c->hold.call));
}

static void grant_new(const struct change *c) {
  *vec_add(&c->customer->grants) = c->grant;
}

static void grant(const struct change *c) {
  struct row_grant *g = store_grant(c->customer, c->grant.id);
  ASSERT(g);
  g->left = c->grant.left;
  g->consumed = c->grant.consumed;
  g->expired = c->grant.expired;
  g->refunded = c->grant.refunded;
  g->frozen = c->grant.frozen;
}

uint64_t row_flags[16], row_states[8];

static void call(const struct change *c) {
  c->customer->charged += c->call.charge;
  row_states[c->call.state]++;
  for (unsigned bit = 0; bit < ARRAY_LEN(row_flags); bit++) row_flags[bit] += c->call.flags >> bit & 1;
  *vec_add(&c->customer->calls) = c->call;
}

static void evidence(const struct change *c) {
  struct row_customer *of = c->customer;
  for (size_t i = of->calls.count; i-- > 0;)
    if (uuid_eq(of->calls.at[i].id, c->call.id) && of->calls.at[i].revision == c->call.revision) of->calls.at[i].evidence = true;
}

struct row_kind row_kinds[ROW_KINDS] = {
    [1] = {.name = "consume", .balance = -1, .consumed = 1},
    [2] = {.name = "grant", .balance = 1},
    [3] = {.name = "repay", .consumed = 1},
    [4] = {.name = "expire", .balance = -1, .expired = 1},
    [5] = {.name = "reverse", .balance = 1, .consumed = -1},
    [6] = {.name = "recall", .consumed = -1},
    [7] = {.name = "refund", .balance = -1, .refunded = 1},
    [8] = {.name = "freeze", .balance = -1, .frozen = 1},
    [9] = {.name = "restore", .balance = 1, .refunded = -1},
    [10] = {.name = "thaw", .balance = 1, .frozen = -1},
    [11] = {.name = "lose", .refunded = 1, .frozen = -1},
    [12] = {.name = "contest", .refunded = -1, .frozen = 1},
    [13] = {.name = "unexpire", .balance = 1, .expired = -1},
    [14] = {.name = "renew", .balance = -1, .consumed = 1},
};

static void transfer(const struct change *c) {
  ASSERT(c->transfer.kind >= 1 && c->transfer.kind < ROW_KINDS);
  struct row_kind *kind = &row_kinds[c->transfer.kind];
  kind->count++;
  c->customer->effect += (amount_wide)kind->balance * c->transfer.amount;
  *vec_add(&c->customer->transfers) = c->transfer;
}

static void once(const struct change *c) {
  LIST_DROP(c->customer->onces, str_eq(c->customer->onces.at[i].key, c->once.key));
  *vec_add(&c->customer->onces) = c->once;
}

static void once_gone(const struct change *c) {
  struct row_customer *of = c->customer;
  LIST_DROP(of->onces, str_eq(of->onces.at[i].key, c->once.key) && uuid_eq(of->onces.at[i].object, c->once.object));
}

static void forget(const struct change *c) {
  LIST_DROP(c->customer->onces, c->customer->onces.at[i].created_at < c->before);
}

static void identity(const struct change *c) {
  *vec_add(&c->customer->identities) = c->identity;
}

static void part(const struct change *c) {
  *vec_add(&c->customer->parts) = c->part;
}

// Who sends it on takes it out again at once, for all that anybody here knows.
static void event(const struct change *c) {
  (void)c;
}

void change_apply(const struct change *c) {
  static void (*const apply[])(const struct change *) = {
      [CHANGE_WRITER_NEW] = writer_new, [CHANGE_WRITER_SEQ] = writer_seq, [CHANGE_WRITER_EPOCH] = writer_epoch,
      [CHANGE_WRITER_LEASE] = writer_lease, [CHANGE_BALANCE] = money, [CHANGE_VERSION] = version, [CHANGE_STATUS] = status,
      [CHANGE_TOP_UP_MARK] = top_up_mark, [CHANGE_TOP_UP_ENOUGH] = top_up_enough,
      [CHANGE_KEY_NEW] = key_new, [CHANGE_KEY_REVOKED] = key_revoked, [CHANGE_LIMIT_NEW] = limit_new,
      [CHANGE_LIMIT_AMOUNT] = limit_amount, [CHANGE_LIMIT_GONE] = limit_gone, [CHANGE_BUCKET] = bucket,
      [CHANGE_HOLD_NEW] = hold_new, [CHANGE_HOLD] = hold, [CHANGE_HOLD_WRITER] = hold_writer, [CHANGE_HOLD_GONE] = hold_gone,
      [CHANGE_GRANT_NEW] = grant_new, [CHANGE_GRANT] = grant, [CHANGE_CALL] = call, [CHANGE_EVIDENCE] = evidence,
      [CHANGE_TRANSFER] = transfer, [CHANGE_ONCE] = once, [CHANGE_ONCE_GONE] = once_gone, [CHANGE_FORGET] = forget,
      [CHANGE_EVENT] = event, [CHANGE_IDENTITY] = identity, [CHANGE_PART] = part};
  apply[c->kind](c);
}
