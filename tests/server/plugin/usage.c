// What of a plugin's counts is believed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugin/registry.h"

static const struct tollgate_meter meters[] = {{"input_tokens", NULL, TOLLGATE_TOTAL_INPUT},
                                               {"cached_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT},
                                               {"output_tokens", NULL, TOLLGATE_TOTAL_OUTPUT},
                                               {"images", NULL, TOLLGATE_TOTAL_NONE}};
static const struct tollgate_plugin plugin = {.meters = meters, .meter_count = 4};

static struct tollgate_usage usage_of(int64_t input, int64_t cached, int64_t output, int64_t total_in,
                                      int64_t total_out) {
  return (struct tollgate_usage){.size = sizeof(struct tollgate_usage),
                                 .count = 4,
                                 .counts = {{0, input}, {1, cached}, {2, output}, {3, 5}},
                                 .totals = {-1, total_in, total_out}};
}

static void parts_must_make_up_the_stated_totals(void **state) {
  struct tollgate_usage u = usage_of(10, 5, 7, 15, 7);
  (void)state;
  assert_true(plugin_usage_check(&plugin, &u));
  assert_int_equal(u.count, 4);
  u = usage_of(10, 5, 7, 16, 7);
  assert_false(plugin_usage_check(&plugin, &u));
  assert_int_equal(u.count, 4);
  u = usage_of(10, 5, 7, 15, 8);
  assert_false(plugin_usage_check(&plugin, &u));
  u = usage_of(INT64_MAX, 5, 7, 4, 7);
  assert_false(plugin_usage_check(&plugin, &u));
}

static void what_was_not_stated_is_not_checked(void **state) {
  struct tollgate_usage u = usage_of(10, 5, 7, -1, -1);
  (void)state;
  assert_true(plugin_usage_check(&plugin, &u));
  u.totals[1] = -2;
  assert_false(plugin_usage_check(&plugin, &u));
  assert_int_equal(u.totals[1], -1);
}

static void unknown_negative_and_repeated_counts_are_cleared(void **state) {
  struct tollgate_usage u = usage_of(10, -5, 7, -1, 7);
  (void)state;
  u.counts[3] = (struct tollgate_count){2, 9};
  assert_false(plugin_usage_check(&plugin, &u));
  assert_int_equal(u.count, 2);
  assert_int_equal(u.counts[1].quantity, 7);
  u = usage_of(10, 5, 7, -1, -1);
  u.counts[0].meter = 4;
  assert_false(plugin_usage_check(&plugin, &u));
  assert_int_equal(u.count, 3);
}

static void there_are_so_many_counts(void **state) {
  struct tollgate_usage u = usage_of(10, 5, 7, -1, -1);
  (void)state;
  u.count = UINT32_MAX;
  assert_false(plugin_usage_check(&plugin, &u));
  assert_true(u.count <= TOLLGATE_COUNTS_MAX);
}

static void a_handle_has_a_largest_size(void **state) {
  char bytes[513] = {0};
  struct tollgate_usage u = usage_of(10, 5, 7, -1, -1);
  (void)state;
  u.handle = (struct tollgate_slice){bytes, 512};
  assert_true(plugin_usage_check(&plugin, &u));
  u.handle.len = 513;
  assert_false(plugin_usage_check(&plugin, &u));
  assert_int_equal(u.handle.len, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_must_make_up_the_stated_totals),
      cmocka_unit_test(what_was_not_stated_is_not_checked),
      cmocka_unit_test(unknown_negative_and_repeated_counts_are_cleared),
      cmocka_unit_test(there_are_so_many_counts),
      cmocka_unit_test(a_handle_has_a_largest_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
