// A client of an instance: makes calls as the gateway does (server/gateway/authenticate.c, admit.c, settle.c), gives
// grants and undoes calls as the API does, and now and then does what only a fault would make anybody do.
#include "client.h"
#include "base/log.h"
#include "chance.h"
#include "door.h"
#include "faults.h"
#include "fiber.h"
#include <stdio.h>

#define TRIES_MAX 200

int64_t client_amount(const struct world_customer *c, int64_t most) {
  int64_t units = chance_below(most + 1);
  return c->scale == 1 ? units : units % 60 * c->scale;
}

const struct world_customer *client_customer(const struct world_key *k) {
  for (size_t i = 0; i < world.customer_count; i++)
    if (uuid_eq(world.customers[i].id, k->customer)) return &world.customers[i];
  log_assert_failed("a key has its customer", __FILE__, __LINE__);
}

struct str client_text(const char *name, int64_t n) {
  char out[96];
  int len = snprintf(out, sizeof out, "%s%lld", name, (long long)n);
  return store_text((struct str){out, (size_t)len});
}

struct str client_json(int64_t n) {
  char out[96];
  int len = snprintf(out, sizeof out, "{\"n\":%lld}", (long long)n);
  return faults_strike(STRIKE_POISON, 300) ? STR("{\"" POISON "\":1}") : store_text((struct str){out, (size_t)len});
}

// ---- who calls

static bool is_valid_since(const struct world_key *k, int64_t at) {
  const struct model_key *m = model_key(model_customer(k->customer), k->id);
  return m && m->revoked_at == 0 && m->expires_at == 0 && m->made_at < at;
}

// Revoked before the database was asked, and yet found.
static void check_found(const struct world_key *k, int64_t asked_at) {
  const struct model_key *m = model_key(model_customer(k->customer), k->id);
  if (!m || (m->revoked_at && m->revoked_at < asked_at))
    check_fail("a key is found that was revoked at %.3f ms, before the database was asked at %.3f ms",
               m ? (double)m->revoked_at / 1000 : 0, (double)asked_at / 1000);
}

// Whatever became of the clocks meanwhile: no more time has passed than the database gave it.
static void check_not_over(const struct world_key *k, int64_t at) {
  const struct model_key *m = model_key(model_customer(k->customer), k->id);
  if (!m || m->expires_at == 0 || m->told_until[fiber_home()] > at) return;
  check_fail("a key is found whose time ran out at %.3f ms", (double)m->told_until[fiber_home()] / 1000);
}

int client_load(struct client *c, const struct world_key *k, struct principal **ret) {
  principal_unref(*ret);
  *ret = NULL;
  c->db = world_db(c->db);
  if (!c->db) return FAULT_DB;
  int64_t asked_at = fiber_now();
  int r = principal_load(c->instance->principals, c->db, str_from(k->text), ret);
  if (r == PRINCIPAL_FOUND) check_found(k, asked_at);
  if (r == PRINCIPAL_FOUND) check_not_over(k, asked_at);
  if (r == PRINCIPAL_UNKNOWN && is_valid_since(k, asked_at)) check_fail("a valid key is not known to the database");
  return r;
}

int client_find(struct client *c, const struct world_key *k, bool fresh, struct principal **ret) {
  enum principal_answer r = principal_find(c->instance->principals, str_from(k->text), fresh, ret);
  if (r == PRINCIPAL_ASK) return client_load(c, k, ret);
  if (r == PRINCIPAL_FOUND) check_not_over(k, fiber_now());
  if (r == PRINCIPAL_FOUND && fresh) check_found(k, fiber_now() - LIMIT_TRUST_MS * INT64_C(1000));
  return (int)r;
}

// What costs nothing: a principal that the database confirmed lately.
static void free_call(struct client *c, const struct world_key *k) {
  struct principal *p = NULL;
  (void)client_find(c, k, true, &p);
  principal_unref(p);
}

static void stranger(struct client *c) {
  struct principal *p = NULL;
  struct str key = str_from(world.strangers[chance_below(ARRAY_LEN(world.strangers))]);
  int r = (int)principal_find(c->instance->principals, key, chance_one_in(2), &p);
  c->db = world_db(c->db);
  if (r == PRINCIPAL_ASK && c->db) r = principal_load(c->instance->principals, c->db, key, &p);
  if (r == PRINCIPAL_FOUND) check_fail("a key that nobody was given is found");
}

// ---- admission

struct uuid client_price(void) {
  return (struct uuid){.b = {[15] = (uint8_t)(1 + chance_below(3))}};
}

struct ledger_op *client_op(enum ledger_kind kind, struct uuid customer, struct uuid id) {
  struct ledger_op *op = mem_alloc(sizeof *op);
  op->kind = kind;
  op->customer = customer;
  op->id = id;
  return op;
}

