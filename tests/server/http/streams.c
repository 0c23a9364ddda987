// Streamed answers: a chunk goes out at once, a slow client holds back the writer and nobody else, an end in good order
// can be told from one that is not, and a client that is gone is noticed even when nothing is said.
#include "client.h"
#include <pthread.h>

#define STALL_MS 1500

static _Atomic(struct http_request *) held;
static _Atomic int holding, gone, drained;

static void on_gone(void *arg) {
  (void)arg;
  atomic_fetch_add(&gone, 1);
}

static void on_drained(void *arg) {
  (void)arg;
  atomic_fetch_add(&drained, 1);
}

// The context is the content type.
static void open_stream(struct http_request *r, void *context) {
  struct http_header type = {STR("Content-Type"), str_from(context)};
  http_watch(r, (struct http_watch){.gone = on_gone, .drained = on_drained});
  http_stream_start(r, 200, &type, 1);
  atomic_store(&held, r);
  atomic_store(&holding, 1);
}

static char events[] = "text/event-stream; charset=utf-8", bytes[] = "application/octet-stream";
static const struct http_route routes[] = {{"GET", "/events", open_stream, events, 0},
                                           {"GET", "/bytes", open_stream, bytes, 0}};

struct fixture {
  struct http_server *server;
  struct http_request *request;
  int fd;
  struct buf in;
};

static struct http_server *shared;

static void ask(struct fixture *f, const char *path, const char *version) {
  char text[200];
  int len = snprintf(text, sizeof text, "GET %s HTTP/%s\r\nHost: h\r\n\r\n", path, version);
  assert_true(client_send(f->fd, (struct str){text, (size_t)len}));
  assert_true(await_int(&holding, 1, CLIENT_WAIT_MS));
  f->request = atomic_load(&held);
}

static void a_chunk_goes_out_at_once(void **state) {
  struct fixture *f = *state;
  int64_t best = INT64_MAX;
  ask(f, "/events", "1.1");
  for (int i = 0; i < 200; i++) {
    int64_t began = clock_mono_us();
    buf_clear(&f->in);
    assert_true(http_stream_write(f->request, STR("data: a chunk\n\n")));
    assert_true(client_until(f->fd, &f->in, "data: a chunk\n\n"));
    int64_t took = clock_mono_us() - began;
    if (took < best) best = took;
  }
  print_message("best %lld us from writer to client\n", (long long)best);
  assert_true(best < 5000);
  http_stream_end(f->request, true);
  assert_true(client_until(f->fd, &f->in, "\r\n0\r\n\r\n"));
}

