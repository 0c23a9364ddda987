// Looking at rows. Sums that grow with a world's age are carried along: rows of calls and transfers never change.
#include "books.h"
#include "check.h"
#include <stdlib.h>

#define OFTEN 64 // every so many commits everything is compared
static uint64_t commits;

void books_begin(void) {
  commits = 0;
}

static void sound(bool holds, const struct row_customer *c, const char *rule, wide there, wide expected) {
  if (holds) return;
  check_fail("customer %02x%02x: %s: the rows say %lld, it should be %lld", c->id.b[8], c->id.b[9], rule, (long long)there, (long long)expected);
}
#define SAME(c, rule, there, expected) sound((wide)(there) == (wide)(expected), (c), (rule), (wide)(there), (wide)(expected))

bool books_fenced(int32_t writer) {
  const struct row_writer *w = store_writer(writer);
  return w && w->epoch > 1;
}

// ---- against the reference

static struct model_grant *grant_of(struct model_customer *m, size_t at, struct uuid id) {
  bool in_place = at < (size_t)m->grant_count && uuid_eq(m->grants[at].id, id);
  return in_place ? &m->grants[at] : model_grant(m, id);
}

static void compare_grants(const struct row_customer *c, struct model_customer *m) {
  SAME(c, "number of grants", c->grants.count, m->grant_count);
  for (size_t i = 0; i < c->grants.count; i++) {
    const struct row_grant now = store_grant_now(c, &c->grants.at[i]), *g = &now;
    const struct model_grant *expected = grant_of(m, i, g->id);
    sound(expected != NULL, c, "a grant that nobody gave", (wide)i, -1);
    SAME(c, "a grant's source", g->source, expected->source);
    SAME(c, "a grant's priority", g->priority, expected->priority);
    SAME(c, "a grant's expiry", g->expires_at, expected->expires_at);
    SAME(c, "what a grant gave", g->granted, expected->granted);
    SAME(c, "what a grant has left", g->left, expected->left);
    SAME(c, "what a grant has paid", g->consumed, expected->consumed);
    SAME(c, "what of a grant has expired", g->expired, expected->expired);
    SAME(c, "what of a grant is refunded", g->refunded, expected->refunded);
    SAME(c, "what of a grant is frozen", g->frozen, expected->frozen);
    sound(str_eq(g->origin, expected->origin), c, "what a grant was given for", 0, 0);
    SAME(c, "what was paid for a grant", g->paid, expected->paid);
    sound(str_eq(g->currency, expected->currency), c, "in what a grant was paid", 0, 0);
  }
}

static int64_t big_endian(const char *at) {
  uint64_t v = 0;
  for (int i = 0; i < 8; i++) v = v << 8 | (unsigned char)at[i];
  return (int64_t)v;
}

static void compare_draws(const struct row_customer *c, const struct row_hold *h, const struct model_hold *expected) {
  SAME(c, "number of a hold's draws", h->draws.len / 32, expected->draw_count);
  for (int i = 0; i < expected->draw_count; i++) {
    const char *at = h->draws.ptr + 32 * i;
    sound(memcmp(at, expected->draws[i].limit.b, 16) == 0, c, "which bucket a hold drew from", i, i);
    SAME(c, "the window of a draw", big_endian(at + 16), expected->draws[i].window);
    SAME(c, "what a hold drew", big_endian(at + 24), expected->draws[i].amount);
  }
}

static void compare_holds(const struct row_customer *c, struct model_customer *m) {
  SAME(c, "number of holds", c->holds.count, m->hold_count);
  for (size_t i = 0; i < c->holds.count; i++) {
    const struct row_hold *h = c->holds.at[i];
    const struct model_hold *expected = model_hold(m, h->call);
    sound(expected != NULL, c, "a hold that nobody has", (wide)i, -1);
    SAME(c, "a hold", h->amount, expected->amount);
    SAME(c, "what a hold's usage costs", h->cost, expected->cost);
    SAME(c, "until when an explicit hold stands", h->expires_at, expected->expires_at);
    SAME(c, "whether a hold has parts", h->parted, expected->parted);
    sound(uuid_eq(h->price, expected->price), c, "a hold's price", 0, 0);
    SAME(c, "what a hold has metered", h->metered, expected->metered);
    SAME(c, "a hold's usage", model_usage(h->usage), expected->usage);
    SAME(c, "whose lease a hold lives by", h->writer, expected->writer);
    sound(str_eq(h->once, expected->once), c, "the key that a hold carries", 0, 0);
    compare_draws(c, h, expected);
  }
}

