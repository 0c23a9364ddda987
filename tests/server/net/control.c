// Pausing, resuming and cancelling, from inside and outside of callbacks.
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

#define LARGE (INT64_C(64) << 20)

static void script_large(struct wire_connection *c) {
  wire_read(c);
  char head[100];
  snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n", (long long)LARGE);
  wire_puts(c, head);
  wire_pour(c, LARGE);
}

static void pause_once(struct probe *p) {
  if (p->datas == 1) net_pause(p->x);
}

static bool has_begun(void *arg) {
  struct probe *p = arg;
  return p->bytes > 0;
}

static void a_paused_exchange_holds_the_sender_back(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_large);
  probe_init(&p, loop, w.port);
  p.on_data = pause_once;
  probe_start(&p);
  assert_true(wait_until(has_begun, &p, 5000));
  poll(NULL, 0, 200);
  long long seen = p.bytes, sent = w.sent;
  assert_true(seen <= 64 * 1024);
  poll(NULL, 0, 200);
  assert_int_equal(p.bytes, seen);
  assert_int_equal(w.sent, sent); // only what the sockets' buffers hold
  assert_true(sent < 16 << 20);
  probe_resume_by_post(&p);
  probe_wait(&p);
  assert_int_equal(p.end, NET_DONE);
  assert_int_equal(p.bytes, LARGE);
  probe_finish(&p);
  wire_stop(&w);
}

static void pause_and_resume_soon(struct probe *p) {
  net_pause(p->x);
  if (p->datas % 2)
    probe_resume_by_post(p);
  else if (p->datas % 3 == 0)
    probe_resume_after(p, 1);
  else
    net_resume(p->x);
}

#define SMALL (INT64_C(4) << 20)

static void script_pattern(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  char block[4096 + 10];
  for (int64_t at = 0; at < SMALL; at += 4096) {
    memcpy(block, "1000\r\n", 6);
    for (int64_t i = 0; i < 4096; i++) block[6 + i] = (char)((at + i) * 7 % 251);
    memcpy(block + 6 + 4096, "\r\n", 2);
    if (!wire_write(c, block, 6 + 4096 + 2)) return;
  }
  wire_puts(c, "0\r\n\r\n");
}

static void pattern_comes_whole(void (*on_data)(struct probe *p), size_t at_once) {
  struct wire w;
  struct probe p;
  wire_start(&w, script_pattern);
  probe_init(&p, loop, w.port);
  p.on_data = on_data;
  p.at_once = at_once;
  p.rest_ms = 1;
  p.spec.bytes_max = SMALL;
  probe_run(&p);
  assert_int_equal(p.end, NET_DONE);
  assert_int_equal(p.body.len, SMALL);
  for (int64_t i = 0; i < SMALL; i++)
    if (p.body.data[i] != (char)(i * 7 % 251)) fail_msg("byte %lld", (long long)i);
  probe_finish(&p);
  wire_stop(&w);
}

static void no_byte_is_lost_or_doubled_by_pausing(void **state) {
  (void)state;
  pattern_comes_whole(pause_and_resume_soon, 0);
}

static void what_is_not_taken_comes_again_and_counts_once(void **state) {
  (void)state;
  pattern_comes_whole(NULL, 2500);
}

static void pause_then_end_by_post(struct probe *p) {
  net_pause(p->x);
  probe_resume_after(p, 20);
}

static void script_hello_close(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n");
}

static void what_came_before_a_break_is_given_after_a_pause(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hello_close);
  probe_init(&p, loop, w.port);
  p.on_head = pause_then_end_by_post;
  probe_run(&p);
  assert_int_equal(p.end, NET_BROKEN);
  assert_string_equal(buf_cstr(&p.body), "helloworld");
  probe_finish(&p);
  wire_stop(&w);
}

