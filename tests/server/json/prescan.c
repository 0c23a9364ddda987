// Rules of the look before a tree is built: depth and values are counted exactly, whatever strings hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "json/tree.h"

static struct str repeated(struct buf *b, const char *before, const char *unit, int times, const char *after) {
  buf_init(b, 8 << 20);
  buf_puts(b, before);
  for (int i = 0; i < times; i++) buf_puts(b, unit);
  buf_puts(b, after);
  assert_false(b->full);
  return buf_str(b);
}

static bool passes(const char *before, const char *unit, int times, const char *after) {
  CLEANUP(buf_finish) struct buf b;
  struct json_error error;
  return json_prescan(repeated(&b, before, unit, times, after), &error);
}

static void depth_ends_at_its_limit(void **state) {
  (void)state;
  assert_true(passes("", "[", LIMIT_JSON_DEPTH, ""));
  assert_false(passes("", "[", LIMIT_JSON_DEPTH + 1, ""));
  assert_true(passes("", "{\"a\":", LIMIT_JSON_DEPTH, "1"));
  assert_false(passes("", "{\"a\":", LIMIT_JSON_DEPTH + 1, "1"));
  assert_true(passes("[", "[],{},", 1000, "0]")); // wide is not deep
}

static void values_end_at_their_limit(void **state) {
  (void)state;
  assert_true(passes("[0", ",0", LIMIT_JSON_NODES - 2, "]"));
  assert_false(passes("[0", ",0", LIMIT_JSON_NODES - 1, "]"));
  assert_true(passes("[{}", ",{}", LIMIT_JSON_NODES - 2, "]"));
  assert_false(passes("[{}", ",{}", LIMIT_JSON_NODES - 1, "]"));
  assert_true(passes("[\"\"", ",\"\"", LIMIT_JSON_NODES - 2, "]"));
  assert_false(passes("[\"\"", ",\"\"", LIMIT_JSON_NODES - 1, "]"));
  assert_true(passes("[true", " , -1.5e+3", LIMIT_JSON_NODES - 2, "]"));
  assert_false(passes("[true", " , -1.5e+3", LIMIT_JSON_NODES - 1, "]"));
}

static void names_of_members_are_not_values(void **state) {
  (void)state;
  assert_true(passes("{\"k\":0", ",\"k\" : 0", LIMIT_JSON_NODES - 2, "}"));
  assert_false(passes("{\"k\":0", ",\"k\" : 0", LIMIT_JSON_NODES - 1, "}"));
}

static void what_stands_in_strings_does_not_count(void **state) {
  (void)state;
  assert_true(passes("\"", "[{", 1000, "\""));
  assert_true(passes("\"", "\\\"[", 1000, "\""));
  assert_true(passes("\"", ",0", LIMIT_JSON_NODES, "\""));
  assert_false(passes("\"\\\\\"", "[", LIMIT_JSON_DEPTH + 1, "")); // an escaped backslash does not escape the quote
}

static void text_is_looked_at_to_its_end_and_not_beyond(void **state) {
  (void)state;
  struct json_error error;
  CLEANUP(mem_freep) char *open = mem_dup("\"ab\\", 4); // no NUL: a sanitizer sees one byte too many
  assert_true(json_prescan((struct str){open, 4}, &error));
  assert_true(json_prescan((struct str){open, 1}, &error));
  assert_false(json_prescan((struct str){NULL, 0}, &error));
  assert_false(json_prescan((struct str){"[\0]", 3}, &error));
  assert_false(json_prescan(STR("\"\xED\xA0\x80\""), &error));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(depth_ends_at_its_limit),
      cmocka_unit_test(values_end_at_their_limit),
      cmocka_unit_test(names_of_members_are_not_values),
      cmocka_unit_test(what_stands_in_strings_does_not_count),
      cmocka_unit_test(text_is_looked_at_to_its_end_and_not_beyond),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
