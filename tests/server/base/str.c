// Rules of borrowed text: comparing, cutting, numbers, and UTF-8 without exceptions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

static const struct str nothing = {NULL, 0};

static void compares_bytes(void **state) {
  (void)state;
  assert_true(str_eq(STR("a"), STR("a")));
  assert_false(str_eq(STR("a"), STR("A")));
  assert_false(str_eq(STR("a"), STR("ab")));
  assert_true(str_eq(nothing, STR("")));
  assert_true(str_eq(str_from(NULL), nothing));
  assert_true(str_eq_nocase(STR("Bearer"), STR("bEARER")));
  assert_false(str_eq_nocase(STR("@"), STR("`"))); // letters only
  assert_false(str_eq_nocase(STR("\xC3\x84"), STR("\xC3\xA4")));
}

static void looks_at_both_ends(void **state) {
  (void)state;
  assert_true(str_starts(STR("text/csv"), STR("text/")));
  assert_false(str_starts(STR("tex"), STR("text")));
  assert_true(str_starts(STR("x"), nothing));
  assert_true(str_ends(STR("a.json"), STR(".json")));
  assert_false(str_ends(STR("json"), STR(".json")));
  assert_true(str_ends(nothing, nothing));
}

static void splits_until_nothing_is_left(void **state) {
  (void)state;
  struct str s = STR("day,,key"), head;
  assert_true(str_split(&s, ',', &head) && str_eq(head, STR("day")));
  assert_true(str_split(&s, ',', &head) && str_eq(head, STR("")));
  assert_true(str_split(&s, ',', &head) && str_eq(head, STR("key")));
  assert_false(str_split(&s, ',', &head));
  s = nothing;
  assert_false(str_split(&s, ',', &head));
}

static void trims_blanks_and_no_more(void **state) {
  (void)state;
  assert_true(str_eq(str_trim(STR(" \ta b\t ")), STR("a b")));
  assert_true(str_eq(str_trim(STR(" \t ")), nothing));
  assert_true(str_eq(str_trim(STR("\na\n")), STR("\na\n")));
  assert_true(str_eq(str_trim(nothing), nothing));
}

static void reads_int64_to_both_ends(void **state) {
  (void)state;
  int64_t v = 5;
  assert_true(str_to_i64(STR("9223372036854775807"), &v) && v == INT64_MAX);
  assert_true(str_to_i64(STR("-9223372036854775808"), &v) && v == INT64_MIN);
  assert_true(str_to_i64(STR("-0"), &v) && v == 0);
  assert_true(str_to_i64(STR("0012"), &v) && v == 12);
  v = 5;
  static const char *const texts[] = {
      "",    "-", "+1", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "-9223372036854775809", "99999999999999999999",
      "--1", "1-"};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) assert_false(str_to_i64(str_from(texts[i]), &v));
  assert_false(str_to_i64(nothing, &v));
  assert_int_equal(v, 5);
}

static void reads_uint32_to_its_end(void **state) {
  (void)state;
  uint32_t v = 5;
  assert_true(str_to_u32(STR("4294967295"), &v) && v == UINT32_MAX);
  assert_true(str_to_u32(STR("0"), &v) && v == 0);
  v = 5;
  assert_false(str_to_u32(STR("4294967296"), &v));
  assert_false(str_to_u32(STR("-0"), &v));
  assert_false(str_to_u32(STR("-1"), &v));
  assert_false(str_to_u32(nothing, &v));
  assert_int_equal(v, 5);
}

static size_t encode(uint32_t c, char out[4]) {
  if (c < 0x80) return out[0] = (char)c, 1;
  size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (size_t i = len - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
  out[0] = (char)((0xF00u >> len & 0xFFu) | c);
  return len;
}

static void prints_digits_to_the_last_number(void **state) {
  (void)state;
  static const struct {
    uint64_t value;
    const char *text;
  } rows[] = {{0, "0"}, {9, "9"}, {10, "10"}, {1000000, "1000000"}, {UINT64_MAX, "18446744073709551615"}};
  for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
    char digits[STR_DIGITS_MAX];
    size_t len = str_digits(rows[i].value, digits);
    assert_true(str_eq((struct str){digits, len}, str_from(rows[i].text)));
  }
}