static void compare_limits(const struct row_customer *c, struct model_customer *m) {
  SAME(c, "number of limits", c->limits.count, m->limit_count);
  for (size_t i = 0; i < c->limits.count; i++) {
    const struct row_limit *l = &c->limits.at[i];
    const struct model_limit *expected = model_limit(m, l->id);
    sound(expected != NULL, c, "a limit that nobody set", (wide)i, -1);
    SAME(c, "a limit's amount", l->amount, expected->amount);
    SAME(c, "what is in a rate's bucket", l->level, expected->level);
    SAME(c, "when a rate was drawn from", l->drawn_at, expected->drawn_at);
    SAME(c, "where a window begins", l->window_start, expected->window_start);
    if (l->period != 4) SAME(c, "where a window ends", l->window_end, expected->window_end);
    SAME(c, "what of a budget was used", l->used, expected->used);
    SAME(c, "what of a budget is held", l->held, model_bucket_held(m, expected));
  }
}

static void compare_customer(const struct row_customer *c, struct model_customer *m) {
  SAME(c, "balance", c->balance, model_balance(m));
  SAME(c, "held", c->held, model_held(m));
  SAME(c, "debt", c->debt, m->debt);
  SAME(c, "number of open explicit holds", c->open_holds, model_open_holds(m));
  SAME(c, "credit limit", c->credit_limit, m->credit_limit);
  SAME(c, "config_version", c->config_version, m->version);
  SAME(c, "suspended", c->status == 2, m->suspended);
  SAME(c, "at what credits are bought", c->top_up_at, m->top_up_at);
  SAME(c, "whether credits are to be bought", c->top_up_due, m->top_up_due);
  SAME(c, "whether events are refused", c->event_policy == 2, m->refuses_events);
  SAME(c, "number of events", c->identities.count, m->event_count);
  SAME(c, "number of parts", c->parts.count, m->part_count);
  SAME(c, "number of known requests", c->onces.count, model_kept_count(m));
  compare_grants(c, m);
  compare_holds(c, m);
  compare_limits(c, m);
}

static void compare_once(const struct row_customer *c, const struct model_customer *m, const struct row_once *o) {
  for (int i = 0; i < m->kept_count; i++) {
    const struct model_kept *k = &m->kept[i];
    if (!str_eq(k->key, o->key) || k->gone_at != 0) continue;
    SAME(c, "when a request was kept", o->created_at, k->at);
    sound(uuid_eq(o->object, k->object), c, "what a known request made", 0, 0);
    return;
  }
  sound(false, c, "a request that nobody made", 0, 0);
}

// One of an identity, as it was taken.
static void compare_event(const struct row_customer *c, const struct model_customer *m, const struct row_identity *e) {
  const struct model_event *expected = model_event(m, e->identity);
  sound(expected != NULL, c, "an event that nobody sent", 0, 0);
  sound(uuid_eq(e->content, expected->content), c, "what an event said", 0, 0);
  sound(uuid_eq(e->call, expected->call), c, "the call that an event became", 0, 0);
}

static void compare_part(const struct row_customer *c, const struct model_customer *m, const struct row_part *p) {
  for (int i = 0; i < m->part_count; i++)
    if (uuid_eq(m->parts[i].hold, p->hold) && uuid_eq(m->parts[i].part, p->part)) return;
  sound(false, c, "a part that nobody charged", 0, 0);
}

// A call is what its rows add up to.
static void compare_call(const struct row_customer *c, struct model_customer *m, struct uuid id) {
  const struct model_call *expected = model_call(m, id);
  const struct row_call *last = NULL;
  wide charge = 0, cost = 0;
  int64_t usage = 0;
  for (size_t i = 0; i < c->calls.count; i++) {
    const struct row_call *row = &c->calls.at[i];
    if (!uuid_eq(row->id, id)) continue;
    SAME(c, "a call's revision", row->revision, last ? last->revision + 1 : 0);
    bool bare = expected && expected->bare && row->revision == 0;
    SAME(c, "whether a call has its evidence", row->evidence, !bare);
    charge += row->charge;
    cost += row->cost;
    usage += model_usage(row->usage);
    last = row;
  }
  sound(last && expected, c, "a call has ended", last != NULL, expected != NULL);
  SAME(c, "a call's charge", charge, expected->charge);
  SAME(c, "a call's cost", cost, expected->cost);
  sound(uuid_eq(last->price, expected->price), c, "a call's price", 0, 0);
  sound(uuid_eq(last->key, expected->key), c, "a call's key", 0, 0);
  SAME(c, "a call's usage", usage, expected->usage);
  SAME(c, "a call's state", last->state, expected->state);
  SAME(c, "a call's flags", last->flags, expected->flags);
  SAME(c, "a call's revisions", last->revision, expected->revision);
}

