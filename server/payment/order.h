// Orders: one thing bought each, written down before Stripe is asked, with what it costs and what it brings. A state only
// moves up in rank, so that events may come in any order and any number. And which things at Stripe belong to whom.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"

struct db;

enum order_kind { ORDER_PURCHASE = 1, ORDER_TOP_UP = 2, ORDER_SUBSCRIPTION = 3, ORDER_SETUP = 4 };
#define ORDER_KINDS "purchase|top_up|subscription|setup"
// In rank: open < awaiting_payment < failed, expired, cancelled < paid.
enum order_state {
  ORDER_OPEN = 1,
  ORDER_AWAITING = 2,
  ORDER_FAILED = 3,
  ORDER_EXPIRED = 4,
  ORDER_CANCELLED = 5,
  ORDER_PAID = 6, // of a setup: the card is saved
};
#define ORDER_STATES "open|awaiting_payment|failed|expired|cancelled|paid"

struct order {
  struct uuid customer_id, id;
  enum order_kind kind;
  enum order_state state;
  struct uuid product_id; // nil: none
  struct str currency;
  int64_t price; // of all of it, in minor units, before tax and discounts; of a setup 0
  amount credits, bonus;
  int32_t expires_after_days, bonus_expires_after_days; // 0: never
  bool livemode;
  int32_t attempt;                        // from 1; part of the Idempotency-Key at Stripe
  struct str request;                     // the frozen form; empty: not made yet
  struct str stripe_id, url;              // ptr NULL: none
  struct str problem;                     // why it failed
  int64_t url_expires_at, created_at, updated_at, paid_at; // microseconds; 0: none
};

enum order_answer {
  ORDER_DONE = 0,
  ORDER_UNKNOWN = 1,
  ORDER_STAYS = 2, // its state is of the same rank or a higher one: nothing was changed
};

// Reads all but state, attempt, request, stripe_id, url, problem and the times. 0 or FAULT_DB.
int payment_order_create(struct db *db, const struct order *o);
// Texts live in the arena.
int payment_order_read(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct order *ret);
// Newest first, ids below `before` (nil: from the newest).
int payment_order_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max,
                       struct order **ret, size_t *ret_count);
// How many of its orders since then are open, at most `max`. 0 or FAULT_DB.
int payment_order_open_count(struct db *db, struct uuid customer, int64_t since_us, size_t max, size_t *ret);
// Raises the state, in one statement; paid_at is kept from the first time. ORDER_DONE, ORDER_STAYS, ORDER_UNKNOWN.
int payment_order_raise(struct db *db, struct uuid customer, struct uuid id, enum order_state to, struct str problem);
// Freezes the form of this attempt; where one is frozen already, that one is handed back instead. *ret lives in the arena.
int payment_order_freeze(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct str form,
                         struct str *ret);
// Remembers what Stripe made of it, and whose that is. In a transaction. url ptr NULL: none.
int payment_order_link(struct db *db, struct uuid customer, struct uuid id, struct str stripe_id, struct str url,
                       int64_t url_expires_at);

// ---- whose a thing at Stripe is
// order nil: none. The first to say so is right: what is known already stays. 0 or FAULT_DB.
int payment_object_put(struct db *db, struct str stripe_id, struct uuid customer, struct uuid order);
// ORDER_DONE or ORDER_UNKNOWN.
int payment_object_find(struct db *db, struct str stripe_id, struct uuid *ret_customer, struct uuid *ret_order);
