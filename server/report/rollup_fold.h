// Calls added up: per customer, key, price and UTC quarter-hour, and per hour too where that is asked for. Pure: what comes
// in is what a statement gave, what comes out is sorted and goes to another.
#pragma once
#include "base/amount.h"
#include "base/id.h"
#include "base/vec.h"

#define ROLLUP_QUARTER_US (INT64_C(900) * 1000000)
#define ROLLUP_HOUR 4 // quarters
static inline int32_t rollup_quarter(struct uuid call) {
  return (int32_t)(uuid_time_us(call) / ROLLUP_QUARTER_US);
}

// One row of a call, lent for the time of rollup_fold_add.
struct rollup_call {
  struct uuid customer, id, key, price;
  amount charge, cost;
  bool counts;      // the first of the call's rows that settled it
  struct str usage; // JSON object of integers
  int32_t hours_from; // quarters from this one on are summed by hours too; INT32_MAX: none
};

struct rollup_quantity {
  uint32_t meter; // of rollup_fold.meters
  int64_t quantity;
};
struct rollup_sum {
  struct uuid customer, key, price;
  int32_t quarter, width;
  int64_t calls;
  amount charge, cost;
  size_t first, count; // of rollup_fold.quantities; of a finished fold in order of the meters' names
};

struct rollup_fold {
  vec(struct rollup_sum) sums;
  vec(struct rollup_quantity) quantities;
  vec(struct str) meters; // names, owned
};
void rollup_fold_finish(struct rollup_fold *f); // zeroed is empty
void rollup_fold_clear(struct rollup_fold *f);  // the names stay
// False: the usage is no object of integers.
bool rollup_fold_add(struct rollup_fold *f, const struct rollup_call *call);
// Sorts by (customer, width, quarter, key, price), one row each. False: a sum passes 64 bits.
bool rollup_fold_end(struct rollup_fold *f);
