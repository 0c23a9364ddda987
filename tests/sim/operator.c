// The operator: changes what binds customers and keys, by the verbs that the API uses, each in a transaction of its own; and
// whoever buys credits where they are due says so on the customer's row.
#include "chance.h"
#include "customer/customer.h"
#include "customer/keys.h"
#include "door.h"
#include "faults.h"
#include "fiber.h"
#include "limit/limit.h"
#include "payment/top_up.h"
#include "world.h"

typedef bool change(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m);

// Lock, change, bump, commit. False: it did not happen, or nobody knows.
static bool run(struct db *db, const struct world_customer *c, change *what) {
  struct intent intent = {.customer = c->id};
  bool ok = db_begin(db) == 0 && customer_lock(db, c->id) == CUSTOMER_DONE;
  ok = ok && what(db, c, &intent, model_customer(c->id));
  ok = ok && (intent.kind == INTENT_TOP_UP_ENOUGH || customer_bump(db, c->id) == 0);
  if (!ok) {
    db_rollback(db);
    return false;
  }
  (void)door_note(db, note_intent(&intent));
  return db_commit(db) == 0;
}

// ---- keys

static bool key_new(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  struct world_key *k = mem_alloc(sizeof *k);
  (void)m;
  *vec_add(&world.keys) = k;
  k->customer = c->id;
  k->id = keys_id(c->id, store_clock());
  int64_t expires_at = chance_one_in(3) ? store_clock() + chance_between(1000, chance_one_in(2) ? 9000000 : INT64_C(90000000)) : 0;
  *i = (struct intent){.kind = INTENT_KEY, .customer = c->id, .object = k->id, .expires_at = expires_at};
  return keys_create(db, &world.crypto, c->id, k->id, STR(""), expires_at, k->text) == 0;
}

bool operator_key_new(struct db *db, const struct world_customer *c) {
  return run(db, c, key_new);
}

static bool key_revoke(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  if (m->key_count == 0) return false;
  *i = (struct intent){.kind = INTENT_REVOKE, .customer = c->id, .object = m->keys[chance_below(m->key_count)].id};
  return keys_revoke(db, c->id, i->object) == 0;
}

// ---- status and credit

static bool status(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  struct customer now = {.id = c->id, .status = m->suspended ? CUSTOMER_ACTIVE : CUSTOMER_SUSPENDED};
  *i = (struct intent){.kind = INTENT_STATUS, .customer = c->id, .suspended = !m->suspended};
  return customer_update(db, CUSTOMER_STATUS, &now) == CUSTOMER_DONE;
}

static bool credit(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  struct customer now = {.id = c->id, .credit_limit = chance_one_in(2) ? 0 : chance_below(60) * c->scale};
  (void)m;
  *i = (struct intent){.kind = INTENT_CREDIT, .customer = c->id, .credit_limit = now.credit_limit};
  return customer_update(db, CUSTOMER_CREDIT_LIMIT, &now) == CUSTOMER_DONE;
}

static bool low(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  struct customer now = {.id = c->id, .low_balance = chance_one_in(3) ? 0 : chance_below(90) * c->scale};
  (void)m;
  *i = (struct intent){.kind = INTENT_LOW, .customer = c->id, .low_balance = now.low_balance};
  return customer_update(db, CUSTOMER_LOW_BALANCE, &now) == CUSTOMER_DONE;
}

// What an event does that credits do not cover.
static bool events(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  struct customer now = {.id = c->id, .event_policy = m->refuses_events ? CUSTOMER_ACCEPT_EVENT : CUSTOMER_REFUSE_EVENT};
  *i = (struct intent){.kind = INTENT_EVENTS, .customer = c->id, .refuses_events = !m->refuses_events};
  return customer_update(db, CUSTOMER_EVENT_POLICY, &now) == CUSTOMER_DONE;
}

// ---- buying by itself

static bool top_up_mark(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  struct top_up t = {.customer_id = c->id, .enabled = !chance_one_in(5), .threshold = chance_below(60) * c->scale};
  (void)m;
  *i = (struct intent){.kind = INTENT_TOP_UP_MARK, .customer = c->id, .top_up_at = t.enabled ? t.threshold : -1};
  return (t.enabled || chance_one_in(2) ? top_up_put(db, &t) : top_up_drop(db, c->id)) == TOP_UP_DONE;
}

