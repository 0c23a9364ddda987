// Rules of memory: zeroed, copied whole, never NULL, and a growing array that keeps what it holds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/vec.h"

static void memory_is_zeroed_and_never_null(void **state) {
  (void)state;
  CLEANUP(mem_freep) char *p = mem_alloc(100);
  for (int i = 0; i < 100; i++) assert_int_equal(p[i], 0);
  CLEANUP(mem_freep) char *none = mem_alloc(0);
  assert_non_null(none);
  none = mem_realloc(none, 0);
  assert_non_null(none);
  mem_free(NULL);
}

static void copies_are_whole_and_text_ends_with_a_nul(void **state) {
  (void)state;
  CLEANUP(mem_freep) char *bytes = mem_dup("a\0b", 3), *text = NULL, *part = NULL, *none = NULL;
  assert_memory_equal(bytes, "a\0b", 3);
  text = mem_strdup("text");
  part = mem_strndup("text", 2);
  none = mem_strndup(NULL, 0);
  assert_string_equal(text, "text");
  assert_string_equal(part, "te");
  assert_string_equal(none, "");
}

static void a_growing_array_keeps_its_elements(void **state) {
  (void)state;
  vec(int) v = {0};
  for (int i = 0; i < 1000; i++) {
    int *at = vec_add(&v);
    assert_int_equal(*at, 0);
    *at = i;
  }
  for (int i = 0; i < 1000; i++) assert_int_equal(v.at[i], i);
  vec_clear(&v);
  assert_int_equal(*vec_add(&v), 0);
  vec_finish(&v);
}

static void every_fault_has_a_name_of_its_own(void **state) {
  (void)state;
  for (int a = FAULT_CLOSED; a < 0; a++)
    for (int b = FAULT_CLOSED - 1; b < a; b++) assert_string_not_equal(fault_name(a), fault_name(b));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_is_zeroed_and_never_null),
      cmocka_unit_test(copies_are_whole_and_text_ends_with_a_nul),
      cmocka_unit_test(a_growing_array_keeps_its_elements),
      cmocka_unit_test(every_fault_has_a_name_of_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
