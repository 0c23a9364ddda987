// Which meters are reported, as it is written in the configuration.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stripe/meter_map.h"

static void a_list_of_pairs_is_a_map(void **state) {
  (void)state;
  struct meter_map m;
  assert_true(meter_map_read(STR("output_tokens=tokens_out, charge=credits"), &m));
  assert_int_equal(m.count, 2);
  assert_true(str_eq(meter_map_find(&m, STR("charge")), STR("credits")));
  assert_int_equal(meter_map_find(&m, STR("images")).len, 0);
}

static void nothing_is_an_empty_map(void **state) {
  (void)state;
  struct meter_map m;
  assert_true(meter_map_read(STR(""), &m));
  assert_int_equal(m.count, 0);
}

static void what_is_no_pair_or_comes_twice_is_refused(void **state) {
  (void)state;
  struct meter_map m;
  static const char *const wrong[] = {"a", "=b", "a=", "a=b,", ",a=b", "a=b,a=c", "a=b=c", "a b=c", "a=b c", "a=\xc3\xa4"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(meter_map_read(str_from(wrong[i]), &m));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_of_pairs_is_a_map),
      cmocka_unit_test(nothing_is_an_empty_map),
      cmocka_unit_test(what_is_no_pair_or_comes_twice_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
