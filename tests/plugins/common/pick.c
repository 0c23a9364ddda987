// Members of an object as they lie in memory, and edits that leave all other bytes alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pick.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pick_span span(const char *text) {
  return (struct pick_span){text, strlen(text)};
}

static bool span_is(struct pick_span s, const char *text) {
  return s.len == strlen(text) && memcmp(s.ptr, text, s.len) == 0;
}

static enum pick_answer read_text(struct pick *p, const char *text) {
  return pick_read(p, text, strlen(text));
}

static void members_are_found_with_their_raw_values(void **state) {
  struct pick p;
  (void)state;
  assert_int_equal(read_text(&p, " { \"a\" : [1, {\"b\":\"}]\\\"\"}] ,\"c\":\"x\\\\\" , \"\\u0064\":-1 } "), PICK_OK);
  assert_int_equal(p.count, 3);
  assert_true(span_is(pick_find(&p, "a"), "[1, {\"b\":\"}]\\\"\"}]"));
  assert_true(span_is(pick_find(&p, "c"), "\"x\\\\\""));
  assert_true(span_is(pick_find(&p, "d"), "-1"));
  assert_int_equal(pick_find(&p, "b").len, 0);
  assert_int_equal(read_text(&p, "{}"), PICK_OK);
  assert_int_equal(p.count, 0);
  assert_int_equal(read_text(&p, "[1]"), PICK_NOT_OBJECT);
  assert_int_equal(read_text(&p, " "), PICK_NOT_OBJECT);
}

static void a_member_may_stand_there_once(void **state) {
  struct pick p;
  (void)state;
  assert_int_equal(read_text(&p, "{\"a\":1,\"b\":2,\"a\":3}"), PICK_DUPLICATE);
  assert_int_equal(read_text(&p, "{\"model\":1,\"mod\\u0065l\":2}"), PICK_DUPLICATE);
  assert_true(span_is(p.members[p.count - 1].name, "mod\\u0065l"));
  assert_int_equal(read_text(&p, "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"), PICK_DUPLICATE);
  assert_int_equal(read_text(&p, "{\"a\":{\"b\":1},\"b\":2}"), PICK_OK);
}

static void there_are_so_many_members(void **state) {
  char text[4096];
  struct pick p;
  (void)state;
  for (size_t count = PICK_MEMBERS; count <= PICK_MEMBERS + 1; count++) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
      len += (size_t)snprintf(text + len, sizeof text - len, "%s\"m%zu\":%zu", i ? "," : "{", i, i);
    (void)snprintf(text + len, sizeof text - len, "}");
    assert_int_equal(read_text(&p, text), count <= PICK_MEMBERS ? PICK_OK : PICK_TOO_MANY);
  }
}

static void anything_can_be_read_without_leaving_it(void **state) {
  static const char text[] = "{\"a\":[1,\"b\\\"\"],\"c\\u0041\":{\"d\":null}}";
  unsigned seed = 3;
  (void)state;
  for (int round = 0; round < 50000; round++) {
    struct pick p;
    seed = seed * 1103515245 + 12345;
    size_t len = (seed >> 8) % sizeof text;
    char *copy = malloc(len + 1), *decoded = malloc(len + 1);
    memcpy(copy, text, len);
    for (int i = 0; i < 2 && len; i++) {
      seed = seed * 1103515245 + 12345;
      copy[(seed >> 8) % len] = "\"\\{}[],:u"[(seed >> 24) % 9];
    }
    char *tight = realloc(copy, len ? len : 1);
    if (pick_read(&p, tight, len) == PICK_OK)
      for (size_t i = 0; i < p.count; i++) {
        struct pick_span inner;
        bool escaped = false;
        size_t text_len = 0;
        int64_t n = 0;
        assert_true(p.members[i].value.ptr >= tight && p.members[i].value.ptr + p.members[i].value.len <= tight + len);
        (void)pick_int(p.members[i].value, &n);
        if (pick_string(p.members[i].value, &inner, &escaped)) (void)pick_text(inner, decoded, len, &text_len);
      }
    free(tight);
    free(decoded);
  }
}

