// See refusal.h.
#include "meter/refusal.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/write.h"
#include "ledger/bucket.h"
#include <inttypes.h>
#include <stdio.h>

const char *limit_period_name(int period) {
  static const char *const names[] = {"", "minute", "day", "month", "total"};
  ASSERT(period > 0 && period < (int)ARRAY_LEN(names));
  return names[period];
}

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

void refusal_limit_write(struct json_writer *w, const struct ledger_op *op, amount required) {
  json_member_id(w, "limit", "lim", op->limit);
  json_member_text(w, "measure", op->limit_measure == BUCKET_REQUESTS ? "requests" : "spend");
  json_member_text(w, "period", limit_period_name(op->limit_period));
  quantity_write(w, "amount", op->limit_measure, op->limit_amount);
  quantity_write(w, "left", op->limit_measure, op->left);
  json_member_time(w, "refills_at", op->refills_at);
  if (op->limit_measure == BUCKET_SPEND) json_member_amount(w, "required", required);
}

void refusal_credits_write(struct json_writer *w, const struct ledger_op *op, amount required) {
  json_member_amount(w, "balance", op->balance);
  json_member_amount(w, "held", op->held);
  json_member_amount(w, "available", op_available_told(op));
  json_member_amount(w, "required", required);
}
