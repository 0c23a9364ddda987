// How a form is written: Stripe compares the bytes of two requests that have one key.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "stripe/form.h"

static struct buf form;

static int setup(void **state) {
  (void)state;
  buf_init(&form, 4096);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  buf_finish(&form);
  return 0;
}

static void fields_stand_behind_each_other_with_their_paths_in_brackets(void **state) {
  (void)state;
  form_text(&form, "mode", STR("payment"));
  form_int(&form, "line_items[0][quantity]", 3);
  form_bool(&form, "automatic_tax[enabled]", true);
  form_bool(&form, "allow_promotion_codes", false);
  form_id(&form, "metadata[order_id]", "ord", UUID_NIL);
  assert_string_equal(buf_cstr(&form), "mode=payment&line_items[0][quantity]=3&automatic_tax[enabled]=true&"
                                       "allow_promotion_codes=false&metadata[order_id]=ord_00000000000000000000000000");
}

static void numbers_are_whole(void **state) {
  (void)state;
  form_int(&form, "a", INT64_MAX);
  form_int(&form, "b", -1);
  form_int(&form, "c", 0);
  assert_string_equal(buf_cstr(&form), "a=9223372036854775807&b=-1&c=0");
}

static void an_empty_value_is_sent_as_such(void **state) {
  (void)state;
  form_text(&form, "metadata", STR(""));
  form_text(&form, "b", (struct str){0});
  assert_string_equal(buf_cstr(&form), "metadata=&b=");
}

// As the requests recorded in Stripe's own client stand.
static void values_are_encoded_but_for_what_is_plain(void **state) {
  (void)state;
  form_text(&form, "email", STR("a+b@example.com"));
  form_text(&form, "success_url", STR("https://ex.com/ok?cs={CHECKOUT_SESSION_ID}"));
  form_text(&form, "name", STR("20 USD of \xc3\xa9\xe2\x82\xac-_.~"));
  assert_string_equal(
      buf_cstr(&form),
      "email=a%2Bb%40example.com&success_url=https%3A%2F%2Fex.com%2Fok%3Fcs%3D%7BCHECKOUT_SESSION_ID%7D&"
      "name=20%20USD%20of%20%C3%A9%E2%82%AC-_.~");
}

static void nothing_in_a_value_can_add_a_field(void **state) {
  (void)state;
  form_text(&form, "a", STR("1&b=2[c]\r\n\0;%26"));
  assert_string_equal(buf_cstr(&form), "a=1%26b%3D2%5Bc%5D%0D%0A%00%3B%2526");
}

static void what_does_not_fit_is_remembered(void **state) {
  (void)state;
  buf_finish(&form);
  buf_init(&form, 8);
  form_text(&form, "abc", STR("1234"));
  assert_false(form.full);
  form_text(&form, "d", STR("5"));
  assert_true(form.full);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(fields_stand_behind_each_other_with_their_paths_in_brackets),
      TEST(numbers_are_whole),
      TEST(an_empty_value_is_sent_as_such),
      TEST(values_are_encoded_but_for_what_is_plain),
      TEST(nothing_in_a_value_can_add_a_field),
      TEST(what_does_not_fit_is_remembered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
