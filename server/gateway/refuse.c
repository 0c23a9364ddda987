// What a caller is told when the ledger did not admit its call: which bucket ran out, what is left in it, when it
// refills, and whether trying again can help.
#include "gateway/call.h"
#include "ledger/bucket.h"
#include "json/write.h"

#define DETAILS_MAX 1024

// ---- limits

static void limited(struct gateway_call *c) {
  const struct ledger_op *op = &c->op;
  struct limit_texts texts;
  struct buf details;
  limit_describe(op, ledger_now(c->gateway->ledger), &texts);
  buf_init(&details, DETAILS_MAX);
  struct json_writer w = json_writer(&details);
  json_object_begin(&w);
  refusal_limit_write(&w, op, c->hold);
  json_object_end(&w);
  bool rate = op->limit_period == BUCKET_MINUTE;
  struct problem_more more = {.details = buf_str(&details), .headers = texts.headers, .header_count = texts.count};
  if (texts.wait_ms > 0 && (rate || texts.wait_ms < 60000)) more.retry_after_ms = texts.wait_ms;
  if (rate)
    respond_problem(c, PROBLEM_RATE_LIMITED, &more,
                    "Too many requests: %" PRId64 " a minute are allowed. Try again in %" PRId64 " ms.",
                    op->limit_amount, texts.wait_ms);
  else
    respond_problem(c, PROBLEM_BUDGET_EXCEEDED, &more,
                    "What this call can cost at most does not fit in what is left of the %s budget.",
                    limit_period_name(op->limit_period));
  buf_finish(&details);
}

// ---- credits

static void short_of_credits(struct gateway_call *c) {
  const struct ledger_op *op = &c->op;
  char required[AMOUNT_TEXT_MAX], available[AMOUNT_TEXT_MAX];
  struct buf details;
  buf_init(&details, DETAILS_MAX);
  struct json_writer w = json_writer(&details);
  json_object_begin(&w);
  refusal_credits_write(&w, op, c->hold);
  json_object_end(&w);
  amount_print(c->hold, required);
  amount_print(op_available_told(op), available);
  struct problem_more more = {.details = buf_str(&details)};
  respond_problem(
      c, PROBLEM_INSUFFICIENT_CREDITS, &more,
      "This call can cost up to %s credits and %s are available. Add credits, or lower the request's output cap.",
      required, available);
  buf_finish(&details);
}

// ---- a call that was made before

static void duplicate(struct gateway_call *c) {
  char call[ID_TEXT_MAX];
  struct buf details;
  id_print("call", c->op.existing, call);
  buf_init(&details, DETAILS_MAX);
  struct json_writer w = json_writer(&details);
  json_object_begin(&w);
  json_member_text(&w, "call", call);
  json_object_end(&w);
  struct http_header header = {STR("X-Tollgate-Call"), str_from(call)};
  struct problem_more more = {.details = buf_str(&details), .headers = &header, .header_count = 1};
  respond_problem(c, PROBLEM_DUPLICATE_CALL, &more,
                  "This Idempotency-Key was used before: its call is %s. Answers are not kept.", call);
  buf_finish(&details);
}

void refuse_admission(struct gateway_call *c) {
  struct problem_more key = {.param = "Idempotency-Key"};
  switch (c->op.result) {
  case LEDGER_SHORT:
    short_of_credits(c);
    break;
  case LEDGER_LIMITED:
    limited(c);
    break;
  case LEDGER_DUPLICATE:
    duplicate(c);
    break;
  case LEDGER_REUSED:
    respond_problem(c, PROBLEM_IDEMPOTENCY_REUSED, &key, "This Idempotency-Key was used before with another request.");
    break;
  case LEDGER_UNKNOWN:
    respond_problem(c, PROBLEM_INVALID_KEY, NULL, "%s", invalid_key_text);
    break;
  default:
    respond_fault(c, FAULT_DB);
    break;
  }
}