static void what_was_not_taken_is_given_before_a_break(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hello_close);
  probe_init(&p, loop, w.port);
  p.at_once = 2;
  p.rest_ms = 5;
  probe_run(&p);
  assert_int_equal(p.end, NET_BROKEN);
  assert_string_equal(buf_cstr(&p.body), "helloworld");
  assert_true(p.datas >= 5);
  probe_finish(&p);
  wire_stop(&w);
}

static void a_deadline_ends_what_is_not_taken_and_the_next_exchange_has_nothing_of_it(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hello_close);
  probe_init(&p, loop, w.port);
  p.at_once = 2;
  p.spec.total_ms = 50;
  probe_run(&p);
  assert_int_equal(p.end, NET_TIMEOUT);
  assert_string_equal(buf_cstr(&p.body), "he");
  probe_finish(&p);
  wire_stop(&w);
  pattern_comes_whole(NULL, 0); // by the same handle
}

static void cancel_what_is_left(struct probe *p) {
  net_cancel(p->x);
  sem_post(&p->over);
}

static void a_cancel_ends_what_is_not_taken_and_the_next_exchange_has_nothing_of_it(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hello_close);
  probe_init(&p, loop, w.port);
  p.at_once = 2;
  p.on_data = cancel_what_is_left;
  probe_run(&p);
  assert_string_equal(buf_cstr(&p.body), "he");
  assert_int_equal(p.dones, 0);
  probe_finish(&p);
  wire_stop(&w);
  pattern_comes_whole(NULL, 0);
}

static void too_large_after_resume(struct probe *p) {
  net_pause(p->x);
  p->on_head = NULL;
  probe_resume_after(p, 50);
}

static void a_limit_passed_on_resuming_ends_the_exchange(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hello_close);
  probe_init(&p, loop, w.port);
  p.spec.bytes_max = 4;
  p.on_head = too_large_after_resume;
  probe_run(&p);
  assert_int_equal(p.end, NET_TOO_LARGE);
  assert_int_equal(p.bytes, 0);
  probe_finish(&p);
  wire_stop(&w);
}

static void cancel_this(struct probe *p) {
  net_cancel(p->x);
  net_cancel(p->x); // harmless
  sem_post(&p->over);
}

static void cancel_posted(void *arg) {
  cancel_this(arg);
}

static void script_endless(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\n\r\n");
  wire_pour(c, INT64_C(1) << 40);
}

static void nothing_follows_a_cancel(struct probe *p) {
  probe_wait(p);
  loop_flush(loop);
  int heads = p->heads, datas = p->datas;
  poll(NULL, 0, 50);
  loop_flush(loop);
  assert_int_equal(p->heads, heads);
  assert_int_equal(p->datas, datas);
  assert_int_equal(p->dones, 0);
  probe_finish(p);
}

static void a_callback_may_cancel_its_own_exchange(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_endless);
  probe_init(&p, loop, w.port);
  p.on_head = cancel_this;
  probe_start(&p);
  nothing_follows_a_cancel(&p);
  assert_int_equal(p.datas, 0);

  probe_init(&p, loop, w.port);
  p.on_data = cancel_this;
  probe_start(&p);
  nothing_follows_a_cancel(&p);
  assert_int_equal(p.datas, 1);
  wire_stop(&w);
}

static void the_connection_of_a_cancelled_exchange_is_closed(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_endless);
  probe_init(&p, loop, w.port);
  p.on_data = cancel_this;
  probe_start(&p);
  nothing_follows_a_cancel(&p);
  pthread_t server = w.connections[0]->thread; // ends by itself when nobody reads any more
  assert_int_equal(pthread_join(server, NULL), 0);
  assert_int_equal(pthread_create(&w.connections[0]->thread, NULL, wire_serve, w.connections[0]), 0);
  wire_stop(&w);
}

static void script_hang(struct wire_connection *c) {
  wire_hang(c);
}

static bool was_accepted(void *arg) {
  return ((struct wire *)arg)->accepted > 0;
}

