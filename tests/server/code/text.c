// A code's text: drawn evenly and never twice, taken however it is typed, and refused where it was typed wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "code/text.h"
#include "crypto/crypto.h"
#include <stdio.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static int start(void **state) {
  (void)state;
  return crypto_start() ? 0 : -1;
}

static bool same(const char *typed, const char *text) {
  char a[CODE_TEXT_MAX], b[CODE_TEXT_MAX];
  assert_true(code_canonical(str_from(text), b));
  return code_canonical(str_from(typed), a) && strcmp(a, b) == 0;
}

static void a_code_is_fives_behind_its_prefix(void **state) {
  (void)state;
  static const char *const prefixes[] = {"", "A", "LAUNCH", "ABCDEFGHIJKL", "OIL0"};
  for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
    char text[CODE_TEXT_MAX], canonical[CODE_TEXT_MAX];
    size_t front = strlen(prefixes[i]) ? strlen(prefixes[i]) + 1 : 0;
    code_generate(str_from(prefixes[i]), text);
    assert_int_equal(strlen(text), front + 23);
    assert_memory_equal(text, prefixes[i], strlen(prefixes[i]));
    for (size_t k = 0; k < 23; k++)
      assert_true(k % 6 == 5 ? text[front + k] == '-' : strchr(digits, text[front + k]) != NULL);
    assert_true(code_canonical(str_from(text), canonical));
    assert_int_equal(strlen(canonical), strlen(prefixes[i]) + 20);
  }
}

static void it_is_taken_however_it_is_typed(void **state) {
  (void)state;
  for (int i = 0; i < 200; i++) {
    char text[CODE_TEXT_MAX], typed[2 * CODE_TEXT_MAX] = "";
    code_generate(STR("LOOP7"), text);
    size_t n = 0;
    for (const char *c = text; *c; c++) {
      typed[n] = *c >= 'A' ? (char)(*c + 32) : *c;
      if (*c == '0') typed[n] = i & 1 ? 'o' : 'O';
      if (*c == '1') typed[n] = i & 2 ? 'l' : 'I';
      if (*c == '-') typed[n] = ' ';
      n++;
      if (i % 3 == 0 && *c == '-') typed[n++] = '-';
    }
    assert_true(same(typed, text));
    char bare[CODE_TEXT_MAX];
    assert_true(code_canonical(str_from(text), bare) && same(bare, text));
  }
}

// The check sum has ten bits: of wrong characters one in a thousand passes it, and is then not found.
static void a_slip_of_the_hand_is_refused(void **state) {
  (void)state;
  size_t tried = 0, passed = 0;
  for (int i = 0; i < 100; i++) {
    char text[CODE_TEXT_MAX], canonical[CODE_TEXT_MAX];
    code_generate(STR("GIFT"), text);
    for (size_t k = 0; text[k]; k++) {
      char was = text[k];
      if (was == '-') continue;
      text[k] = digits[(size_t)(strchr(digits, was) ? strchr(digits, was) - digits + 1 + i % 30 : i % 31) % 32];
      bool other = text[k] != was && !(was == 'I' && text[k] == '1');
      tried += other;
      passed += other && code_canonical(str_from(text), canonical);
      text[k] = was;
    }
  }
  assert_true(tried > 2000 && passed < tried / 100);
}

static void what_is_no_code_is_refused(void **state) {
  (void)state;
  char text[CODE_TEXT_MAX], canonical[CODE_TEXT_MAX], longer[128];
  code_generate(STR("ABCDEFGHIJKL"), text);
  (void)snprintf(longer, sizeof longer, "M%s", text);
  static const char *const none[] = {"", "-", "0", "00000-00000-00000-0000", "00000-00000-00000-00000-",
                                     "U0000-00000-00000-00000", "\xc3\xa9", "AAAAA_AAAAA_AAAAA_AAAAA"};
  for (size_t i = 0; i < ARRAY_LEN(none); i++) assert_false(code_canonical(str_from(none[i]), canonical));
  assert_false(code_canonical(str_from(longer), canonical));
  (void)snprintf(longer, sizeof longer, "%-80s", text);
  assert_false(code_canonical(str_from(longer), canonical));
  assert_false(code_canonical((struct str){text, strlen(text) + 1}, canonical));
  assert_true(code_canonical(str_from(text), canonical));
}

// 32,000 draws of each place but the last two: each digit is expected a thousand times, with a deviation of 31.
static void every_digit_is_drawn_as_often(void **state) {
  (void)state;
  static int seen[18][256];
  for (int i = 0; i < 32000; i++) {
    char text[CODE_TEXT_MAX], canonical[CODE_TEXT_MAX];
    code_generate(STR(""), text);
    assert_true(code_canonical(str_from(text), canonical));
    for (size_t k = 0; k < 18; k++) seen[k][(unsigned char)canonical[k]]++;
  }
  for (size_t k = 0; k < 18; k++)
    for (const char *c = digits; *c; c++) assert_in_range(seen[k][(unsigned char)*c], 800, 1200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_code_is_fives_behind_its_prefix), cmocka_unit_test(it_is_taken_however_it_is_typed),
      cmocka_unit_test(a_slip_of_the_hand_is_refused),     cmocka_unit_test(what_is_no_code_is_refused),
      cmocka_unit_test(every_digit_is_drawn_as_often),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
