// The scanner: what is JSON and what is not, what a watch is told, and that no split changes any of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/scan.h"
#include <stdlib.h>
#include <string.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static enum scan_fault fault_of(const char *text, size_t len, bool lenient) {
  struct scan s;
  char *copy = malloc(len ? len : 1); // so that a sanitizer sees what is read beyond
  memcpy(copy, text, len);
  scan_init(&s, NULL, 0, NULL, NULL);
  s.lenient = lenient;
  (void)scan_push(&s, copy, len);
  enum scan_answer whole = scan_finish(&s);
  enum scan_fault fault = (enum scan_fault)s.fault;
  scan_init(&s, NULL, 0, NULL, NULL);
  s.lenient = lenient;
  for (size_t i = 0; i < len; i++) (void)scan_push(&s, copy + i, 1);
  assert_int_equal(scan_finish(&s), whole);
  assert_int_equal(s.fault, fault);
  assert_int_equal(whole, fault == SCAN_FINE ? SCAN_DONE : SCAN_BAD);
  free(copy);
  return fault;
}

static enum scan_fault fault_in(const char *text) {
  return fault_of(text, strlen(text), false);
}

static void every_kind_of_value_is_read(void **state) {
  static const char *const good[] = {"null",
                                     "true",
                                     "false",
                                     "0",
                                     "-0",
                                     "12",
                                     "-1.5",
                                     "1e5",
                                     "1E+5",
                                     "0.5e-10",
                                     "\"\"",
                                     "\"a\"",
                                     "[]",
                                     "{}",
                                     " [ 1 , 2 ] ",
                                     "{\"a\":{\"b\":[1,{\"c\":null}]}}",
                                     "\n\t\r 7 \n",
                                     "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
                                     "\"\\ud83d\\ude00\"",
                                     "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                                     "{\"\":1}",
                                     "[[],{},\"\",0,null]",
                                     "\"\x7f\""};
  (void)state;
  for (size_t i = 0; i < LEN(good); i++) assert_int_equal(fault_in(good[i]), SCAN_FINE);
}

static void what_is_not_json_is_refused(void **state) {
  static const char *const bad[] = {"",           " ",           "nul",    "nulll",   "True",
                                    "+1",         "01",          "1.",     ".5",      "1e",
                                    "1e+",        "-",           "--1",    "0x10",    "NaN",
                                    "Infinity",   "[",           "]",      "[1,]",    "[,1]",
                                    "[1 2]",      "{",           "}",      "{\"a\"}", "{\"a\":}",
                                    "{\"a\":1,}", "{,}",         "{a:1}",  "{1:1}",   "{\"a\" 1}",
                                    "[1}",        "{\"a\":1]",   "\"",     "\"\\\"",  "\"\\x\"",
                                    "\"\\u12\"",  "\"\\u12g4\"", "'a'",    "1 2",     "{}{}",
                                    "\"a\nb\"",   "\"\x01\"",    "/*c*/1", "1//c",    "\xef\xbb\xbf{}",
                                    "tru e",      "[1],"};
  (void)state;
  for (size_t i = 0; i < LEN(bad); i++) assert_int_equal(fault_in(bad[i]), SCAN_SYNTAX);
  assert_int_equal(fault_of("1\0", 2, false), SCAN_SYNTAX);
  assert_int_equal(fault_of("\"a\0b\"", 5, false), SCAN_SYNTAX);
}

static void text_must_be_utf8(void **state) {
  static const char *const bad[] = {"\"\x80\"",
                                    "\"\xc0\xaf\"",
                                    "\"\xc1\xbf\"",
                                    "\"\xe0\x9f\xbf\"",
                                    "\"\xed\xa0\x80\"",
                                    "\"\xf0\x8f\xbf\xbf\"",
                                    "\"\xf4\x90\x80\x80\"",
                                    "\"\xf5\x80\x80\x80\"",
                                    "\"\xc3\"",
                                    "\"\xe2\x82\"",
                                    "\"\xc3(\"",
                                    "\"\xff\"",
                                    "{\"\xc3\":1}",
                                    "\"\xe2\x82\\n\""};
  (void)state;
  for (size_t i = 0; i < LEN(bad); i++) {
    assert_int_equal(fault_in(bad[i]), SCAN_NOT_UTF8);
    assert_int_equal(fault_of(bad[i], strlen(bad[i]), true), SCAN_FINE);
  }
}

static void nul_and_half_pairs_are_refused_unless_lenient(void **state) {
  static const char *const half[] = {"\"\\ud83d\"", "\"\\ud83dx\"",       "\"\\ud83d\\n\"",     "\"\\ud83d\\u0041\"",
                                     "\"\\ude00\"", "\"\\ud83d\\ud83d\"", "\"\\ud83d\xc3\xa9\""};
  (void)state;
  assert_int_equal(fault_in("\"\\u0000\""), SCAN_NUL);
  assert_int_equal(fault_in("{\"a\\u0000\":1}"), SCAN_NUL);
  assert_int_equal(fault_of("\"\\u0000\"", 8, true), SCAN_FINE);
  for (size_t i = 0; i < LEN(half); i++) {
    assert_int_equal(fault_in(half[i]), SCAN_SURROGATE);
    assert_int_equal(fault_of(half[i], strlen(half[i]), true), SCAN_FINE);
  }
}

static void nesting_has_a_limit(void **state) {
  char text[2 * 200001];
  (void)state;
  for (size_t depth = SCAN_DEPTH - 1; depth <= SCAN_DEPTH + 1; depth++) {
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(fault_of(text, 2 * depth, false), depth <= SCAN_DEPTH ? SCAN_FINE : SCAN_TOO_DEEP);
  }
  memset(text, '[', 200000);
  assert_int_equal(fault_of(text, 200000, false), SCAN_TOO_DEEP);
}

// ---- watches

enum { W_USAGE, W_CHOICES, W_CONTENT, W_DEEP, W_ANY, W_ID, W_TIGHT, W_ALL, W_COUNT };
#define STORE 256
static const struct scan_watch watches[W_COUNT] = {
    [W_USAGE] = {.path = {"usage"}, .flags = SCAN_KEEP, .at = 0, .room = 64},
    [W_CHOICES] = {.path = {"choices"}},
    [W_CONTENT] = {.path = {"choices", "[]", "delta", "content"}, .flags = SCAN_TEXT},
    [W_DEEP] = {.path = {"tools"}, .flags = SCAN_DEEP},
    [W_ANY] = {.path = {"choices", "[]", "*", "id"}, .flags = SCAN_EACH},
    [W_ID] = {.path = {"id"}, .flags = SCAN_KEEP, .at = 64, .room = 16},
    [W_TIGHT] = {.path = {"tight"}, .flags = SCAN_KEEP, .at = 80, .room = 4},
    [W_ALL] = {.path = {NULL}},
};

static const char example[] = " {\"id\":\"a\\u00e9b\",\"choices\":[{\"delta\":{\"content\":\"he\\\"llo "
                              "\xc3\xa9\\ud83d\\ude00\",\"id\":1}},{\"delta\":{\"content\":\"\",\"id\":\"x\"},"
                              "\"content\":\"no\"},{\"delta\":{\"content\":[\"no\"]}}],\"x\":{\"usage\":1,\"choices\":["
                              "1]},\"tools\":[{\"na\xc3\xa9\":true, \"n\":-1.5}],"
                              "\"us\\u0061ge\":{\"a\":[1, 2],\"b\":\"}\"},\"tight\":12345,\"[]\":{\"id\":3}}";

struct outcome {
  struct scan_hit hits[W_COUNT];
  char store[STORE];
  uint64_t each[8];
  size_t each_count;
};

static void each_note(void *context, size_t watch, uint64_t start, uint64_t end) {
  struct outcome *o = context;
  assert_int_equal(watch, W_ANY);
  o->each[o->each_count++] = start << 32 | end;
}

static void outcome_of(struct outcome *o, const size_t *cuts, size_t cut_count) {
  struct scan s;
  size_t from = 0;
  memset(o, 0, sizeof *o);
  scan_init(&s, watches, W_COUNT, o->hits, o->store);
  s.each = each_note;
  s.context = o;
  for (size_t i = 0; i <= cut_count; i++) {
    size_t to = i < cut_count ? cuts[i] : sizeof example - 1;
    char *piece = malloc(to - from + 1);
    memcpy(piece, example + from, to - from);
    assert_int_not_equal(scan_push(&s, piece, to - from), SCAN_BAD);
    free(piece);
    from = to;
  }
  assert_int_equal(scan_finish(&s), SCAN_DONE);
}

static void span_is(const struct scan_hit *hit, const char *text) {
  assert_int_equal(hit->end - hit->start, strlen(text));
  assert_memory_equal(example + hit->start, text, strlen(text));
}

static void a_watch_tells_what_stood_at_its_path(void **state) {
  struct outcome o;
  (void)state;
  outcome_of(&o, NULL, 0);
  span_is(&o.hits[W_USAGE], "{\"a\":[1, 2],\"b\":\"}\"}"); // the name's escapes are read
  assert_int_equal(o.hits[W_USAGE].count, 1);
  assert_int_equal(o.hits[W_USAGE].kind, SCAN_OBJECT);
  assert_int_equal(o.hits[W_USAGE].items, 2);
  assert_memory_equal(o.store, "{\"a\":[1, 2],\"b\":\"}\"}", o.hits[W_USAGE].kept);
  assert_int_equal(o.hits[W_USAGE].kept, 20);
  assert_int_equal(o.hits[W_CHOICES].items, 3);
  assert_int_equal(o.hits[W_ID].kept, 10);
  assert_memory_equal(o.store + 64, "\"a\\u00e9b\"", 10);
  assert_int_equal(o.hits[W_ALL].kind, SCAN_OBJECT);
  assert_int_equal(o.hits[W_ALL].items, 7);
}

static void text_is_counted_decoded(void **state) {
  struct outcome o;
  (void)state;
  outcome_of(&o, NULL, 0);
  assert_int_equal(o.hits[W_CONTENT].count, 3);
  assert_int_equal(o.hits[W_CONTENT].ascii, 7);    // he"llo and a blank
  assert_int_equal(o.hits[W_CONTENT].wide, 2 + 4); // two characters
  assert_int_equal(o.hits[W_CONTENT].filled, 1);
  assert_int_equal(o.hits[W_DEEP].ascii, strlen("[{na:true,n:-1.5}]"));
  assert_int_equal(o.hits[W_DEEP].wide, 2);
}

static void each_value_is_told_one_by_one(void **state) {
  struct outcome o;
  (void)state;
  outcome_of(&o, NULL, 0);
  assert_int_equal(o.each_count, 2);
  assert_memory_equal(example + (o.each[0] >> 32), "1", (o.each[0] & UINT32_MAX) - (o.each[0] >> 32));
  assert_memory_equal(example + (o.each[1] >> 32), "\"x\"", (o.each[1] & UINT32_MAX) - (o.each[1] >> 32));
}

static void what_does_not_fit_is_not_kept_in_part(void **state) {
  struct outcome o;
  (void)state;
  outcome_of(&o, NULL, 0);
  assert_true(o.hits[W_TIGHT].cut);
  assert_int_equal(o.hits[W_TIGHT].kept, 0);
  span_is(&o.hits[W_TIGHT], "12345");
}

static void no_split_changes_what_is_told(void **state) {
  struct outcome whole, split;
  size_t cuts[sizeof example];
  (void)state;
  outcome_of(&whole, NULL, 0);
  for (size_t a = 0; a < sizeof example; a++)
    for (size_t b = a; b < sizeof example; b++) {
      cuts[0] = a;
      cuts[1] = b;
      outcome_of(&split, cuts, 2);
      whole.store[80] = split.store[80]; // what was begun and given up
      memcpy(whole.store + 80, split.store + 80, 4);
      assert_memory_equal(&whole, &split, sizeof whole);
    }
  for (size_t i = 0; i < sizeof example - 1; i++) cuts[i] = i;
  outcome_of(&split, cuts, sizeof example - 1);
  memcpy(whole.store + 80, split.store + 80, 4);
  assert_memory_equal(&whole, &split, sizeof whole);
}

static void a_value_that_was_not_ended_has_no_end(void **state) {
  struct outcome o = {.each_count = 0};
  struct scan s;
  (void)state;
  scan_init(&s, watches, W_COUNT, o.hits, o.store);
  assert_int_equal(scan_push(&s, "{\"usage\":{\"a\":1", 15), SCAN_MORE);
  assert_int_equal(o.hits[W_USAGE].count, 1);
  assert_int_equal(o.hits[W_USAGE].end, o.hits[W_USAGE].start);
}

static void the_place_of_a_fault_is_told(void **state) {
  struct scan s;
  (void)state;
  scan_init(&s, NULL, 0, NULL, NULL);
  assert_int_equal(scan_push(&s, "[1,\n x]", 7), SCAN_BAD);
  assert_int_equal(s.offset, 6);
  assert_int_equal(scan_push(&s, "]", 1), SCAN_BAD);
}

// Random changes of valid text: one piece, many pieces, and the same answer. Nothing is read beyond a piece.
static void changed_text_is_judged_alike_however_it_is_cut(void **state) {
  unsigned seed = 7;
  (void)state;
  for (int round = 0; round < 20000; round++) {
    char text[sizeof example];
    struct scan whole, split;
    struct scan_hit hits[2][W_COUNT];
    char store[2][STORE];
    memcpy(text, example, sizeof example);
    for (int i = 0; i < 2; i++) {
      seed = seed * 1103515245 + 12345;
      text[(seed >> 8) % (sizeof example - 1)] = "\"\\{}[],:u0dn\xc3\xa9 "[(seed >> 24) % 16];
    }
    scan_init(&whole, watches, W_COUNT, hits[0], store[0]);
    scan_init(&split, watches, W_COUNT, hits[1], store[1]);
    (void)scan_push(&whole, text, sizeof example - 1);
    for (size_t at = 0, step; at < sizeof example - 1; at += step) {
      seed = seed * 1103515245 + 12345;
      step = 1 + (seed >> 16) % 40;
      if (step > sizeof example - 1 - at) step = sizeof example - 1 - at;
      (void)scan_push(&split, text + at, step);
    }
    assert_int_equal(scan_finish(&whole), scan_finish(&split));
    assert_int_equal(whole.fault, split.fault);
    assert_int_equal(whole.offset, split.offset);
    for (size_t w = 0; w < W_COUNT; w++) {
      if (hits[0][w].end == hits[0][w].start) hits[0][w].kept = hits[1][w].kept; // it was begun, and is nothing yet
      assert_memory_equal(&hits[0][w], &hits[1][w], sizeof hits[0][w]);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_of_value_is_read),
      cmocka_unit_test(what_is_not_json_is_refused),
      cmocka_unit_test(text_must_be_utf8),
      cmocka_unit_test(nul_and_half_pairs_are_refused_unless_lenient),
      cmocka_unit_test(nesting_has_a_limit),
      cmocka_unit_test(a_watch_tells_what_stood_at_its_path),
      cmocka_unit_test(text_is_counted_decoded),
      cmocka_unit_test(each_value_is_told_one_by_one),
      cmocka_unit_test(what_does_not_fit_is_not_kept_in_part),
      cmocka_unit_test(no_split_changes_what_is_told),
      cmocka_unit_test(a_value_that_was_not_ended_has_no_end),
      cmocka_unit_test(the_place_of_a_fault_is_told),
      cmocka_unit_test(changed_text_is_judged_alike_however_it_is_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
