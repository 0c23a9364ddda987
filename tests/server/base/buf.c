// Rules of buf: it grows to its maximum, remembers what did not fit, and what it holds is always a prefix.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

static void additions_stand_one_after_another(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf b;
  buf_init(&b, 1000);
  assert_true(buf_puts(&b, "a"));
  assert_true(buf_add(&b, "b\0c", 3));
  assert_true(buf_add_str(&b, (struct str){NULL, 0}));
  assert_true(buf_putc(&b, 'd'));
  assert_true(buf_printf(&b, "%d-%s", 7, "e"));
  assert_int_equal(b.len, 8);
  assert_memory_equal(b.data, "ab\0cd7-e", 9);
  assert_true(str_eq(buf_str(&b), (struct str){"ab\0cd7-e", 8}));
}

static void the_maximum_is_reached_and_not_passed(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf b;
  buf_init(&b, 5);
  assert_true(buf_puts(&b, "12345"));
  assert_false(b.full);
  assert_false(buf_putc(&b, '6'));
  assert_true(b.full);
  assert_string_equal(buf_cstr(&b), "12345");
}

static void after_what_did_not_fit_nothing_is_added(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf b;
  buf_init(&b, 5);
  assert_false(buf_puts(&b, "1234567"));
  assert_string_equal(buf_cstr(&b), "12345");
  buf_consume(&b, 3);
  assert_false(buf_putc(&b, 'x'));
  assert_false(buf_printf(&b, "x"));
  assert_string_equal(buf_cstr(&b), "45");
  buf_clear(&b);
  assert_true(buf_puts(&b, "again"));
  assert_string_equal(buf_cstr(&b), "again");
}

static void printing_grows_and_is_cut_like_adding(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf b;
  buf_init(&b, 300);
  assert_true(buf_printf(&b, "%0100d", 1));
  assert_true(buf_printf(&b, "%0200d", 2));
  assert_int_equal(b.len, 300);
  assert_false(buf_printf(&b, "%d", 3));
  assert_int_equal(b.len, 300);
  assert_int_equal(b.data[299], '2');
  buf_clear(&b);
  assert_false(buf_printf(&b, "%0400d", 4));
  assert_int_equal(b.len, 300);
  assert_int_equal(b.data[300], '\0');
}

static void numbers_are_added_to_both_ends_of_int64(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf b;
  buf_init(&b, 60);
  assert_true(buf_put_i64(&b, INT64_MIN) && buf_putc(&b, ' ') && buf_put_i64(&b, 0) && buf_putc(&b, ' '));
  assert_true(buf_put_i64(&b, INT64_MAX));
  assert_string_equal(buf_cstr(&b), "-9223372036854775808 0 9223372036854775807");
  assert_false(buf_put_i64(&b, INT64_MAX));
  assert_int_equal(b.len, 60);
}

static void single_bytes_reach_the_maximum_and_do_not_pass_it(void **state) {
  (void)state;
  for (size_t max = 0; max < 140; max++) {
    CLEANUP(buf_finish) struct buf b;
    buf_init(&b, max);
    for (size_t i = 0; i < max; i++) assert_true(buf_putc(&b, 'x'));
    assert_false(buf_putc(&b, 'y'));
    assert_int_equal(b.len, max);
    assert_int_equal(strlen(buf_cstr(&b)), max);
  }
}

static void every_length_of_printing_fits_exactly(void **state) {
  (void)state;
  for (int len = 0; len < 200; len++) {
    CLEANUP(buf_finish) struct buf b;
    buf_init(&b, (size_t)len);
    assert_true(buf_printf(&b, "%*s", len, ""));
    assert_int_equal(b.len, len);
    assert_int_equal(strlen(buf_cstr(&b)), len);
  }
}

static void the_front_can_be_consumed(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf b;
  buf_init(&b, 10);
  buf_consume(&b, 0);
  buf_puts(&b, "0123456789");
  buf_consume(&b, 4);
  assert_string_equal(buf_cstr(&b), "456789");
  assert_true(buf_puts(&b, "abcd"));
  buf_consume(&b, 10);
  assert_string_equal(buf_cstr(&b), "");
}

static void what_is_stolen_belongs_to_the_thief(void **state) {
  (void)state;
  struct buf b;
  buf_init(&b, 10);
  CLEANUP(mem_freep) char *empty = buf_steal(&b);
  assert_string_equal(empty, "");
  buf_puts(&b, "mine");
  CLEANUP(mem_freep) char *text = buf_steal(&b);
  assert_string_equal(text, "mine");
  assert_int_equal(b.len, 0);
  assert_true(buf_puts(&b, "more"));
  buf_finish(&b);
  buf_finish(&b);
}

static void a_zeroed_one_can_be_finished(void **state) {
  (void)state;
  struct buf b = {0};
  buf_finish(&b);
  assert_null(b.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(additions_stand_one_after_another),
      cmocka_unit_test(the_maximum_is_reached_and_not_passed),
      cmocka_unit_test(after_what_did_not_fit_nothing_is_added),
      cmocka_unit_test(printing_grows_and_is_cut_like_adding),
      cmocka_unit_test(numbers_are_added_to_both_ends_of_int64),
      cmocka_unit_test(single_bytes_reach_the_maximum_and_do_not_pass_it),
      cmocka_unit_test(every_length_of_printing_fits_exactly),
      cmocka_unit_test(the_front_can_be_consumed),
      cmocka_unit_test(what_is_stolen_belongs_to_the_thief),
      cmocka_unit_test(a_zeroed_one_can_be_finished),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