struct ledger_op *client_again(const struct ledger_op *said) {
  struct ledger_op *op = mem_dup(said, sizeof *said);
  memset(&op->seen, 0, sizeof op->seen);
  return op;
}

int client_run(const struct client *c, struct ledger_op *op) {
  op->result = ledger_run(c->instance->ledger, op);
  return op->result;
}

// Its own key, one derived from the request, or none; a retry comes with the key of the call before.
static void make_known(struct client *c, const struct world_key *k, struct ledger_op *op) {
  int64_t how = chance_below(8);
  bool again = c->last_once.len > 0 && c->last_key == k && chance_one_in(3);
  op->fingerprint[0] = again && !chance_one_in(5) ? c->fingerprint : (unsigned char)chance_below(200);
  if (again) op->idempotency_key = c->last_once;
  else if (how == 0) op->idempotency_key = client_text("key:", chance_below(1000000));
  else if (how == 1) op->idempotency_key = client_text("~", chance_below(1000000));
  else if (how == 2) op->idempotency_key = client_text("~", chance_below(4)); // equal requests
  if (op->idempotency_key.len > 0 && faults_strike(STRIKE_POISON, 300)) op->idempotency_key = client_text("key:" POISON, 0);
  op->retry = again || chance_one_in(6);
  c->last_once = op->idempotency_key;
  c->fingerprint = op->fingerprint[0];
  c->last_key = k;
}

static struct ledger_op *admission(struct client *c, const struct world_key *k, const struct principal *p) {
  const struct world_customer *of = client_customer(k);
  struct ledger_op *op = client_op(LEDGER_ADMIT, p->customer_id, ledger_call_id(c->instance->ledger, p->customer_id));
  op->key = p->key_id;
  op->hold = client_amount(of, 60);
  op->charge = op->hold > 0 && !chance_one_in(3) ? op->hold / (1 + chance_below(4)) : 0;
  op->cost = op->charge / 2;
  op->price = client_price();
  op->usage = client_json(chance_below(100));
  op->about = client_json(1);
  op->config_version = p->config_version;
  if (p->short_policy == SHORT_ALLOW_DEBT) op->debt_allowed = p->short_debt;
  for (size_t i = 0; i < p->limit_count; i++) op->limits[op->limit_count++] = p->limits[i].id;
  make_known(c, k, op);
  return op;
}

// NULL: no call. What was admitted, else.
static struct ledger_op *admitted(struct client *c, const struct world_key *k) {
  struct principal *p = NULL;
  struct ledger_op *op = NULL;
  int found = client_find(c, k, false, &p), reloads = 0;
  while (found == PRINCIPAL_FOUND) {
    if (p->suspended && reloads > 0) break;
    if (!p->suspended) {
      op = admission(c, k, p);
      if (client_run(c, op) != LEDGER_STALE) break;
    }
    op = NULL;
    found = reloads++ < RELOADS_MAX ? client_load(c, k, &p) : PRINCIPAL_UNKNOWN;
  }
  principal_unref(p);
  return op && op->result == LEDGER_DONE ? op : NULL;
}

// ---- the call

void client_work(void) {
  fiber_sleep(chance_one_in(60) ? chance_between(100000, 8000000) : chance_one_in(6) ? chance_between(10, 9000) : chance_below(500));
}

// The hold grows, always one ahead of what was metered.
static void grow(const struct client *c, const struct ledger_op *admitted, const struct world_customer *of, int64_t *hold, int64_t *metered) {
  for (int64_t slices = chance_below(4); slices > 0; slices--) {
    client_work();
    int64_t more = client_amount(of, 25), used = *metered + client_amount(of, 9);
    if (more > INT64_MAX - *hold || used > *hold) return;
    struct ledger_op *op = client_op(LEDGER_EXTEND, admitted->customer, admitted->id);
    op->hold = *hold + more;
    op->charge = used;
    op->cost = used / 2;
    op->usage = client_json(chance_below(100));
    op->debt_allowed = chance_one_in(4) ? of->scale : 0;
    if (client_run(c, op) != LEDGER_DONE) return;
    *hold = op->hold;
    *metered = used;
  }
}

static void state_any(struct ledger_op *op, const struct world_customer *of, int64_t hold) {
  int64_t how = chance_below(10);
  op->state = how == 0 ? CALL_RELEASED : how == 1 ? CALL_UNRATED : CALL_SETTLED;
  op->charge = op->state == CALL_SETTLED ? (hold > 0 ? chance_below(hold) + 1 : 0) : 0;
  if (op->state == CALL_SETTLED && chance_one_in(6) && hold < INT64_MAX / 2) op->charge = hold + client_amount(of, 40) % (INT64_MAX / 2);
  op->cost = op->charge / 2;
  if (chance_one_in(3)) op->price = client_price(); // of what served
  op->usage = op->state == CALL_RELEASED ? STR("{}") : client_json(chance_below(100));
  op->flags = chance_one_in(4) ? (unsigned)(CALL_ESTIMATED | CALL_PARTIAL) : 0;
}

