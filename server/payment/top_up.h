// Buying by itself: what a customer agreed to, whether something may be bought now, and what became of it. What the ledger
// saw go below the mark is a flag on the customer's row; buying takes the flag back under that row's lock, with an order of
// which the database allows one in flight.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"

struct db;
struct order;

enum top_up_state { TOP_UP_READY = 1, TOP_UP_NEEDS_CUSTOMER = 2, TOP_UP_SUSPENDED = 3 };
#define TOP_UP_STATES "ready|needs_customer|suspended"

struct top_up {
  struct uuid customer_id, product_id;
  bool enabled;
  amount threshold, target; // target 0: one pack
  int32_t most, daily_count;
  int64_t monthly_cap; // minor units
  struct str return_url;
  enum top_up_state state;
  struct str problem, link; // link ptr NULL: none
  int32_t failures;
  int64_t retry_at, consent_at, updated_at; // microseconds; retry_at 0: none
  struct str consent_by, consent_text, consent_terms;
};

enum top_up_answer { TOP_UP_DONE = 0, TOP_UP_UNKNOWN = 1 };
// In a transaction, after customer_lock; the customer's mark is set with it. Reads all but state, problem, link, failures.
int top_up_put(struct db *db, const struct top_up *t);
int top_up_drop(struct db *db, struct uuid customer);
int top_up_read(struct db *db, struct arena *arena, struct uuid customer, struct top_up *ret);
int top_up_release(struct db *db, struct uuid customer); // another card, or by hand: it may try again
int top_up_off(struct db *db, struct uuid customer, const char *problem); // the customer or its card is gone
// Where the customer can act, and the event that says so. In a transaction.
int top_up_link(struct db *db, struct uuid customer, struct str link);

// ---- the decision, pure
struct top_up_facts {
  int64_t now; // microseconds since 1970
  amount available;
  bool caught_up; // with Stripe's list of events, since this server started and lately
  bool in_flight, has_card, disputed, past_due, product_sold;
  int64_t price;                    // of one pack, minor units
  amount credits;                   // of one pack, with its bonus
  int64_t bought_today, spent_this_month; // orders of this UTC day; minor units of this UTC month
  int64_t lately;                   // attempts of the last ten minutes
  int64_t last_at;                  // of the last attempt; 0: none
};
// STANDS: what was decided before, here or by another instance, holds still, and so does its reason.
enum top_up_verdict { TOP_UP_BUY, TOP_UP_ENOUGH, TOP_UP_LATER, TOP_UP_STANDS };
struct top_up_decision {
  enum top_up_verdict verdict;
  int32_t packs;
  int64_t retry_at;   // LATER; 0: when something changes
  const char *reason; // LATER
};
struct top_up_decision top_up_decide(const struct top_up *t, const struct top_up_facts *f);

// ---- what becomes of an order; each only the first time that it is told
struct top_up_error {
  struct str code, decline_code, advice_code; // "": none
};
enum top_up_failure { TOP_UP_SOFT, TOP_UP_HARD, TOP_UP_ASKS_CUSTOMER, TOP_UP_GONE };
enum top_up_failure top_up_judge(const struct top_up_error *e);
int top_up_succeeded(struct db *db, const struct order *o);
int top_up_failed(struct db *db, const struct order *o, struct str intent, const struct top_up_error *e);
