// What an app does beside the gateway (server/rest/events.c, holding_*.c): it reports usage as events, takes holds by itself and
// settles them, in parts, late, twice; and what an operator does to prices afterwards (server/rating).
#include "chance.h"
#include "check.h"
#include "client.h"
#include "faults.h"
#include "fiber.h"
#include "sql.h"

#define MINUTE_US INT64_C(60000000)
#define DAY_US INT64_C(86400000000)
#define AT_ONCE 6

static struct uuid numbered(uint8_t kind, int64_t n) {
  return (struct uuid){.b = {kind, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n}};
}

// ---- events

// New ones come, some of which several tell at one moment, and of other customers too; old ones come again.
static struct uuid identity_any(const struct world_customer *of) {
  const struct model_customer *m = model_customer(of->id);
  int64_t how = chance_below(4), lately = m->event_count < 8 || chance_one_in(4) ? m->event_count : 8;
  if (how == 0 && lately > 0) return m->events[m->event_count - 1 - chance_below(lately)].identity;
  return how == 1 ? numbered(0xE1, fiber_now() / 3000 % 1000) : numbered(0xE0, chance_below(60000));
}

// Of this moment, a little or much late, or a little ahead.
static int64_t time_any(const struct client *c) {
  int64_t now = ledger_now(c->instance->ledger), how = chance_below(10);
  if (how < 5) return now - chance_below(5000);
  if (how < 7) return now - chance_below(3600) * 1000000;
  return how < 9 ? now - chance_below(35) * DAY_US : now + chance_below(5 * MINUTE_US);
}

static void event_any(const struct client *c, struct ledger_op *op, const struct world_customer *of) {
  bool unrated = chance_one_in(8);
  op->id = ledger_call_id_at(time_any(c), of->id);
  op->state = unrated ? CALL_UNRATED : CALL_SETTLED;
  op->charge = unrated ? 0 : client_amount(of, 40);
  op->cost = op->charge / 2;
  if (!unrated) op->price = client_price();
  op->usage = client_json(chance_below(100));
  if (chance_one_in(4)) op->evidence = client_json(3);
  op->event.identity = identity_any(of);
  op->event.content = numbered(0xC0, chance_one_in(6));
  op->event.source = faults_strike(STRIKE_POISON, 300) ? STR(POISON) : STR("app");
  op->event.id = STR("1");
}

// The same once more, as it was or as somebody remembers it: its time is another, its answer was lost, its content differs.
static void event_again(const struct client *c, struct ledger_op *op, const struct ledger_op *sent) {
  *op = *sent;
  if (chance_one_in(2)) op->id = ledger_call_id_at(time_any(c), op->customer);
  if (chance_one_in(5)) op->event.content = numbered(0xC0, chance_below(3));
  if (chance_one_in(5)) op->charge += op->charge < INT64_MAX / 2;
}

static struct ledger_op *event_new(const struct client *c, const struct world_customer *of, const struct principal *p) {
  struct ledger_op *op = client_op(LEDGER_RECORD, of->id, UUID_NIL);
  event_any(c, op, of);
  if (!p) return op;
  op->key = p->key_id;
  op->config_version = p->config_version;
  return op;
}

// An event keeps the time that it was sent with, unless that is ahead of the clock.
static int tell(const struct client *c, struct ledger_op *op) {
  struct uuid asked = op->id;
  int result = client_run(c, op);
  bool moved = memcmp(asked.b, op->id.b, 6) != 0;
  if (moved && model_id_time(op->id) >= model_id_time(asked)) check_fail("an event's time was moved ahead");
  if (memcmp(asked.b + 6, op->id.b + 6, 10) != 0) check_fail("an event's call has another id than was asked for");
  return result;
}

// Whoever has no answer sends it again.
static void send(const struct client *c, const struct ledger_op *op) {
  const struct ledger_op *sent = op;
  for (int more = 3; more > 0 && (sent->result < 0 || chance_one_in(4)); more--) {
    struct ledger_op *again = client_op(LEDGER_RECORD, op->customer, op->id);
    event_again(c, again, op);
    (void)tell(c, again);
    sent = again;
  }
}

static void report_by_key(struct client *c, const struct world_key *k) {
  struct principal *p = NULL;
  struct ledger_op *op = NULL;
  int found = client_find(c, k, false, &p), reloads = 0;
  while (found == PRINCIPAL_FOUND) {
    if (p->suspended && reloads > 0) break;
    struct ledger_op *asked = event_new(c, client_customer(k), p);
    if (op) {
      asked->event = op->event;
      asked->id = op->id;
    }
    op = asked;
    if (!p->suspended && tell(c, op) != LEDGER_STALE) {
      send(c, op);
      break;
    }
    found = reloads++ < RELOADS_MAX ? client_load(c, k, &p) : PRINCIPAL_UNKNOWN;
  }
  principal_unref(p);
}