// As a claim that finds enough (server/payment/top_up_run.c).
static bool top_up_enough(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  CLEANUP(db_params_finish) struct db_params p;
  if (!m->top_up_due && chance_one_in(2)) return false;
  *i = (struct intent){.kind = INTENT_TOP_UP_ENOUGH, .customer = c->id};
  db_params_init(&p);
  db_param_uuid(&p, c->id);
  return db_run(db, STATEMENT_TOP_UP_ENOUGH, &p, NULL) == 0;
}

// ---- limits

static int64_t limit_amount(const struct world_customer *c, int measure) {
  return measure == LIMIT_REQUESTS ? chance_between(0, 400) : chance_between(0, 90) * c->scale;
}

static bool limit_new(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  static const int periods[] = {LIMIT_MINUTE, LIMIT_DAY, LIMIT_MONTH, LIMIT_TOTAL};
  struct limit l = {.customer_id = c->id, .id = uuid_v7(store_clock())};
  l.period = periods[chance_below(4)];
  l.measure = l.period == LIMIT_MINUTE ? LIMIT_REQUESTS : LIMIT_SPEND;
  l.amount = limit_amount(c, l.measure) + (l.period == LIMIT_TOTAL && c->scale == 1 ? 400 : 0);
  if (chance_one_in(3) && m->key_count > 0) l.key_id = m->keys[chance_below(m->key_count)].id;
  *i = (struct intent){.kind = INTENT_LIMIT, .customer = c->id, .object = l.id,
                       .limit = {.id = l.id, .key = l.key_id, .measure = l.measure, .period = l.period, .amount = l.amount}};
  return limit_create(db, &l) == LIMIT_DONE;
}

static bool limit_change(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  if (m->limit_count == 0) return false;
  const struct model_limit *l = &m->limits[chance_below(m->limit_count)];
  *i = (struct intent){.kind = INTENT_LIMIT_AMOUNT, .customer = c->id, .object = l->id, .limit = {.amount = limit_amount(c, l->measure)}};
  return limit_update(db, c->id, i->object, (int64_t)i->limit.amount) == LIMIT_DONE;
}

static bool limit_drop(struct db *db, const struct world_customer *c, struct intent *i, struct model_customer *m) {
  if (m->limit_count == 0) return false;
  *i = (struct intent){.kind = INTENT_LIMIT_GONE, .customer = c->id, .object = m->limits[chance_below(m->limit_count)].id};
  return limit_delete(db, c->id, i->object) == LIMIT_DONE;
}

// ---- a session that holds a row for longer than anybody waits for it

static void hold_row(struct db *db, const struct world_customer *c) {
  if (db_begin(db) == 0 && customer_lock(db, c->id) == CUSTOMER_DONE) fiber_sleep(chance_between(3000000, 9000000));
  db_rollback(db);
}

static size_t valid_keys(const struct model_customer *m) {
  size_t n = 0;
  for (int i = 0; i < m->key_count; i++) n += m->keys[i].revoked_at == 0 && m->keys[i].expires_at == 0;
  return n;
}

static change *any_change(const struct world_customer *c) {
  struct model_customer *m = model_customer(c->id);
  static change *const changes[] = {key_new, key_new, key_revoke, key_revoke, key_revoke, status, credit, low, events, limit_new,
                                   limit_change, limit_drop, top_up_mark, top_up_enough};
  if (valid_keys(m) == 0) return key_new;
  if (m->suspended && chance_one_in(2)) return status;
  return changes[chance_below(ARRAY_LEN(changes))];
}

// Endpoints for events come and go.
static void listen(void) {
  store.told = chance_one_in(2);
  store.told_usage = store.told && chance_one_in(2);
}

static void operate(void *arg) {
  struct db *db = NULL;
  (void)arg;
  listen();
  while (!world.stopping) {
    fiber_sleep(chance_between(1000, 40000));
    if (chance_one_in(40)) listen();
    db = world_db(db);
    const struct world_customer *c = world_customer_any();
    if (!db || world.stopping) continue;
    if (faults_strike(STRIKE_LOCK, 250)) hold_row(db, c);
    else (void)run(db, c, any_change(c));
  }
  db_destroy(db);
}

void operator_start(void) {
  (void)fiber_start(HOME_OUTSIDE, operate, NULL);
}
