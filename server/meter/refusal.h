// What is told with a refusal of the ledger's: which bucket ran out, what is left in it, when it refills; what credits there are.
#pragma once
#include "http/server.h"
#include "ledger/ledger.h"

struct json_writer;

// What a further call could draw from: within int64, however deep a debt is.
static inline amount op_available(const struct ledger_op *op) {
  amount_wide available = (amount_wide)op->balance - op->held + op->credit_limit;
  return available > INT64_MAX ? INT64_MAX : available < INT64_MIN ? INT64_MIN : (amount)available;
}

// The same as it is told: none is none, how far below the floor a debt is says the balance.
static inline amount op_available_told(const struct ledger_op *op) {
  amount available = op_available(op);
  return available > 0 ? available : 0;
}

struct limit_texts {
  char policy[ID_TEXT_MAX + 48], state[ID_TEXT_MAX + 48], limit[24], remaining[24], reset[24];
  struct http_header headers[5];
  size_t count;
  int64_t wait_ms;
};
// The headers of a rate, and how long to wait.
void limit_describe(const struct ledger_op *op, int64_t now, struct limit_texts *ret);
const char *limit_period_name(int period); // "day"
// The members of error.details; required: what was asked for, of money.
void refusal_limit_write(struct json_writer *w, const struct ledger_op *op, amount required);
void refusal_credits_write(struct json_writer *w, const struct ledger_op *op, amount required);
