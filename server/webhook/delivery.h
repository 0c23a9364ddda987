// Deliveries, to be looked at and to be made again: those that wait in the queue and those that have ended, as one log. A
// delivery is named by its endpoint and its event, and is in one of the two places.
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/id.h"

struct db;

enum delivery_state { DELIVERY_WAITING = 1, DELIVERY_DELIVERED = 2, DELIVERY_FAILED = 3 };
#define DELIVERY_STATES "waiting|delivered|failed"

struct webhook_delivery {
  struct uuid event, customer; // customer nil: the operator's own
  struct str type, attempts;   // attempts: a JSON array
  struct str stripe_event;     // ptr NULL: one of our own
  enum delivery_state state;
  int64_t due_at, ended_at, created_at; // microseconds; 0: none
};
// What it sends.
struct webhook_event {
  struct uuid id, customer;
  int64_t sequence; // 0: none
  struct str type, data, request_id, idempotency_key;
  struct str stripe_event, stripe_body; // of a forwarded one: its id, and what Stripe sent; ptr NULL: none, and no longer kept
  int64_t created_at;
};
// The bytes to send. False where they are not kept any more.
bool delivery_body(const struct webhook_event *event, struct str api_version, bool livemode, struct buf *out);

enum delivery_answer { DELIVERY_DONE = 0, DELIVERY_UNKNOWN = 1 };
// Newest event first, ids below `before` (nil: from the newest). state 0: any. Texts live in the arena.
int delivery_list(struct db *db, struct arena *arena, struct uuid endpoint, int state, struct uuid before, size_t max,
                  struct webhook_delivery **ret, size_t *ret_count);
int delivery_read(struct db *db, struct arena *arena, struct uuid endpoint, struct uuid event, struct webhook_delivery *ret);
int delivery_event(struct db *db, struct arena *arena, struct uuid event, struct webhook_event *ret);

// ---- in a transaction
// Back to the queue, due now and at the schedule's begin. One that waits is due now, too.
int delivery_resend(struct db *db, struct uuid endpoint, struct uuid event);
// The same of those that have ended, told at or after from and before until; all false: only those that failed. At most
// LIMIT_WEBHOOK_REPLAY, the oldest first; where they are as many, *ret_last is when the last of them was told.
int delivery_replay(struct db *db, struct uuid endpoint, int64_t from_us, int64_t until_us, bool all, int64_t *ret_count, int64_t *ret_last);
// An event for this endpoint alone, whatever it takes.
int delivery_test(struct db *db, struct uuid endpoint, struct uuid event, struct str data_json);