static void ascii_ends_at_the_first_byte_beyond_it(void **state) {
  (void)state;
  char text[24];
  assert_int_equal(str_ascii_len(nothing), 0);
  for (size_t len = 0; len <= sizeof text; len++)
    for (size_t at = 0; at <= len; at++) {
      memset(text, 0x7F, sizeof text);
      if (at < len) text[at] = (char)0x80;
      assert_int_equal(str_ascii_len((struct str){text, len}), at);
    }
}

static void every_scalar_value_is_utf8_and_no_surrogate_is(void **state) {
  (void)state;
  for (uint32_t c = 0; c < 0x200000; c++) {
    char text[4];
    struct str s = {text, encode(c, text)};
    bool valid = c < 0xD800 || (c > 0xDFFF && c <= 0x10FFFF);
    if (str_is_utf8(s) != valid) fail_msg("U+%04X", (unsigned)c);
    assert_int_equal(str_utf8_len(s), valid ? s.len : 0);
  }
}

// By what each form can hold: decodes leniently, then asks whether the shortest form was used. Reads as many bytes as
// the lead byte announces.
static bool shortest_and_allowed(const unsigned char *b, size_t len) {
  size_t wants = b[0] < 0x80 ? 1 : b[0] < 0xC0 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : b[0] < 0xF8 ? 4 : 0;
  if (wants == 0 || wants != len) return false;
  uint32_t c = len == 1 ? b[0] : b[0] & (0x7Fu >> len);
  for (size_t i = 1; i < len; i++) {
    if ((b[i] & 0xC0) != 0x80) return false;
    c = c << 6 | (b[i] & 0x3Fu);
  }
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  return c >= least[len] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

static void every_start_of_a_sequence_is_judged_by_its_first_three_bytes(void **state) {
  (void)state;
  for (unsigned lead = 0x80; lead <= 0xFF; lead++)
    for (unsigned second = 0; second <= 0xFF; second++)
      for (unsigned third = 0x70; third <= 0xD0; third += 0x10) {
        unsigned char b[4] = {(unsigned char)lead, (unsigned char)second, (unsigned char)third, 0x80};
        for (size_t len = 1; len <= 4; len++) {
          size_t got = str_utf8_len((struct str){(const char *)b, len});
          bool expected = false;
          for (size_t n = 1; n <= len; n++) expected = expected || shortest_and_allowed(b, n);
          assert_int_equal(got > 0, expected);
        }
      }
}

static void counts_characters_and_finds_controls(void **state) {
  (void)state;
  assert_int_equal(str_utf8_count(nothing), 0);
  assert_int_equal(str_utf8_count(STR("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x92\xB0")), 4);
  const char *const controls[] = {"a\nb", "\x01", "\x7F", "\xC2\x80", "a\xC2\x9F"};
  for (size_t i = 0; i < ARRAY_LEN(controls); i++) assert_true(str_has_control(str_from(controls[i])));
  assert_false(str_has_control(STR("a \xC2\xA0\xC3\x85"))); // a blank that does not break, and a letter that ends in 85
  assert_false(str_has_control(nothing));
}

static void text_that_breaks_off_is_not_utf8(void **state) {
  (void)state;
  assert_true(str_is_utf8(STR("price \xE2\x82\xAC \xF0\x9F\x92\xB0")));
  assert_true(str_is_utf8(nothing));
  assert_true(str_is_utf8((struct str){"\0", 1}));
  static const char *const texts[] = {"\xE2\x82",
                                      "\xC3",
                                      "\xF0\x9F\x92",
                                      "a\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xED\xA0\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFE",
                                      "\xFF",
                                      "\xC3\x28",
                                      "ok\xE2\x28\xA1"};
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) assert_false(str_is_utf8(str_from(texts[i])));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(compares_bytes),
      cmocka_unit_test(looks_at_both_ends),
      cmocka_unit_test(splits_until_nothing_is_left),
      cmocka_unit_test(trims_blanks_and_no_more),
      cmocka_unit_test(reads_int64_to_both_ends),
      cmocka_unit_test(reads_uint32_to_its_end),
      cmocka_unit_test(prints_digits_to_the_last_number),
      cmocka_unit_test(ascii_ends_at_the_first_byte_beyond_it),
      cmocka_unit_test(every_scalar_value_is_utf8_and_no_surrogate_is),
      cmocka_unit_test(every_start_of_a_sequence_is_judged_by_its_first_three_bytes),
      cmocka_unit_test(counts_characters_and_finds_controls),
      cmocka_unit_test(text_that_breaks_off_is_not_utf8),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
