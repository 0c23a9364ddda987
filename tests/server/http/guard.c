// The guard's rules, without a socket: heads laid out in one buffer as libmicrohttpd lays them out, sound and forged.
#include "http/guard.h"
#include "base/limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct layout {
  char text[LIMIT_HEADER_BLOCK + LIMIT_REQUEST_LINE];
  struct http_header headers[LIMIT_HEADERS];
  struct guard_head head;
};

static struct str cut(char **at, char stop) {
  char *end = strchr(*at, stop);
  struct str piece = {*at, (size_t)(end - *at)};
  *at = end + 1;
  return piece;
}

// Reads a sound head: it finds what libmicrohttpd would find, with the same pointers.
static struct guard_head *lay_out(struct layout *l, const char *text) {
  size_t len = strlen(text);
  char *at = l->text;
  assert_true(len < sizeof l->text);
  memcpy(l->text, text, len + 1);
  l->head = (struct guard_head){.headers = l->headers, .size = len};
  l->head.method = cut(&at, ' ');
  l->head.target = cut(&at, ' ');
  l->head.version = cut(&at, '\r');
  for (at++; *at != '\r'; at++) {
    struct http_header *h = &l->headers[l->head.header_count++];
    h->name = cut(&at, ':');
    if (*at == ' ' || *at == '\t') at++;
    h->value = cut(&at, '\r');
  }
  return &l->head;
}

static struct layout layout;
static struct guard_frame frame;
static struct guard_refusal refusal;

static bool passes(const char *text) {
  return guard_check(lay_out(&layout, text), &frame, &refusal);
}

static void assert_refused(const struct guard_head *head, enum problem problem) {
  assert_false(guard_check(head, &frame, &refusal));
  assert_int_equal(refusal.problem, problem);
  assert_true(strlen(refusal.why) > 10);
}

static void assert_refused_text(const char *text, enum problem problem) {
  assert_refused(lay_out(&layout, text), problem);
}