// ---- the rows alone: DESIGN, section 5

static bool burns_before(const struct row_grant *a, const struct row_grant *b) {
  int64_t of_a = a->expires_at ? a->expires_at : INT64_MAX, of_b = b->expires_at ? b->expires_at : INT64_MAX;
  if (a->priority != b->priority) return a->priority < b->priority;
  return of_a != of_b ? of_a < of_b : uuid_cmp(a->id, b->id) < 0;
}

// What a customer's row says that burns is what burns.
static void check_burning(const struct row_customer *c) {
  const struct row_grant *first = NULL;
  if (!c->burning_known) return;
  for (size_t i = 0; i < c->grants.count; i++)
    if (c->grants.at[i].left > 0 && (!first || burns_before(&c->grants.at[i], first))) first = &c->grants.at[i];
  sound(uuid_eq(c->burning, first ? first->id : UUID_NIL), c, "the grant that burns is the first that has anything left", first != NULL, 0);
  SAME(c, "what the grant that burns has left", c->burning_left, first ? first->left - c->burned : 0);
}

static void check_grants(const struct row_customer *c) {
  wide left = 0;
  check_burning(c);
  for (size_t i = 0; i < c->grants.count; i++) {
    const struct row_grant now = store_grant_now(c, &c->grants.at[i]), *g = &now;
    SAME(c, "granted = left + consumed + expired + refunded + frozen", g->granted, (wide)g->left + g->consumed + g->expired + g->refunded + g->frozen);
    SAME(c, "what a grant paid is what the legs say", g->consumed, g->leg_consumed);
    SAME(c, "what of a grant expired is what the legs say", g->expired, g->leg_expired);
    SAME(c, "what of a grant is refunded is what the legs say", g->refunded, g->leg_refunded);
    SAME(c, "what of a grant is frozen is what the legs say", g->frozen, g->leg_frozen);
    left += g->left;
  }
  SAME(c, "balance = what the grants have left - debt", c->balance, left - c->debt);
  SAME(c, "balance = the sum of the transfers", c->balance, c->effect);
  sound(c->debt == 0 || left == 0, c, "nobody owes while something is left", left, 0);
}

// Whatever way credits went, over which grants: a customer has what was given, less what the calls cost, what ran out and what
// was taken back.
static void check_given(const struct row_customer *c, const struct model_customer *m) {
  wide has = m->given - c->charged;
  for (size_t i = 0; i < c->grants.count; i++) {
    const struct row_grant *g = &c->grants.at[i];
    has -= (wide)g->expired + g->refunded + g->frozen;
  }
  SAME(c, "balance = given - charged - expired - refunded - frozen", c->balance, has);
}

static void check_held(const struct row_customer *c) {
  wide held = 0;
  for (size_t i = 0; i < c->holds.count; i++) held += c->holds.at[i]->amount;
  SAME(c, "held = the sum of the holds", c->held, held);
  for (size_t i = 0; i < c->limits.count; i++) {
    const struct row_limit *l = &c->limits.at[i];
    wide drawn = 0;
    for (size_t k = 0; k < c->holds.count; k++) {
      struct str d = c->holds.at[k]->draws;
      for (; d.len >= 32; d.ptr += 32, d.len -= 32)
        if (memcmp(d.ptr, l->id.b, 16) == 0 && big_endian(d.ptr + 16) == l->window_start) drawn += big_endian(d.ptr + 24);
    }
    SAME(c, "a bucket's held = what its window's holds drew", l->held, drawn);
  }
}

static void legs_add(struct row_customer *c, const struct row_transfer *t) {
  const struct row_kind *kind = &row_kinds[t->kind];
  wide sum = 0;
  for (size_t i = 0; i < t->leg_count; i++) {
    struct uuid id;
    memcpy(id.b, t->legs[0][i].ptr, 16);
    int64_t part = big_endian(t->legs[1][i].ptr);
    struct row_grant *g = store_grant(c, id);
    sum += part;
    if (!g) continue;
    g->leg_consumed += (wide)kind->consumed * part;
    g->leg_expired += (wide)kind->expired * part;
    g->leg_refunded += (wide)kind->refunded * part;
    g->leg_frozen += (wide)kind->frozen * part;
  }
  SAME(c, "a transfer is the sum of its legs", t->amount, sum);
}

