// The outline of requests as the tap reads it from the raw bytes: how many heads and how many whole requests are sound,
// whatever comes together, and nothing more behind the first byte that belongs nowhere.
#include "http/tap.h"
#include "base/mem.h"
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct rule {
  struct str bytes;
  uint32_t heads, wholes;
};
#define R(heads, wholes, bytes)                                                                                        \
  { {bytes, sizeof(bytes) - 1}, heads, wholes }
#define GET "GET / HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

// Whole, and cut in two at every byte.
static void hold(const struct rule *rules, size_t count) {
  for (size_t i = 0; i < count; i++)
    for (size_t cut = 0; cut <= rules[i].bytes.len; cut++) {
      struct tap t = {0};
      tap_feed(&t, rules[i].bytes.ptr, cut);
      tap_feed(&t, rules[i].bytes.ptr + cut, rules[i].bytes.len - cut);
      if (t.heads == rules[i].heads && t.wholes == rules[i].wholes) continue;
      print_error("rule %zu, cut at %zu: %u heads, %u whole\n", i, cut, t.heads, t.wholes);
      fail();
    }
}

static void sound_requests_are_counted(void **state) {
  static const struct rule rules[] = {
      R(0, 0, ""),
      R(0, 0, GET),
      R(1, 1, GET "\r\n"),
      R(1, 1, "\r\n\r\n" GET "\r\n"),
      R(2, 2, GET "\r\n\r\n" GET "\r\n"),
      R(1, 1, "GET / HTTP/1.0\r\n\r\n"),
      R(1, 1, GET "X-A:\r\nX-B: \tb c\xc3\xa4\r\n\r\n"),
      R(1, 1, GET "Content-Length: 0\r\n\r\n"),
      R(1, 0, GET "Content-Length: 5\r\n\r\nhell"),
      R(1, 1, GET "CONTENT-length:5\r\n\r\nhello"),
      R(2, 2, GET "Content-Length: 5\r\n\r\n\r\n\r\n\0" GET "\r\n"),
      R(1, 0, GET "Content-Length: 18446744073709551615\r\n\r\nhello"),
      R(2, 2, GET "Content-Lengths: 5\r\nX-Content-Length: 5\r\n\r\n" GET "\r\n"),
      R(1, 0, CHUNKED "5\r\nhello\r\n0\r\n"),
      R(1, 1, CHUNKED "5\r\nhello\r\n0\r\n\r\n"),
      R(2, 2, CHUNKED "0005;a;b=\"c\"\r\n\r\n\0\n\r\r\nA\r\n0123456789\r\n0;x\r\nT: u\r\nV:\r\n\r\n" GET "\r\n"),
  };
  (void)state;
  hold(rules, ARRAY_LEN(rules));
}

static void nothing_counts_behind_a_byte_out_of_place(void **state) {
  static const struct rule rules[] = {
      R(0, 0, "\n" GET "\r\n"),
      R(0, 0, "\0\r\n" GET "\r\n"),
      R(0, 0, "\r" GET "\r\n"),
      R(0, 0, " " GET "\r\n"),
      R(0, 0, "GET / HTTP/1.1\nHost: h\r\n\r\n"),
      R(0, 0, "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"),
      R(0, 0, GET "X-A: b\n\r\n"),
      R(0, 0, GET "X-A: b\r\r\n\r\n"),
      R(0, 0, GET "X-A: b\0c\r\n\r\n"),
      R(0, 0, GET "X-A\0: b\r\n\r\n"),
      R(0, 0, GET "X-A : b\r\n\r\n"),
      R(0, 0, GET "X-A: b\r\n c\r\n\r\n"),
      R(0, 0, GET ": b\r\n\r\n"),
      R(0, 0, GET "\0\r\n\r\n"),
      R(0, 0, GET "\r\r\n"),
      R(1, 1, GET "\r\n\0" GET "\r\n"),
      R(1, 1, GET "Content-Length: 5\r\n\r\nhello\n" GET "\r\n"),
      R(1, 0, CHUNKED "\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "x\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "-1\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "5\nhello\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "5;a\nhello\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "5;\0\r\nhello\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "5\r\nhello!\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "5\r\nhello\n0\r\n\r\n"),
      R(1, 0, CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"),
      R(1, 0, CHUNKED "0\n\r\n"),
      R(1, 0, CHUNKED "0\r\n\n"),
      R(1, 0, CHUNKED "0\r\nA\r\n\r\n"),
      R(1, 0, CHUNKED "0\r\nA: b\nC: d\r\n\r\n"),
      R(1, 0, CHUNKED "0\r\nA: b\r\n c\r\n\r\n"),
      R(1, 0, CHUNKED "0\r\n\0\r\n\r\n"),
  };
  (void)state;
  hold(rules, ARRAY_LEN(rules));
}

static void what_is_received_on_its_descriptor_goes_to_it(void **state) {
  struct tap t = {0};
  int pair[2];
  char bytes[64];
  (void)state;
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  assert_true(tap_set(pair[0], &t));
  for (int i = 0; i < 2; i++) {
    assert_int_equal(send(pair[1], GET "\r\n", sizeof GET + 1, 0), sizeof GET + 1);
    assert_int_equal(recv(pair[0], bytes, sizeof bytes, 0), sizeof GET + 1);
    assert_int_equal(t.wholes, 1); // the second is no longer told
    assert_true(tap_set(pair[0], NULL));
  }
  assert_false(tap_set(INT32_MAX, &t));
  assert_int_equal(recv(-1, bytes, sizeof bytes, 0), -1);
  close(pair[0]);
  close(pair[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sound_requests_are_counted),
      cmocka_unit_test(nothing_counts_behind_a_byte_out_of_place),
      cmocka_unit_test(what_is_received_on_its_descriptor_goes_to_it),
  };
  return cmocka_run_group_tests_name("tap", tests, NULL, NULL);
}
