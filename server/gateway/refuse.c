// What a caller is told when the ledger did not admit its call: which bucket ran out, what is left in it, when it
// refills, and whether trying again can help.
#include "gateway/call.h"
#include "ledger/bucket.h"
#include "json/write.h"

#define DETAILS_MAX 1024

static const char *period_name(int period) {
  static const char *const names[] = {"", "minute", "day", "month", "total"};
  ASSERT(period > 0 && period < (int)ARRAY_LEN(names));
  return names[period];
}

// ---- limits

static int64_t period_seconds(int period) {
  static const int64_t seconds[] = {0, 60, 86400, 2592000, 0};
  ASSERT(period > 0 && period < (int)ARRAY_LEN(seconds));
  return seconds[period];
}

static void limit_header(struct limit_texts *t, const char *name, const char *value) {
  t->headers[t->count++] = (struct http_header){str_from(name), str_from(value)};
}

// Only a count of requests has a quota in these headers' unit; of a budget the wait alone is told.
void limit_describe(const struct ledger_op *op, int64_t now, struct limit_texts *ret) {
  char id[ID_TEXT_MAX];
  int64_t wait_us = op->refills_at > now ? op->refills_at - now : 0,
          wait_s = wait_us / 1000000 + (wait_us % 1000000 != 0);
  *ret = (struct limit_texts){.wait_ms = wait_us / 1000 + (wait_us % 1000 != 0)};
  if (op->limit_measure != BUCKET_REQUESTS) return;
  if (ret->wait_ms == 0) ret->wait_ms = 1;
  id_print("lim", op->limit, id);
  (void)snprintf(ret->policy, sizeof ret->policy, "\"%s\";q=%" PRId64 ";w=%" PRId64, id, op->limit_amount,
                 period_seconds(op->limit_period));
  (void)snprintf(ret->state, sizeof ret->state, "\"%s\";r=%" PRId64 ";t=%" PRId64, id, op->left, wait_s);
  (void)snprintf(ret->limit, sizeof ret->limit, "%" PRId64, op->limit_amount);
  (void)snprintf(ret->remaining, sizeof ret->remaining, "%" PRId64, op->left);
  (void)snprintf(ret->reset, sizeof ret->reset, "%" PRId64 "ms", ret->wait_ms);
  limit_header(ret, "RateLimit-Policy", ret->policy);
  limit_header(ret, "RateLimit", ret->state);
  limit_header(ret, "x-ratelimit-limit-requests", ret->limit);
  limit_header(ret, "x-ratelimit-remaining-requests", ret->remaining);
  limit_header(ret, "x-ratelimit-reset-requests", ret->reset);
}

static void quantity_write(struct json_writer *w, const char *name, int measure, int64_t quantity) {
  if (measure == BUCKET_REQUESTS)
    json_member_int(w, name, quantity);
  else
    json_member_amount(w, name, quantity);
}

static void limited(struct gateway_call *c) {
  const struct ledger_op *op = &c->op;
  struct limit_texts texts;
  struct buf details;
  limit_describe(op, ledger_now(c->gateway->ledger), &texts);
  buf_init(&details, DETAILS_MAX);
  struct json_writer w = json_writer(&details);
  json_object_begin(&w);
  json_member_id(&w, "limit", "lim", op->limit);
  json_member_text(&w, "measure", op->limit_measure == BUCKET_REQUESTS ? "requests" : "spend");
  json_member_text(&w, "period", period_name(op->limit_period));
  quantity_write(&w, "amount", op->limit_measure, op->limit_amount);
  quantity_write(&w, "left", op->limit_measure, op->left);
  json_member_time(&w, "refills_at", op->refills_at);
  if (op->limit_measure == BUCKET_SPEND) json_member_amount(&w, "required", c->hold);
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
                    period_name(op->limit_period));
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
  json_member_amount(&w, "balance", op->balance);
  json_member_amount(&w, "held", op->held);
  json_member_amount(&w, "available", op_available(op));
  json_member_amount(&w, "required", c->hold);
  json_object_end(&w);
  amount_print(c->hold, required);
  amount_print(op_available(op), available);
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
