// The ledger's door: everything that moves credits goes through ledger_submit. A customer's writer thread takes all that has
// gathered while its previous commit was under way and runs one transaction for it; each operation gets its own answer.
#pragma once
#include "base/amount.h"
#include "base/fault.h"
#include "base/id.h"
#include "base/limits.h"
#include "ledger/state.h"

struct ledger;
#define LEDGER_DERIVED '~'

struct ledger_config {
  const char *url;      // direct: never through a transaction pooler
  const char *instance; // a name for people
  int lease_ms;         // how long after its last sign of life an instance's calls are settled by others
  int writers;          // 0: one
};
// Connects, claims a row for each writer, starts its thread. NULL with a sentence in ret_error.
struct buf;
struct ledger *ledger_create(const struct ledger_config *config, struct buf *ret_error);
// Ends the lease (nothing may be pending), joins. NULL is fine.
void ledger_destroy(struct ledger *l);
// The database's clock, in microseconds since 1970: what the last commit told, and the time that has passed since. A step
// of this machine's wall clock does not move it. Ids of calls and the choice of prices go by it.
int64_t ledger_now(const struct ledger *l);
int64_t ledger_lease_us(const struct ledger *l);
bool ledger_up(const struct ledger *l); // the last transaction worked and the lease stands
// A call's id: UUIDv7 of that clock whose last four bytes are the customer's, so that an operator finds it by id alone.
struct uuid ledger_call_id(const struct ledger *l, struct uuid customer);
// The same for work that was done at another time (microseconds): reports and budgets count a call at the time in its id.
struct uuid ledger_call_id_at(int64_t at, struct uuid customer);

enum ledger_kind {
  LEDGER_ADMIT,  // take a hold and draw from the limits' buckets, all or nothing
  LEDGER_EXTEND, // the hold grows to `amount`, or lives longer, or both; what was metered so far is noted
  LEDGER_SETTLE, // the hold ends as `state` with `charge`
  LEDGER_SWEEP,  // the hold of a dead instance ends at what it had noted; an explicit one whose time has run out gives back what is left
  LEDGER_RECORD, // usage that has happened is charged: a call that never had a hold
  LEDGER_PART,   // a part of a hold is charged, as the call `part`; the hold goes on with the rest
  LEDGER_GRANT,  // credits are given
  LEDGER_EXPIRE, // a grant's time has run out: takes what open holds do not need
  LEDGER_VOID,   // a settled call is undone; one that waits for a price is given away
  LEDGER_RERATE, // a settled or unrated call is to have cost `charge`: what is to stand, so that it may come twice
  LEDGER_REVERSE, // what a payment's refunds and disputes have taken of its grant becomes what it should be
};

enum ledger_answer {
  LEDGER_DONE = 0,
  LEDGER_STALE = 1,      // ADMIT, RECORD: config_version has moved; EXTEND of an explicit hold: its customer is suspended. Read the
                         // principal again and ask again
  LEDGER_SHORT = 2,      // ADMIT, EXTEND, RECORD: available does not cover the amount
  LEDGER_LIMITED = 3,    // ADMIT, EXTEND, RECORD: limit `limit` has only `left` (requests or nanocredits) left until `refills_at`
  LEDGER_DUPLICATE = 4,  // the request or a grant of this origin was made before, or the call has ended already: `existing` is what was made
  LEDGER_REUSED = 5,     // the idempotency key was used before with another fingerprint, the event's identity with other content
  LEDGER_UNKNOWN = 6,    // no such customer, call or grant
  LEDGER_GONE = 7,       // EXTEND: the hold is no more (ended, or its time has run out); VOID, RERATE, late SETTLE: calls of that time are no longer kept
  LEDGER_REFUSED = 8,    // the database refused this operation by itself (an alarm was counted), or a state does not allow it
  LEDGER_CROWDED = 9,    // ADMIT of an explicit hold: its customer has as many open as it may have
  // or FAULT_DB (not done), FAULT_FULL (not done), FAULT_CLOSED (not done)
};

// One operation. The caller owns it and everything it points to until `done` is called, on the writer's thread, once:
// done must not block and may free it. All texts are JSON objects where named so.
struct ledger_op {
  enum ledger_kind kind;
  struct uuid customer;
  struct uuid id;   // the call, or the grant; RECORD: of a time ahead of the clock it is brought back to that
  struct uuid key;  // ADMIT: the API key
  struct uuid price; // ADMIT: pinned; SETTLE, PART: of what served, nil: the pinned one
  bool unpriced;     // SETTLE, PART: nothing has a price for it, neither has the pinned one

