// POST /api/v1/holds/{id}/settle and /release: how a hold ends, and parts of it before that. What was used is charged, less or more than
// was held, also when the hold's time has run out: then it says that it is late. Said again it is the same; otherwise it is a conflict
// with what stands. Parts are as many as there are requests, so each has an Idempotency-Key where it may come twice.
#include "base/limits.h"
#include "base/log.h"
#include "rest/holding.h"

#define EVIDENCE_MAX (8 * 1024)

struct settle {
  amount credits;
  struct str model;
  struct json *usage;
  bool given_credits, final, given_final;
  // ---- priced
  struct usage_event quantities;
  amount charge, cost;
  struct uuid price; // nil: the pinned one
  struct str told;   // the usage as JSON
  enum call_state state;
  struct str unrated_model;
  const char *unrated_meter;
};
#define AT(member) .offset = offsetof(struct settle, member), .given = JSON_NOT_TOLD
static const struct json_field fields[] = {
    {.name = "amount", .kind = JSON_AMOUNT, .min = 0, .max = AMOUNT_MAX, .offset = offsetof(struct settle, credits), .given = offsetof(struct settle, given_credits)},
    {.name = "model", .kind = JSON_TEXT, .max = USAGE_TEXT_MAX, AT(model)},
    {.name = "usage", .kind = JSON_OBJECT, AT(usage)},
    {.name = "final", .kind = JSON_BOOL, .offset = offsetof(struct settle, final), .given = offsetof(struct settle, given_final)},
};

static bool refuse(struct rest_request *r, const char *param, const char *why) {
  rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "%s", why);
  return false;
}

static bool settle_parse(struct holding *h) {
  struct rest_request *r = h->r;
  struct settle *b = h->body = arena_alloc(r->arena, sizeof *b);
  if (!rest_path_id(r, "call", &h->id) || !rest_body(r, fields, ARRAY_LEN(fields), b, sizeof *b)) return false;
  if (!b->given_final) b->final = true;
  if (b->given_credits && b->usage) return refuse(r, "usage", "Say amount, or usage: not both.");
  if (!b->given_credits && !b->usage) return refuse(r, "amount", "Say what was used: amount, or usage.");
  if (!b->usage && b->model.len) return refuse(r, "model", "model goes with usage, not with amount.");
  return true;
}

// ---- what it costs

// The pinned price, where it is this model's or none is named; else the model's now. False: answered.
static bool price_find(struct holding *h, const struct book_price **ret) {
  struct rest_request *r = h->r;
  const struct settle *b = h->body;
  const struct book_price *pinned = uuid_is_nil(h->price) ? NULL : book_price_by_id(r->book, h->price);
  *ret = pinned;
  if (!b->model.len && pinned) return true;
  if (!b->model.len) return refuse(r, "model", "This hold is by amount: say whose price the quantities are settled by, with model.");
  if (!pinned || !holding_is_of(pinned, b->model)) *ret = holding_route(r, b->model);
  return true;
}

static bool used_anything(const struct usage_event *e) {
  for (size_t i = 0; i < e->quantity_count; i++)
    if (e->quantities[i].quantity != 0 && !e->quantities[i].uncharged) return true;
  return false;
}

// A price that is not there is a state, never zero; what was not used needs none. False: more than an amount can be.
static bool usage_cost(struct holding *h, const struct book_price *price) {
  struct settle *b = h->body;
  struct meter_bill bill = {0};
  int priced = used_anything(&b->quantities) ? 1 : 0;
  if (price) priced = meter_price_quantities(plugin_by_name(h->r->context->plugins, price->provider->plugin), price, b->quantities.quantities,
                                             b->quantities.quantity_count, &bill, &b->unrated_meter);
  b->state = priced == 0 ? CALL_SETTLED : CALL_UNRATED;
  b->charge = priced == 0 ? bill.charge : 0;
  b->cost = priced == 0 ? bill.cost : 0;
  return priced != 2;
}

// False: answered.
static bool usage_price(struct holding *h) {
  struct rest_request *r = h->r;
  struct settle *b = h->body;
  const struct book_price *price = NULL;
  if (!holding_usage(r, b->usage, &b->quantities) || !price_find(h, &price)) return false;
  b->told = holding_quantities(r->arena, &b->quantities);
  b->unrated_model = b->model;
  if (!usage_cost(h, price)) return refuse(r, "usage", "This would cost more than an amount can be.");
  if (price) b->price = price->id;
  return true;
}

