// Rules of memory: zeroed, copied whole, never NULL, and a growing array that keeps what it holds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

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

// Also a library's: one line, and the end.
static void without_memory_the_process_says_so_and_ends(void **state) {
  (void)state;
  int out[2], status;
  char said[100] = "";
  assert_int_equal(pipe(out), 0);
  pid_t child = fork();
  if (child == 0) {
    (void)dup2(out[1], STDERR_FILENO);
    (void)mem_had(&status);
    (void)mem_had(NULL);
    _exit(0);
  }
  close(out[1]);
  assert_true(read(out[0], said, sizeof said - 1) > 0);
  assert_string_equal(said, "tollgate: out of memory\n");
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  close(out[0]);
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

#define MIB (INT64_C(1) << 20)

static void memory_is_given_back_where_much_more_is_unused_than_the_last_time(void **state) {
  (void)state;
  int64_t kept = 0;
  assert_false(mem_is_much(MIB, &kept));
  assert_true(mem_is_much(20 * MIB, &kept));
  kept = 15 * MIB; // what could not be given back is left alone
  assert_false(mem_is_much(16 * MIB, &kept));
  assert_true(mem_is_much(18 * MIB, &kept));
  assert_false(mem_is_much(-5 * MIB, &kept)); // what is in use needs not be in memory
  assert_false(mem_is_much(-4 * MIB, &kept)); // and the next time counts from there
  assert_true(mem_is_much(MIB, &kept));
}

// The C library's own allocator, also where a sanitizer's stands before it.
void *__libc_malloc(size_t size);
void __libc_free(void *p);

static int64_t resident(void) {
  long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
  assert_int_equal(fclose(f), 0);
  return pages * sysconf(_SC_PAGESIZE);
}

static void what_was_freed_goes_back_to_the_system(void **state) {
  (void)state;
  enum { PIECES = 32768, PIECE = 1000 };
  static void *pieces[PIECES];
  int64_t kept = 0, before;
  mem_give_back(&kept);
  for (size_t i = 0; i < PIECES; i++) {
    pieces[i] = __libc_malloc(PIECE);
    assert_non_null(pieces[i]);
    memset(pieces[i], 1, PIECE);
  }
  for (size_t i = 0; i < PIECES - 1; i++) __libc_free(pieces[i]); // the last one stands at the end of the heap
  before = resident();
  mem_give_back(&kept);
  assert_true(resident() < before - 24 * MIB);
  __libc_free(pieces[PIECES - 1]);
}

static void every_fault_has_a_name_of_its_own(void **state) {
  (void)state;
  for (int a = FAULT_CLOSED; a < 0; a++)
    for (int b = FAULT_CLOSED - 1; b < a; b++) assert_string_not_equal(fault_name(a), fault_name(b));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_is_zeroed_and_never_null),
      cmocka_unit_test(without_memory_the_process_says_so_and_ends),
      cmocka_unit_test(copies_are_whole_and_text_ends_with_a_nul),
      cmocka_unit_test(a_growing_array_keeps_its_elements),
      cmocka_unit_test(memory_is_given_back_where_much_more_is_unused_than_the_last_time),
      cmocka_unit_test(what_was_freed_goes_back_to_the_system),
      cmocka_unit_test(every_fault_has_a_name_of_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
