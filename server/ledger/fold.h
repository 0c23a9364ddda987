// The fold: what a batch of operations does to the rows that were locked for it. Pure: no database, no clock, no
// randomness but the ids it is given. The writer fills in what it read, calls fold_run, and writes what became dirty.
//
// Operations come sorted by customer, in order of arrival within each. One that is refused changes nothing.
#pragma once
#include "base/arena.h"
#include "base/vec.h"
#include "ledger/bucket.h"
#include "ledger/ledger.h"
#include "ledger/transfer.h"

// What a hold remembers of a bucket: to give `amount` back if the window that began at `window` still stands.
struct fold_draw {
  struct uuid limit;
  int64_t window, amount;
};
#define FOLD_DRAW_BYTES 32 // limit, window, amount: big-endian, as stored in holds.draws

struct fold_grant {
  struct uuid id;
  unsigned char tid[6]; // of the row that was read: the customer's lock keeps it there
  int source, priority;
  int64_t expires_at; // microseconds; 0: never
  amount granted, left, consumed, expired, refunded, frozen;
  struct str reason, origin, currency;
  int64_t paid;
  bool dirty, fresh;
};

// What is known of a customer's grants. Charges that the one that burns covers need no other, nor its row.
enum fold_grants { GRANTS_UNREAD, GRANTS_BURNING, GRANTS_READ };

struct fold_customer {
  struct uuid id;
  unsigned char tid[6]; // of the locked row
  int64_t config_version;
  amount balance, held, debt, credit_limit;
  amount low_balance, top_up_at; // -1: none
  amount balance_before;         // as it was read
  // The grant that burns first, what it has left, and what it has paid that its own row does not say: as it was read, then as it is to
  // be written. Nil: none is open. Not known: the grants are to be read.
  struct uuid burning;
  bool burning_known;
  amount burning_left, burned;
  int64_t open_holds;            // explicit ones
  bool suspended, refuses_events, dirty, top_up_due;
  bool unsound; // its rows contradict each other: what is asked is answered as if the database were away
  enum fold_grants grants_are;
  struct fold_grant *grants; // in burn order, in the arena
  size_t grant_count, grant_cap;
  struct bucket *buckets;
  size_t bucket_count;
};

struct fold_hold {
  struct uuid customer, call, key, price;
  unsigned char tid[6]; // of the row that was read
  int32_t writer_id; // 0: an explicit one
  int64_t writer_epoch;
  int64_t expires_at; // of an explicit one, microseconds; 0: it lives by its writer's lease
  amount amount, metered, cost;
  struct str usage, about, idempotency_key;
  bool parted; // some of it has been charged in parts
  struct fold_draw draws[LIMIT_DRAWS];
  size_t draw_count;
  bool fresh, dirty, ended;
  const struct ledger_op *op; // of a fresh one
};

// A row of a call that has ended before: read only for operations that found no hold.
struct fold_ended {
  struct uuid customer, call, key, price;
  int revision;
  enum call_state state;
  unsigned flags;
  amount charge, cost;
  int64_t place;
  struct str usage;
  struct str legs[2]; // the transfer's leg_grants and leg_amounts, 16 and 8 bytes each, in pairs by index
  size_t leg_count;
};

struct fold_idempotent {
  struct uuid customer, object;
  struct str key;
  unsigned char fingerprint[32];
  int64_t at;                // when it was kept
  bool pending, gone, fresh; // pending: no row, but a hold that carries the key
};
// An event that was taken, or is now.
struct fold_identity {
  struct uuid customer, identity, content, call;
  struct str source, id; // of a fresh one
  bool fresh;
};
// A grant that was given for the fact an operation names.
struct fold_origin {
  struct uuid customer, grant;
  struct str origin;
};
// A call that is part of an explicit hold.
struct fold_part {
  struct uuid customer, hold, part;
};
// A key whose call came to nothing: it may be used again.
struct fold_released {
  struct uuid customer, call;
  struct str key;
};