static struct str evidence_of(struct holding *h) {
  const struct settle *b = h->body;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, EVIDENCE_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "ending", b->final ? "settled" : "a part");
  json_member_text(&w, "request_id", http_request_id(h->r->http));
  if (!b->final) json_member_id(&w, "hold", "call", h->id);
  if (b->given_credits) json_member_bool(&w, "by_amount", true);
  if ((b->state == CALL_UNRATED || uuid_is_nil(b->price)) && b->unrated_model.len) json_member_str(&w, "model", b->unrated_model);
  if (b->state == CALL_UNRATED && b->unrated_meter) json_member_text(&w, "unrated_meter", b->unrated_meter);
  json_object_end(&w);
  return arena_str(h->r->arena, buf_str(&out));
}

// ---- asking

static bool needs_hold(const struct holding *h) {
  return h->r->who->is_operator || ((const struct settle *)h->body)->usage;
}

static void settle_ask(struct holding *h, struct db *db) {
  struct rest_request *r = h->r;
  struct settle *b = h->body;
  struct str key;
  unsigned char fingerprint[32] = {0};
  if (!rest_replay_key(r, &key, fingerprint)) return;
  if (needs_hold(h) && !holding_find(h, db)) return;
  if (!r->who->is_operator) h->customer = r->who->customer_id;
  b->state = CALL_SETTLED;
  b->charge = b->credits;
  b->told = STR("{}");
  if (b->usage && !usage_price(h)) return;
  h->op = (struct ledger_op){.kind = b->final ? LEDGER_SETTLE : LEDGER_PART,
                             .explicit = true,
                             .customer = h->customer,
                             .id = h->id,
                             .price = b->price,
                             .unpriced = b->usage && uuid_is_nil(b->price),
                             .charge = b->charge,
                             .cost = b->cost,
                             .usage = b->told,
                             .idempotency_key = key,
                             .state = b->state};
  memcpy(h->op.fingerprint, fingerprint, sizeof fingerprint);
  if (!b->final) h->op.part = ledger_call_id(r->context->ledger, h->customer);
  h->op.evidence = evidence_of(h);
  holding_submit(h);
}

// ---- what became of it

// The alarm of a hold that was used and cannot be priced: it waits for a rate.
static void unrated_tell(const struct holding *h) {
  char id[ID_TEXT_MAX];
  const struct settle *b = h->body;
  if (b->state != CALL_UNRATED) return;
  id_print("call", ((const struct settle *)h->body)->final ? h->id : h->op.part, id);
  log_error("hold.unrated", "call %s has usage without a rate: %s", id, b->unrated_meter ? b->unrated_meter : "its model has no price");
}

static void settled(struct holding *h) {
  const struct ledger_op *op = &h->op;
  struct held held = {.customer = h->customer, .id = h->id, .key = op->seen.key, .state = op->state,
                      .price = op->unpriced ? UUID_NIL : uuid_is_nil(op->price) ? op->seen.price : op->price, .charged = op->charged,
                      .flags = (op->seen.over && op->state != CALL_RELEASED ? CALL_LATE : 0) | (op->charge > op->seen.amount ? CALL_ABOVE_HOLD : 0)};
  unrated_tell(h);
  if (!op->late && !op->seen.parted && held_about_read(h->r->arena, op->seen.about, &held)) holding_tell_known(h, &held);
  else holding_job(h, holding_tell);
}

// The price that it ended by, or that it was given since, says what these quantities cost then; the model has another by now, perhaps.
static bool priced_so(struct holding *h, const struct held *held) {
  struct settle *b = h->body;
  const struct book_price *price = uuid_is_nil(held->price) ? NULL : book_price_by_id(h->r->book, held->price);
  struct str model = b->model.len ? b->model : held->model;
  bool same = price ? holding_is_of(price, model) : str_eq(held->unpriced_model, model);
  return same && usage_cost(h, price) && held->state == b->state && h->op.charged == b->charge;
}

