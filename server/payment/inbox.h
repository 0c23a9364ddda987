// Events of Stripe's as they came, byte for byte: kept before anything is done about them, once however often they are
// sent. What is not for this deployment is kept too, parked, with the reason.
#pragma once
#include "base/arena.h"
#include "base/id.h"
#include "stripe/envelope.h"

struct db;

enum inbox_state { INBOX_RECEIVED = 1, INBOX_SETTLED = 2, INBOX_IGNORED = 3, INBOX_PARKED = 4 };
#define INBOX_STATES "received|done|ignored|parked"

struct inbox_event {
  struct str id, type, object_id, api_version, reason;
  bool livemode, thin;
  enum inbox_state state;
  int64_t created; // seconds since 1970
  int64_t attempts, due_at, received_at, done_at; // microseconds; 0: not yet
  struct uuid place;                              // in the list
};

// Why an event is not for a deployment with that kind of key: "livemode", "account", "context"; NULL: it is.
const char *inbox_objection(const struct envelope *e, bool live);

enum inbox_answer {
  INBOX_DONE = 0,
  INBOX_UNKNOWN = 1,
  INBOX_KNOWN = 2,      // was stored before, and stays as it is
  INBOX_NOT_PARKED = 3, // only what is parked is tried anew
};
// reason NULL: received, and passed on to whoever listens to Stripe's events; else parked. In a transaction.
int inbox_store(struct db *db, const struct envelope *e, struct str body, const char *reason);
// Texts live in the arena.
int inbox_read(struct db *db, struct arena *arena, struct str id, struct inbox_event *ret);
// Latest first. state 0: any; type ptr NULL: any; what is before a place.
struct inbox_filter {
  int state;
  struct str type;
  struct uuid before; // nil: from the latest
};
int inbox_list(struct db *db, struct arena *arena, const struct inbox_filter *filter, size_t max,
               struct inbox_event **ret, size_t *ret_count);
// What is parked is received anew, and due at once. INBOX_DONE, INBOX_UNKNOWN, INBOX_NOT_PARKED.
int inbox_retry(struct db *db, struct str id);