struct fold_leg {
  struct uuid grant; // nil: debt
  amount amount;
};
struct fold_transfer {
  struct uuid customer;
  int ordinal;
  enum transfer_kind kind;
  amount amount;
  size_t first_leg, leg_count;
  const char *reason;
};
struct fold_event {
  struct uuid id, customer;
  const char *type;
  struct str data;
};
struct fold_call {
  struct uuid customer, id, key, price;
  int revision;
  enum call_state state;
  unsigned flags;
  amount charge, cost;
  int64_t place;
  struct str usage, evidence;
  struct str admission; // what the hold was about; ptr NULL: it ended none
};

struct fold {
  int64_t now;   // microseconds, the database's clock
  struct uuid (*new_id)(void *arg, int64_t now);
  void *new_id_arg;
  struct arena *arena; // ends with the batch

  vec(struct fold_customer) customers; // sorted by id
  vec(struct fold_hold) holds;         // as read, then fresh ones
  size_t holds_read;                   // sorted by (customer, call)
  vec(struct fold_ended) ended;        // sorted by (customer, call, revision)
  vec(struct fold_idempotent) idempotents;
  vec(struct fold_origin) origins;
  vec(struct fold_identity) identities; // as read, then fresh ones
  size_t *identity_slots, identity_mask; // record.c: finds them; NULL: not built yet
  size_t op_count;                       // of the batch

  vec(struct fold_released) released;
  vec(struct fold_part) parts;
  vec(struct fold_call) calls;
  vec(struct fold_transfer) transfers;
  vec(struct fold_leg) legs;
  vec(struct fold_event) events;
  struct uuid closed;    // calls of before this id are kept no longer
  bool told, told_usage; // whether anybody listens to events, and to what was settled

  // of the customer under way
  vec(struct fold_leg) consumption;
  amount consumed;
  int ordinal;
  size_t first_call, first_transfer;
  int64_t past_floor; // movements that passed the floor: for the metric
};

// How long credits stay that return to a grant whose time has run out.
#define FOLD_GRACE_US (INT64_C(7) * 24 * 3600 * 1000000)

void fold_run(struct fold *f, struct ledger_op **ops, size_t count);
void fold_reset(struct fold *f); // empties everything, keeps the memory
void fold_finish(struct fold *f);

