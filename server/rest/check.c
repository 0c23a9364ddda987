// POST /api/v1/check: whether a hold, or a call that can cost as much, would be admitted at this moment. It takes nothing and promises
// nothing: what decides is asked over rows that nobody has locked.
#include "base/limits.h"
#include "ledger/bucket.h"
#include "ledger/check.h"
#include "meter/refusal.h"
#include "rest/holding.h"

#define TRIES 3 // a configuration that moves faster than it can be read: 503
#define NOTE "Nothing was taken and nothing is promised: a moment later the answer may be another. POST /api/v1/holds decides and takes in one step."

struct check {
  struct str customer, model;
  amount credits;
  struct json *usage;
  bool given_credits;
};
#define AT(member) .offset = offsetof(struct check, member), .given = JSON_NOT_TOLD
static const struct json_field fields[] = {
    {.name = "customer", .kind = JSON_TEXT, .max = LIMIT_NAME + 4, AT(customer)},
    {.name = "amount", .kind = JSON_AMOUNT, .min = 1, .max = AMOUNT_MAX, .offset = offsetof(struct check, credits), .given = offsetof(struct check, given_credits)},
    {.name = "model", .kind = JSON_TEXT, .max = USAGE_TEXT_MAX, AT(model)},
    {.name = "usage", .kind = JSON_OBJECT, AT(usage)},
};

static bool refuse(struct rest_request *r, const char *param, const char *why) {
  rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "%s", why);
  return false;
}

static bool body_read(struct rest_request *r, struct check *b) {
  struct str key; // asking is the same however often it is done: it need not be kept
  unsigned char fingerprint[32];
  if (!rest_body(r, fields, ARRAY_LEN(fields), b, sizeof *b) || !rest_replay_key(r, &key, fingerprint)) return false;
  if (b->given_credits && b->usage) return refuse(r, "usage", "Say amount, or model and usage: not both.");
  if (!b->given_credits && !b->usage) return refuse(r, "amount", "Say how much is asked for: amount, or model and usage.");
  if (b->usage && !b->model.len) return refuse(r, "model", "Say whose price the quantities are counted by: model.");
  if (!b->usage && b->model.len) return refuse(r, "model", "model goes with usage, not with amount.");
  return true;
}

static bool amount_read(struct rest_request *r, const struct check *b, amount *ret) {
  struct usage_event e;
  const struct book_price *price = NULL;
  *ret = b->credits;
  return !b->usage || (holding_usage(r, b->usage, &e) && holding_bound(r, b->model, &e, &price, ret));
}

static bool for_whom(struct rest_request *r, const struct check *b, struct uuid *ret) {
  return b->customer.len ? rest_customer(r, b->customer, "customer", ret) : holding_own(r, ret);
}

// False: answered.
static bool whose_read(struct rest_request *r, struct db *db, struct uuid customer) {
  struct principal *whose = NULL;
  int found = r->who->is_operator ? principal_load_customer(r->context->principals, db, customer, &whose)
                                  : principal_load(r->context->principals, db, r->key_text, &whose);
  principal_unref(r->whose);
  r->whose = whose;
  if (found == PRINCIPAL_FOUND) return true;
  if (found < 0) rest_fault(r, found);
  else if (r->who->is_operator) rest_unknown(r, "customer", "customer");
  else rest_unknown_key(r);
  return false;
}

static struct ledger_op op_of(const struct principal *whose, struct uuid customer, amount hold) {
  struct ledger_op op = {.kind = LEDGER_ADMIT, .customer = customer, .hold = hold, .config_version = whose->config_version,
                         .debt_allowed = whose->short_policy == SHORT_ALLOW_DEBT ? whose->short_debt : 0};
  for (size_t i = 0; i < whose->limit_count && i < LIMIT_DRAWS; i++) op.limits[op.limit_count++] = whose->limits[i].id;
  return op;
}

// The code that the refusal would have.
static const char *reason_of(const struct principal *whose, const struct ledger_op *op) {
  if (whose->suspended) return "customer_suspended";
  if (op->result == LEDGER_DONE) return NULL;
  if (op->result == LEDGER_SHORT) return "insufficient_credits";
  return op->limit_period == BUCKET_MINUTE ? "rate_limit_exceeded" : "quota_exceeded";
}

// Without what an admission would have taken.
static amount available_now(struct ledger_op op) {
  if (op.result == LEDGER_DONE) op.held -= op.hold;
  return op_available_told(&op);
}

static void answer(struct rest_request *r, const struct ledger_op *op) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "object", "check");
  json_member_id(&w, "customer", "cus", op->customer);
  json_member_bool(&w, "admitted", op->result == LEDGER_DONE);
  json_member_text(&w, "reason", reason_of(r->whose, op));
  json_member_amount(&w, "required", op->hold);
  json_member_amount(&w, "available", available_now(*op));
  json_key(&w, "limit");
  if (op->result == LEDGER_LIMITED) {
    json_object_begin(&w);
    refusal_limit_write(&w, op, op->hold);
    json_object_end(&w);
  } else {
    json_put_null(&w);
  }
  json_member_text(&w, "note", NOTE);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

void check_post(struct rest_request *r, struct db *db) {
  struct check body = {0};
  struct uuid customer;
  struct ledger_op op = {.result = LEDGER_STALE};
  amount hold = 0;
  if (!body_read(r, &body) || !for_whom(r, &body, &customer) || !amount_read(r, &body, &hold)) return;
  for (int i = 0; i < TRIES && op.result == LEDGER_STALE; i++) {
    if (!whose_read(r, db, customer)) return;
    op = op_of(r->whose, customer, hold);
    (void)ledger_check(db, &op);
    if (r->whose->suspended) break;
  }
  if (op.result < 0 || (op.result == LEDGER_STALE && !r->whose->suspended)) rest_fault(r, FAULT_DB);
  else if (op.result == LEDGER_UNKNOWN) rest_unknown(r, "customer", "customer");
  else answer(r, &op);
}
