// The text of an API key: what is made can be read, and what differs in any character is no key.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/crypto.h"
#include "customer/key.h"

static void a_made_key_reads_back(void **state) {
  (void)state;
  char text[KEY_TEXT_LEN + 1];
  struct key_parts parts;
  key_generate(KEY_CUSTOMER, text);
  assert_int_equal(strlen(text), KEY_TEXT_LEN);
  assert_memory_equal(text, "tlgsk_live_", 11);
  assert_true(key_parse(str_from(text), &parts));
  assert_int_equal(parts.kind, KEY_CUSTOMER);
  assert_int_equal(parts.public_id.len, KEY_ID_LEN);
  assert_ptr_equal(parts.public_id.ptr, text + 11);
  assert_int_equal(parts.last4.len, 4);
  key_generate(KEY_OPERATOR, text);
  assert_memory_equal(text, "tlgad_live_", 11);
  assert_true(key_parse(str_from(text), &parts));
  assert_int_equal(parts.kind, KEY_OPERATOR);
}

static void no_two_keys_are_alike(void **state) {
  (void)state;
  char one[KEY_TEXT_LEN + 1], two[KEY_TEXT_LEN + 1];
  key_generate(KEY_CUSTOMER, one);
  key_generate(KEY_CUSTOMER, two);
  assert_string_not_equal(one, two);
}

static void a_typo_anywhere_is_refused(void **state) {
  (void)state;
  char text[KEY_TEXT_LEN + 1];
  struct key_parts parts;
  key_generate(KEY_CUSTOMER, text);
  for (size_t i = 0; i < KEY_TEXT_LEN; i++) {
    char was = text[i];
    text[i] = was == 'x' ? 'y' : 'x';
    assert_false(key_parse(str_from(text), &parts));
    text[i] = was;
  }
  assert_true(key_parse(str_from(text), &parts));
}

static void another_length_is_refused(void **state) {
  (void)state;
  char text[KEY_TEXT_LEN + 2];
  struct key_parts parts;
  key_generate(KEY_CUSTOMER, text);
  assert_false(key_parse((struct str){text, KEY_TEXT_LEN - 1}, &parts));
  text[KEY_TEXT_LEN] = 'a';
  assert_false(key_parse((struct str){text, KEY_TEXT_LEN + 1}, &parts));
  assert_false(key_parse((struct str){NULL, 0}, &parts));
}

static int start(void **state) {
  (void)state;
  return crypto_start() ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_made_key_reads_back),
      cmocka_unit_test(no_two_keys_are_alike),
      cmocka_unit_test(a_typo_anywhere_is_refused),
      cmocka_unit_test(another_length_is_refused),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
