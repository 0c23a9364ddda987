// What a call's rows say was used: sums by meter, and whether two are of the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "meter/quantities.h"

static struct arena arena;

static int begin(void **state) {
  (void)state;
  arena_init(&arena, 1024 * 1024);
  return 0;
}

static int end(void **state) {
  (void)state;
  arena_finish(&arena);
  return 0;
}

static struct meter_quantities of(const char *json) {
  struct meter_quantities q = {0};
  assert_int_equal(quantities_add(&q, &arena, str_from(json)), 0);
  return q;
}

static void rows_add_up_and_what_comes_to_zero_is_left_out(void **state) {
  (void)state;
  struct meter_quantities q = of("{\"input_tokens\":12,\"output_tokens\":3}");
  assert_int_equal(quantities_add(&q, &arena, STR("{\"output_tokens\":-3,\"images\":1}")), 0);
  struct str json = quantities_json(&q, &arena);
  assert_true(str_eq(json, STR("{\"input_tokens\":12,\"images\":1}")));
}

static void what_is_no_object_of_integers_is_corrupt(void **state) {
  (void)state;
  static const char *const wrong[] = {"", "[]x", "{\"a\":1.5}", "{\"a\":\"1\"}", "{\"a\":null}"};
  for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
    struct meter_quantities q = {0};
    assert_int_not_equal(quantities_add(&q, &arena, str_from(wrong[i])), 0);
  }
  struct meter_quantities q = of("{\"a\":9223372036854775807}");
  assert_int_not_equal(quantities_add(&q, &arena, STR("{\"a\":1}")), 0);
}

static void the_same_is_the_same_in_any_order_and_zero_is_nothing(void **state) {
  (void)state;
  static const struct {
    const char *a, *b;
    bool same;
  } cases[] = {{"{}", "{}", true}, {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true}, {"{\"a\":1,\"b\":0}", "{\"a\":1}", true},
               {"{\"a\":1}", "{\"a\":2}", false}, {"{\"a\":1}", "{}", false}, {"{\"a\":1}", "{\"b\":1}", false}};
  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    struct meter_quantities a = of(cases[i].a), b = of(cases[i].b);
    assert_int_equal(quantities_equal(&a, &b), cases[i].same);
    assert_int_equal(quantities_equal(&b, &a), cases[i].same);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_add_up_and_what_comes_to_zero_is_left_out),
      cmocka_unit_test(what_is_no_object_of_integers_is_corrupt),
      cmocka_unit_test(the_same_is_the_same_in_any_order_and_zero_is_nothing),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