// Some of them twice, some of another customer's under the same names.
static void report_many(const struct client *c) {
  size_t count = 2 + (size_t)chance_below(AT_ONCE - 1);
  struct ledger_op *ops = mem_alloc(count * sizeof *ops);
  for (size_t i = 0; i < count; i++) {
    struct ledger_op *one = event_new(c, world_customer_any(), NULL);
    if (i > 0 && chance_one_in(4)) one->event.identity = ops[i - 1].event.identity;
    if (i > 0 && chance_one_in(3)) event_again(c, &ops[i], &ops[chance_below((int64_t)i)]);
    else ops[i] = *one;
  }
  (void)ledger_run_all(c->instance->ledger, ops, count);
}

void app_report(struct client *c, const struct world_key *k) {
  int64_t how = chance_below(4);
  if (how < 2) report_by_key(c, k);
  else if (how == 2) report_many(c);
  else {
    struct ledger_op *op = event_new(c, world_customer_any(), NULL);
    (void)tell(c, op);
    send(c, op);
  }
}

// ---- explicit holds

static int64_t until_any(const struct client *c) {
  int64_t how = chance_below(8), now = ledger_now(c->instance->ledger);
  if (how == 0) return now - chance_below(3000);
  return now + (how < 4 ? chance_below(20000) : how < 7 ? chance_below(3000000) : chance_below(60 * MINUTE_US)) + 1;
}

static struct ledger_op *taking(struct client *c, const struct world_key *k, const struct principal *p) {
  struct ledger_op *op = client_op(LEDGER_ADMIT, p->customer_id, ledger_call_id(c->instance->ledger, p->customer_id));
  op->key = p->key_id;
  op->hold = client_amount(client_customer(k), 60);
  op->expires_at = until_any(c);
  if (chance_one_in(2)) op->most_open = 1 + chance_below(8);
  if (chance_one_in(2)) op->price = client_price();
  op->about = client_json(4);
  op->config_version = p->config_version;
  if (p->short_policy == SHORT_ALLOW_DEBT) op->debt_allowed = p->short_debt;
  for (size_t i = 0; i < p->limit_count; i++) op->limits[op->limit_count++] = p->limits[i].id;
  if (chance_one_in(3)) op->idempotency_key = client_text("hold:", chance_below(40));
  op->fingerprint[0] = (unsigned char)chance_below(2);
  return op;
}

static struct ledger_op *taken(struct client *c, const struct world_key *k) {
  struct principal *p = NULL;
  struct ledger_op *op = NULL;
  int found = client_find(c, k, false, &p), reloads = 0;
  while (found == PRINCIPAL_FOUND) {
    if (p->suspended && reloads > 0) break;
    op = p->suspended ? NULL : taking(c, k, p);
    if (op && client_run(c, op) != LEDGER_STALE) break;
    op = NULL;
    found = reloads++ < RELOADS_MAX ? client_load(c, k, &p) : PRINCIPAL_UNKNOWN;
  }
  principal_unref(p);
  return op && op->result == LEDGER_DONE ? op : NULL;
}

// An app says what is to stand: more, longer, both; or less, which is refused.
static struct ledger_op *extension(const struct client *c, const struct world_customer *of, struct uuid call, int64_t held) {
  struct ledger_op *op = client_op(LEDGER_EXTEND, of->id, call);
  int64_t more = client_amount(of, 30);
  op->explicit = true;
  if (!chance_one_in(4)) op->hold = chance_one_in(5) ? more : more > INT64_MAX - held ? INT64_MAX : held + more;
  if (chance_one_in(2)) op->expires_at = until_any(c);
  op->debt_allowed = chance_one_in(4) ? of->scale : 0;
  return op;
}

static void used_any(struct ledger_op *op, const struct world_customer *of, int64_t held) {
  bool unrated = chance_one_in(10);
  op->explicit = true;
  op->state = unrated ? CALL_UNRATED : CALL_SETTLED;
  int64_t shares = 1 + chance_below(3);
  op->charge = unrated || held == 0 ? 0 : chance_below(held) / shares;
  if (!unrated && chance_one_in(5)) op->charge = client_amount(of, 70);
  op->cost = op->charge / 2;
  if (chance_one_in(3)) op->price = client_price();
  op->unpriced = unrated && chance_one_in(2);
  op->usage = client_json(chance_below(100));
  op->evidence = client_json(5);
}

static struct ledger_op *part(const struct client *c, const struct world_customer *of, struct uuid call, int64_t held) {
  struct ledger_op *op = client_op(LEDGER_PART, of->id, call);
  used_any(op, of, held);
  op->part = ledger_call_id(c->instance->ledger, of->id);
  if (chance_one_in(2)) op->idempotency_key = client_text("part:", chance_below(60));
  op->fingerprint[0] = (unsigned char)chance_below(2);
  return op;
}

static struct ledger_op *ending(const struct world_customer *of, struct uuid call, int64_t held) {
  struct ledger_op *op = client_op(LEDGER_SETTLE, of->id, call);
  used_any(op, of, held);
  if (chance_one_in(2)) op->idempotency_key = client_text("end:", chance_below(60));
  op->fingerprint[0] = (unsigned char)chance_below(2);
  if (!chance_one_in(4)) return op;
  op->state = CALL_RELEASED;
  op->charge = op->cost = 0;
  op->usage = STR("{}");
  return op;
}

