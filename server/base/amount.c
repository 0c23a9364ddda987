// Money as integers. Text is read and written digit by digit; sums are checked; prices are multiplied in 128 bits as
// exact fractions over AMOUNT_PER and rounded once. There is no floating point and no step that could lose a
// nanocredit.
#include "base/amount.h"
#include "base/log.h"

#define DECIMALS 9

void amount_print(amount a, char ret[AMOUNT_TEXT_MAX]) {
  uint64_t magnitude = a < 0 ? UINT64_C(0) - (uint64_t)a : (uint64_t)a; // INT64_MIN has no positive twin
  uint64_t part = magnitude % AMOUNT_ONE;
  size_t len = 0;
  if (a < 0) ret[len++] = '-';
  len += str_digits(magnitude / AMOUNT_ONE, ret + len);
  if (part > 0) ret[len++] = '.';
  for (uint64_t one = AMOUNT_ONE / 10; part > 0; part %= one, one /= 10) ret[len++] = (char)('0' + part / one);
  ASSERT(len < AMOUNT_TEXT_MAX);
  ret[len] = '\0';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Takes one more decimal digit on the negative side, where the longer half of int64 is.
static bool digit_take(amount *value, char digit) {
  return !__builtin_mul_overflow(*value, 10, value) && !__builtin_sub_overflow(*value, digit - '0', value);
}

bool amount_parse(struct str text, amount *ret) {
  size_t i = 0, digits = 0, decimals = 0;
  amount value = 0;
  bool negative = text.len > 0 && text.ptr[0] == '-';
  for (i = negative; i < text.len && is_digit(text.ptr[i]); i++, digits++)
    if (!digit_take(&value, text.ptr[i])) return false;
  if (digits == 0) return false;
  if (i < text.len) {
    if (text.ptr[i++] != '.') return false;
    for (; i < text.len && is_digit(text.ptr[i]) && decimals < DECIMALS; i++, decimals++)
      if (!digit_take(&value, text.ptr[i])) return false;
    if (decimals == 0 || i != text.len) return false;
  }
  for (; decimals < DECIMALS; decimals++)
    if (!digit_take(&value, '0')) return false;
  if (!negative && __builtin_sub_overflow(0, value, &value)) return false;
  *ret = value;
  return true;
}

bool amount_add(amount a, amount b, amount *ret) {
  amount sum;
  if (__builtin_add_overflow(a, b, &sum)) return false;
  *ret = sum;
  return true;
}

bool amount_sub(amount a, amount b, amount *ret) {
  amount difference;
  if (__builtin_sub_overflow(a, b, &difference)) return false;
  *ret = difference;
  return true;
}

// The line's exact value, as a count of 1/AMOUNT_PER nanocredits. Two int64 multiply to at most 2^126; the factor may
// leave 128 bits, and then the value is far beyond int64 as well.
static bool line_fraction(const struct amount_line *line, amount_wide *ret) {
  ASSERT(line->quantity >= 0 && line->rate >= 0);
  ASSERT(line->per > 0 && AMOUNT_PER % line->per == 0);
  return !__builtin_mul_overflow((amount_wide)line->quantity * line->rate, AMOUNT_PER / line->per, ret);
}

static bool lines_sum(const struct amount_line *lines, size_t count, amount_wide *ret) {
  amount_wide sum = 0, fraction;
  for (size_t i = 0; i < count; i++)
    if (!line_fraction(&lines[i], &fraction) || __builtin_add_overflow(sum, fraction, &sum)) return false;
  *ret = sum;
  return true;
}

static amount_wide round_half_even(amount_wide fraction) {
  amount_wide whole = fraction / AMOUNT_PER, twice = fraction % AMOUNT_PER * 2;
  if (twice > AMOUNT_PER || (twice == AMOUNT_PER && whole % 2 != 0)) whole++;
  return whole;
}

// Only the product modulo AMOUNT_PER is wanted, and only of lines whose fraction is known to fit.
static int64_t line_remainder(const struct amount_line *line) {
  return (int64_t)((amount_wide)line->quantity * line->rate * (AMOUNT_PER / line->per) % AMOUNT_PER);
}

// How many lines stand before this one when units left over by flooring are handed out.
static size_t line_rank(const struct amount_line *lines, size_t count, size_t which) {
  int64_t own = line_remainder(&lines[which]), other;
  size_t rank = 0;
  for (size_t i = 0; i < count; i++) {
    other = line_remainder(&lines[i]);
    if (other > own || (other == own && i < which)) rank++;
  }
  return rank;
}

// Calls have a handful of lines, so ranks are counted line against line instead of sorting a copy.
bool amount_lines(struct amount_line *lines, size_t count, amount *ret_total) {
  amount_wide sum;
  if (!lines_sum(lines, count, &sum)) return false;
  amount_wide total = round_half_even(sum);
  if (total > AMOUNT_MAX) return false;
  amount left = (amount)total;
  for (size_t i = 0; i < count; i++) {
    lines[i].total = (amount)((amount_wide)lines[i].quantity * lines[i].rate / lines[i].per);
    left -= lines[i].total;
  }
  ASSERT(left >= 0 && (size_t)left <= count); // each remainder is less than one unit
  for (size_t i = 0; left > 0 && i < count; i++)
    if (line_rank(lines, count, i) < (size_t)left) lines[i].total++;
  *ret_total = (amount)total;
  return true;
}
