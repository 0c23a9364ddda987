// The body of an event as it is sent: shaped like one of Stripe's, so that both its libraries and those of Standard Webhooks
// read it. Made from the event's row alone, so that each attempt sends the same bytes.
#pragma once
#include "base/buf.h"
#include "base/id.h"

struct envelope {
  struct uuid id, customer; // customer nil: the operator's own
  int64_t sequence;         // of that customer; 0: none
  struct str type, data;    // data: a JSON object
  struct str request_id, idempotency_key;
  int64_t created_at;       // microseconds
  struct str api_version;
  bool livemode;
};
void envelope_write(const struct envelope *e, struct buf *out);
