// How a request target is decoded, and what is refused because it could be decoded otherwise.
#include "http/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;
static struct target target;
static struct guard_refusal refusal;

static bool parse(const char *raw) {
  return target_parse(str_from(raw), &arena, &target, &refusal);
}

#define assert_str(s, text) assert_true(str_eq(s, str_from(text)))

static void paths_are_decoded(void **state) {
  (void)state;
  assert_true(parse("/"));
  assert_str(target.path, "/");
  assert_true(parse("/a%20b/%C3%a4+c/.well-known/..."));
  assert_str(target.path, "/a b/\xc3\xa4+c/.well-known/...");
  assert_true(parse("//a//"));
  assert_str(target.path, "//a//");
}

static void what_has_two_readings_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",       "a",        "*",          "http://h/", "/%",       "/%4",    "/%4g",
      "/%g4",   "/%00",     "/a%2Fb",     "/a%2fb",    "/%0a",     "/%1f",   "/%7F",
      "/%ff",   "/%c0%af",  "/%ed%a0%80", "/a b",      "/a\tb",    "/a#b",   "/caf\xc3\xa9",
      "/.",     "/..",      "/a/../b",    "/a/./b",    "/%2e%2E",  "/a/%2e", "/a?%zz",
      "/a?b=%", "/a?b=%00", "/a?%0d=c",   "/a?b=%fe",  "/a?b=c#d",
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_false(parse(wrong[i]));
    assert_int_equal(refusal.problem, PROBLEM_MALFORMED_HTTP);
  }
}

static void queries_are_cut_and_decoded(void **state) {
  (void)state;
  assert_true(parse("/a?x=1&y=a%2Fb+c&z&&=v&w=p=q&"));
  assert_str(target.query, "x=1&y=a%2Fb+c&z&&=v&w=p=q&");
  static const char *const expected[][2] = {{"x", "1"}, {"y", "a/b c"}, {"z", ""}, {"", "v"}, {"w", "p=q"}};
  assert_int_equal(target.param_count, 5);
  for (size_t i = 0; i < 5; i++) {
    assert_str(target.params[i].name, expected[i][0]);
    assert_str(target.params[i].value, expected[i][1]);
  }
  assert_true(parse("/a?"));
  assert_int_equal(target.param_count, 0);
}

static void parameters_are_bounded(void **state) {
  (void)state;
  char raw[2 + 2 * TARGET_PARAMS_MAX + 2] = "/?";
  for (size_t i = 0; i < TARGET_PARAMS_MAX; i++) memcpy(raw + 2 + 2 * i, "a&", 2);
  raw[2 + 2 * TARGET_PARAMS_MAX - 1] = '\0';
  assert_true(parse(raw));
  assert_int_equal(target.param_count, TARGET_PARAMS_MAX);
  memcpy(raw + 2 + 2 * TARGET_PARAMS_MAX - 1, "&a", 3);
  assert_false(parse(raw));
}

static int setup(void **state) {
  (void)state;
  arena_init(&arena, 1 << 20);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  arena_finish(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(paths_are_decoded, setup, teardown),
      cmocka_unit_test_setup_teardown(what_has_two_readings_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(queries_are_cut_and_decoded, setup, teardown),
      cmocka_unit_test_setup_teardown(parameters_are_bounded, setup, teardown),
  };
  return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
