// Rules of writing JSON: commas where they belong, every text escaped so that a strict parser reads it back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"

static void commas_stand_between_and_nowhere_else(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 1000);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_key(&w, "empty");
  json_array_begin(&w);
  json_array_end(&w);
  json_key(&w, "list");
  json_array_begin(&w);
  json_put_int(&w, 1);
  json_object_begin(&w);
  json_object_end(&w);
  json_array_begin(&w);
  json_put_null(&w);
  json_put_bool(&w, true);
  json_array_end(&w);
  json_put_raw(&w, STR("{\"r\":1}"));
  json_array_end(&w);
  json_member_int(&w, "n", INT64_MIN);
  json_object_end(&w);
  assert_string_equal(buf_cstr(&out),
                      "{\"empty\":[],\"list\":[1,{},[null,true],{\"r\":1}],\"n\":-9223372036854775808}");
  assert_int_equal(w.depth, 0);
}

static void a_writer_goes_on_where_the_buf_stands(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 1000);
  buf_puts(&out, "data: ");
  struct json_writer w = json_writer(&out);
  json_put_text(&w, "x");
  assert_string_equal(buf_cstr(&out), "data: \"x\"");
}

static void members_of_every_kind(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 1000);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_str(&w, "s", STR("a"));
  json_member_text(&w, "t", NULL);
  json_member_bool(&w, "b", false);
  json_member_amount(&w, "a", -12500000000);
  json_member_time(&w, "at", 1);
  json_member_time(&w, "never", 0);
  json_member_id(&w, "id", "cus", (struct uuid){{[15] = 1}});
  json_member_id(&w, "none", "cus", UUID_NIL);
  json_member_raw(&w, "raw", STR("[1]"));
  json_object_end(&w);
  assert_string_equal(buf_cstr(&out),
                      "{\"s\":\"a\",\"t\":null,\"b\":false,\"a\":\"-12.5\",\"at\":\"1970-01-01T00:00:00.000001Z\","
                      "\"never\":null,\"id\":\"cus_00000000000000000000000001\",\"none\":null,\"raw\":[1]}");
}

static void assert_writes(struct str text, const char *expected) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 1000);
  struct json_writer w = json_writer(&out);
  json_put_str(&w, text);
  assert_string_equal(buf_cstr(&out), expected);
}

static void text_is_escaped(void **state) {
  (void)state;
  assert_writes(STR(""), "\"\"");
  assert_writes((struct str){NULL, 0}, "\"\"");
  assert_writes(STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
  assert_writes(STR("\n\r\t\b\x1f"), "\"\\n\\r\\t\\u0008\\u001f\"");
  assert_writes((struct str){"a\0b", 3}, "\"a\\u0000b\"");
  assert_writes(STR("\xE2\x82\xAC"), "\"\xE2\x82\xAC\"");
}

static void what_is_not_utf8_is_replaced(void **state) {
  (void)state;
  assert_writes(STR("a\xFF"
                    "b"),
                "\"a\xEF\xBF\xBD"
                "b\"");
  assert_writes(STR("\xE2\x82"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  assert_writes(STR("\xED\xA0\x80!"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD!\"");
}

static void names_are_escaped_too(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 1000);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_int(&w, "a\"b", 1);
  json_object_end(&w);
  assert_string_equal(buf_cstr(&out), "{\"a\\\"b\":1}");
}

static void whatever_bytes_are_written_can_be_read(void **state) {
  (void)state;
  uint32_t seed = 1;
  for (int round = 0; round < 5000; round++) {
    char bytes[24];
    for (size_t i = 0; i < sizeof bytes; i++) {
      seed = seed * 1664525u + 1013904223u;
      bytes[i] = (char)((seed >> 24) | (i == 0 ? 1 : 0));
      if (bytes[i] == 0) bytes[i] = 1; // readers refuse NUL, on purpose
    }
    CLEANUP(buf_finish) struct buf out;
    CLEANUP(json_finishp) struct json *root = NULL;
    struct json_error error;
    buf_init(&out, 1000);
    struct json_writer w = json_writer(&out);
    json_array_begin(&w);
    json_put_str(&w, (struct str){bytes, sizeof bytes});
    json_array_end(&w);
    assert_int_equal(json_parse(buf_str(&out), &root, &error), 0);
    struct str back;
    assert_true(json_text(json_at(root, 0), &back));
    assert_true(!str_is_utf8((struct str){bytes, sizeof bytes}) || str_eq(back, (struct str){bytes, sizeof bytes}));
  }
}

static void levels_nest_to_sixty_three(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 1000);
  struct json_writer w = json_writer(&out);
  for (int i = 0; i < 63; i++) json_array_begin(&w);
  json_put_int(&w, 1);
  json_put_int(&w, 2);
  for (int i = 0; i < 63; i++) json_array_end(&w);
  assert_int_equal(out.len, 63 + 3 + 63);
}

static void a_full_buf_is_seen_at_the_end(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 8);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  for (int i = 0; i < 100; i++) json_member_text(&w, "key", "value");
  json_object_end(&w);
  assert_true(out.full);
  assert_string_equal(buf_cstr(&out), "{\"key\":\"");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(commas_stand_between_and_nowhere_else),
      cmocka_unit_test(a_writer_goes_on_where_the_buf_stands),
      cmocka_unit_test(members_of_every_kind),
      cmocka_unit_test(text_is_escaped),
      cmocka_unit_test(what_is_not_utf8_is_replaced),
      cmocka_unit_test(names_are_escaped_too),
      cmocka_unit_test(whatever_bytes_are_written_can_be_read),
      cmocka_unit_test(levels_nest_to_sixty_three),
      cmocka_unit_test(a_full_buf_is_seen_at_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
