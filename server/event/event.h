// Events that are told to the outside: the one list of their types, and the row that tells one. The row is written in the
// transaction of the fact itself, so that an event is told if and only if it happened; who sends it, and to whom, is
// decided later. Where nobody listens nothing is written.
#pragma once
#include "base/id.h"

struct db;

//  id, name
#define EVENT_TYPES(X)                                                                                                 \
  X(USAGE_SETTLED, "usage.settled")                                                                                    \
  X(BALANCE_LOW, "balance.low")                                                                                        \
  X(BALANCE_EXHAUSTED, "balance.exhausted")                                                                            \
  X(BALANCE_REFILLED, "balance.refilled")                                                                              \
  X(GRANT_CREATED, "grant.created")                                                                                    \
  X(GRANT_EXPIRING, "grant.expiring")                                                                                  \
  X(GRANT_EXPIRED, "grant.expired")                                                                                    \
  X(PAYMENT_SUCCEEDED, "payment.succeeded")                                                                            \
  X(PAYMENT_FAILED, "payment.failed")                                                                                  \
  X(PAYMENT_REFUNDED, "payment.refunded")                                                                              \
  X(PAYMENT_DISPUTED, "payment.disputed")                                                                              \
  X(DISPUTE_CLOSED, "dispute.closed")                                                                                  \
  X(REFUND_FAILED, "refund.failed")                                                                                    \
  X(TOP_UP_SUCCEEDED, "top_up.succeeded")                                                                              \
  X(TOP_UP_FAILED, "top_up.failed")                                                                                    \
  X(TOP_UP_ACTION_REQUIRED, "top_up.action_required")                                                                  \
  X(TOP_UP_SUSPENDED, "top_up.suspended")                                                                              \
  X(SUBSCRIPTION_UPDATED, "subscription.updated")                                                                      \
  X(KEY_CREATED, "key.created")                                                                                        \
  X(KEY_REVOKED, "key.revoked")                                                                                        \
  X(LIMIT_REACHED, "limit.reached")                                                                                    \
  X(BUDGET_THRESHOLD, "budget.threshold")                                                                              \
  X(ENDPOINT_DISABLED, "endpoint.disabled")                                                                            \
  X(ENDPOINT_TEST, "endpoint.test") // sent on request, to that endpoint whatever it takes

enum event_type {
#define X(id, name) EVENT_##id,
  EVENT_TYPES(X)
#undef X
      EVENT_TYPE_COUNT
};
const char *event_name(enum event_type type);
bool event_find(struct str name, enum event_type *ret);

// In the caller's transaction. customer: nil where it is the operator's own. data: a JSON object, what the envelope shows as
// data.object. 0, also where nobody listens, or FAULT_DB.
int event_add(struct db *db, struct uuid customer, enum event_type type, struct str data_json);
// Likewise: the event that Stripe sent goes on, as it came, to the endpoints that take Stripe's.
int event_forward(struct db *db, struct uuid customer, struct str stripe_event_id, struct str type);
// Whether anybody listens at all: for what costs something to put into words. 1, 0 or FAULT_DB.
int event_wanted(struct db *db);

// The API request that this thread works on: what is told until the next call was caused by it. Both are lent until then;
// an empty request_id ends it.
void event_cause(struct str request_id, struct str idempotency_key);
