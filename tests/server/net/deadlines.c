// Each deadline of an exchange ends it, in time, under its own name.
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

// Runs it and checks how it ended, and that it took `ms`, give or take what a busy machine does.
static void ends_after(struct probe *p, enum net_end why, int ms, const char *detail) {
  int64_t before = clock_mono_us();
  probe_run(p);
  int64_t took = (clock_mono_us() - before) / 1000;
  if (p->end != why || !strstr(p->detail, detail)) fail_msg("%s: %s", net_end_name(p->end), p->detail);
  assert_in_range(took, ms - 1, ms + 20000);
}

static void script_hang(struct wire_connection *c) {
  wire_hang(c);
}

static void no_connection_in_time_is_unreached(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hang); // never answers the TLS handshake
  probe_init(&p, loop, w.port);
  snprintf(p.url, sizeof(p.url), "https://127.0.0.1:%d/", w.port);
  p.spec.connect_ms = 100;
  ends_after(&p, NET_UNREACHED, 100, "no connection");
  assert_false(p.sent);
  probe_finish(&p);
  wire_stop(&w);
}

static void no_answer_in_time_is_a_timeout(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hang);
  probe_init(&p, loop, w.port);
  p.spec.first_byte_ms = 100;
  ends_after(&p, NET_TIMEOUT, 100, "no answer");
  assert_true(p.sent);
  assert_int_equal(p.heads, 0);
  probe_finish(&p);
  wire_stop(&w);
}

static void script_dripping_head(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nX: ");
  while (!c->wire->stopping && wire_puts(c, "y")) poll(NULL, 0, 10);
}

static void a_head_that_drips_is_no_answer(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_dripping_head);
  probe_init(&p, loop, w.port);
  p.spec.first_byte_ms = 150;
  ends_after(&p, NET_TIMEOUT, 150, "no answer");
  probe_finish(&p);
  wire_stop(&w);
}

static void script_head_then_silence(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
  wire_hang(c);
}

static void script_chunks_then_silence(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 4; i++) {
    poll(NULL, 0, 300); // the four take longer than the silence that is allowed
    wire_puts(c, "1\r\nx\r\n");
  }
  wire_hang(c);
}

static void silence_in_the_body_is_a_timeout(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_head_then_silence);
  probe_init(&p, loop, w.port);
  p.spec.between_ms = 100;
  ends_after(&p, NET_TIMEOUT, 100, "nothing more");
  assert_int_equal(p.heads, 1);
  probe_finish(&p);
  wire_stop(&w);
}

static void each_chunk_starts_the_silence_anew(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_chunks_then_silence);
  probe_init(&p, loop, w.port);
  p.spec.between_ms = 800;
  ends_after(&p, NET_TIMEOUT, 4 * 300 + 800, "nothing more");
  assert_int_equal(p.bytes, 4);
  probe_finish(&p);
  wire_stop(&w);
}

static void script_drip(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\n\r\n");
  while (!c->wire->stopping && wire_puts(c, "x")) poll(NULL, 0, 10);
}

static void an_answer_that_never_ends_is_a_timeout(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_drip);
  probe_init(&p, loop, w.port);
  p.spec.between_ms = 150;
  p.spec.total_ms = 300;
  ends_after(&p, NET_TIMEOUT, 300, "whole answer");
  assert_true(p.bytes > 5);
  probe_finish(&p);
  wire_stop(&w);
}

static void pause_at_first(struct probe *p) {
  if (p->datas > 1) return;
  net_pause(p->x);
  probe_resume_after(p, 1200); // longer than the silence that is allowed
}

static void the_silence_of_a_paused_exchange_does_not_count(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_chunks_then_silence);
  probe_init(&p, loop, w.port);
  p.spec.between_ms = 800;
  p.on_data = pause_at_first;
  ends_after(&p, NET_TIMEOUT, 300 + 1200 + 800, "nothing more");
  assert_int_equal(p.bytes, 4);
  probe_finish(&p);
  wire_stop(&w);
}

static void pause_for_good(struct probe *p) {
  net_pause(p->x);
}

static void the_total_counts_while_paused(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_drip);
  probe_init(&p, loop, w.port);
  p.spec.between_ms = 50;
  p.spec.total_ms = 250;
  p.on_head = pause_for_good;
  ends_after(&p, NET_TIMEOUT, 250, "whole answer");
  assert_int_equal(p.bytes, 0);
  probe_finish(&p);
  wire_stop(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_connection_in_time_is_unreached),
      cmocka_unit_test(no_answer_in_time_is_a_timeout),
      cmocka_unit_test(a_head_that_drips_is_no_answer),
      cmocka_unit_test(silence_in_the_body_is_a_timeout),
      cmocka_unit_test(each_chunk_starts_the_silence_anew),
      cmocka_unit_test(an_answer_that_never_ends_is_a_timeout),
      cmocka_unit_test(the_silence_of_a_paused_exchange_does_not_count),
      cmocka_unit_test(the_total_counts_while_paused),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
