// Events as the standard cuts them, however the bytes were cut on the way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/sse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct log {
  char text[4096]; // name|data; for each event
  size_t len;
  char name[64], data[2048];
  size_t name_len, data_len;
  size_t raw[64], raw_count; // where in the input events ended
};

static void tell(struct log *l, enum sse_token token, const char *bytes, size_t len) {
  if (token == SSE_NAME) {
    memcpy(l->name + l->name_len, bytes, len);
    l->name_len += len;
  } else if (token == SSE_DATA) {
    memcpy(l->data + l->data_len, bytes, len);
    l->data_len += len;
  } else {
    l->len += (size_t)snprintf(l->text + l->len, sizeof l->text - l->len, "%.*s|%.*s;", (int)l->name_len, l->name,
                               (int)l->data_len, l->data);
    l->name_len = l->data_len = 0;
  }
}

static void feed(struct log *l, struct sse *s, const char *text, size_t from, size_t to) {
  char *copy = malloc(to - from + 1);
  const char *at = copy, *end = copy + (to - from), *bytes = NULL;
  size_t len = 0;
  memcpy(copy, text + from, to - from);
  copy = realloc(copy, to - from ? to - from : 1);
  at = copy;
  end = copy + (to - from);
  for (enum sse_token token; (token = sse_next(s, &at, end, &bytes, &len)) != SSE_MORE;) {
    tell(l, token, bytes, len);
    if (token == SSE_END) l->raw[l->raw_count++] = from + (size_t)(at - copy);
  }
  assert_ptr_equal(at, end);
  free(copy);
}

static void finish(struct log *l, struct sse *s, size_t len) {
  if (sse_finish(s) != SSE_END) return;
  tell(l, SSE_END, NULL, 0);
  l->raw[l->raw_count++] = len;
}

static void log_of(struct log *l, const char *text, size_t a, size_t b) {
  struct sse s;
  size_t len = strlen(text);
  memset(l, 0, sizeof *l);
  sse_init(&s);
  feed(l, &s, text, 0, a);
  feed(l, &s, text, a, b);
  feed(l, &s, text, b, len);
  finish(l, &s, len);
}

static void events_are(const char *text, const char *expected) {
  struct log whole, split;
  size_t len = strlen(text);
  log_of(&whole, text, len, len);
  assert_string_equal(whole.text, expected);
  for (size_t a = 0; a <= len; a++)
    for (size_t b = a; b <= len; b++) {
      log_of(&split, text, a, b);
      assert_memory_equal(&whole, &split, sizeof whole);
    }
}

static void a_blank_line_ends_an_event(void **state) {
  (void)state;
  events_are("data: a\n\ndata:b\n\n", "|a;|b;");
  events_are("data:  a\n\n", "| a;");
  events_are("data: a\n", "");
}

static void lines_end_in_three_ways(void **state) {
  (void)state;
  events_are("data: a\r\n\r\ndata: b\r\n\r\n", "|a;|b;");
  events_are("data: a\r\rdata: b\r\r", "|a;|b;");
  events_are("data: a\r\n\rdata: b\n\r\n", "|a;|b;");
}

static void data_lines_are_joined(void **state) {
  (void)state;
  events_are("data: a\ndata: b\n\n", "|a\nb;");
  events_are("data\ndata\n\n", "|\n;");
  events_are("data:\n\n", "|;");
}

static void names_comments_and_unknown_fields(void **state) {
  (void)state;
  events_are("event: ping\ndata: {}\n\n", "ping|{};");
  events_are(": comment\n\n:\ndata: a\n\n", "|;|a;");
  events_are("id: 1\nretry: 5\ndatabase: x\ndat: y\ndata: a\n\n", "|a;");
  events_are("a field with a name longer than any: x\ndata: a\n\n", "|a;");
  events_are("data : a\n\n", "|;");
}

static void a_byte_order_mark_is_passed_over(void **state) {
  (void)state;
  events_are("\xef\xbb\xbf"
             "data: a\n\ndata: b\n\n",
             "|a;|b;");
  events_are("data: a\n\n\xef\xbb\xbf"
             "data: b\n\n",
             "|a;|;");
  events_are("\xef\xbb\xbf"
             "\ndata: a\n\n",
             "|;|a;");
}

static void the_end_of_a_crlf_event_lies_behind_its_lf(void **state) {
  struct log l;
  const char *text = "data: a\r\n\r\ndata: b\r\n\r\n";
  (void)state;
  log_of(&l, text, strlen(text), strlen(text));
  assert_int_equal(l.raw_count, 2);
  assert_int_equal(l.raw[0], 11);
  assert_int_equal(l.raw[1], 22);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_blank_line_ends_an_event),
      cmocka_unit_test(lines_end_in_three_ways),
      cmocka_unit_test(data_lines_are_joined),
      cmocka_unit_test(names_comments_and_unknown_fields),
      cmocka_unit_test(a_byte_order_mark_is_passed_over),
      cmocka_unit_test(the_end_of_a_crlf_event_lies_behind_its_lf),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
