// What is kept with an explicit hold is read back as it was said, and what is kept with any other is none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "meter/held.h"

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

static void what_is_kept_of_one_by_a_model_is_read_back(void **state) {
  (void)state;
  const struct held_about about = {.hold = 2500000000, .model = STR("a \"model\" é"), .provider = STR("p"), .bound = STR("{\"images\":2}"),
                                   .metadata = STR("{\"job\":\"7\",\"é\":\"\\n\"}"), .request_id = "req_1"};
  struct held back = {0};
  struct str text = held_about_write(&arena, &about);
  assert_true(held_about_read(&arena, text, &back));
  assert_true(str_eq(back.model, about.model));
  assert_true(str_eq(back.metadata, about.metadata));
  assert_non_null(strstr(arena_strdup(&arena, text), "\"hold\":\"2.5\""));
  assert_non_null(strstr(arena_strdup(&arena, text), "\"bound\":{\"images\":2}"));
}

static void one_by_amount_has_no_model_and_metadata_is_never_missing(void **state) {
  (void)state;
  const struct held_about about = {.hold = 1, .request_id = "req_1"};
  struct held back = {0};
  assert_true(held_about_read(&arena, held_about_write(&arena, &about), &back));
  assert_int_equal(back.model.len, 0);
  assert_true(str_eq(back.metadata, STR("{}")));
}

static void what_is_kept_of_a_call_through_the_gateway_is_no_explicit_holds(void **state) {
  (void)state;
  static const char *const others[] = {"", "{", "{}", "[]", "{\"hold\":\"2.5\",\"model\":\"m\"}", "{\"explicit\":false}", "{\"explicit\":\"true\"}", "{\"explicit\":1}"};
  struct held back = {0};
  for (size_t i = 0; i < ARRAY_LEN(others); i++) assert_false(held_about_read(&arena, str_from(others[i]), &back));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_kept_of_one_by_a_model_is_read_back),
      cmocka_unit_test(one_by_amount_has_no_model_and_metadata_is_never_missing),
      cmocka_unit_test(what_is_kept_of_a_call_through_the_gateway_is_no_explicit_holds),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
