// Amounts: int64 counts of nanocredits (10^-9 credit). Every step is checked; overflow is an answer, never a wrap.
#pragma once
#include "base/str.h"

typedef int64_t amount; // nanocredits, or nano-units of the operator's currency for provider cost
__extension__ typedef __int128 amount_wide; // for intermediates
#define AMOUNT_ONE INT64_C(1000000000)
#define AMOUNT_MAX INT64_MAX
#define AMOUNT_TEXT_MAX 24

// "12.5" from 12500000000: no exponent, no trailing zeros, "-" in front of negatives.
void amount_print(amount a, char ret[AMOUNT_TEXT_MAX]);
// A plain decimal with at most nine digits after the point: -?[0-9]+(\.[0-9]{1,9})?  False otherwise or beyond int64.
bool amount_parse(struct str text, amount *ret);
bool amount_add(amount a, amount b, amount *ret); // false on overflow, *ret untouched
bool amount_sub(amount a, amount b, amount *ret);

// One priced line: quantity * rate / per, as an exact fraction over AMOUNT_PER.
#define AMOUNT_PER 1000000
struct amount_line {
  int64_t quantity; // >= 0
  amount rate;      // >= 0, for `per` units
  int32_t per;      // 1, 1000 or 1000000: a divisor of AMOUNT_PER
  amount total;     // out: this line's integer share
};
// Sums the exact fractions, rounds the sum once, half to even, and gives each line an integer by largest remainder (ties:
// the earlier line), so that the lines' totals add up to it. False where anything leaves int64: nothing is written.
bool amount_lines(struct amount_line *lines, size_t count, amount *ret_total);
