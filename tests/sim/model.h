// The reference: what the ledger's rules say, written down as plainly as can be, to be compared with what the product
// did. It shares the product's types and not a line of its code. Everything is looked up by walking, every sum is made
// anew, numbers are wide.
#pragma once
#include "fiber.h"
#include "ledger/ledger.h"

__extension__ typedef __int128 wide;

struct model_draw { // what a hold took of a budget
  struct uuid limit;
  int64_t window;
  wide amount;
};
struct model_hold {
  struct uuid call, key;
  struct uuid price;
  int32_t writer, writer_before; // before: whose it was until `moved_at`; 0: an explicit one
  int64_t moved_at;              // true time
  int64_t expires_at;            // of an explicit one, by the database's clock
  bool parted;
  wide amount, metered, cost;
  int64_t usage;
  struct str once;
  uint64_t touched; // the batch that extended it last, or charged a part
  struct model_draw draws[LIMIT_DRAWS];
  int draw_count;
};
struct model_grant {
  struct uuid id;
  int source, priority;
  int64_t expires_at;
  struct str origin, currency;
  int64_t paid; // -1: nothing
  wide granted, left, consumed, expired, refunded, frozen;
};
struct model_paid {
  struct uuid grant; // nil: debt
  wide amount;
};
struct model_call {
  struct uuid id, key, price;
  int state, revision;
  unsigned flags;
  bool was_swept, bare; // its first row: ended by the sweeper of the dead, without evidence
  wide charge, cost;
  int64_t usage;
  struct model_paid *paid; // in the order of paying; what is given back is taken off its end
  int paid_count;
  uint64_t batch; // that wrote its last row
};
struct model_event { // that was taken
  struct uuid identity, content, call;
};
struct model_part {
  struct uuid hold, part;
};
struct model_limit {
  struct uuid id, key;
  int measure, period;
  wide amount;
  wide level; // a rate: what was in it at the last draw
  int64_t drawn_at;
  int64_t window_start, window_end;
  wide used, used_before; // before: this batch
};
struct model_told { // what the outside hears of a batch, and two numbers that come with it
  const char *type;
  struct uuid of; // the grant, the limit; nil: the customer
  wide a, b;
};
struct model_key {
  struct uuid id;
  int64_t made_at, revoked_at; // true times of the commits; 0: not
  int64_t expires_at;          // by the database's clock, 0: never
  int64_t told_until[HOMES];   // until when it may be trusted there at most, by what the database said: true time
};
struct model_kept { // a request that is known
  struct str key;
  unsigned char fingerprint[32];
  struct uuid object, before; // before: what it stood for until this batch; nil: nothing
  int64_t at;                 // when its transaction began
  int64_t gone_at;            // true time at which it was forgotten; 0: it stands
  uint64_t batch;             // in which it was kept
};
struct model_customer {
  struct uuid id;
  int64_t version, zone_offset;
  bool suspended, refuses_events;
  wide credit_limit, debt;
  wide given; // by operations, in all
  wide top_up_at; // -1: never
  bool top_up_due;
  struct model_hold *holds;
  int hold_count;
  struct model_grant *grants;
  int grant_count;
  struct model_call *calls;
  int call_count;
  struct model_limit *limits;
  int limit_count;
  struct model_key *keys;
  int key_count;
  struct model_kept *kept;
  int kept_count;
  struct model_event *events;
  int event_count;
  struct model_part *parts;
  int part_count;
  wide low_balance; // 0 or below: none
  // in this batch
  wide consumed, balance_before, settled;
  int settled_count;
  bool moved; // something was written of it
  struct model_told *told;
  int told_count;
  struct uuid names[64]; // of the grants that the ledger makes itself, in order: what it called them
  int name_count, names_used;
};

// The moment of a batch, by the database's clock, and by the true one.
struct model_moment {
  int64_t begun_at, now, truly_begun_at;
  int32_t writer;
};
struct model_answer {
  int result;
  wide balance, held, debt, credit_limit;
  struct uuid limit; // of LIMITED
  wide left;
  int64_t refills_at;
  struct uuid existing[8]; // any of these
  int existing_count;
  wide charged; // -1: not told
  struct {      // the hold as it stood before; found: there was one
    bool found, parted, over;
    struct uuid key, price;
    wide amount;
    int64_t expires_at;
  } hold;
};

struct model_customer *model_customer(struct uuid id); // NULL: none
struct model_customer *model_customer_add(struct uuid id);
int model_customer_count(void);
struct model_customer *model_customer_at(int i);
void model_forget(void);

// A batch, then its operations one after the other as they were decided. `told` is what the product answered: it counts
// only where two orders are equally right.
void model_batch_begin(void);
void model_batch_end(void); // what it tells stands in each customer's `told` until the next one
struct model_answer model_apply(const struct ledger_op *op, const struct model_moment *at, int told);
void model_mark(struct model_customer *c, wide top_up_at);
void model_moved(int32_t from, int32_t to, int64_t truly_now); // holds of a writer that came back
void model_forget_keys(int64_t before, int64_t truly_now);

// ---- what is looked up, and counted anew each time
wide model_balance(const struct model_customer *c);
wide model_held(const struct model_customer *c);
int model_open_holds(const struct model_customer *c); // explicit ones
bool model_counts(const struct model_customer *c, wide charge); // whether an amount can still count what is left after it
int model_kept_count(const struct model_customer *c);
wide model_bucket_held(const struct model_customer *c, const struct model_limit *l);
struct model_hold *model_hold(struct model_customer *c, struct uuid call);
struct model_call *model_call(struct model_customer *c, struct uuid id);
struct model_limit *model_limit(struct model_customer *c, struct uuid id);
struct model_key *model_key(struct model_customer *c, struct uuid id);
struct model_grant *model_grant(struct model_customer *c, struct uuid id);
const struct model_event *model_event(const struct model_customer *c, struct uuid identity);
int64_t model_usage(struct str json);   // of {"n":…}, which is all that the worlds use
int64_t model_id_time(struct uuid id);  // microseconds
// Adds a zeroed element to an array: MODEL_ADD(c->holds, c->hold_count).
#define MODEL_ADD(list, count) ((list) = model_grow((list), (count), sizeof *(list)), &(list)[(count)++])
void *model_grow(void *list, int count, size_t size);

