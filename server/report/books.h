// The books of a range of days, of all customers: what stood at the beginning of each day, what moved, what stood at its
// end; in credits to the last unit, and for what was paid in the money that was paid for it. Everything comes from the
// transfers and their legs. They are walked in the order of their key, a piece at a time, so that no snapshot is held for
// long; a day is final some seconds after its end.
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/id.h"
#include "report/books_fold.h"

struct db;
struct json_writer;

// Whose credits: those that were paid for, those that were given away, all others, and what is owed for use that none
// of them covered.
#define BOOKS_CLASSES "paid|unpaid|promotional|debt" // from 0
enum books_class { BOOKS_PAID, BOOKS_UNPAID, BOOKS_PROMOTIONAL, BOOKS_DEBT };

struct books_sums {
  amount_wide opening, closing;               // left; of debt: owed
  amount_wide frozen_opening, frozen_closing; // of disputes
  amount_wide flows[BOOKS_FLOW_COUNT];
};
struct books_row {
  int32_t day; // since 1970-01-01; of totals: not used
  enum books_class of;
  char currency[8];               // of BOOKS_PAID, else ""
  struct books_sums credits, money; // money: minor units, of BOOKS_PAID
};
struct books {
  struct str time_zone;
  int32_t first, last; // days; last exclusive
  int32_t known;       // up to this one, exclusive: the day behind today, or last
  int64_t as_of;       // what came later is not in it
  struct books_row *rows; // by day, then class, then currency; days on which nothing stood and nothing moved are left out
  size_t row_count;
  struct books_row *totals; // of the whole range
  size_t total_count;
};
struct books_query {
  struct str time_zone;   // one that there is
  struct str from, until; // days: "2026-11-01", until: exclusive; ptr NULL: the month of the other; both: this month
  size_t piece;           // transfers read at once; 0: as many as are read in a fraction of a second
};

enum books_answer {
  BOOKS_DONE = 0,
  BOOKS_REVERSED = 1, // it ends before it begins
  BOOKS_TOO_MANY = 2, // more days, or more rows, than a report may have
  BOOKS_TOO_LONG = 3, // it takes longer than a report may
};
// Everything lives in the arena. BOOKS_… or a fault; FAULT_CORRUPT: they do not add up.
int report_books(struct db *db, struct arena *arena, const struct books_query *q, struct books *ret);

void books_write_json(struct json_writer *w, const struct books *b);
void books_write_csv(struct buf *out, const struct books *b); // RFC 4180 with a line of headings
