// Rules of reading an event's JSON: what is read in one pass is what the strict reader says, word for word; what cannot be, or is wrong,
// is the strict reader's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "usage/value.h"

static struct arena arena;

static int arena_begin(void **state) {
  (void)state;
  arena_init(&arena, LIMIT_REQUEST_ARENA);
  return 0;
}

static int arena_end(void **state) {
  (void)state;
  arena_finish(&arena);
  return 0;
}

static void same(const struct usage_value *a, const struct usage_value *b) {
  assert_int_equal(a->kind, b->kind);
  assert_true(str_eq(a->name, b->name));
  if (a->kind == USAGE_INT) assert_true(a->number == b->number);
  if (a->kind == USAGE_TEXT) assert_true(str_eq(a->text, b->text));
  const struct usage_value *x = a->first, *y = b->first;
  for (; x && y; x = x->next, y = y->next) same(x, y);
  assert_true(!x && !y);
}

// Whether it needed the tree. Both readings agree.
static bool read_strictly(struct str text) {
  struct usage_json json;
  struct json_error why;
  CLEANUP(json_finishp) struct json *tree = NULL;
  assert_int_equal(json_parse(text, &tree, &why), 0);
  assert_int_equal(usage_json_read(&arena, text, &json, &why), 0);
  same(json.root, usage_value_of(&arena, tree));
  bool strictly = json.tree != NULL;
  usage_json_finish(&json);
  return strictly;
}

static void what_apps_usually_send_is_read_in_one_pass(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{}", " \t\r\n{ } \n", "{\"a\":1}", "{\"a\" : -1 , \"b\":\"\", \"c\":{\"d\":[1,\"x\",{},[],null,true,false]}}", "0", "-7", "999999999999999999",
      "\"text\"", "null", "true", "[]", "{\"\":0}", "{\"n\xc3\xa4me\":\"\xe2\x82\xac\"}", "{\"a\":{\"a\":{\"a\":{}}}}", "{\"a\":[0]}",
  };
  for (size_t i = 0; i < ARRAY_LEN(texts); i++)
    if (read_strictly(str_from(texts[i]))) fail_msg("%s needs no tree", texts[i]);
}

static void what_is_sound_and_unusual_is_read_by_the_strict_reader(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{\"a\":\"\\u0041\"}", "{\"\\n\":1}", "1.5", "1e3", "-0", "1000000000000000000", "9223372036854775807", "-9223372036854775808",
      "[[[[[[[[[]]]]]]]]]", "{\"a\":\"\\\"\"}",
  };
  for (size_t i = 0; i < ARRAY_LEN(texts); i++)
    if (!read_strictly(str_from(texts[i]))) fail_msg("%s was read in one pass", texts[i]);
}

static void of_many_members_each_is_there(void **state) {
  (void)state;
  for (int count = 30; count < 40; count++) {
    CLEANUP(buf_finish) struct buf b;
    buf_init(&b, 4096);
    for (int i = 0; i < count; i++) buf_printf(&b, "%c\"m%d\":%d", i ? ',' : '{', i, i);
    buf_putc(&b, '}');
    assert_true(read_strictly(buf_str(&b)) == (count > 32));
  }
}

static void refused(struct str text) {
  struct usage_json json;
  struct json_error why, strict;
  struct json *tree = NULL;
  if (usage_json_read(&arena, text, &json, &why) != 1) fail_msg("%.*s was taken", STR_ARG(text));
  assert_int_equal(json_parse(text, &tree, &strict), 1);
  assert_string_equal(why.message, strict.message);
}

static void what_is_wrong_is_refused_in_the_strict_readers_words(void **state) {
  (void)state;
  static const char *const texts[] = {
      "", " ", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "[1,]", "[,1]", "[1 2]", "{\"a\":1 \"b\":2}", "{\"a\":1}{}", "{\"a\":01}", "-", "+1", "1.", ".5",
      "tru", "truE", "nul", "{a:1}", "{'a':1}", "\"", "\"a", "\"\t\"", "\"\\x\"", "\"\\ud800\"", "{\"a\":1,\"a\":2}", "{\"x\":{\"a\":1,\"a\":2}}", "[{\"a\":1,\"a\":2}]",
      "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "{\"\xff\":1}", "99999999999999999999", "\xef\xbb\xbf{}", "{\"a\":1}x", "\v1", "--1", "{\"a\"::1}", "NaN", "[}", "{]",
  };
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) refused(str_from(texts[i]));
  refused((struct str){"{\"a\":1\0}", 8});
  refused((struct str){"\"a\0b\"", 5});
  refused((struct str){"{}\0", 3});
}

// A text that is cut anywhere is refused, and nothing behind its end is looked at.
static void a_text_that_ends_too_early_is_refused(void **state) {
  (void)state;
  static const char text[] = "{\"a\": [1, -2, {\"b\": null}], \"c\": true, \"d\": \"x\"}";
  for (size_t len = 0; len < sizeof text - 1; len++) {
    CLEANUP(mem_freep) char *cut = len ? mem_dup(text, len) : NULL;
    refused((struct str){cut, len});
  }
}

static void json_is(const char *text, const char *member, const char *expected) {
  struct usage_json json;
  struct json_error why;
  assert_int_equal(usage_json_read(&arena, str_from(text), &json, &why), 0);
  const struct usage_value *v = json.root->first;
  while (v && !str_eq(v->name, str_from(member))) v = v->next;
  assert_non_null(v);
  struct str out = usage_value_json(&arena, v);
  if (!str_eq(out, str_from(expected))) fail_msg("%.*s is not %s", STR_ARG(out), expected);
  usage_json_finish(&json);
}

static void a_values_json_is_in_one_form(void **state) {
  (void)state;
  json_is("{\"a\":\"x\",\"b\":1}", "a", "\"x\"");
  json_is("{\"a\":\"\",\"b\":1}", "a", "\"\"");
  json_is("{\"a\":-12,\"b\":1}", "a", "-12");
  json_is("{\"a\": { \"b\" : [ 1, 2 ], \"a\":1 } }", "a", "{\"a\":1,\"b\":[1,2]}");
  json_is("{\"a\": { \"b\" : [ \"\\u0041\" ], \"a\":1 } }", "a", "{\"a\":1,\"b\":[\"A\"]}");
  json_is("{\"a\":\"\\u0041\",\"b\":1}", "a", "\"A\"");
  json_is("{\"a\":\"\xc3\xa4/\x7f\"}", "a", "\"\xc3\xa4/\x7f\"");
  json_is("{\"a\":\"\xc3\xa4/\x7f\",\"b\":\"\\n\"}", "a", "\"\xc3\xa4/\x7f\"");
  json_is("{\"a\":[true]}", "a", "[true]");
  json_is("{\"a\":false}", "a", "false");
  json_is("{\"a\":{\"b\":\"\\n\"}}", "a", "{\"b\":\"\\n\"}");
  json_is("{\"a\":1.5}", "a", "1.5");
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_apps_usually_send_is_read_in_one_pass, arena_begin, arena_end),
      cmocka_unit_test_setup_teardown(what_is_sound_and_unusual_is_read_by_the_strict_reader, arena_begin, arena_end),
      cmocka_unit_test_setup_teardown(of_many_members_each_is_there, arena_begin, arena_end),
      cmocka_unit_test_setup_teardown(what_is_wrong_is_refused_in_the_strict_readers_words, arena_begin, arena_end),
      cmocka_unit_test_setup_teardown(a_text_that_ends_too_early_is_refused, arena_begin, arena_end),
      cmocka_unit_test_setup_teardown(a_values_json_is_in_one_form, arena_begin, arena_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