static void the_connection_serves_on_after_a_stream(void **state) {
  struct fixture *f = *state;
  for (int i = 0; i < 3; i++) {
    atomic_store(&holding, 0);
    ask(f, "/events", "1.1");
    assert_true(http_stream_write(f->request, STR("data: x\n\n")));
    http_stream_end(f->request, true);
    assert_true(client_until(f->fd, &f->in, "\r\n0\r\n\r\n"));
    assert_non_null(strstr(buf_cstr(&f->in), "\r\nTransfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(buf_cstr(&f->in), "\r\nX-Request-Id: req_"));
    buf_clear(&f->in);
  }
}

static void a_broken_stream_is_cut(void **state) {
  struct fixture *f = *state;
  ask(f, "/events", "1.1");
  assert_true(http_stream_write(f->request, STR("data: half")));
  http_stream_end(f->request, false);
  assert_true(client_until_closed(f->fd, &f->in));
  assert_non_null(strstr(buf_cstr(&f->in), "data: half"));
  assert_null(strstr(buf_cstr(&f->in), "\r\n0\r\n"));
}

static void http_1_0_reads_until_the_end(void **state) {
  struct fixture *f = *state;
  ask(f, "/events", "1.0");
  assert_true(http_stream_write(f->request, STR("data: one\n\n")));
  assert_true(client_until(f->fd, &f->in, "\r\n\r\ndata: one\n\n"));
  assert_true(http_stream_write(f->request, STR("data: two\n\n")));
  http_stream_end(f->request, true);
  assert_true(client_until_closed(f->fd, &f->in));
  assert_non_null(strstr(buf_cstr(&f->in), "data: one\n\ndata: two\n\n"));
}

static void http_1_0_is_reset_where_the_end_is_not_in_good_order(void **state) {
  struct fixture *f = *state;
  char byte;
  ask(f, "/events", "1.0");
  assert_true(http_stream_write(f->request, STR("data: one\n\n")));
  assert_true(client_until(f->fd, &f->in, "data: one\n\n"));
  http_stream_end(f->request, false);
  sleep_ms(200);
  assert_int_equal(recv(f->fd, &byte, 1, 0), -1);
}

static void head_of_a_stream_has_no_body(void **state) {
  struct fixture *f = *state;
  assert_true(client_send(f->fd, STR("HEAD /events HTTP/1.1\r\nHost: h\r\n\r\n")));
  assert_true(await_int(&holding, 1, CLIENT_WAIT_MS));
  f->request = atomic_load(&held);
  assert_true(client_until(f->fd, &f->in, "\r\n\r\n"));
  for (int i = 0; i < 10; i++) assert_true(http_stream_write(f->request, STR("data: unseen\n\n")));
  http_stream_end(f->request, true);
  assert_true(client_until_closed(f->fd, &f->in));
  assert_string_equal(strstr(buf_cstr(&f->in), "\r\n\r\n"), "\r\n\r\n"); // nor the end of one
  assert_int_equal(atomic_load(&gone), 0);
}

static void a_slow_client_holds_back_the_writer(void **state) {
  struct fixture *f = *state;
  static char piece[8192];
  size_t written = 0, received = 0;
  memset(piece, 'x', sizeof piece);
  ask(f, "/bytes", "1.1");
  // Until what libmicrohttpd and the kernel hold is full too, and nothing moves any more.
  do {
    atomic_store(&drained, 0);
    while (http_stream_pending(f->request) < LIMIT_STREAM_BUFFER) {
      assert_true(http_stream_write(f->request, (struct str){piece, sizeof piece}));
      written += sizeof piece;
    }
    sleep_ms(10);
  } while (http_stream_pending(f->request) < LIMIT_STREAM_BUFFER || atomic_load(&drained));
  while (!atomic_load(&drained) && client_readable(f->fd, CLIENT_WAIT_MS)) {
    ssize_t n = recv(f->fd, piece, sizeof piece, 0);
    assert_true(n > 0);
    received += (size_t)n;
  }
  assert_int_equal(atomic_load(&drained), 1);
  assert_true(http_stream_pending(f->request) < LIMIT_STREAM_BUFFER / 2);
  http_stream_end(f->request, true);
  struct buf tail;
  buf_init(&tail, 64 << 20);
  assert_true(client_until(f->fd, &tail, "\r\n0\r\n\r\n"));
  assert_true(received + tail.len > written);
  buf_finish(&tail);
}

static void a_client_that_aborts_is_gone(void **state) {
  struct fixture *f = *state;
  ask(f, "/bytes", "1.1");
  assert_true(http_stream_write(f->request, STR("some")));
  assert_true(client_until(f->fd, &f->in, "some"));
  close(f->fd);
  f->fd = -1;
  for (int waited = 0; waited < CLIENT_WAIT_MS && !atomic_load(&gone); waited += 2) {
    (void)http_stream_write(f->request, STR("more"));
    sleep_ms(2);
  }
  assert_int_equal(atomic_load(&gone), 1);
  assert_false(http_stream_write(f->request, STR("more")));
  assert_true(http_is_gone(f->request));
  sleep_ms(150);
  http_stream_end(f->request, false);
  assert_int_equal(atomic_load(&gone), 1);
}

static void a_client_that_resets_a_silent_stream_is_gone(void **state) {
  struct fixture *f = *state;
  struct linger reset = {1, 0};
  ask(f, "/bytes", "1.1");
  assert_true(client_until(f->fd, &f->in, "\r\n\r\n"));
  assert_int_equal(setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  close(f->fd);
  f->fd = -1;
  assert_true(await_int(&gone, 1, CLIENT_WAIT_MS));
  http_stream_end(f->request, true);
}

static void a_client_that_leaves_a_silent_event_stream_is_gone(void **state) {
  struct fixture *f = *state;
  ask(f, "/events", "1.1");
  assert_true(http_stream_write(f->request, STR("data: x\n\n")));
  assert_true(client_until(f->fd, &f->in, "data: x\n\n"));
  close(f->fd);
  f->fd = -1;
  assert_true(await_int(&gone, 1, CLIENT_WAIT_MS));
  http_stream_end(f->request, false);
}

static void a_half_closed_event_stream_goes_on(void **state) {
  struct fixture *f = *state;
  ask(f, "/events", "1.1");
  assert_true(http_stream_write(f->request, STR("data: x\r\n\r\n")));
  assert_true(client_until(f->fd, &f->in, "data: x\r\n\r\n"));
  assert_int_equal(shutdown(f->fd, SHUT_WR), 0);
  assert_true(client_until(f->fd, &f->in, ": keepalive\n\n"));
  assert_true(http_stream_write(f->request, STR("data: y\n\n")));
  assert_true(client_until(f->fd, &f->in, "data: y\n\n"));
  assert_int_equal(atomic_load(&gone), 0);
  http_stream_end(f->request, true);
  assert_true(client_until(f->fd, &f->in, "\r\n0\r\n\r\n"));
}

static void no_comment_breaks_an_event(void **state) {
  struct fixture *f = *state;
  ask(f, "/events", "1.1");
  assert_true(http_stream_write(f->request, STR("data: {\"half\"")));
  assert_true(client_until(f->fd, &f->in, "half"));
  assert_int_equal(shutdown(f->fd, SHUT_WR), 0);
  sleep_ms(200);
  assert_true(http_stream_write(f->request, STR(": 1}\n\n")));
  http_stream_end(f->request, true);
  assert_true(client_until(f->fd, &f->in, "\r\n0\r\n\r\n"));
  assert_null(strstr(buf_cstr(&f->in), "keepalive"));
}

static void a_client_that_takes_nothing_is_gone(void **state) {
  struct fixture *f = *state;
  static char piece[65536];
  ask(f, "/bytes", "1.1");
  // More and more, until the kernel takes no more of it either, whoever was the faster.
  for (int waited = 0; atomic_load(&gone) == 0 && waited < CLIENT_WAIT_MS; waited += 2) {
    if (http_stream_pending(f->request) < LIMIT_STREAM_BUFFER) (void)http_stream_write(f->request, (struct str){piece, sizeof piece});
    sleep_ms(2);
  }
  assert_int_equal(atomic_load(&gone), 1);
  assert_false(http_stream_write(f->request, STR("more")));
  http_stream_end(f->request, true);
}

static void a_writer_without_a_bound_is_stopped(void **state) {
  struct fixture *f = *state;
  static char piece[1 << 20];
  int taken = 0;
  ask(f, "/bytes", "1.1");
  while (taken < 100 && http_stream_write(f->request, (struct str){piece, sizeof piece})) taken++;
  assert_true(taken < 40);
  assert_true(await_int(&gone, 1, CLIENT_WAIT_MS));
  http_stream_end(f->request, true);
}

static void *end_main(void *arg) {
  for (int i = 0; i < 50; i++) (void)http_stream_write(arg, STR("data: x\n\n"));
  http_stream_end(arg, true);
  return NULL;
}

// Leaving and ending at the same moment: told once or not at all, and never after the end.
static void ending_races_with_leaving(void **state) {
  struct fixture *f = *state;
  for (int i = 0; i < 200; i++) {
    pthread_t thread;
    atomic_store(&holding, 0);
    atomic_store(&gone, 0);
    close(f->fd);
    f->fd = client_connect(f->server);
    ask(f, "/events", "1.1");
    assert_int_equal(pthread_create(&thread, NULL, end_main, f->request), 0);
    close(f->fd);
    f->fd = -1;
    assert_int_equal(pthread_join(thread, NULL), 0);
    int told = atomic_load(&gone);
    assert_true(told <= 1);
    f->fd = client_connect(f->server);
    assert_int_equal(atomic_load(&gone), told);
  }
}

static void a_drain_cuts_open_streams(void **state) {
  struct fixture *f = *state;
  struct http_server *s = server_start((struct http_config){.routes = routes, .route_count = ARRAY_LEN(routes)});
  close(f->fd);
  f->fd = client_connect(s);
  ask(f, "/events", "1.1");
  assert_true(http_stream_write(f->request, STR("data: x\n\n")));
  assert_int_equal(http_server_drain(s, 50), 1);
  assert_true(client_until_closed(f->fd, &f->in));
  assert_null(strstr(buf_cstr(&f->in), "\r\n0\r\n"));
  assert_int_equal(atomic_load(&gone), 1);
  assert_false(http_stream_write(f->request, STR("data: y\n\n")));
  http_server_destroy(s);
}

static int open_client(void **state) {
  static struct fixture f;
  f = (struct fixture){.server = shared, .fd = client_connect(shared)};
  buf_init(&f.in, 1 << 20);
  atomic_store(&holding, 0);
  atomic_store(&gone, 0);
  atomic_store(&drained, 0);
  *state = &f;
  return 0;
}

static int close_client(void **state) {
  struct fixture *f = *state;
  if (f->fd >= 0) close(f->fd);
  buf_finish(&f->in);
  return 0;
}

static int start(void **state) {
  (void)state;
  shared = server_start(
      (struct http_config){.routes = routes, .route_count = ARRAY_LEN(routes), .write_stall_ms = STALL_MS});
  return 0;
}

static int stop(void **state) {
  (void)state;
  http_server_destroy(shared);
  return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(a_chunk_goes_out_at_once),
      T(the_connection_serves_on_after_a_stream),
      T(a_broken_stream_is_cut),
      T(http_1_0_reads_until_the_end),
      T(http_1_0_is_reset_where_the_end_is_not_in_good_order),
      T(head_of_a_stream_has_no_body),
      T(a_slow_client_holds_back_the_writer),
      T(a_client_that_aborts_is_gone),
      T(a_client_that_resets_a_silent_stream_is_gone),
      T(a_client_that_leaves_a_silent_event_stream_is_gone),
      T(a_half_closed_event_stream_goes_on),
      T(no_comment_breaks_an_event),
      T(a_client_that_takes_nothing_is_gone),
      T(a_writer_without_a_bound_is_stopped),
      T(ending_races_with_leaving),
      T(a_drain_cuts_open_streams),
  };
  return cmocka_run_group_tests_name("streams", tests, start, stop);
}