// Usage is never dropped: the settlement is tried again until the ledger has said something.
int client_insist(const struct client *c, struct ledger_op *op) {
  for (int tries = 0; client_run(c, op) < 0; tries++) {
    if (tries > TRIES_MAX) check_fail("a settlement is refused for ever: %s", fault_name(op->result));
    fiber_sleep(chance_between(20000, 400000));
  }
  return op->result;
}

static void settle(const struct client *c, const struct ledger_op *admitted, const struct world_customer *of, int64_t hold) {
  struct ledger_op *op = client_op(LEDGER_SETTLE, admitted->customer, admitted->id);
  state_any(op, of, hold);
  op->evidence = client_json(1);
  op->idempotency_key = admitted->idempotency_key;
  op->undelivered = chance_one_in(5);
  int result = client_insist(c, op);
  bool left_meanwhile = !op->undelivered && op->charged > 0 && chance_one_in(5);
  if ((result != LEDGER_DONE && result != LEDGER_DUPLICATE) || !left_meanwhile) return;
  struct ledger_op *again = client_again(op);
  again->undelivered = true;
  (void)client_insist(c, again);
}

static void paid_call(struct client *c, const struct world_key *k) {
  const struct world_customer *of = client_customer(k);
  const struct ledger_op *op = admitted(c, k);
  if (!op) return;
  int64_t hold = op->hold, metered = op->charge;
  grow(c, op, of, &hold, &metered);
  client_work();
  settle(c, op, of, hold);
}

// ---- what operators do by way of the ledger

// What a payment is known by. New ones come, old ones come again; some are heard of before anything was bought.
static struct str origin_any(const struct world_customer *of) {
  const struct model_customer *m = model_customer(of->id);
  int64_t known = 0;
  for (int i = 0; i < m->grant_count; i++) known += m->grants[i].origin.len > 0;
  if (faults_strike(STRIKE_POISON, 300)) return STR("pi:" POISON);
  int64_t lately = known < 8 || chance_one_in(4) ? known : 8;
  return client_text("pi:", chance_one_in(3) ? known + chance_below(3) : known - chance_below(lately + 1));
}

static void granted_any(struct ledger_op *op, const struct client *c, const struct world_customer *of) {
  op->grant.source = 1 + (int)chance_below(4);
  op->grant.priority = chance_one_in(3) ? 10 : 100;
  op->grant.amount = of->scale == 1 ? chance_between(1, 160) : chance_between(1, 45) * of->scale;
  int64_t latest = chance_one_in(2) ? 3000000 : INT64_C(3000000000000);
  op->grant.expires_at = chance_one_in(2) ? 0 : ledger_now(c->instance->ledger) + chance_between(-1000000, latest);
  op->grant.reason = client_json(0);
  if (op->grant.source == 1) op->grant.paid = chance_below(3000);
  if (op->grant.source == 1) op->grant.currency = faults_strike(STRIKE_POISON, 300) ? STR(POISON) : STR("usd");
}

static struct ledger_op *grant_new(const struct client *c, const struct world_customer *of) {
  struct ledger_op *op = client_op(LEDGER_GRANT, of->id, uuid_v7(ledger_now(c->instance->ledger)));
  granted_any(op, c, of);
  return op;
}

static void grant(const struct client *c) {
  const struct world_customer *of = world_customer_any();
  struct ledger_op *op = grant_new(c, of);
  if (chance_one_in(2)) op->grant.origin = origin_any(of);
  if (chance_one_in(3)) op->idempotency_key = client_text("grant:", chance_below(60));
  op->fingerprint[0] = (unsigned char)chance_below(2);
  (void)client_run(c, op);
}

// ---- what a payment worker does: it says what is to stand, as often as it likes, in any order

static int64_t target_any(const struct world_customer *of) {
  int64_t how = chance_below(8);
  return how < 3 ? 0 : how == 3 ? (of->scale == 1 ? 1000 : INT64_MAX) : client_amount(of, 80);
}

static struct ledger_op *reversal_new(const struct world_customer *of, struct str origin) {
  struct ledger_op *op = client_op(LEDGER_REVERSE, of->id, UUID_NIL);
  op->grant.origin = origin;
  int64_t what = chance_below(5);
  op->reverse.refunded = what == 0 || what == 1 ? 0 : target_any(of);
  op->reverse.frozen = what == 0 || what == 2 ? 0 : target_any(of);
  return op;
}

