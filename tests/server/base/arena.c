// Rules of arenas: zeroed, aligned, apart from each other, ended together, and never beyond the maximum.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void pieces_are_zeroed_aligned_and_apart(void **state) {
  (void)state;
  CLEANUP(arena_finish) struct arena a;
  arena_init(&a, 64 << 20);
  unsigned char *pieces[400];
  for (size_t i = 0; i < 400; i++) {
    size_t size = i * i % 5000;
    pieces[i] = arena_alloc(&a, size);
    assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
    for (size_t k = 0; k < size; k++) assert_int_equal(pieces[i][k], 0);
    memset(pieces[i], (int)(i & 0xFF), size);
  }
  for (size_t i = 0; i < 400; i++)
    for (size_t k = 0; k < i * i % 5000; k++) assert_int_equal(pieces[i][k], i & 0xFF);
}

static void text_is_copied_with_a_nul(void **state) {
  (void)state;
  CLEANUP(arena_finish) struct arena a;
  arena_init(&a, 1 << 20);
  assert_string_equal(arena_strdup(&a, (struct str){"abcdef", 3}), "abc");
  assert_string_equal(arena_strdup(&a, (struct str){NULL, 0}), "");
  struct str s = arena_str(&a, STR("xyz"));
  assert_int_equal(s.len, 3);
  assert_string_equal(s.ptr, "xyz");
  assert_string_equal(arena_printf(&a, "%s-%d", "n", 5), "n-5");
  assert_int_equal(strlen(arena_printf(&a, "%0*d", 20000, 1)), 20000);
}

static void an_ended_arena_can_be_used_and_ended_again(void **state) {
  (void)state;
  struct arena a;
  arena_init(&a, 1000);
  for (int i = 0; i < 10; i++) {
    (void)arena_alloc(&a, 900);
    arena_finish(&a);
    assert_int_equal(a.used, 0);
  }
  arena_finish(&a);
}

static int ending_of_child(size_t first, size_t second) {
  int status = 0;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    signal(SIGABRT, SIG_DFL);
    struct arena a;
    arena_init(&a, 1024);
    (void)arena_alloc(&a, first);
    (void)arena_alloc(&a, second);
    arena_finish(&a);
    _exit(0);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void passing_the_maximum_ends_the_process(void **state) {
  (void)state;
  assert_int_equal(ending_of_child(512, 512), 0);
  assert_int_equal(ending_of_child(512, 513), SIGABRT);
  assert_int_equal(ending_of_child(1, SIZE_MAX), SIGABRT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
      cmocka_unit_test(text_is_copied_with_a_nul),
      cmocka_unit_test(an_ended_arena_can_be_used_and_ended_again),
      cmocka_unit_test(passing_the_maximum_ends_the_process),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
