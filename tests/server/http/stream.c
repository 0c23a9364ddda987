// The chain behind a stream: bytes come out as they went in, however they are cut, and the place between two events is
// known.
#include "http/stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void bytes_come_out_in_order(void **state) {
  (void)state;
  struct stream s = {0};
  static char in[200000], out[200000];
  size_t given = 0, taken = 0;
  for (size_t i = 0; i < sizeof in; i++) in[i] = (char)(i * 7 + i / 251);
  for (size_t step = 1; taken < sizeof in; step = step * 5 % 4999 + 1) {
    size_t len = step < sizeof in - given ? step : sizeof in - given;
    stream_append(&s, (struct str){in + given, len});
    given += len;
    size_t half = (given - taken + 1) / 2;
    assert_int_equal(stream_take(&s, out + taken, half), half);
    taken += half;
    assert_int_equal(s.pending, given - taken);
  }
  assert_memory_equal(in, out, sizeof in);
  assert_int_equal(stream_take(&s, out, 1), 0);
  assert_null(s.first);
}

static void what_is_dropped_is_gone(void **state) {
  (void)state;
  struct stream s = {0};
  char byte;
  stream_append(&s, STR("some"));
  stream_drop(&s);
  assert_int_equal(s.pending, 0);
  assert_int_equal(stream_take(&s, &byte, 1), 0);
}

static bool between(const char *const *pieces) {
  struct stream s = {0};
  for (; *pieces; pieces++) stream_append(&s, str_from(*pieces));
  bool answer = stream_between_events(&s);
  stream_drop(&s);
  return answer;
}

static void the_end_of_an_event_is_seen_across_pieces(void **state) {
  (void)state;
  assert_true(between((const char *const[]){NULL}));
  assert_true(between((const char *const[]){"data: x\n\n", NULL}));
  assert_true(between((const char *const[]){"data: x\r\n\r\n", NULL}));
  assert_true(between((const char *const[]){"data: x\n", "\n", NULL}));
  assert_true(between((const char *const[]){"data: x\r", "\n", "\r", "\n", NULL}));
  assert_false(between((const char *const[]){"data: x\n", NULL}));
  assert_false(between((const char *const[]){"data: x\n\n", "d", NULL}));
  assert_false(between((const char *const[]){"\n", NULL}));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_come_out_in_order),
      cmocka_unit_test(what_is_dropped_is_gone),
      cmocka_unit_test(the_end_of_an_event_is_seen_across_pieces),
  };
  return cmocka_run_group_tests_name("stream chains", tests, NULL, NULL);
}
