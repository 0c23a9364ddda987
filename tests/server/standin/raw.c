// The reader of requests: what it takes for JSON, and what it picks out of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "standin/raw.h"
#include "standin/words.h"

static void good_json_is_taken(void **state) {
  (void)state;
  static const char *const good[] = {
      "{}", "[]", " {\"a\" : [1, -2.5e+3, true, false, null, \"x\\\"\\u00e4\\n\"] } ", "0", "-0.1", "\"\"", "[[[]]]"};
  for (size_t i = 0; i < ARRAY_LEN(good); i++) assert_true(raw_check(str_from(good[i])));
}

static void bad_json_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",    "{",     "}",        "[1,]",  "{\"a\"}", "{\"a\":}", "{a:1}",
                                    "01",  "1.",    "-",        "1e",    "\"a",     "\"\\x\"",  "\"\\u12\"",
                                    "tru", "[] []", "\"a\nb\"", "[1 2]", "{,}",     "nul"};
  for (size_t i = 0; i < ARRAY_LEN(bad); i++)
    if (raw_check(str_from(bad[i]))) fail_msg("%s", bad[i]);
  char *deep = mem_alloc(100000);
  memset(deep, '[', 99999);
  assert_false(raw_check(str_from(deep)));
  mem_free(deep);
}

static void members_and_items_are_found_as_they_stand(void **state) {
  (void)state;
  struct str object = STR("{ \"a\" : {\"b\":\"}\\\"]\"}, \"b\":[ 1 ,\"x,y\",[2,3] ] ,\"c\":-7}"), value, item;
  assert_true(raw_member(object, "a", &value));
  assert_true(raw_is(value, "{\"b\":\"}\\\"]\"}"));
  assert_true(raw_member(value, "b", &value));
  assert_true(raw_is(raw_inner(value), "}\\\"]"));
  assert_true(raw_member(object, "b", &value));
  assert_true(raw_next(&value, &item) && raw_is(item, "1"));
  assert_true(raw_next(&value, &item) && raw_is(item, "\"x,y\""));
  assert_true(raw_next(&value, &item) && raw_is(item, "[2,3]"));
  assert_false(raw_next(&value, &item));
  int64_t number = 0;
  assert_true(raw_member(object, "c", &value) && raw_int(value, &number));
  assert_int_equal(number, -7);
  assert_false(raw_member(object, "d", &value));
  assert_false(raw_member(STR("[]"), "d", &value));
}

static void words_are_runs_between_blanks(void **state) {
  (void)state;
  assert_int_equal(words_count(STR("")), 0);
  assert_int_equal(words_count(STR("  ")), 0);
  assert_int_equal(words_count(STR("a")), 1);
  assert_int_equal(words_count(STR("a b\\nc\\r\\n\\td")), 4);
  assert_int_equal(words_count(STR("\\\\n x")), 2);
  assert_int_equal(words_in_input(STR("[1, 2,3]")), 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(good_json_is_taken),
      cmocka_unit_test(bad_json_is_refused),
      cmocka_unit_test(members_and_items_are_found_as_they_stand),
      cmocka_unit_test(words_are_runs_between_blanks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