  amount hold;      // ADMIT, EXTEND: the amount held in all; EXTEND of an explicit hold, 0: as it is
  amount charge;    // SETTLE, RECORD, PART, RERATE; ADMIT and EXTEND: what is charged should this instance die
  int64_t expires_at; // ADMIT, EXTEND: of an explicit hold, microseconds; 0: ADMIT: the hold lives as long as this instance,
                      // EXTEND: as it is. It is never brought nearer
  int64_t most_open;  // ADMIT of an explicit hold: so many its customer may have open; 0: any number
  bool explicit;      // EXTEND, SETTLE, PART: of an explicit hold; another's is UNKNOWN
  amount cost;      // the provider cost of `charge`
  struct str usage; // JSON object {"meter": quantity}, the usage behind `charge`

  int64_t config_version;                  // ADMIT; RECORD: 0 where the reporter is no key of the customer's
  int32_t writer;                          // SWEEP: the fenced writer that the hold must still live by
  amount debt_allowed;                     // ADMIT: the floor may be passed by this much (policy)
  struct uuid limits[LIMIT_DRAWS];         // ADMIT: the limits that bind this call
  size_t limit_count;
  struct str about;                        // ADMIT: JSON object kept with the hold

  enum call_state state; // SETTLE; RECORD: settled or unrated
  unsigned flags;        // SETTLE, RECORD: enum call_flag
  struct str evidence;   // SETTLE: JSON object; the hold's `about` is added as its member "admission"

  struct {
    int source, priority;  // 1 purchase, 2 promotion, 3 subscription, 4 adjustment
    int64_t expires_at;    // microseconds, 0: never
    amount amount;
    struct str reason;
    struct str origin;     // the fact it is given for, once and for ever ("grant:pi_…"); empty: none
    int64_t paid;          // minor units of `currency`; 0: nothing was paid
    struct str currency;
  } grant;
  struct uuid part; // PART: the id of the call that the part is; what an idempotency key is kept for
  struct { // RECORD: its identity is (customer, source, id), its content a fingerprint of all else it says but its time
    struct uuid identity, content;
    struct str source, id;
  } event;
  struct { // REVERSE, of the grant with grant.origin: not a difference but what is to stand, so that it may come twice
    amount refunded, frozen;
  } reverse;

  // What makes a repeated request known (once.c). Empty: nothing. A caller's own key begins with its API key's id; one that
  // was derived from the request begins with LEDGER_DERIVED and is the fingerprint itself.
  struct str idempotency_key;     // ADMIT, GRANT, SETTLE, PART
  unsigned char fingerprint[32];  // ADMIT, GRANT, PART, SETTLE of an explicit hold
  bool retry;                     // ADMIT: the request says that it repeats an earlier one: then a derived key counts
  bool undelivered;               // SETTLE: the answer did not reach the caller, who may ask again

  // ---- the answer
  int result;              // enum ledger_answer, or a fault
  amount balance, held, debt, credit_limit; // of the customer, after this operation
  struct uuid limit;
  int64_t left, refills_at; // refills_at: microseconds of the database's clock, 0: never
  int64_t limit_amount;     // the limit's own amount
  int limit_measure, limit_period;
  struct uuid existing;
  bool replayed; // SETTLE that is DUPLICATE: the idempotency key says so, so it is the same request; else the hold has ended, somehow
  struct { // EXTEND, SETTLE, PART that were DONE and found the hold: as it stood before. Lent until `done` returns
    struct uuid key, price;
    amount amount;
    int64_t expires_at;
    struct str about;
    bool parted; // some of it has been charged in parts
    bool over;   // its time had run out
  } seen;
  amount charged;           // SETTLE, RECORD, PART, SWEEP, VOID, RERATE: what this call costs in all now; REVERSE: what was taken (below zero: given back)
  void (*done)(struct ledger_op *op);
  void *arg;

  // ---- the ledger's own
  struct ledger_op *next;
  int64_t queued_at;
  size_t order;
  bool late; // found no hold: the call's ended rows are to be read
};

// FAULT_FULL or FAULT_CLOSED: not taken, done will not be called.
int ledger_submit(struct ledger *l, struct ledger_op *op);
// Submits and waits: for job threads and tools. Returns op->result.
int ledger_run(struct ledger *l, struct ledger_op *op);
// The same for many at once; each has its own result. How many were DONE, or one of their faults.
int ledger_run_all(struct ledger *l, struct ledger_op *ops, size_t count);

// Housekeeping, on a job thread: fences off writers whose lease has run out and has their calls ended, and explicit holds whose
// time is over; ends grants whose time has run out; makes partitions ahead and drops old ones. Each returns how much it did, or a fault.
struct db;
int ledger_sweep(struct ledger *l, struct db *db);
int ledger_expire(struct ledger *l, struct db *db);

// How long the ledger keeps what, and what it has said about it.
struct ledger_retention {
  int events_late_days;             // how old an event may be
  int evidence_days, calls_days;    // 0: for ever
  bool said;                        // that a partition cannot be made
  bool again;                       // something was busy: call again soon
};
int ledger_partitions(struct db *db, struct ledger_retention *r); // made
int ledger_retire(struct db *db, struct ledger_retention *r);     // partitions dropped whole, because their time has passed
int ledger_forget(struct db *db); // idempotency keys older than a week, some thousands at a time
