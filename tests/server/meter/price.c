// What pricing promises: exact sums, the nearest rate, bounds that no usage inside them can pass, and no price read as
// zero.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "meter/call.h"

enum { INPUT, CACHED, OUTPUT, REASONING, IMAGES };

static const struct tollgate_meter meters[] = {
    [INPUT] = {"input_tokens", NULL, TOLLGATE_TOTAL_INPUT},
    [CACHED] = {"cached_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
    [OUTPUT] = {"output_tokens", NULL, TOLLGATE_TOTAL_OUTPUT},
    [REASONING] = {"reasoning_tokens", "output_tokens", TOLLGATE_TOTAL_OUTPUT},
    [IMAGES] = {"images", NULL, TOLLGATE_TOTAL_NONE},
};
// As STR, for initializers.
#define TEXT(literal)                                                                                                  \
  { literal, sizeof(literal) - 1 }

static const struct tollgate_plugin plugin = {.name = "test", .meters = meters, .meter_count = ARRAY_LEN(meters)};

static const struct book_rate rates[] = {
    {TEXT("input_tokens"), 1000000, 150000000, 100000000},
    {TEXT("cached_input_tokens"), 1000000, 75000000, 50000000},
    {TEXT("output_tokens"), 1000000, 600000000, 400000000},
};
static const struct book_price price = {.rates = rates, .rate_count = ARRAY_LEN(rates)};

static struct tollgate_usage usage_of(const struct tollgate_count *counts, uint32_t count) {
  struct tollgate_usage usage = {.size = sizeof usage, .count = count};
  memcpy(usage.counts, counts, count * sizeof *counts);
  return usage;
}

static void lines_add_up_to_the_exact_total(void **state) {
  (void)state;
  const struct tollgate_count counts[] = {{OUTPUT, 7}, {INPUT, 13}, {CACHED, 1}};
  struct tollgate_usage usage = usage_of(counts, 3);
  struct meter_bill bill;
  const char *meter = NULL;
  assert_int_equal(meter_price_usage(&plugin, &price, &usage, &bill, &meter), 0);
  // 13 * 150 + 1 * 75 + 7 * 600 nanocredits
  assert_int_equal(bill.charge, 6225);
  assert_int_equal(bill.cost, 13 * 100 + 50 + 7 * 400);
  amount charge = 0, cost = 0;
  for (size_t i = 0; i < bill.count; i++) {
    charge += bill.lines[i].charge;
    cost += bill.lines[i].cost;
  }
  assert_int_equal(charge, bill.charge);
  assert_int_equal(cost, bill.cost);
}

static void a_total_is_rounded_once_and_half_to_even(void **state) {
  (void)state;
  static const struct book_rate half[] = {{TEXT("input_tokens"), 1000000, 500000, 0},
                                          {TEXT("output_tokens"), 1000000, 500000, 0}};
  const struct book_price halves = {.rates = half, .rate_count = 2};
  const struct tollgate_count one[] = {{INPUT, 1}}, both[] = {{INPUT, 1}, {OUTPUT, 1}}, three[] = {{INPUT, 3}};
  struct tollgate_usage usage = usage_of(one, 1);
  struct meter_bill bill;
  const char *meter = NULL;
  assert_int_equal(meter_price_usage(&plugin, &halves, &usage, &bill, &meter), 0);
  assert_int_equal(bill.charge, 0);
  usage = usage_of(both, 2);
  assert_int_equal(meter_price_usage(&plugin, &halves, &usage, &bill, &meter), 0);
  assert_int_equal(bill.charge, 1);
  usage = usage_of(three, 1);
  assert_int_equal(meter_price_usage(&plugin, &halves, &usage, &bill, &meter), 0);
  assert_int_equal(bill.charge, 2);
}

static void lines_stand_in_the_plugins_order_and_zero_is_left_out(void **state) {
  (void)state;
  const struct tollgate_count counts[] = {{OUTPUT, 2}, {CACHED, 0}, {INPUT, 1}};
  struct tollgate_usage usage = usage_of(counts, 3);
  struct meter_bill bill;
  const char *meter = NULL;
  struct buf text;
  buf_init(&text, 1000);
  assert_int_equal(meter_price_usage(&plugin, &price, &usage, &bill, &meter), 0);
  meter_usage_json(&bill, &text);
  assert_string_equal(buf_cstr(&text), "{\"input_tokens\":1,\"output_tokens\":2}");
  buf_finish(&text);
}

static void a_meter_without_a_rate_takes_its_parents(void **state) {
  (void)state;
  const struct tollgate_count counts[] = {{REASONING, 10}};
  struct tollgate_usage usage = usage_of(counts, 1);
  struct meter_bill bill;
  const char *meter = NULL;
  assert_int_equal(meter_price_usage(&plugin, &price, &usage, &bill, &meter), 0);
  assert_int_equal(bill.charge, 6000);
  assert_string_equal(bill.lines[0].meter, "reasoning_tokens");
}

static void a_meter_without_any_rate_is_named_and_never_free(void **state) {
  (void)state;
  const struct tollgate_count counts[] = {{INPUT, 10}, {IMAGES, 1}};
  struct tollgate_usage usage = usage_of(counts, 2);
  struct meter_bill bill;
  const char *meter = NULL;
  struct buf text;
  buf_init(&text, 1000);
  assert_int_equal(meter_price_usage(&plugin, &price, &usage, &bill, &meter), 1);
  assert_string_equal(meter, "images");
  assert_int_equal(bill.charge, 0);
  meter_usage_json(&bill, &text);
  assert_string_equal(buf_cstr(&text), "{\"input_tokens\":10,\"images\":1}");
  buf_finish(&text);
}

static void quantities_by_name_are_priced_as_the_plugin_would(void **state) {
  (void)state;
  const struct tollgate_count counts[] = {{INPUT, 13}, {CACHED, 1}, {REASONING, 7}};
  const struct meter_quantity named[] = {{.meter = "reasoning_tokens", .quantity = 7}, {.meter = "cached_input_tokens", .quantity = 1}, {.meter = "images"}, {.meter = "input_tokens", .quantity = 13}};
  struct tollgate_usage usage = usage_of(counts, 3);
  struct meter_bill counted, bill;
  const char *meter = NULL;
  assert_int_equal(meter_price_usage(&plugin, &price, &usage, &counted, &meter), 0);
  assert_int_equal(meter_price_quantities(&plugin, &price, named, ARRAY_LEN(named), &bill, &meter), 0);
  assert_int_equal(bill.count, counted.count);
  for (size_t i = 0; i < bill.count; i++) {
    assert_string_equal(bill.lines[i].meter, counted.lines[i].meter);
    assert_int_equal(bill.lines[i].charge, counted.lines[i].charge);
  }
  assert_int_equal(bill.charge, counted.charge);
  assert_int_equal(meter_price_quantities(NULL, &price, named, ARRAY_LEN(named), &bill, &meter), 1); // nobody knows its parent
  assert_string_equal(meter, "reasoning_tokens");
  assert_true(!bill.lines[0].priced && bill.lines[1].priced && bill.charge == 0);
  assert_int_equal(meter_price_quantities(&plugin, &price, (const struct meter_quantity[]){{.meter = "input_tokens", .quantity = -1}}, 1, &bill, &meter), 2);
}

static void a_sum_beyond_64_bits_is_an_answer(void **state) {
  (void)state;
  static const struct book_rate dear[] = {{TEXT("input_tokens"), 1, INT64_MAX, 0}};
  const struct book_price dear_price = {.rates = dear, .rate_count = 1};
  const struct tollgate_count counts[] = {{INPUT, 2}};
  struct tollgate_usage usage = usage_of(counts, 1);
  struct meter_bill bill;
  const char *meter = "untouched";
  amount hold = 0;
  assert_int_equal(meter_price_usage(&plugin, &dear_price, &usage, &bill, &meter), 2);
  assert_int_equal(bill.charge, 0);
  assert_false(meter_price_bound(&plugin, &dear_price, counts, 1, &hold, &meter));
  assert_null(meter);
}

static void a_bound_takes_the_dearest_that_a_meter_can_turn_into(void **state) {
  (void)state;
  static const struct book_rate odd[] = {{TEXT("output_tokens"), 1000000, 600, 0},
                                         {TEXT("reasoning_tokens"), 1000, 1, 0}};
  const struct book_price odd_price = {.rates = odd, .rate_count = 2};
  const struct tollgate_count counts[] = {{OUTPUT, 1000000}};
  const char *meter = NULL;
  amount hold = 0;
  assert_true(meter_price_bound(&plugin, &odd_price, counts, 1, &hold, &meter));
  assert_int_equal(hold, 1000); // a thousandth a token is dearer than 600 a million
  assert_true(meter_price_bound(&plugin, &price, (const struct tollgate_count[]){{INPUT, 1000}}, 1, &hold, &meter));
  assert_int_equal(hold, 150000); // cached input is cheaper and does not count
}

static void quantities_are_bounded_each_by_the_dearest_they_can_turn_into(void **state) {
  (void)state;
  static const struct book_rate dear[] = {{TEXT("input_tokens"), 1, 5, 0}, {TEXT("cached_input_tokens"), 1, 7, 0}, {TEXT("output_tokens"), 1, 3, 0}, {TEXT("pages"), 1, 2, 0}};
  const struct book_price dearer = {.rates = dear, .rate_count = ARRAY_LEN(dear)};
  const struct meter_quantity named[] = {{.meter = "input_tokens", .quantity = 10}, {.meter = "output_tokens", .quantity = 10}, {.meter = "pages", .quantity = 4},
                                         {.meter = "images", .quantity = 0}, {.meter = "sessions", .quantity = 9, .uncharged = true}};
  const char *meter = NULL;
  amount hold = -1;
  assert_true(meter_price_bound_of(&plugin, &dearer, named, ARRAY_LEN(named), &hold, &meter));
  assert_int_equal(hold, 10 * 7 + 10 * 3 + 4 * 2);
  assert_true(meter_price_bound_of(&plugin, &dearer, named, 0, &hold, &meter));
  assert_int_equal(hold, 0);
  const struct meter_quantity unpriced[] = {{.meter = "input_tokens", .quantity = 1}, {.meter = "images", .quantity = 1}};
  assert_false(meter_price_bound_of(&plugin, &dearer, unpriced, 2, &hold, &meter));
  assert_string_equal(meter, "images");
  const struct meter_quantity huge[] = {{.meter = "input_tokens", .quantity = INT64_MAX}};
  assert_false(meter_price_bound_of(&plugin, &dearer, huge, 1, &hold, &meter));
  assert_null(meter); // there is a rate, and no amount that large
}

static void a_bound_without_a_rate_is_refused_and_named(void **state) {
  (void)state;
  const struct tollgate_count counts[] = {{INPUT, 1}, {IMAGES, 1}};
  const char *meter = NULL;
  amount hold = 7;
  assert_false(meter_price_bound(&plugin, &price, counts, 2, &hold, &meter));
  assert_string_equal(meter, "images");
  assert_int_equal(hold, 7);
}

static uint64_t next(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

static void no_usage_inside_a_bound_costs_more_than_it(void **state) {
  (void)state;
  uint64_t seed = 88172645463325252u;
  for (int round = 0; round < 20000; round++) {
    static const int32_t pers[] = {1, 1000, 1000000};
    struct book_rate some[4];
    for (size_t i = 0; i < 4; i++)
      some[i] = (struct book_rate){str_from(meters[i].name), pers[next(&seed) % 3], (amount)(next(&seed) % 2000000), 0};
    const struct book_price some_price = {.rates = some, .rate_count = 4};
    int64_t input = (int64_t)(next(&seed) % 5000), output = (int64_t)(next(&seed) % 5000);
    int64_t cached = input ? (int64_t)(next(&seed) % (uint64_t)input) : 0,
            thought = output ? (int64_t)(next(&seed) % (uint64_t)output) : 0;
    const struct tollgate_count upper[] = {{INPUT, input}, {OUTPUT, output}};
    const struct tollgate_count used[] = {
        {INPUT, input - cached}, {CACHED, cached}, {OUTPUT, output - thought}, {REASONING, thought}};
    struct tollgate_usage usage = usage_of(used, 4);
    struct meter_bill bill;
    const char *meter = NULL;
    amount hold = 0;
    assert_true(meter_price_bound(&plugin, &some_price, upper, 2, &hold, &meter));
    assert_int_equal(meter_price_usage(&plugin, &some_price, &usage, &bill, &meter), 0);
    assert_true(bill.charge <= hold);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_add_up_to_the_exact_total),
      cmocka_unit_test(a_total_is_rounded_once_and_half_to_even),
      cmocka_unit_test(lines_stand_in_the_plugins_order_and_zero_is_left_out),
      cmocka_unit_test(a_meter_without_a_rate_takes_its_parents),
      cmocka_unit_test(a_meter_without_any_rate_is_named_and_never_free),
      cmocka_unit_test(quantities_by_name_are_priced_as_the_plugin_would),
      cmocka_unit_test(a_sum_beyond_64_bits_is_an_answer),
      cmocka_unit_test(a_bound_takes_the_dearest_that_a_meter_can_turn_into),
      cmocka_unit_test(quantities_are_bounded_each_by_the_dearest_they_can_turn_into),
      cmocka_unit_test(a_bound_without_a_rate_is_refused_and_named),
      cmocka_unit_test(no_usage_inside_a_bound_costs_more_than_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
