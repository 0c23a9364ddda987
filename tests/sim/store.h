// The model database: tables, transactions that become visible at COMMIT, row locks that are waited for, READ COMMITTED.
// What a transaction writes is kept as changes until then; nothing in the product reads what it has itself just written.
// It keeps what it is told; it knows no rule of the ledger beyond the schema's constraints.
#pragma once
#include "base/amount.h"
#include "base/id.h"
#include "base/vec.h"
#include "ledger/state.h"

struct backend;

struct row_lock {
  struct backend *owner;
};
struct row_writer {
  int32_t id;
  int64_t epoch, seq, lease_until;
  struct row_lock lock;
};
struct row_key {
  struct uuid customer, id;
  char public_id[12];
  unsigned char tag[32];
  int64_t revoked_at, expires_at; // by the database's clock; 0: not
};
struct row_limit { // and its bucket
  struct uuid id, key;
  int measure, period;
  int64_t amount;
  int64_t level, drawn_at, window_start, window_end, used, held;
};
struct row_grant {
  struct uuid id;
  int source, priority;
  int64_t expires_at, granted, left, consumed, expired, refunded, frozen;
  struct str origin, currency; // what it was given for, and in what it was paid; empty: nothing, not at all
  int64_t paid;                // -1: null
  amount_wide leg_consumed, leg_expired, leg_refunded, leg_frozen; // what the transfers' legs add up to
};
struct row_hold {
  struct uuid call, key, price;
  int32_t writer;
  int64_t epoch, amount, metered, cost;
  int64_t expires_at; // of an explicit one; 0: null
  bool parted;
  struct str usage, draws, about, once;
  struct row_lock lock;
};
struct row_call {
  struct uuid id, key, price;
  int64_t charge, cost, place, seq;
  int32_t writer;
  int revision, state;
  unsigned flags;
  struct str usage, admission; // of its evidence, ptr NULL: null
  bool evidence;
};
struct row_transfer {
  int32_t writer;
  int64_t seq;
  int ordinal, kind;
  int64_t amount, balance; // balance: after its commit
  struct str *legs[2]; // grants, amounts: as they travel
  size_t leg_count;
};
struct row_once {
  struct str key;
  unsigned char fingerprint[32];
  struct uuid object;
  int64_t created_at;
};
struct row_identity { // of an event
  struct uuid identity, content, call;
  struct str source, id;
  int64_t week;
};
struct row_part {
  struct uuid hold, part;
};
struct row_customer {
  struct uuid id;
  int64_t config_version, balance, held, debt, credit_limit;
  int64_t low_balance, top_up_at; // -1: null
  bool top_up_due;
  int64_t open_holds; // explicit ones
  bool burning_known;
  struct uuid burning;
  int64_t burning_left, burned;
  int status, event_policy;
  int64_t zone_offset; // microseconds east of Greenwich
  int short_policy;
  int64_t short_debt;
  amount_wide effect;  // what its transfers add up to
  amount_wide charged; // and its calls
  struct row_lock lock;
  vec(struct row_limit) limits;
  vec(struct row_grant) grants; // as they were written
  vec(struct row_hold *) holds;
  vec(struct row_call) calls;
  vec(struct row_transfer) transfers;
  vec(struct row_once) onces;
  vec(struct row_identity) identities;
  vec(struct row_part) parts;
};
struct store {
  vec(struct row_customer *) customers;
  vec(struct row_writer *) writers;
  vec(struct row_key) keys;
  int64_t clock;      // the database's, as an offset from true time
  int64_t started_at; // by that clock
  bool told, told_usage; // outbox_wanted: whether anybody listens to events, and to what was settled
};
extern struct store store;

void store_begin(void); // empty tables, in memory that goes with the world
int64_t store_clock(void);
struct row_customer *store_customer(struct uuid id); // NULL: none
struct row_writer *store_writer(int32_t id);
struct row_limit *store_limit(struct row_customer *c, struct uuid id);
struct row_grant *store_grant(struct row_customer *c, struct uuid id);
struct row_grant store_grant_now(const struct row_customer *c, const struct row_grant *g); // as the view grants has it
struct row_hold *store_hold(struct row_customer *c, struct uuid call);
struct row_key *store_key(struct uuid id);
struct str store_text(struct str s); // a copy that lives as long as the world

// ---- changes: made by a statement, applied by COMMIT in their order
enum change_kind {
  CHANGE_WRITER_NEW, CHANGE_WRITER_SEQ, CHANGE_WRITER_EPOCH, CHANGE_WRITER_LEASE,
  CHANGE_BALANCE, CHANGE_VERSION, CHANGE_STATUS, CHANGE_TOP_UP_MARK, CHANGE_TOP_UP_ENOUGH, CHANGE_KEY_NEW, CHANGE_KEY_REVOKED,
  CHANGE_LIMIT_NEW, CHANGE_LIMIT_AMOUNT, CHANGE_LIMIT_GONE, CHANGE_BUCKET,
  CHANGE_HOLD_NEW, CHANGE_HOLD, CHANGE_HOLD_WRITER, CHANGE_HOLD_GONE,
  CHANGE_GRANT_NEW, CHANGE_GRANT, CHANGE_CALL, CHANGE_EVIDENCE, CHANGE_TRANSFER, CHANGE_ONCE, CHANGE_ONCE_GONE, CHANGE_FORGET,
  CHANGE_EVENT, CHANGE_IDENTITY, CHANGE_PART,
};
struct change {
  enum change_kind kind;
  struct row_customer *customer;
  union {
    struct row_writer writer;
    struct { int64_t balance, held, debt, top_up_at, open_holds, burning_left, burned; struct uuid burning; bool top_up_due, burning_known; } money;
    struct { int status, members, event_policy; int64_t credit_limit, low_balance; } status;
    struct row_key key;
    struct row_limit limit;
    struct row_hold hold;
    struct row_grant grant;
    struct row_call call;
    struct row_transfer transfer;
    struct row_once once;
    struct row_identity identity;
    struct row_part part;
    struct { struct uuid id; struct str type, data; } event;
    int64_t before;
  };
};
void change_apply(const struct change *c);

// The kinds of transfers, as server/ledger/audit.sql reads them: what each does to the balance, and with each leg to its grant.
struct row_kind {
  const char *name;
  int balance, consumed, expired, refunded, frozen;
  uint64_t count; // over all worlds: a movement that was never made proves nothing
};
#define ROW_KINDS 15
extern struct row_kind row_kinds[ROW_KINDS]; // by number; 0: none
// What calls' rows say besides, by the bit of the flag, and of those that end: as what; over all worlds.
extern uint64_t row_flags[16], row_states[8];
