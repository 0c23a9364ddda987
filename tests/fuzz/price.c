// Feeds: quantities, rates and their units, as lines to amount_lines, and as usage and prices of a plugin's meters to
// meter/price.c.
// Oracle: the same sums with numbers of 320 bits, written plainly: the total is the exact sum rounded once, half to
// even, or there is none where that leaves int64; the lines' integers add up to it and are handed out by largest
// remainder; each meter takes its own rate or its nearest parent's; and usage inside a bound never costs more than the
// bound.
#include "base/mem.h"
#include "fuzz.h"
#include "meter/call.h"

#define LINES_MAX TOLLGATE_COUNTS_MAX

// ---- numbers of 320 bits, least significant word first

#define WORDS 10
struct wide {
  uint32_t w[WORDS];
};

static struct wide wide_of(uint64_t n) {
  return (struct wide){{(uint32_t)n, (uint32_t)(n >> 32)}};
}

static struct wide wide_add(struct wide a, struct wide b) {
  uint64_t carry = 0;
  for (int i = 0; i < WORDS; i++) {
    carry += (uint64_t)a.w[i] + b.w[i];
    a.w[i] = (uint32_t)carry;
    carry >>= 32;
  }
  return a;
}

static struct wide wide_times(struct wide a, uint64_t n) {
  struct wide sum = {{0}};
  for (int k = 0; k < 2; k++, n >>= 32) {
    uint64_t carry = 0;
    struct wide part = {{0}};
    for (int i = 0; i + k < WORDS; i++) {
      carry += (uint64_t)a.w[i] * (uint32_t)n;
      part.w[i + k] = (uint32_t)carry;
      carry >>= 32;
    }
    sum = wide_add(sum, part);
  }
  return sum;
}

static struct wide wide_divide(struct wide a, uint32_t by, uint32_t *ret_rest) {
  uint64_t rest = 0;
  for (int i = WORDS - 1; i >= 0; i--) {
    rest = rest << 32 | a.w[i];
    a.w[i] = (uint32_t)(rest / by);
    rest %= by;
  }
  *ret_rest = (uint32_t)rest;
  return a;
}

// False: it is larger than int64 can hold.
static bool wide_to_i64(struct wide a, int64_t *ret) {
  for (int i = 2; i < WORDS; i++)
    if (a.w[i]) return false;
  uint64_t n = (uint64_t)a.w[1] << 32 | a.w[0];
  if (n > INT64_MAX) return false;
  *ret = (int64_t)n;
  return true;
}

// ---- the reference

static struct wide fraction(const struct amount_line *line) {
  struct wide product = wide_times(wide_of((uint64_t)line->quantity), (uint64_t)line->rate);
  return wide_times(product, (uint64_t)(AMOUNT_PER / line->per));
}

// False: the total is no amount. Otherwise the lines' totals are written.
static bool reference(struct amount_line *lines, size_t count, amount *ret_total) {
  struct wide sum = {{0}};
  uint32_t rest = 0, rests[LINES_MAX];
  amount total = 0, left = 0;
  bool taken[LINES_MAX] = {false};
  for (size_t i = 0; i < count; i++) sum = wide_add(sum, fraction(&lines[i]));
  struct wide whole = wide_divide(sum, AMOUNT_PER, &rest);
  bool odd = whole.w[0] & 1, up = rest > AMOUNT_PER / 2 || (rest == AMOUNT_PER / 2 && odd);
  if (!wide_to_i64(wide_add(whole, wide_of(up)), &total)) return false;
  left = total;
  for (size_t i = 0; i < count; i++) {
    FUZZ_CHECK(wide_to_i64(wide_divide(fraction(&lines[i]), AMOUNT_PER, &rests[i]), &lines[i].total), "a line");
    left -= lines[i].total;
  }
  for (; left > 0; left--) { // to the largest remainder that has got none, the first of equal ones
    size_t best = count;
    for (size_t i = 0; i < count; i++)
      if (!taken[i] && (best == count || rests[i] > rests[best])) best = i;
    FUZZ_CHECK(best < count, "more is left than there are lines");
    taken[best] = true;
    lines[best].total++;
  }
  *ret_total = total;
  return true;
}

// ---- what is priced

static int32_t per_of(uint8_t byte) {
  static const int32_t per[] = {1, 1000, AMOUNT_PER};
  return per[byte % 3];
}

// Mostly of the size that is met, sometimes as large as can be.
static int64_t number_of(struct fuzz_input *in) {
  uint8_t bits = fuzz_byte(in) % 64;
  return (int64_t)(fuzz_u64(in) & (bits ? UINT64_MAX >> (64 - bits) : 0));
}

static void lines_check(struct fuzz_input *in) {
  struct amount_line lines[LINES_MAX], wanted[LINES_MAX];
  size_t count = fuzz_byte(in) % (LINES_MAX + 1);
  amount total = 42, wanted_total = 42;
  for (size_t i = 0; i < count; i++) {
    lines[i] = (struct amount_line){.per = per_of(fuzz_byte(in)), .total = 42};
    lines[i].quantity = number_of(in);
    lines[i].rate = number_of(in);
    wanted[i] = lines[i];
  }
  bool fits = reference(wanted, count, &wanted_total);
  FUZZ_CHECK(amount_lines(lines, count, &total) == fits, "the total fits: %d", fits);
  FUZZ_CHECK(total == wanted_total, "%lld instead of %lld", (long long)total, (long long)wanted_total);
  for (size_t i = 0; i < count; i++)
    FUZZ_CHECK(lines[i].total == (fits ? wanted[i].total : 42), "line %zu: %lld", i, (long long)lines[i].total);
}

