// What a call that has ended costs by the price book as it stands: pure. Its usage is what its rows add up to, its model and
// provider are those of its price, or what was asked for where it never had one. The price is the one in force at the call's
// time; where there is none, or none that knows all its meters, the first that came after.
//
// A call that was charged by an amount, whatever was used, is none of its business: usage and price do not give its charge.
#pragma once
#include "meter/quantities.h"
#include "price/book.h"
#include "rerate/piece.h"

// What a simulation began with, in order: rows that came later and prices that came later do not count.
struct again_pins {
  struct {
    int32_t writer;
    int64_t seq;
  } *writers;
  size_t writer_count;
  struct {
    struct uuid price;
    int64_t ends; // microseconds; 0: open
  } *prices;
  size_t price_count;
};

struct again {
  const struct book *book;
  const struct plugin_registry *plugins;
  const struct again_pins *pins;     // NULL: everything counts as it is
  int64_t now;                       // prices that begin later have not come yet; microseconds
  int64_t priced_at;                 // microseconds; 0: at each call's own time
  struct uuid key, provider;         // nil: any
  struct str model;                  // empty: any
  bool unrated;                      // only calls that wait for a price
};

enum again_answer {
  AGAIN_DIFFERS = 0, // what is to stand is in the result
  AGAIN_SAME = 1,
  AGAIN_UNPRICED = 2, // the book has no price for this usage
  AGAIN_NOT = 3,      // not asked for, or nothing that could be priced again
};
struct again_result {
  struct uuid price;
  amount charge_before, charge, cost_before, cost;
  struct meter_quantities usage; // all of it; names live in the arena
  size_t later;                  // rows that the pins do not count
};
// Or FAULT_CORRUPT where a row's usage cannot be read.
int again_price(const struct again *a, struct arena *arena, const struct piece_call *call, struct again_result *ret);
