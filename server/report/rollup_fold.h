// Calls added up: per customer, key, price and UTC quarter-hour, and per hour, six hours and UTC day too where that is asked
// for. Pure: what comes in is what a statement gave, what comes out is sorted and goes to another.
#pragma once
#include "base/amount.h"
#include "base/id.h"
#include "base/vec.h"

#define ROLLUP_QUARTER_US (INT64_C(900) * 1000000)
#define ROLLUP_HOUR 4 // quarters
#define ROLLUP_SIX_HOURS 24
#define ROLLUP_DAY 96
static inline int32_t rollup_quarter(struct uuid call) {
  return (int32_t)(uuid_time_us(call) / ROLLUP_QUARTER_US);
}

// The quarters from which on sums are kept by hours too, and by six hours and days; INT32_MAX: none are.
struct rollup_reach {
  int32_t hours, days;
};
#define ROLLUP_NO_REACH ((struct rollup_reach){INT32_MAX, INT32_MAX})

// One row of a call, lent for the time of rollup_fold_add. A call is summed up under the price of its last row: a correction with
// another one than the row before it takes over what all before it add up to, whichever of them the sums have already.
struct rollup_call {
  struct uuid customer, id, key, price;
  amount charge, cost;
  bool counts;      // the first of the call's rows that settled it
  struct str usage; // JSON object of integers
  int revision;     // above 0: a correction, whose usage is a difference
  struct {          // of a correction: its call before it
    struct uuid price;
    bool counts; // something had settled it
    amount charge, cost;
    struct str usage;
  } before;
  struct rollup_reach reach; // its customer's
};

struct rollup_quantity {
  uint32_t meter; // of rollup_fold.meters
  int64_t quantity;
};
struct rollup_sum {
  struct uuid customer, key, price;
  int32_t quarter, width;
  struct rollup_reach reach;
  int64_t calls;
  amount charge, cost;
  size_t first, count; // of rollup_fold.quantities; of a finished fold in order of the meters' names
};

// A call's quantity of a meter that is not summed up.
struct rollup_value {
  struct uuid customer, call, key, price;
  int32_t quarter;
  uint32_t meter;
  int64_t value;
};
// A quarter of a customer in which calls were corrected: sums may have come to nothing, and values have to be looked up anew.
struct rollup_quarter_of {
  struct uuid customer;
  int32_t quarter;
};
#define ROLLUP_SUM 1 // of a meter's aggregation; others as migrations/0009 numbers them
struct rollup_meter {
  struct str name; // owned
  int aggregation;
};

struct rollup_fold {
  vec(struct rollup_sum) sums;
  vec(struct rollup_quantity) quantities;
  vec(struct rollup_value) values;
  vec(struct rollup_quarter_of) corrected; // each once, once the fold has ended
  vec(struct rollup_meter) meters;
  size_t unsummed; // of the meters
};
void rollup_fold_finish(struct rollup_fold *f); // zeroed is empty
void rollup_fold_clear(struct rollup_fold *f);  // and gives its memory back; the meters stay, all of them as summed up
void rollup_fold_unsummed(struct rollup_fold *f, struct str name, int aggregation); // before the first call
// False: the usage is no object of integers.
bool rollup_fold_add(struct rollup_fold *f, const struct rollup_call *call);
// Sorts by (customer, width, quarter, key, price), one row each.
void rollup_fold_end(struct rollup_fold *f);
// A sum that would pass 64 bits stays at their end: what one customer reports of quantities that are none holds up nobody's sums.
int64_t rollup_add(int64_t a, int64_t b);