enum { INPUT, CACHED, CACHED_LONG, OUTPUT, REASONING, IMAGES, METERS };
static const struct tollgate_meter meters[METERS] = {
    [INPUT] = {"input_tokens", NULL, TOLLGATE_TOTAL_INPUT},
    [CACHED] = {"cached_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    [CACHED_LONG] = {"cached_input_tokens_1h", "cached_input_tokens", TOLLGATE_TOTAL_INPUT},
    [OUTPUT] = {"output_tokens", NULL, TOLLGATE_TOTAL_OUTPUT},
    [REASONING] = {"reasoning_tokens", "output_tokens", TOLLGATE_TOTAL_OUTPUT},
    [IMAGES] = {"images", NULL, TOLLGATE_TOTAL_NONE},
};
static const struct tollgate_plugin plugin = {.name = "test", .meters = meters, .meter_count = METERS};

struct pricing {
  struct book_rate rates[METERS];
  struct book_price price;
  const struct book_rate *of[METERS]; // which each meter takes; NULL: none
};

static void pricing_make(struct pricing *p, struct fuzz_input *in) {
  static const int parent[METERS] = {-1, INPUT, CACHED, -1, OUTPUT, -1};
  uint8_t rated = fuzz_byte(in);
  *p = (struct pricing){.price.rates = p->rates};
  for (int i = 0; i < METERS; i++) {
    p->of[i] = parent[i] < 0 ? NULL : p->of[parent[i]];
    if (!(rated >> i & 1)) continue;
    struct book_rate *rate = &p->rates[p->price.rate_count++];
    *rate = (struct book_rate){str_from(meters[i].name), per_of(fuzz_byte(in)), number_of(in), number_of(in)};
    p->of[i] = rate;
  }
}

// The bill against the reference's, for charge and cost.
static void bill_check(const struct pricing *p, const int64_t quantities[METERS]) {
  struct tollgate_usage usage = {.size = sizeof usage};
  struct amount_line charge[METERS], cost[METERS];
  struct meter_bill bill;
  const char *unrated = NULL;
  size_t count = 0;
  bool rated = true;
  for (uint32_t i = 0; i < METERS; i++) {
    usage.counts[usage.count++] = (struct tollgate_count){METERS - 1 - i, quantities[METERS - 1 - i]};
    if (quantities[i] == 0) continue;
    rated = rated && p->of[i];
    if (!rated) continue;
    charge[count] = (struct amount_line){quantities[i], p->of[i]->charge, p->of[i]->per, 0};
    cost[count++] = (struct amount_line){quantities[i], p->of[i]->cost, p->of[i]->per, 0};
  }
  amount charge_total = 0, cost_total = 0;
  int answer = meter_price_usage(&plugin, &p->price, &usage, &bill, &unrated);
  FUZZ_CHECK((answer == 1) == !rated && (answer == 1) == (unrated != NULL), "answer %d", answer);
  if (!rated) return;
  bool fits = reference(charge, count, &charge_total) && reference(cost, count, &cost_total);
  FUZZ_CHECK(answer == (fits ? 0 : 2) && bill.count == count, "answer %d, %zu lines", answer, bill.count);
  FUZZ_CHECK(bill.charge == (fits ? charge_total : 0) && bill.cost == (fits ? cost_total : 0), "%lld, %lld",
             (long long)bill.charge, (long long)bill.cost);
  for (size_t i = 0; i < count && fits; i++)
    FUZZ_CHECK(bill.lines[i].charge == charge[i].total && bill.lines[i].cost == cost[i].total, "line %zu", i);
}

// Of each root's upper bound its descendants get parts, and what is left stays with the root.
static void bound_check(const struct pricing *p, struct fuzz_input *in) {
  static const uint32_t roots[] = {INPUT, OUTPUT, IMAGES};
  static const uint32_t below[] = {INPUT, INPUT, INPUT, OUTPUT, OUTPUT, IMAGES};
  struct tollgate_count upper[3];
  int64_t quantities[METERS] = {0}, left[METERS] = {0};
  for (int i = 0; i < 3; i++) {
    left[roots[i]] = number_of(in);
    upper[i] = (struct tollgate_count){roots[i], left[roots[i]]};
  }
  for (int i = 0; i < METERS; i++) {
    int64_t part = number_of(in);
    quantities[i] = part < left[below[i]] ? part : left[below[i]];
    left[below[i]] -= quantities[i];
  }
  amount hold = 0;
  const char *unrated = NULL;
  struct tollgate_usage usage = {.size = sizeof usage, .count = METERS};
  struct meter_bill bill;
  if (!meter_price_bound(&plugin, &p->price, upper, 3, &hold, &unrated)) return;
  for (uint32_t i = 0; i < METERS; i++) usage.counts[i] = (struct tollgate_count){i, quantities[i]};
  int answer = meter_price_usage(&plugin, &p->price, &usage, &bill, &unrated);
  FUZZ_CHECK(answer == 0 || answer == 2, "a bound could be priced, usage inside it has no rate");
  FUZZ_CHECK(answer == 2 || bill.charge <= hold, "%lld inside a hold of %lld", (long long)bill.charge, (long long)hold);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  struct pricing pricing;
  int64_t quantities[METERS];
  uint8_t mode = fuzz_byte(&in) % 3;
  if (mode == 0) {
    lines_check(&in);
    return 0;
  }
  pricing_make(&pricing, &in);
  if (mode == 2) {
    bound_check(&pricing, &in);
    return 0;
  }
  for (int i = 0; i < METERS; i++) quantities[i] = number_of(&in);
  bill_check(&pricing, quantities);
  return 0;
}
