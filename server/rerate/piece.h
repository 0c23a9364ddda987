// Calls that have ended, read piece by piece in the order of (customer, id), with all their rows: what they cost now, and what
// they cost when a simulation began.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"
#include "ledger/state.h"

struct db;

#define PIECE_CALLS 500

// A place in that order.
struct piece_place {
  struct uuid customer, call; // call nil: before the customer's first
  size_t width;               // how many customers the next piece looks at: fewer where each has many calls. 0: not known yet
};
struct piece_row {
  int32_t writer; // by whom and in which of its batches it was written
  int64_t seq;
  enum call_state state;
  unsigned flags;
  struct uuid price;
  amount charge, cost; // above the first row: differences, and so is usage
  struct str usage;
};
struct piece_call {
  struct uuid customer, id, key; // id nil: a customer of whom there is nothing (more)
  struct piece_row *rows;        // by revision
  size_t row_count;
  struct str generated; // JSON, the usage behind the cost of an aborted call; ptr NULL: not known
  struct str model;     // of a call that never had a price, as it was asked for; empty: not told
};
struct piece {
  struct piece_call *calls;
  size_t count;
  struct piece_place next; // where to go on
  bool last;               // nothing comes behind it
};
struct piece_range {
  struct uuid first, last; // customers; inclusive
  struct uuid from, until; // ids of calls
  struct uuid rerate;      // nil: any customer; else only those that this simulation names
  bool unrated;            // only calls that ended without a price, by the index of those
};
// 0 or FAULT_DB. Everything lives in the arena.
int piece_read(struct db *db, struct arena *arena, const struct piece_range *range, struct piece_place after, struct piece *ret);