static int place_order(const void *a, const void *b) {
  const struct row_call *x = *(struct row_call *const *)a, *y = *(struct row_call *const *)b;
  if (x->place != y->place) return x->place < y->place ? -1 : 1;
  return x->charge < y->charge ? -1 : x->charge > y->charge;
}

// The calls of this commit lie side by side in one transfer.
static void check_places(const struct backend *b, struct row_customer *c) {
  vec(const struct row_call *) charged = {0};
  wide consumed = 0, reversed = 0, given_back = 0, at = 0;
  for (size_t i = 0; i < b->changes.count; i++) {
    const struct change *w = &b->changes.at[i];
    if (w->customer != c) continue;
    if (w->kind == CHANGE_TRANSFER) {
      legs_add(c, &w->transfer);
      SAME(c, "the balance that a transfer left", w->transfer.balance, c->balance);
      if (w->transfer.kind == 1) consumed += w->transfer.amount;
      if (w->transfer.kind == 5) reversed += w->transfer.amount;
    }
    if (w->kind == CHANGE_CALL && w->call.charge > 0) *vec_add(&charged) = &w->call;
    if (w->kind == CHANGE_CALL && w->call.charge < 0) given_back -= w->call.charge;
  }
  if (charged.count > 1) qsort((void *)charged.at, charged.count, sizeof *charged.at, place_order);
  for (size_t i = 0; i < charged.count; i++) {
    SAME(c, "where a call lies in its transfer", charged.at[i]->place, at);
    at += charged.at[i]->charge;
  }
  SAME(c, "a transfer is the sum of its calls", consumed, at);
  SAME(c, "what is given back is what the calls say", reversed, given_back);
  vec_finish(&charged);
}

// ---- when

static void check_rows(const struct row_customer *c) {
  check_grants(c);
  check_given(c, model_customer(c->id));
  check_held(c);
  compare_customer(c, model_customer(c->id));
}

// The row that ended a hold says what the hold was about; no other does.
static void check_admission(const struct backend *b, const struct change *evidence) {
  struct str about = {0}, told = evidence->call.admission;
  for (size_t i = 0; i < b->changes.count && evidence->call.revision == 0; i++) {
    const struct change *w = &b->changes.at[i];
    if (w->kind == CHANGE_HOLD_GONE && w->customer == evidence->customer && uuid_eq(w->hold.call, evidence->call.id)) about = w->hold.about;
  }
  sound(!about.ptr == !told.ptr && str_eq(about, told), evidence->customer, "what a hold was about", (wide)told.len, (wide)about.len);
}

static void check_changed(const struct backend *b, const struct change *w) {
  struct row_customer *c = w->customer;
  if (w->kind == CHANGE_EVIDENCE) check_admission(b, w);
  if (w->kind == CHANGE_CALL) compare_call(c, model_customer(c->id), w->call.id);
  if (w->kind == CHANGE_ONCE) compare_once(c, model_customer(c->id), &w->once);
  if (w->kind == CHANGE_IDENTITY) compare_event(c, model_customer(c->id), &w->identity);
  if (w->kind == CHANGE_PART) compare_part(c, model_customer(c->id), &w->part);
}

void books_commit(const struct backend *b) {
  for (size_t i = 0; i < store.customers.count; i++) {
    struct row_customer *c = store.customers.at[i];
    bool touched = false;
    for (size_t k = 0; k < b->changes.count && !touched; k++) touched = b->changes.at[k].customer == c;
    if (touched) check_places(b, c);
    if (touched) check_rows(c);
  }
  for (size_t i = 0; i < b->changes.count; i++) check_changed(b, &b->changes.at[i]);
  if (++commits % OFTEN == 0) books_all();
}

void books_all(void) {
  for (size_t i = 0; i < store.customers.count; i++) {
    const struct row_customer *c = store.customers.at[i];
    struct model_customer *m = model_customer(c->id);
    check_rows(c);
    for (size_t k = 0; k < c->onces.count; k++) compare_once(c, m, &c->onces.at[k]);
    for (size_t k = 0; k < c->identities.count; k++) compare_event(c, m, &c->identities.at[k]);
    size_t ended = 0;
    for (size_t k = 0; k < c->calls.count; k++) ended += c->calls.at[k].revision == 0;
    SAME(c, "number of ended calls", ended, m->call_count);
  }
}