static void an_exchange_may_be_cancelled_from_outside_at_any_time(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hang);
  for (int wait = 0; wait < 3; wait++) {
    probe_init(&p, loop, w.port);
    p.spec.method = "POST";
    char *body = mem_alloc(1 << 20);
    p.spec.body = (struct str){body, 1 << 20};
    probe_start(&p);
    if (wait == 1) loop_flush(loop);
    if (wait == 2) assert_true(wait_until(was_accepted, &w, 5000));
    net_post(loop, cancel_posted, &p);
    probe_wait(&p);
    mem_free(body); // it was lent until now
    sem_post(&p.over);
    nothing_follows_a_cancel(&p);
  }
  wire_stop(&w);
}

static void start_and_cancel(void *arg) {
  struct probe *p = arg;
  probe_begin(p);
  cancel_this(p);
}

static void an_exchange_cancelled_at_once_is_never_sent(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_hang);
  probe_init(&p, loop, w.port);
  net_post(loop, start_and_cancel, &p);
  nothing_follows_a_cancel(&p);
  assert_int_equal(w.accepted, 0);
  wire_stop(&w);
}

static struct probe *victim;

static void cancel_victim(struct probe *p) {
  (void)p;
  if (victim) cancel_this(victim);
  victim = NULL;
}

static void a_callback_may_cancel_another_exchange(void **state) {
  (void)state;
  struct wire w;
  struct probe a, b;
  wire_start(&w, script_endless);
  probe_init(&a, loop, w.port);
  probe_init(&b, loop, w.port);
  victim = &b;
  a.on_data = cancel_victim;
  b.spec.total_ms = 60000;
  a.spec.bytes_max = 1 << 20;
  probe_start(&b);
  probe_start(&a);
  probe_wait(&a);
  assert_int_equal(a.end, NET_TOO_LARGE);
  nothing_follows_a_cancel(&b);
  probe_finish(&a);
  wire_stop(&w);
}

static void script_keep(struct wire_connection *c) {
  while (wire_read(c))
    if (!wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) return;
}

static int chain_left;

static void start_next(struct probe *p) {
  if (--chain_left > 0) {
    p->body.len = 0;
    probe_begin(p);
  } else
    sem_post(&p->over);
}

static void done_may_start_the_next_exchange(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_keep);
  probe_init(&p, loop, w.port);
  p.on_done = start_next;
  chain_left = 500;
  probe_start(&p);
  for (int i = 0; i < 501; i++) probe_wait(&p);
  assert_int_equal(p.dones, 500);
  assert_int_equal(w.accepted, 1);
  assert_int_equal(w.requests, 500);
  probe_finish(&p);
  wire_stop(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_paused_exchange_holds_the_sender_back),
      cmocka_unit_test(no_byte_is_lost_or_doubled_by_pausing),
      cmocka_unit_test(what_is_not_taken_comes_again_and_counts_once),
      cmocka_unit_test(what_came_before_a_break_is_given_after_a_pause),
      cmocka_unit_test(what_was_not_taken_is_given_before_a_break),
      cmocka_unit_test(a_deadline_ends_what_is_not_taken_and_the_next_exchange_has_nothing_of_it),
      cmocka_unit_test(a_cancel_ends_what_is_not_taken_and_the_next_exchange_has_nothing_of_it),
      cmocka_unit_test(a_limit_passed_on_resuming_ends_the_exchange),
      cmocka_unit_test(a_callback_may_cancel_its_own_exchange),
      cmocka_unit_test(the_connection_of_a_cancelled_exchange_is_closed),
      cmocka_unit_test(an_exchange_may_be_cancelled_from_outside_at_any_time),
      cmocka_unit_test(an_exchange_cancelled_at_once_is_never_sent),
      cmocka_unit_test(a_callback_may_cancel_another_exchange),
      cmocka_unit_test(done_may_start_the_next_exchange),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