// Whether what it ended as is what was asked for: the same charge, of the same usage.
static bool ended_so(struct holding *h, const struct held *held) {
  const struct ledger_op *op = &h->op;
  const struct settle *b = h->body;
  struct meter_quantities used = {0};
  if (op->state == CALL_RELEASED) return held->state == CALL_RELEASED || held->state == CALL_EXPIRED;
  if (quantities_add(&used, h->r->arena, op->usage) != 0 || !quantities_equal(&used, &held->usage)) return false;
  return b->usage ? priced_so(h, held) : held->state == op->state && op->charged == op->charge;
}

// It had ended before: the same, or something else.
static void settled_before(struct holding *h, struct db *db) {
  struct held held;
  const struct ledger_op *op = &h->op;
  if (!holding_read(h, db, &held)) return;
  h->r->replayed = http_header(h->r->http, "Idempotency-Key").len > 0;
  if (op->replayed || ended_so(h, &held)) holding_tell_known(h, &held);
  else if (op->state == CALL_UNRATED && held.state == CALL_EXPIRED)
    holding_conflict(h, &held, "This hold's time has run out, and what was used has no price: settle it by amount, or when it has one.");
  else holding_conflict(h, &held, arena_printf(h->r->arena, "This hold has ended otherwise: it is %s.", call_state_name(held.state)));
}

static void not_taken(struct holding *h, struct db *db) {
  struct held held;
  if (!holding_read(h, db, &held)) return;
  if (held.state == CALL_PENDING) holding_conflict(h, &held, "The balance would be less than an amount can be.");
  else holding_conflict(h, &held, arena_printf(h->r->arena, "This hold has ended: it is %s.", call_state_name(held.state)));
}

static void ended_answer(struct holding *h) {
  if (h->op.result < 0)
    holding_fault(h, h->op.result);
  else if (h->op.result == LEDGER_DONE)
    settled(h);
  else if (h->op.result == LEDGER_DUPLICATE)
    holding_job(h, settled_before);
  else if (h->op.result == LEDGER_UNKNOWN)
    rest_unknown(h->r, "id", "hold");
  else
    holding_job(h, not_taken);
}

static void part_answer(struct holding *h) {
  struct rest_request *r = h->r;
  r->replayed = h->op.result == LEDGER_DUPLICATE;
  if (r->replayed) h->op.part = h->op.existing;
  if (h->op.result == LEDGER_DONE) unrated_tell(h);
  if (h->op.result == LEDGER_DONE || r->replayed)
    holding_job(h, holding_tell);
  else
    ended_answer(h);
}

static void settle_answer(struct holding *h, struct db *db) {
  (void)db;
  if (h->op.result == LEDGER_REUSED) rest_refuse(h->r, PROBLEM_IDEMPOTENCY_REUSED, "Idempotency-Key", "This Idempotency-Key was used for another request.");
  else if (h->op.kind == LEDGER_PART) part_answer(h);
  else ended_answer(h);
}

void hold_settle_post(struct rest_request *r, struct db *db) {
  (void)db;
  holding_begin(r, HOLDING_ENDS, settle_parse, settle_ask, settle_answer);
}

// ---- giving it back

static bool release_parse(struct holding *h) {
  h->body = arena_alloc(h->r->arena, sizeof(struct settle));
  return rest_path_id(h->r, "call", &h->id);
}

static void release_ask(struct holding *h, struct db *db) {
  struct rest_request *r = h->r;
  struct str key; // it is the same however often it is asked for: it need not be kept
  unsigned char fingerprint[32];
  if (!rest_replay_key(r, &key, fingerprint)) return;
  if (!r->who->is_operator) h->customer = r->who->customer_id;
  else if (!holding_find(h, db)) return;
  h->op = (struct ledger_op){.kind = LEDGER_SETTLE, .explicit = true, .customer = h->customer, .id = h->id, .usage = STR("{}"), .state = CALL_RELEASED,
                             .evidence = str_from(arena_printf(r->arena, "{\"ending\":\"released\",\"request_id\":\"%s\"}", http_request_id(r->http)))};
  holding_submit(h);
}

static void release_answer(struct holding *h, struct db *db) {
  (void)db;
  ended_answer(h);
}

void hold_release_post(struct rest_request *r, struct db *db) {
  (void)db;
  holding_begin(r, HOLDING_ENDS, release_parse, release_ask, release_answer);
}