// The answer may be lost: then it is said again under the same key, or as another part where there is none.
static void said_again(const struct client *c, const struct ledger_op *said) {
  struct ledger_op *again = client_again(said);
  if (said->kind == LEDGER_PART) again->part = ledger_call_id(c->instance->ledger, said->customer);
  (void)client_run(c, again);
}

static struct ledger_op *step_any(const struct client *c, const struct world_customer *of, struct uuid call, int64_t held) {
  int64_t how = chance_below(5);
  return how < 2 ? extension(c, of, call, held) : how < 4 ? part(c, of, call, held) : ending(of, call, held);
}

void app_hold(struct client *c, const struct world_key *k) {
  const struct world_customer *of = client_customer(k);
  const struct ledger_op *op = taken(c, k);
  if (!op) return;
  for (int64_t steps = chance_below(4); steps > 0; steps--) {
    client_work();
    const struct model_hold *h = model_hold(model_customer(of->id), op->id);
    struct ledger_op *step = chance_one_in(2) ? part(c, of, op->id, h ? (int64_t)h->amount : op->hold)
                                              : extension(c, of, op->id, h ? (int64_t)h->amount : op->hold);
    if (client_run(c, step) < 0 || chance_one_in(4)) said_again(c, step);
  }
  if (chance_one_in(3)) fiber_sleep(chance_below(chance_one_in(4) ? 6000000 : 30000)); // its time may be over
  if (chance_one_in(4)) return;                                                         // left to the sweeper
  struct ledger_op *end = ending(of, op->id, op->hold);
  (void)client_insist(c, end);
  if (chance_one_in(4)) said_again(c, end);
}

// Whose it is, and whether it is one at all, others may be wrong about.
static struct uuid hold_any(const struct world_customer *of, int64_t *ret_held) {
  const struct model_customer *m = model_customer(of->id);
  const struct model_call *call = client_call(of);
  *ret_held = 60 * of->scale % (INT64_MAX / 2);
  if (m->hold_count == 0 || (call && chance_one_in(3))) return call ? call->id : numbered(0xFF, 1);
  const struct model_hold *h = &m->holds[chance_below(m->hold_count)];
  for (int i = 0; i < 4 && h->expires_at == 0; i++) h = &m->holds[chance_below(m->hold_count)];
  *ret_held = (int64_t)h->amount;
  return h->call;
}

// Several hands at one hold, in one batch.
void app_meddle(const struct client *c) {
  const struct world_customer *of = world_customer_any();
  int64_t held = 0;
  struct uuid call = hold_any(of, &held);
  size_t count = 1 + (size_t)chance_below(4);
  struct ledger_op *ops = mem_alloc(count * sizeof *ops);
  for (size_t i = 0; i < count; i++) ops[i] = *step_any(c, of, call, held);
  (void)ledger_run_all(c->instance->ledger, ops, count);
}

// ---- prices

// Up, down, or to what it is already.
static struct ledger_op *rating(const struct world_customer *of, const struct model_call *call) {
  struct ledger_op *op = client_op(LEDGER_RERATE, of->id, call->id);
  int64_t stands = (int64_t)call->charge;
  bool same = chance_one_in(5);
  op->charge = same ? stands : chance_one_in(2) && stands > 0 ? chance_below(stands) : client_amount(of, 50);
  op->cost = same ? (int64_t)call->cost : op->charge / 2;
  op->price = same ? call->price : client_price();
  op->usage = client_json(chance_one_in(2) ? call->usage : chance_below(100));
  op->evidence = client_json(6);
  return op;
}

// What waits for a price, now and then.
static const struct model_call *rated_any(const struct world_customer *of) {
  const struct model_call *call = client_call(of);
  for (int i = chance_one_in(3) ? 8 : 0; i > 0 && call && call->state != CALL_UNRATED; i--) call = client_call(of);
  return call;
}

// Undone, or corrected by what is known of its usage, at the same moment.
static struct ledger_op *corrected(const struct world_customer *of, struct uuid call) {
  struct ledger_op *op = client_op(chance_one_in(2) ? LEDGER_VOID : LEDGER_SETTLE, of->id, call);
  if (op->kind == LEDGER_SETTLE) used_any(op, of, 60 * of->scale % (INT64_MAX / 2));
  op->explicit = false;
  op->evidence = client_json(7);
  return op;
}

void app_rerate(const struct client *c) {
  const struct world_customer *of = world_customer_any();
  size_t count = 1 + (size_t)(chance_one_in(3) ? chance_below(AT_ONCE) : 0);
  struct ledger_op *ops = mem_alloc(count * sizeof *ops);
  for (size_t i = 0; i < count; i++) {
    const struct model_call *call = rated_any(of);
    if (!call) return;
    struct uuid same = i > 0 && chance_one_in(2) ? ops[i - 1].id : call->id;
    ops[i] = chance_one_in(3) && i > 0 ? *corrected(of, same) : *rating(of, model_call(model_customer(of->id), same));
  }
  (void)ledger_run_all(c->instance->ledger, ops, count);
}
