// Calls priced again, as jobs: made by an operator, simulated in pieces by whichever instance comes first, looked at, posted as
// corrections or left. What is posted is what was simulated: by the same versions of prices and of the same calls; a call
// that has changed meanwhile is left as it is and counted. So nobody is charged by a price, or for a call, that the operator
// has not seen.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"

struct db;
struct ledger;
struct book_holder;
struct plugin_registry;

//  id, number in SQL, name
#define RERATE_STATES(X)           \
  X(SIMULATING, 1, "simulating")   \
  X(SIMULATED, 2, "simulated")     \
  X(POSTING, 3, "posting")         \
  X(POSTED, 4, "posted")           \
  X(CANCELLED, 5, "cancelled")     \
  X(FAILED, 6, "failed")
enum rerate_state {
#define X(id, number, name) RERATE_##id = number,
  RERATE_STATES(X)
#undef X
};
const char *rerate_state_name(enum rerate_state state);

struct rerate_sums {
  int64_t calls; // that change
  amount charge_before, charge_after, cost_before, cost_after;
  int64_t posted, skipped; // skipped: changed since the simulation
  amount posted_difference;
};
struct rerate {
  struct uuid id;
  enum rerate_state state;
  int64_t from, to; // microseconds: of calls, by the time in their id
  struct uuid customer, key, provider; // nil: any
  struct str model;                    // empty: any
  bool unrated;                        // only calls that wait for a price
  bool current;                        // by the prices in force when it was made, not those of each call's time
  struct str reason;
  struct uuid by; // the operator's key
  int64_t book_version;
  int64_t seen, unpriced, customers;
  struct rerate_sums sums;
  struct str problem;
  int64_t created_at, simulated_at, post_asked_at, ended_at, priced_at; // 0: not yet; priced_at: of `current`
};
struct rerate_customer {
  struct uuid customer;
  struct rerate_sums sums;
};

// In a transaction: id, from, to, filters, unrated, current, reason and by are read. 0 or FAULT_DB.
int rerate_create(struct db *db, const struct rerate *r);
// 0, 1: unknown, or FAULT_DB. Texts live in the arena.
int rerate_read(struct db *db, struct arena *arena, struct uuid id, struct rerate *ret);
// Newest first, ids below `before` (nil: from the newest).
int rerate_list(struct db *db, struct arena *arena, struct uuid before, size_t max, struct rerate **ret, size_t *ret_count);
int rerate_customers(struct db *db, struct arena *arena, struct uuid id, struct uuid before, size_t max, struct rerate_customer **ret,
                     size_t *ret_count);
// 0: it is so now, or was so before; 1: its state does not allow it; FAULT_DB.
int rerate_post(struct db *db, struct uuid id);
int rerate_cancel(struct db *db, struct uuid id);

// Housekeeping, on a job thread, for a second or two: brings jobs on, and rates calls that wait for a price where the book has
// moved. Any number of instances at once: each piece is done under a lease that lasts lease_us after its last sign of life.
// How much was done, or a fault.
struct rerate_tools {
  struct ledger *ledger;
  struct book_holder *books;
  const struct plugin_registry *plugins;
};
int rerates_run(struct db *db, const struct rerate_tools *tools);
int parked_run(struct db *db, const struct rerate_tools *tools);
