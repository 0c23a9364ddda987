// Answers that break the rules, connections that break, and what is not sent a second time.
#include "base/clock.h"
#include "wire.h"

static struct net_loop *loop;

static int begin(void **state) {
  (void)state;
  loop = net_loop_create("test");
  return 0;
}

static int end(void **state) {
  (void)state;
  net_loop_destroy(loop);
  return 0;
}

static void script_short_chunked(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
}

static void script_short_length(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
}

static void script_reset_midway(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  poll(NULL, 0, 100);
  wire_reset(c);
}

static void script_bad_chunk(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
}

static void truncated_answers_are_broken_after_what_came(void **state) {
  (void)state;
  static void (*const scripts[])(struct wire_connection *) = {script_short_chunked, script_short_length,
                                                              script_reset_midway, script_bad_chunk};
  for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
    struct wire w;
    struct probe p;
    wire_start(&w, scripts[i]);
    probe_init(&p, loop, w.port);
    probe_run(&p);
    assert_int_equal(p.end, NET_BROKEN);
    assert_true(p.sent);
    assert_int_equal(p.status, 200);
    assert_string_equal(buf_cstr(&p.body), "hello");
    assert_true(p.detail[0]);
    probe_finish(&p);
    wire_stop(&w);
  }
}

static void script_reset_unanswered(struct wire_connection *c) {
  wire_read(c);
  wire_reset(c);
}

static void script_garbage(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "SSH-2.0-OpenSSH\r\n\r\n");
}

static void script_half_head(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Le");
}

static void script_nul_header(struct wire_connection *c) {
  wire_read(c);
  static const char head[] = "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n";
  wire_write(c, head, sizeof(head) - 1);
}

static void script_huge_head(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < 100; i++) {
    char line[1100];
    memset(line, 'v', sizeof(line));
    line[0] = 'X';
    line[1] = ':';
    memcpy(line + 1000, "\r\n", 3);
    if (!wire_puts(c, line)) return;
  }
  wire_puts(c, "\r\n");
}

static void script_many_headers(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < 200; i++)
    if (!wire_puts(c, "X: y\r\n")) return;
  wire_puts(c, "\r\n");
}

static void answers_without_a_head_are_broken(void **state) {
  (void)state;
  static void (*const scripts[])(struct wire_connection *) = {script_reset_unanswered, script_garbage,
                                                              script_half_head,        script_nul_header,
                                                              script_huge_head,        script_many_headers};
  for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
    struct wire w;
    struct probe p;
    wire_start(&w, scripts[i]);
    probe_init(&p, loop, w.port);
    probe_run(&p);
    if (p.end != NET_BROKEN) fail_msg("script %zu: %s %s", i, net_end_name(p.end), p.detail);
    assert_true(p.sent);
    assert_int_equal(p.heads, 0);
    assert_int_equal(w.requests, 1);
    probe_finish(&p);
    wire_stop(&w);
  }
}

static void script_endless(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\n\r\n");
  wire_pour(c, INT64_C(1) << 40);
}

static void an_endless_body_is_stopped(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_endless);
  probe_init(&p, loop, w.port);
  p.spec.bytes_max = 1000000;
  probe_run(&p);
  assert_int_equal(p.end, NET_TOO_LARGE);
  assert_true(p.bytes <= 1000000);
  assert_true(p.bytes > 900000);
  assert_non_null(strstr(p.detail, "larger"));
  probe_finish(&p);
  wire_stop(&w);
}

static const unsigned char gzip_of_nothing[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static void script_gzip(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n");
  wire_write(c, gzip_of_nothing, sizeof(gzip_of_nothing));
}

static void compressed_bodies_are_never_inflated(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_gzip);
  probe_init(&p, loop, w.port);
  probe_run(&p);
  assert_int_equal(p.end, NET_DONE);
  assert_int_equal(p.body.len, sizeof(gzip_of_nothing));
  assert_memory_equal(p.body.data, gzip_of_nothing, sizeof(gzip_of_nothing));
  probe_finish(&p);
  wire_stop(&w);
}

static void script_once_then_close(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  if (c->number == 0) { // takes the second request and drops it at once
    wire_read(c);
    return;
  }
  wire_hang(c);
}

static void two_posts(struct wire *w, struct probe *second) {
  struct probe p;
  probe_init(&p, loop, w->port);
  probe_run(&p);
  assert_int_equal(p.end, NET_DONE);
  probe_finish(&p);
  probe_init(second, loop, w->port);
  second->spec.method = "POST";
  second->spec.body = STR("again");
  probe_run(second);
}

// A connection that is found dead only after RESEND_WITHIN_US is not told from one whose request was worked on: where this
// machine was that slow, it is tried again.
static void a_kept_connection_found_dead_is_replaced(void **state) {
  (void)state;
  for (int tries = 0;; tries++) {
    struct wire w;
    struct probe p;
    wire_start(&w, script_once_then_close);
    int64_t began = clock_mono_us();
    two_posts(&w, &p);
    bool slow = clock_mono_us() - began > 400000 && tries < 5;
    enum net_end end = p.end;
    int accepted = w.accepted;
    probe_finish(&p);
    wire_stop(&w);
    if (slow && end != NET_DONE) continue;
    assert_int_equal(end, NET_DONE);
    assert_int_equal(accepted, 2);
    return;
  }
}

static void script_think_then_close(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  if (wire_read(c)) poll(NULL, 0, 700);
}

static void a_request_that_was_worked_on_is_not_sent_twice(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_think_then_close);
  two_posts(&w, &p);
  assert_int_equal(p.end, NET_BROKEN);
  assert_int_equal(w.requests, 2);
  probe_finish(&p);
  wire_stop(&w);
}

static void script_line_then_close(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  if (wire_read(c)) wire_puts(c, "HTTP/1.1 200 OK\r\n");
}

static void a_request_with_a_line_of_an_answer_is_not_sent_twice(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_line_then_close);
  two_posts(&w, &p);
  assert_int_equal(p.end, NET_BROKEN);
  assert_int_equal(w.requests, 2);
  probe_finish(&p);
  wire_stop(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(truncated_answers_are_broken_after_what_came),
      cmocka_unit_test(answers_without_a_head_are_broken),
      cmocka_unit_test(an_endless_body_is_stopped),
      cmocka_unit_test(compressed_bodies_are_never_inflated),
      cmocka_unit_test(a_kept_connection_found_dead_is_replaced),
      cmocka_unit_test(a_request_that_was_worked_on_is_not_sent_twice),
      cmocka_unit_test(a_request_with_a_line_of_an_answer_is_not_sent_twice),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