// ---- between the fold's own files
struct fold_customer *fold_customer_find(struct fold *f, struct uuid id);
struct fold_hold *fold_hold_find(struct fold *f, struct uuid customer, struct uuid call);
void fold_transfer_add(struct fold *f, struct uuid customer, enum transfer_kind kind, const struct fold_leg *legs, size_t count, const char *reason);
void fold_call_add(struct fold *f, const struct fold_call *call);
// Repeated requests. once_ask: LEDGER_DONE, or what was made before. once_keep: what is made now, under the caller's own
// key. once_lost: a call was charged and its answer lost. once_release: a hold came to nothing.
int once_ask(const struct fold *f, struct ledger_op *op);
void once_keep(struct fold *f, const struct ledger_op *op);
void once_lost(struct fold *f, struct uuid customer, struct uuid call, struct str key);
void once_release(struct fold *f, const struct fold_hold *h);
// Whether `charge` can be taken (below zero: given back) without leaving what an amount can be: a provider may claim any
// number.
bool burn_fits(const struct fold *f, const struct fold_customer *c, amount charge);
// Takes `charge` from the grants in burn order, the rest from debt. Returns its place in the batch's consumption.
int64_t burn_consume(struct fold *f, struct fold_customer *c, amount charge);
// Whether the operation does nothing to grants but to take `op->charge` from them.
bool burn_is_plain(const struct ledger_op *op);
// Whether the grant that burns pays so much and has something left, or nothing is left of any.
bool burn_covers(const struct fold_customer *c, amount charge);
// The grant that burns stands for all of them: it covers what is to come.
void burn_begin(struct fold *f, struct fold_customer *c);
// All grants, or all open ones, have been read as they were written: what the one that burns has paid since is taken off. False: their
// rows and the customer's do not belong together.
bool burn_read(struct fold_customer *c);
// The customer's operations are done: says in its row which grant burns now.
void burn_end(struct fold_customer *c);
// Credits a grant whose `left` has just risen by amount: repays debt first.
void burn_repay(struct fold *f, struct fold_customer *c, struct fold_grant *g);
// Gives back `back` of what the rows of a call have taken, last paid first.
void burn_reverse(struct fold *f, struct fold_customer *c, const struct fold_ended *rows, size_t count, amount back);
// Tells an operation how it found the hold.
void hold_tell(const struct fold *f, const struct fold_hold *h, struct ledger_op *op);
// Whether the operation may have this hold: NULL, and what has ended, is anybody's until it is looked up.
static inline bool hold_fits(const struct fold_hold *h, const struct ledger_op *op) { return !op->explicit || !h || h->expires_at != 0; }
// The rows of a call that has ended, as they were read: how many, and the first.
size_t ended_find(struct fold *f, struct uuid customer, struct uuid call, struct fold_ended **ret_first);
// Whether the operation may have what ended so: only holds of instances that died are swept.
static inline bool ended_fits(const struct fold_ended *first, const struct ledger_op *op) { return !op->explicit || !(first->flags & CALL_SWEPT); }
// What an earlier operation of this batch wrote of the call; what it charged is added to op->charged. NULL: nothing.
const struct fold_call *fresh_find(const struct fold *f, struct ledger_op *op);
// The budgets that a call without a hold draws from: of limits older than it that bind its customer or its key.
bool budget_binds(const struct bucket *b, struct uuid key, struct uuid call);
void budgets_correct(struct fold_customer *c, const struct fold_call *call, amount difference);
bool credits_cover(const struct fold_customer *c, amount more, amount debt_allowed);
int refuse_limited(struct ledger_op *op, const struct bucket *b, const struct bucket_refusal *r);
// What ends a hold, or is a part of it: at its own price, at none, or at the pinned one.
struct uuid price_of(const struct ledger_op *op, struct uuid pinned);
void fold_extend(struct fold *f, struct fold_customer *c, struct ledger_op *op);
void settle_late(struct fold *f, struct fold_customer *c, struct ledger_op *op);
void fold_settle(struct fold *f, struct fold_customer *c, struct ledger_op *op);
void fold_record(struct fold *f, struct fold_customer *c, struct ledger_op *op);
void fold_part(struct fold *f, struct fold_customer *c, struct ledger_op *op);
void fold_rerate(struct fold *f, struct fold_customer *c, struct ledger_op *op);
void fold_sweep(struct fold *f, struct fold_customer *c, struct ledger_op *op);
void fold_void(struct fold *f, struct fold_customer *c, struct ledger_op *op);
void fold_reverse(struct fold *f, struct fold_customer *c, struct ledger_op *op);
// The grant that was given for `origin`, also in this batch; nil: none.
struct uuid fold_origin_find(const struct fold *f, const struct fold_customer *c, struct str origin);
struct fold_grant *fold_grant_find(struct fold_customer *c, struct uuid id);
// Credits that come back to a grant: where its time has run out, a new one of the same kind takes them for a while.
struct fold_grant *burn_return(struct fold *f, struct fold_customer *c, struct fold_grant *g, amount back);
struct fold_grant *fold_grant_add(struct fold *f, struct fold_customer *c, struct fold_grant grant); // moves c->grants
void fold_grants_sort(struct fold_customer *c); // as they were read: into burn order
// Writes the events of this customer's part of the batch, which began at these.
void fold_tell(struct fold *f, struct fold_customer *c, size_t first_call, size_t first_transfer);
void fold_customer_check(const struct fold_customer *c);
bool fold_past_floor(const struct fold_customer *c);
