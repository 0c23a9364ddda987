// A metered call from hold to settlement, as one story: estimate, price, admit; then usage, price, settle. It knows
// nothing of HTTP. Its owner lives on one loop's thread and is told there.
#pragma once
#include "ledger/ledger.h"
#include "meter/principal.h"
#include "plugin/registry.h"
#include "price/book.h"

// Prices a bound: each meter at the dearest of itself and its descendants. False: a meter has no rate at all (ret_meter
// names it) or the sum leaves int64 (*ret_meter: NULL).
bool meter_price_bound(const struct tollgate_plugin *plugin, const struct book_price *price, const struct tollgate_count *counts,
                       size_t count, amount *ret_charge, const char **ret_meter);

#define METER_LINES_MAX 32 // more than any plugin counts: as many meters as a call's rows can name
struct meter_quantity {
  const char *meter; // lent
  int64_t quantity;
  bool uncharged; // the meter is for reports alone: it needs no rate, and costs nothing
};
struct meter_bill {
  size_t count;
  struct {
    const char *meter; // lent by the plugin, or by whom the quantities came from
    int64_t quantity;
    bool priced; // the price has a rate for it
    int32_t per;
    amount charge_rate, cost_rate, charge, cost;
  } lines[METER_LINES_MAX];
  amount charge, cost;
};
// Prices usage exactly: each line's arithmetic, the total rounded once. 0; 1 where a meter with a quantity has no rate
// (*ret_meter): the call is unrated; 2 where a sum leaves int64. After 1 and 2 the lines hold quantities, and no money.
int meter_price_usage(const struct tollgate_plugin *plugin, const struct book_price *price, const struct tollgate_usage *usage,
                      struct meter_bill *ret, const char **ret_meter);
// The same of quantities by name, as the books keep them; also 2 where one is below zero or there are more than a bill has
// lines. plugin NULL, or one that does not know a meter: the meter has no parents, and its line comes behind the others.
// What has a rate has one in the lines after 1, too.
int meter_price_quantities(const struct tollgate_plugin *plugin, const struct book_price *price, const struct meter_quantity *usage,
                           size_t count, struct meter_bill *ret, const char **ret_meter);
// What such quantities can cost at most: each at the dearest of its meter and what stands below it, as meter_price_bound has it.
bool meter_price_bound_of(const struct tollgate_plugin *plugin, const struct book_price *price, const struct meter_quantity *usage,
                          size_t count, amount *ret_charge, const char **ret_meter);
// {"input_tokens": 12, …} of the lines, in the plugin's order of meters; zero quantities are left out.
void meter_usage_json(const struct meter_bill *bill, struct buf *out);