static void reverse(const struct client *c) {
  const struct world_customer *of = world_customer_any();
  struct ledger_op *op = reversal_new(of, origin_any(of));
  (void)client_run(c, op);
  if (!chance_one_in(3)) return;
  struct ledger_op *again = client_op(LEDGER_REVERSE, of->id, UUID_NIL);
  again->grant.origin = op->grant.origin;
  again->reverse.refunded = op->reverse.refunded;
  again->reverse.frozen = op->reverse.frozen;
  (void)client_run(c, again);
}

// All that is known of one payment at once: its credits, maybe twice, and what was taken back of them.
static void payment(const struct client *c) {
  const struct world_customer *of = world_customer_any();
  struct str origin = origin_any(of);
  size_t count = 1 + (size_t)chance_below(4);
  struct ledger_op *ops = mem_alloc(count * sizeof *ops);
  for (size_t i = 0; i < count; i++) {
    ops[i] = chance_one_in(2) ? *grant_new(c, of) : *reversal_new(of, origin);
    ops[i].grant.origin = origin;
  }
  (void)ledger_run_all(c->instance->ledger, ops, count);
}

// ---- what comes late, and what is undone

const struct model_call *client_call(const struct world_customer *of) {
  const struct model_customer *m = model_customer(of->id);
  if (m->call_count == 0) return NULL;
  int64_t lately = m->call_count < 30 || chance_one_in(4) ? m->call_count : 30;
  return &m->calls[m->call_count - 1 - chance_below(lately)];
}

static void undo(const struct client *c) {
  const struct world_customer *of = world_customer_any();
  const struct model_call *call = client_call(of);
  if (!call) return;
  struct ledger_op *op = client_op(LEDGER_VOID, of->id, call->id);
  op->evidence = client_json(1);
  (void)client_run(c, op);
}

// Usage that is found later: an entry of a journal whose instance died, or the same settlement once more.
static void settle_late(const struct client *c) {
  const struct world_customer *of = world_customer_any();
  const struct model_customer *m = model_customer(of->id);
  const struct model_call *call = client_call(of);
  struct uuid id = m->hold_count > 0 && chance_one_in(8) ? m->holds[chance_below(m->hold_count)].call : call ? call->id : uuid_v7(store_clock());
  struct ledger_op *op = client_op(LEDGER_SETTLE, of->id, id);
  state_any(op, of, 60 * of->scale % (INT64_MAX / 2));
  op->evidence = client_json(2);
  op->undelivered = chance_one_in(4);
  if (op->undelivered) op->idempotency_key = client_text("~", chance_below(4));
  (void)client_run(c, op);
}

static void expire(const struct client *c) {
  const struct world_customer *of = world_customer_any();
  const struct model_customer *m = model_customer(of->id);
  if (m->grant_count == 0) return;
  (void)client_run(c, client_op(LEDGER_EXPIRE, of->id, m->grants[chance_below(m->grant_count)].id));
}

static void nobody(const struct client *c) {
  struct uuid customer = uuid_v7(store_clock());
  (void)client_run(c, client_op(LEDGER_ADMIT, customer, uuid_v7(store_clock())));
}

// ---- the client's life

static const struct world_key *key_any(void) {
  const struct world_key *k = NULL;
  for (int i = 0; i < 4; i++) {
    k = world.keys.at[chance_below((int64_t)world.keys.count)];
    if (k->text[0] && (is_valid_since(k, INT64_MAX) || chance_one_in(12))) break;
  }
  return k->text[0] ? k : world.keys.at[0];
}

// A recent one, whatever became of it.
static const struct world_key *key_lately(void) {
  size_t most = world.keys.count < 10 ? world.keys.count : 10;
  const struct world_key *k = world.keys.at[world.keys.count - 1 - (size_t)chance_below((int64_t)most)];
  return k->text[0] ? k : world.keys.at[0];
}

static void act(struct client *c) {
  int64_t what = chance_below(100);
  const struct world_key *k = key_any();
  if (what < 42) paid_call(c, k);
  else if (what < 50) app_report(c, k);
  else if (what < 56) app_hold(c, k);
  else if (what < 59) app_meddle(c);
  else if (what < 65) grant(c);
  else if (what < 69) reverse(c);
  else if (what < 72) payment(c);
  else if (what < 75) app_rerate(c);
  else if (what < 85) free_call(c, key_lately());
  else if (what < 89) undo(c);
  else if (what < 95) settle_late(c);
  else if (what < 97) expire(c);
  else if (what < 98) nobody(c);
  else if (what < 99) stranger(c);
  else fiber_sleep(chance_between(1000, 3000000));
}

static void live(void *arg) {
  struct client *c = arg;
  while (!world_enough()) {
    fiber_sleep(chance_one_in(8) ? chance_below(4000) : chance_below(300));
    act(c);
  }
  db_destroy(c->db);
  c->instance->running--;
}

void client_start(struct instance *i) {
  struct client *c = mem_alloc(sizeof *c);
  c->instance = i;
  (void)fiber_start(i->home, live, c);
}