static void ordinary_heads_pass(void **state) {
  (void)state;
  assert_true(passes("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  assert_true(passes("GET /a?b=c HTTP/1.1\r\nHost:h\r\nAccept:\r\nX-A: \r\nCookie: a=b; c=d\r\nX-A: again\r\n\r\n"));
  assert_true(passes("GET / HTTP/1.0\r\n\r\n"));
  assert_true(passes("DELETE /x HTTP/1.1\r\nHost: h\r\nX-Text: caf\xc3\xa9\tbar\r\n\r\n"));
}

static void framing_is_read(void **state) {
  (void)state;
  assert_true(passes("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  assert_int_equal(frame.length, -1);
  assert_false(frame.chunked);
  assert_true(
      passes("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\nExpect: 100-Continue\r\n\r\n"));
  assert_true(frame.length == INT64_MAX && !frame.chunked && frame.expects_continue);
  assert_true(passes("POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n"));
  assert_true(frame.length == -1 && frame.chunked && !frame.expects_continue);
}

static void framing_has_one_reading(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "Content-Length: 1\r\nTransfer-Encoding: chunked",
      "Content-Length: 1\r\nContent-Length: 1",
      "Content-Length: ",
      "Content-Length: 9223372036854775808",
      "Content-Length: 00000000000000000001",
      "Content-Length: 1 ",
      "Content-Length: -1",
      "Content-Length: +1",
      "Content-Length: 0x1",
      "Content-Length: 1,1",
      "Content-Length: 1\t",
  };
  char text[300];
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    (void)snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", wrong[i]);
    assert_refused_text(text, PROBLEM_MALFORMED_HTTP);
  }
  assert_refused_text("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n", PROBLEM_NOT_IMPLEMENTED);
  assert_refused_text("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \r\n\r\n", PROBLEM_NOT_IMPLEMENTED);
  assert_refused_text("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue \r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
                      PROBLEM_MALFORMED_HTTP);
}

static void every_byte_belongs_to_a_line(void **state) {
  (void)state;
  static const char text[] = "GET /a HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n";
  struct guard_head *head = lay_out(&layout, text);
  for (int off = -4; off <= 4; off++) {
    head->size = sizeof text - 1 + (size_t)off;
    if (off == 0)
      assert_true(guard_check(head, &frame, &refusal));
    else
      assert_refused(head, PROBLEM_MALFORMED_HTTP);
  }
}

static void a_name_begins_where_the_value_before_ended(void **state) {
  (void)state;
  struct guard_head *head = lay_out(&layout, "GET /a HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n");
  static char elsewhere[] = "X-A";
  layout.headers[1].name.ptr = elsewhere; // as a fold leaves it
  assert_refused(head, PROBLEM_MALFORMED_HTTP);
  head = lay_out(&layout, "GET /a HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n");
  layout.headers[1].value.ptr = elsewhere;
  assert_refused(head, PROBLEM_MALFORMED_HTTP);
  head = lay_out(&layout, "GET /a HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n");
  layout.headers[1].value = (struct str){NULL, 0};
  assert_refused(head, PROBLEM_MALFORMED_HTTP);
}

static void names_are_tokens_and_values_are_text(void **state) {
  (void)state;
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\nX A: b\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\nX-A : b\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  for (char c = 1; c < 0x20; c++) {
    char text[] = "GET / HTTP/1.1\r\nHost: h\r\nX-A: b_c\r\n\r\n";
    *strchr(text, '_') = c;
    if (c == '\r' || c == '\t') continue;
    assert_refused_text(text, PROBLEM_MALFORMED_HTTP);
  }
}

static void a_tab_stands_inside_of_a_value_only(void **state) {
  (void)state;
  assert_true(passes("GET / HTTP/1.1\r\nHost: h\r\nX-A: b\tc  \r\n\r\n"));
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\nX-A:\tb\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\nX-A: b\t\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\nX-A: b \t \r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("GET / HTTP/1.1\r\nHost: h\r\nX-A:\t\r\n\r\n", PROBLEM_MALFORMED_HTTP);
}

static void singles_come_once(void **state) {
  (void)state;
  static const char *const once[] = {"Host",         "AUTHORIZATION",   "x-api-key",
                                     "Content-Type", "Idempotency-Key", "Stripe-Signature",
                                     "Expect",       "X-Request-Id"};
  char text[300];
  for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
    (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n%s: a\r\nX-B: c\r\n%s: a\r\n\r\n", once[i],
                   once[i]);
    assert_refused_text(text, PROBLEM_MALFORMED_HTTP);
  }
  assert_refused_text("GET / HTTP/1.1\r\nX-A: b\r\n\r\n", PROBLEM_MALFORMED_HTTP);
}

static void a_host_is_a_name_or_an_address_and_a_port(void **state) {
  (void)state;
  static const char *const sound[] = {
      "h", "a-b.example.", "my_service:8080", "127.0.0.1:65535", "[::1]", "[::1]:443", "h:", "[2001:db8::1]:0", "h "};
  static const char *const wrong[] = {"",      "a b", "a/b",   "a..b", ".a",       "..",    ":80",   "a:b",
                                      "a:80:", "::1", "u@a",   "a,b",  "a:123456", "[::1",  "[]",    "[::1]a",
                                      "a?b",   "a#b", "a%00b", "a\\b", "\xc3\xa4", "[a]b]", "\"a\"", "a\tb"};
  char text[300];
  for (size_t i = 0; i < sizeof sound / sizeof sound[0]; i++) {
    (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", sound[i]);
    assert_true(passes(text));
  }
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    (void)snprintf(text, sizeof text, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", wrong[i]);
    assert_refused_text(text, PROBLEM_MALFORMED_HTTP);
  }
}

static void methods_and_versions_are_listed(void **state) {
  (void)state;
  assert_refused_text("BREW / HTTP/1.1\r\nHost: h\r\n\r\n", PROBLEM_NOT_IMPLEMENTED);
  assert_refused_text("get / HTTP/1.1\r\nHost: h\r\n\r\n", PROBLEM_NOT_IMPLEMENTED);
  assert_refused_text("G(T / HTTP/1.1\r\nHost: h\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text(" / HTTP/1.1\r\nHost: h\r\n\r\n", PROBLEM_MALFORMED_HTTP);
  assert_refused_text("GET / HTTP/2.0\r\nHost: h\r\n\r\n", PROBLEM_HTTP_VERSION);
  assert_refused_text("GET / HTTP/1.10\r\nHost: h\r\n\r\n", PROBLEM_HTTP_VERSION);
}

static void sizes_are_bounded(void **state) {
  (void)state;
  struct guard_head *head = lay_out(&layout, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  head->target.len = LIMIT_REQUEST_LINE;
  assert_refused(head, PROBLEM_URI_TOO_LONG);
  head = lay_out(&layout, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  head->size = LIMIT_HEADER_BLOCK + 1;
  assert_refused(head, PROBLEM_HEADERS_TOO_LARGE);
  head = lay_out(&layout, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  head->header_overflow = true;
  assert_refused(head, PROBLEM_HEADERS_TOO_LARGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ordinary_heads_pass),
      cmocka_unit_test(framing_is_read),
      cmocka_unit_test(framing_has_one_reading),
      cmocka_unit_test(every_byte_belongs_to_a_line),
      cmocka_unit_test(a_name_begins_where_the_value_before_ended),
      cmocka_unit_test(names_are_tokens_and_values_are_text),
      cmocka_unit_test(a_tab_stands_inside_of_a_value_only),
      cmocka_unit_test(singles_come_once),
      cmocka_unit_test(a_host_is_a_name_or_an_address_and_a_port),
      cmocka_unit_test(methods_and_versions_are_listed),
      cmocka_unit_test(sizes_are_bounded),
  };
  return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
