// Rules of parsing and walking: what is JSON here, what is not and why, and what a tree lends.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "json/read.h"
#include <pthread.h>

static struct json *parsed(const char *text) {
  struct json *root = NULL;
  struct json_error error;
  if (json_parse(str_from(text), &root, &error)) fail_msg("%s: %s", text, error.message);
  return root;
}

static void assert_refused(struct str text, const char *because) {
  struct json *root = NULL;
  struct json_error error = {0};
  assert_int_equal(json_parse(text, &root, &error), 1);
  assert_null(root);
  assert_string_equal(error.param, "");
  if (!strstr(error.message, because)) fail_msg("%.*s: %s", STR_ARG(text), error.message);
}

static void any_value_can_be_the_root(void **state) {
  (void)state;
  static const char *const texts[] = {"{}", "[]", "null", "true", "\"\"", "-0", "1e-400", " \t\r\n{ } \n"};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) json_finish(parsed(texts[i]));
  json_finish(NULL);
}

static void refusals_say_why(void **state) {
  (void)state;
  assert_refused(STR(""), "nothing here");
  assert_refused(STR("   "), "ends too early");
  assert_refused(STR("{\"a\":1"), "ends too early");
  assert_refused(STR("{\"a\":1}}"), "follows the end");
  assert_refused(STR("{} {}"), "follows the end");
  assert_refused(STR("{\"a\":1,\"b\":2,\"a\":1}"), "given twice (line 1");
  assert_refused(STR("{\"x\":{\"a\":1,\"\\u0061\":1}}"), "given twice");
  assert_refused(STR("9223372036854775808"), "at most 64 bits");
  assert_refused(STR("-9223372036854775809"), "at most 64 bits");
  assert_refused(STR("1e400"), "too large");
  assert_refused(STR("\"\\u0000\""), "\\u0000");
  assert_refused(STR("{\"a\\u0000\":1}"), "\\u0000");
  assert_refused((struct str){"[1]\0", 4}, "NUL");
  assert_refused(STR("\"\xFF\""), "UTF-8");
  assert_refused(STR("\"\xC0\xAF\""), "UTF-8");
}

static void what_is_not_json_is_malformed(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{a:1}",   "{'a':1}", "[1,]",   "{\"a\":1,}", "[,1]",           "01",        "+1",  ".5",
      "1.",      "0x10",    "NaN",    "Infinity",   "TRUE",           "nul",       "//x", "[1 2]",
      "{\"a\"}", "\"\\x\"", "\"\n\"", "\"\t\"",     "\xEF\xBB\xBF{}", "{\"a\" 1}", "[1}", ":"};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
    struct json *root = NULL;
    struct json_error error;
    if (!json_parse(str_from(texts[i]), &root, &error)) fail_msg("taken: %s", texts[i]);
  }
}

static void lone_surrogates_are_refused_and_pairs_taken(void **state) {
  (void)state;
  struct json *root = NULL;
  struct json_error error;
  assert_int_equal(json_parse(STR("\"\\ud800\""), &root, &error), 1);
  assert_int_equal(json_parse(STR("\"\\udc00\""), &root, &error), 1);
  assert_int_equal(json_parse(STR("\"\\ud800x\""), &root, &error), 1);
  CLEANUP(json_finishp) struct json *pair = parsed("\"\\ud83d\\udcb0\"");
  struct str text;
  assert_true(json_text(pair, &text) && str_eq(text, STR("\xF0\x9F\x92\xB0")));
}

static void messages_do_not_quote_the_text(void **state) {
  (void)state;
  struct json *root = NULL;
  struct json_error error;
  assert_int_equal(json_parse(STR("{\"secret\": hunter2}"), &root, &error), 1);
  assert_null(strstr(error.message, "hunter2"));
  assert_string_equal(error.message, "The JSON is malformed (line 1, column 17).");
}

static void values_are_lent_by_their_kind(void **state) {
  (void)state;
  CLEANUP(json_finishp)
  struct json *root = parsed("{\"t\":\"x\",\"i\":-9223372036854775808,\"r\":1.0,\"n\":null,\"a\":[1,2]}");
  struct str text;
  int64_t number;
  assert_true(json_text(json_get(root, "t"), &text) && str_eq(text, STR("x")));
  assert_true(json_int(json_get(root, "i"), &number) && number == INT64_MIN);
  assert_false(json_int(json_get(root, "r"), &number)); // 1.0 is no integer here
  assert_false(json_int(json_get(root, "t"), &number));
  assert_false(json_text(json_get(root, "i"), &text));
  assert_true(json_is_null(json_get(root, "n")));
  assert_false(json_is_null(json_get(root, "t")));
  assert_int_equal(json_count(json_get(root, "a")), 2);
  assert_true(json_int(json_at(json_get(root, "a"), 1), &number) && number == 2);
  assert_int_equal(json_count(root), 5);
}

static void what_is_missing_is_null_and_nothing(void **state) {
  (void)state;
  CLEANUP(json_finishp) struct json *root = parsed("[{}]");
  struct str text;
  int64_t number;
  assert_null(json_get(root, "a"));
  assert_null(json_get(json_at(root, 0), "a"));
  assert_null(json_get(NULL, "a"));
  assert_null(json_at(root, 1));
  assert_null(json_at(NULL, 0));
  assert_int_equal(json_count(NULL), 0);
  assert_false(json_is_null(NULL));
  assert_false(json_text(NULL, &text));
  assert_false(json_int(NULL, &number));
}

static void dumps_are_compact_and_keep_the_order(void **state) {
  (void)state;
  CLEANUP(json_finishp) struct json *root = parsed("{ \"z\" : [1, true, null], \"a\" : { \"\\u20ac\" : \"\\\"\" } }");
  CLEANUP(mem_freep) char *text = json_dump(root);
  assert_string_equal(text, "{\"z\":[1,true,null],\"a\":{\"\xE2\x82\xAC\":\"\\\"\"}}");
  CLEANUP(mem_freep) char *part = json_dump(json_at(json_get(root, "z"), 1));
  assert_string_equal(part, "true");
}

static int concat(void *arg, const char *name, struct json *value) {
  char *names = arg;
  int64_t number;
  strcat(names, name);
  return json_int(value, &number) ? (int)number : -1;
}

static void members_come_in_order_until_one_says_stop(void **state) {
  (void)state;
  CLEANUP(json_finishp) struct json *root = parsed("{\"c\":0,\"a\":0,\"b\":7,\"d\":0}");
  char names[16] = "";
  assert_int_equal(json_each(root, concat, names), 7);
  assert_string_equal(names, "cab");
  CLEANUP(json_finishp) struct json *none = parsed("{}");
  assert_int_equal(json_each(none, concat, names), 0);
}

static void *parse_many(void *arg) {
  for (int i = 0; i < 500; i++) json_finish(parsed("{\"a\":{\"b\":[1,2,3]},\"c\":\"d\"}"));
  return arg;
}

static void threads_parse_apart(void **state) {
  (void)state;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, parse_many, NULL), 0);
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_value_can_be_the_root),
      cmocka_unit_test(refusals_say_why),
      cmocka_unit_test(what_is_not_json_is_malformed),
      cmocka_unit_test(lone_surrogates_are_refused_and_pairs_taken),
      cmocka_unit_test(messages_do_not_quote_the_text),
      cmocka_unit_test(values_are_lent_by_their_kind),
      cmocka_unit_test(what_is_missing_is_null_and_nothing),
      cmocka_unit_test(dumps_are_compact_and_keep_the_order),
      cmocka_unit_test(members_come_in_order_until_one_says_stop),
      cmocka_unit_test(threads_parse_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