static void integers_are_exact_or_refused(void **state) {
  static const struct {
    const char *text;
    enum pick_number answer;
    int64_t n;
  } cases[] = {{"0", PICK_INTEGER, 0},
               {"-0", PICK_INTEGER, 0},
               {"42", PICK_INTEGER, 42},
               {"-7", PICK_INTEGER, -7},
               {"9223372036854775807", PICK_INTEGER, INT64_MAX},
               {"-9223372036854775808", PICK_INTEGER, INT64_MIN},
               {"9223372036854775808", PICK_OUT_OF_RANGE, 0},
               {"-9223372036854775809", PICK_OUT_OF_RANGE, 0},
               {"99999999999999999999999999", PICK_OUT_OF_RANGE, 0},
               {"1.0", PICK_NOT_INTEGER, 0},
               {"1e3", PICK_NOT_INTEGER, 0},
               {"99999999999999999999.5", PICK_NOT_INTEGER, 0},
               {"\"1\"", PICK_NOT_INTEGER, 0},
               {"null", PICK_NOT_INTEGER, 0},
               {"true", PICK_NOT_INTEGER, 0},
               {"", PICK_NOT_INTEGER, 0},
               {"-", PICK_NOT_INTEGER, 0},
               {"[1]", PICK_NOT_INTEGER, 0}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t n = 0;
    assert_int_equal(pick_int(span(cases[i].text), &n), cases[i].answer);
    assert_true(n == cases[i].n);
  }
}

static void text_is_unescaped(void **state) {
  char out[32];
  size_t len = 0;
  (void)state;
  assert_true(pick_text(span("a\\/b\\n\\u00e9\\ud83d\\ude00\\\""), out, sizeof out, &len));
  assert_int_equal(len, 11);
  assert_memory_equal(out, "a/b\n\xc3\xa9\xf0\x9f\x98\x80\"", 11);
  assert_true(pick_text(span(""), out, 0, &len));
  assert_false(pick_text(span("abc"), out, 2, &len));
  assert_true(pick_same(span("a\\u002fb"), span("a\\/b")));
  assert_false(pick_same(span("a\\u002fb"), span("a\\/bc")));
}

// ---- edits

static void edited_is(const struct pick_edits *e, const char *expected) {
  char out[256];
  size_t len = pick_apply(e, NULL, 0);
  assert_int_equal(len, strlen(expected));
  assert_int_equal(pick_apply(e, out, sizeof out), len);
  assert_memory_equal(out, expected, len);
}

static void nothing_edited_is_the_same_text(void **state) {
  struct pick_edits e = {.text = span(" {\"a\" : 1}\n")};
  (void)state;
  edited_is(&e, " {\"a\" : 1}\n");
}

static void a_value_is_replaced_in_its_place(void **state) {
  const char *text = "{ \"a\" : 1 , \"b\":[ 2 ] }";
  struct pick_edits e = {.text = span(text)};
  struct pick p;
  (void)state;
  assert_int_equal(read_text(&p, text), PICK_OK);
  pick_replace(&e, pick_find(&p, "b"), span("\"x\""));
  pick_replace(&e, pick_find(&p, "a"), span("null"));
  edited_is(&e, "{ \"a\" : null , \"b\":\"x\" }");
}

static void members_are_added_behind_the_last(void **state) {
  const char *text = "{\"a\":{ }, \"b\":1 }";
  struct pick_edits e = {.text = span(text)};
  struct pick p, inner;
  (void)state;
  assert_int_equal(read_text(&p, text), PICK_OK);
  struct pick_span a = pick_find(&p, "a");
  assert_int_equal(pick_read(&inner, a.ptr, a.len), PICK_OK);
  pick_append(&e, &p, "c", span("2"));
  pick_append(&e, &inner, "x", span("true"));
  pick_append(&e, &inner, "y", span("false"));
  pick_append(&e, &p, "d", span("3"));
  pick_replace(&e, pick_find(&p, "b"), span("9"));
  edited_is(&e, "{\"a\":{\"x\":true,\"y\":false }, \"b\":9,\"c\":2,\"d\":3 }");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(members_are_found_with_their_raw_values),
      cmocka_unit_test(a_member_may_stand_there_once),
      cmocka_unit_test(there_are_so_many_members),
      cmocka_unit_test(anything_can_be_read_without_leaving_it),
      cmocka_unit_test(integers_are_exact_or_refused),
      cmocka_unit_test(text_is_unescaped),
      cmocka_unit_test(nothing_edited_is_the_same_text),
      cmocka_unit_test(a_value_is_replaced_in_its_place),
      cmocka_unit_test(members_are_added_behind_the_last),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
