// A customer: who pays. The hot row (balance, held, status) and the profile beside it are read and changed as one
// thing. What changes keys, limits, prices or status is done inside the caller's transaction: customer_lock, the
// change, customer_bump, commit. Then no admission can be decided on what stood before.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"

struct db;

enum customer_status { CUSTOMER_ACTIVE = 1, CUSTOMER_SUSPENDED = 2 };
enum customer_short { CUSTOMER_REFUSE = 1, CUSTOMER_LOWER_CAP = 2, CUSTOMER_ALLOW_DEBT = 3 };
// The client of a running call leaves: what is charged of it, and whether upstream is cancelled or read to its end.
enum customer_abort_charge { CUSTOMER_GENERATED = 1, CUSTOMER_DELIVERED = 2, CUSTOMER_INPUT = 3, CUSTOMER_FIRST_TOKEN = 4 };
enum customer_abort_upstream { CUSTOMER_CANCEL = 1, CUSTOMER_DRAIN = 2 };
// What a usage event does that credits or budgets do not cover: it is taken into debt, or refused.
enum customer_event { CUSTOMER_ACCEPT_EVENT = 1, CUSTOMER_REFUSE_EVENT = 2 };
#define CUSTOMER_EVENTS "accept|refuse"
#define CUSTOMER_ABORT_CHARGES "generated|delivered|input|first_token"
#define CUSTOMER_ABORT_UPSTREAMS "cancel|drain"
#define CUSTOMER_STATUSES "active|suspended"
#define CUSTOMER_SHORTS "refuse|lower_cap|allow_debt"

struct customer {
  struct uuid id;
  struct str external_id;               // ptr NULL: none
  struct str name, time_zone, metadata; // metadata: a JSON object of texts
  enum customer_status status;
  enum customer_short short_policy;
  amount short_debt;
  enum customer_abort_charge abort_charge;
  enum customer_abort_upstream abort_upstream;
  enum customer_event event_policy;
  amount balance, held, debt, credit_limit;
  amount low_balance; // told as low from there on; 0: never
  int64_t created_at, updated_at; // microseconds
};
// What calls could still take: never below zero.
amount customer_available(const struct customer *c);

// 0; 1: no such time zone; or a fault. Outside of a transaction.
int customer_zone_check(struct db *db, struct str time_zone);

enum customer_answer {
  CUSTOMER_DONE = 0,
  CUSTOMER_UNKNOWN = 1,
  CUSTOMER_NAME_TAKEN = 2, // another customer has this external id; the transaction is to be rolled back
};
// In a transaction. Reads id, external_id, name, time_zone, metadata, short_policy, short_debt, abort_charge, abort_upstream,
// event_policy, credit_limit, low_balance.
int customer_create(struct db *db, const struct customer *c);

// In a transaction, after customer_lock. Members whose bit is not set are left as they are; metadata is merged, a
// member that is null is taken out.
enum customer_member {
  CUSTOMER_EXTERNAL_ID = 1 << 0,
  CUSTOMER_NAME = 1 << 1,
  CUSTOMER_TIME_ZONE = 1 << 2,
  CUSTOMER_METADATA = 1 << 3,
  CUSTOMER_STATUS = 1 << 4,
  CUSTOMER_SHORT_POLICY = 1 << 5,
  CUSTOMER_SHORT_DEBT = 1 << 6,
  CUSTOMER_CREDIT_LIMIT = 1 << 7,
  CUSTOMER_ABORT_CHARGE = 1 << 8,
  CUSTOMER_ABORT_UPSTREAM = 1 << 9,
  CUSTOMER_LOW_BALANCE = 1 << 10,
  CUSTOMER_EVENT_POLICY = 1 << 11,
};
int customer_update(struct db *db, unsigned members, const struct customer *c);

int customer_lock(struct db *db, struct uuid id); // CUSTOMER_DONE, CUSTOMER_UNKNOWN or a fault
int customer_bump(struct db *db, struct uuid id); // config_version + 1

// Texts live in the arena.
int customer_read(struct db *db, struct arena *arena, struct uuid id, struct customer *ret);
// Newest first, ids below `before` (nil: from the newest); external_id ptr NULL: all. *ret lives in the arena.
int customer_list(struct db *db, struct arena *arena, struct str external_id, struct uuid before, size_t max,
                  struct customer **ret, size_t *ret_count);
// "cus_…" or "ext:<external id>". Of a cus_ id only the form is checked. CUSTOMER_DONE, CUSTOMER_UNKNOWN or a fault.
int customer_resolve(struct db *db, struct str text, struct uuid *ret);
int customer_exists(struct db *db, struct uuid id); // likewise
