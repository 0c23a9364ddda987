// What a customer used in a time range, from sums of quarter-hours and longer times and the calls that are not in them yet, so that it
// equals the ledger to the last unit. Days are those of the customer's time zone. One statement, bounded by the connection's own time-out.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/id.h"

struct db;
struct json_writer;

#define REPORT_GROUPS "day|model|key" // from 1: bit 1 << (n - 1)
enum { REPORT_DAY = 1, REPORT_MODEL = 2, REPORT_KEY = 4 };

struct report_meter {
  struct str name;
  int64_t quantity;
};
struct report_row {
  struct str day, model; // where grouped by
  struct uuid key;
  int64_t calls; // settled ones
  amount charge, cost;
  struct report_meter *meters;
  size_t meter_count;
};
struct report {
  struct uuid customer;
  int64_t from, to; // microseconds
  struct str time_zone;
  unsigned groups;
  struct report_row *rows;
  size_t row_count;
  struct report_row totals;
};
// A bound as it was asked for: nothing, an instant, or a day of the customer's ("2026-11-21").
struct report_bound {
  int64_t at;     // microseconds; 0: see day
  struct str day; // ptr NULL: not told
};

enum report_answer {
  REPORT_DONE = 0,
  REPORT_UNKNOWN = 1,  // no such customer
  REPORT_REVERSED = 2, // it ends before it begins
  REPORT_TOO_MANY = 3, // more than LIMIT_REPORT_ROWS rows
  REPORT_TOO_LONG = 4, // the statement ran into its time-out
  REPORT_GONE = 5,     // a bound within a quarter-hour of which no calls are kept
};
// Everything lives in the arena. Not told: until the end of the customer's current
// day; from the beginning of the month of `to`.
int report_usage(struct db *db, struct arena *arena, struct uuid customer, struct report_bound from,
                 struct report_bound to, unsigned groups, struct report *ret);

void report_write_json(struct json_writer *w, struct arena *arena, const struct report *r, bool costs);
// RFC 4180 with a line of headings; each meter has a column.
void report_write_csv(struct buf *out, const struct report *r, bool costs);
