// POST /api/v1/holds: credits are taken out of what is available, by amount or by what quantities of a model can cost at most. What
// binds a call binds a hold: the customer's status, its credits, every limit; and where it is asked for with the customer's own key,
// that key's limits too.
#include "base/limits.h"
#include "rest/holding.h"
#include "rest/lately.h"
#include "usage/names.h"
#include <inttypes.h>

#define TTL_DEFAULT_S 300

struct create {
  struct str customer, model;
  amount credits;
  int64_t ttl;
  struct json *usage, *metadata;
  bool given_credits;
  struct usage_event quantities;
};
#define AT(member) .offset = offsetof(struct create, member), .given = JSON_NOT_TOLD
static const struct json_field fields[] = {
    {.name = "customer", .kind = JSON_TEXT, .max = LIMIT_NAME + 4, AT(customer)},
    {.name = "amount", .kind = JSON_AMOUNT, .min = 1, .max = AMOUNT_MAX, .offset = offsetof(struct create, credits), .given = offsetof(struct create, given_credits)},
    {.name = "model", .kind = JSON_TEXT, .max = USAGE_TEXT_MAX, AT(model)},
    {.name = "usage", .kind = JSON_OBJECT, AT(usage)},
    {.name = "ttl_seconds", .kind = JSON_INT, .min = 1, .max = LIMIT_HOLD_TTL_S, AT(ttl)},
    {.name = "metadata", .kind = JSON_OBJECT, AT(metadata)},
};

static bool refuse(struct rest_request *r, const char *param, const char *why) {
  rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "%s", why);
  return false;
}

static bool create_parse(struct holding *h) {
  struct rest_request *r = h->r;
  struct create *b = h->body = arena_alloc(r->arena, sizeof *b);
  if (!rest_body(r, fields, ARRAY_LEN(fields), b, sizeof *b)) return false;
  if (b->given_credits && b->usage) return refuse(r, "usage", "Say amount, or model and usage: not both.");
  if (!b->given_credits && !b->usage) return refuse(r, "amount", "Say how much to hold: amount, or model and usage.");
  if (b->usage && !b->model.len) return refuse(r, "model", "Say whose price the quantities are held by: model.");
  if (!b->usage && b->model.len) return refuse(r, "model", "model goes with usage, not with amount.");
  if (b->ttl == 0) b->ttl = TTL_DEFAULT_S;
  return rest_metadata_check(r, b->metadata, false);
}

// ---- whose

static bool is_known(struct holding *h, struct str text) {
  if (id_parse("cus", text, &h->customer)) return true;
  bool named = str_starts(text, STR("ext:"));
  return named && usage_names_find(h->r->context->names, (struct str){text.ptr + 4, text.len - 4}, &h->customer);
}

// False: answered, or a job asks again.
static bool customer_find(struct holding *h, struct db *db) {
  struct rest_request *r = h->r;
  struct str text = ((const struct create *)h->body)->customer;
  if (h->found) return true;
  if (!text.len) return holding_own(r, &h->customer) && (h->found = true);
  if (!is_known(h, text) && !db) {
    holding_job(h, create_ask);
    return false;
  }
  if (uuid_is_nil(h->customer) && !rest_customer(r, text, "customer", &h->customer)) return false;
  h->found = r->who->is_operator || uuid_eq(h->customer, r->who->customer_id);
  if (h->found) return true;
  rest_refuse(r, PROBLEM_FORBIDDEN, "customer", "This key may hold credits of its own customer only.");
  return false;
}

// ---- how much

static struct str metadata_of(struct rest_request *r, const struct create *b) {
  if (!b->metadata) return STR("{}");
  CLEANUP(mem_freep) char *text = json_dump(b->metadata);
  return arena_str(r->arena, str_from(text));
}

static bool op_fill(struct holding *h) {
  struct rest_request *r = h->r;
  struct create *b = h->body;
  const struct book_price *price = NULL;
  amount hold = b->credits;
  struct held_about about = {.request_id = http_request_id(r->http), .metadata = metadata_of(r, b)};
  if (b->usage) {
    if (!holding_usage(r, b->usage, &b->quantities) || !holding_bound(r, b->model, &b->quantities, &price, &hold)) return false;
    about.model = h->model = arena_str(r->arena, price->model);
    about.provider = price->provider->name;
    about.bound = holding_quantities(r->arena, &b->quantities);
  }
  about.hold = h->required = hold;
  h->price = price ? price->id : UUID_NIL;
  h->id = ledger_call_id(r->context->ledger, h->customer);
  h->op = (struct ledger_op){.kind = LEDGER_ADMIT,
                             .customer = h->customer,
                             .id = h->id,
                             .key = r->whose->key_id,
                             .price = h->price,
                             .hold = hold,
                             .expires_at = ledger_now(r->context->ledger) + b->ttl * 1000000,
                             .most_open = r->context->open_holds_max,
                             .config_version = r->whose->config_version,
                             .debt_allowed = r->whose->short_policy == SHORT_ALLOW_DEBT ? r->whose->short_debt : 0,
                             .about = held_about_write(r->arena, &about)};
  for (size_t i = 0; i < r->whose->limit_count && i < LIMIT_DRAWS; i++) h->op.limits[h->op.limit_count++] = r->whose->limits[i].id;
  return rest_replay_key(r, &h->op.idempotency_key, h->op.fingerprint);
}

void create_ask(struct holding *h, struct db *db) {
  if (customer_find(h, db) && holding_whose(h) && op_fill(h)) holding_submit(h);
}

// ---- what became of it

static void made(struct holding *h) {
  struct create *b = h->body;
  struct held held = {.customer = h->customer, .id = h->id, .key = h->op.key, .price = h->price, .state = CALL_PENDING, .amount = h->op.hold,
                      .expires_at = h->op.expires_at, .model = h->model, .metadata = metadata_of(h->r, b)};
  lately_put(h->r->context->lately, h->id, h->customer, h->price);
  holding_tell_known(h, &held);
}

void create_answer(struct holding *h, struct db *db) {
  struct rest_request *r = h->r;
  (void)db;
  r->replayed = h->op.result == LEDGER_DUPLICATE;
  if (r->replayed) h->id = h->op.existing;
  if (h->op.result < 0)
    holding_fault(h, h->op.result);
  else if (h->op.result == LEDGER_DONE)
    made(h);
  else if (h->op.result == LEDGER_DUPLICATE)
    holding_job(h, holding_tell);
  else if (h->op.result == LEDGER_SHORT)
    holding_refuse_short(h);
  else if (h->op.result == LEDGER_LIMITED)
    holding_refuse_limited(h);
  else if (h->op.result == LEDGER_CROWDED)
    rest_refuse(r, PROBLEM_CONFLICT, NULL, "This customer has %" PRId64 " open holds, as many as it may have: settle or release some.", h->op.most_open);
  else if (h->op.result == LEDGER_UNKNOWN)
    rest_unknown(r, "customer", "customer");
  else if (h->op.result == LEDGER_REUSED)
    rest_refuse(r, PROBLEM_IDEMPOTENCY_REUSED, "Idempotency-Key", "This Idempotency-Key was used for another request.");
  else
    rest_fault(r, FAULT_DB);
}

void hold_post(struct rest_request *r, struct db *db) {
  (void)db;
  holding_begin(r, HOLDING_TAKES, create_parse, create_ask, create_answer);
}
