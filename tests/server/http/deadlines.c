// Deadlines are absolute: a client that sends or takes one byte now and then holds nothing for longer than one that
// sends none. A request that waits for its answer has none.
#include "base/metric.h"
#include "client.h"
#include <pthread.h>

#define DEADLINE_MS 600 // what is to be in time has three quarters of it
#define STALL_MS 1000
#define SLACK_MS 8000 // a busy machine

static char large[32 * 1024 * 1024];

static void echo(struct http_request *r, void *context) {
  (void)context;
  http_reply(r, 200, NULL, 0, http_body(r));
}

static void big(struct http_request *r, void *context) {
  (void)context;
  http_reply(r, 200, NULL, 0, (struct str){large, sizeof large});
}

static void *answer_late(void *arg) {
  sleep_ms(3 * DEADLINE_MS);
  http_reply(arg, 200, NULL, 0, STR("late"));
  return NULL;
}

static pthread_t late_thread;
static void late(struct http_request *r, void *context) {
  (void)context;
  assert_int_equal(pthread_create(&late_thread, NULL, answer_late, r), 0);
}

static const struct http_route routes[] = {
    {"POST", "/echo", echo, NULL, 1 << 20},
    {"GET", "/big", big, NULL, 0},
    {"GET", "/late", late, NULL, 0},
};

// Sends a byte every 30 ms until the server closes; how long that took.
static int drip(int fd, const char *text) {
  int64_t began = clock_mono_us();
  for (size_t i = 0; i < 300; i++) {
    char c = *text ? *text++ : 'x';
    if (!client_send(fd, (struct str){&c, 1})) break;
    if (client_readable(fd, 30)) break;
  }
  return (int)((clock_mono_us() - began) / 1000);
}

static int closed_after(int fd) {
  struct buf in;
  buf_init(&in, 100000);
  int64_t began = clock_mono_us();
  assert_true(client_until_closed(fd, &in));
  assert_int_equal(in.len, 0);
  buf_finish(&in);
  return (int)((clock_mono_us() - began) / 1000);
}

static void assert_in_time(int ms) {
  assert_in_range(ms, DEADLINE_MS - 50, DEADLINE_MS + SLACK_MS);
}

static void a_silent_connection_is_closed(void **state) {
  int fd = client_connect(*state);
  assert_in_time(closed_after(fd));
  close(fd);
}

static void half_a_head_is_closed(void **state) {
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("GET /echo HTTP/1.1\r\nHost: h\r\nX-")));
  assert_in_time(closed_after(fd));
  close(fd);
}

static void a_dripping_head_is_cut(void **state) {
  int fd = client_connect(*state);
  assert_in_time(drip(fd, "GET /echo HTTP/1.1\r\nHost: h\r\nX-Header: "));
  close(fd);
}

static void a_dripping_first_line_is_cut(void **state) {
  int fd = client_connect(*state);
  assert_in_time(drip(fd, "GET /"));
  close(fd);
}

static void half_a_body_is_closed(void **state) {
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")));
  assert_in_time(closed_after(fd));
  close(fd);
}

static void a_dripping_body_is_cut(void **state) {
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")));
  assert_in_time(drip(fd, ""));
  close(fd);
}

static void a_dripping_chunked_body_is_cut(void **state) {
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n")));
  assert_in_time(drip(fd, ""));
  close(fd);
}

// One second more for each 16 KiB announced.
static void a_larger_body_has_more_time(void **state) {
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 16400\r\n\r\n")));
  assert_true(closed_after(fd) >= 1000 + DEADLINE_MS - 50);
  close(fd);
}

static void a_kept_connection_is_closed_when_idle(void **state) {
  struct buf in, body;
  buf_init(&in, 10000);
  buf_init(&body, 10000);
  int fd = client_connect(*state);
  for (int i = 0; i < 5; i++) {
    assert_true(client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")));
    assert_int_equal(client_answer(fd, &in, &body), 200);
    sleep_ms(DEADLINE_MS / 4);
  }
  assert_true(closed_after(fd) <= DEADLINE_MS + SLACK_MS);
  close(fd);
  buf_finish(&in);
  buf_finish(&body);
}

static void a_dripping_second_head_is_cut(void **state) {
  struct buf in, body;
  buf_init(&in, 10000);
  buf_init(&body, 10000);
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")));
  assert_int_equal(client_answer(fd, &in, &body), 200);
  assert_in_time(drip(fd, "GET /echo HTTP/1.1\r\nHost: h\r\nX-Header: "));
  close(fd);
  buf_finish(&in);
  buf_finish(&body);
}

static void a_waiting_request_has_no_deadline(void **state) {
  struct buf in, body;
  buf_init(&in, 10000);
  buf_init(&body, 10000);
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("GET /late HTTP/1.1\r\nHost: h\r\n\r\n")));
  assert_int_equal(client_answer(fd, &in, &body), 200);
  assert_string_equal(buf_cstr(&body), "late");
  assert_int_equal(pthread_join(late_thread, NULL), 0);
  close(fd);
  buf_finish(&in);
  buf_finish(&body);
}

static void an_answer_nobody_takes_is_given_up(void **state) {
  // The connections of the tests before may still be on their way out.
  for (int waited = 0; metric_get(METRIC_HTTP_CONNECTIONS) > 0 && waited < CLIENT_WAIT_MS; waited += 10) sleep_ms(10);
  int64_t cut = metric_get(METRIC_HTTP_DEADLINES);
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("GET /big HTTP/1.1\r\nHost: h\r\n\r\n")));
  assert_true(client_readable(fd, CLIENT_WAIT_MS));
  for (int waited = 0; metric_get(METRIC_HTTP_CONNECTIONS) > 0 && waited < CLIENT_WAIT_MS; waited += 10) sleep_ms(10);
  assert_int_equal(metric_get(METRIC_HTTP_DEADLINES), cut + 1);
  assert_int_equal(metric_get(METRIC_HTTP_CONNECTIONS), 0);
  close(fd);
}

static void an_answer_taken_slowly_is_not_given_up(void **state) {
  static char piece[1 << 20];
  size_t taken = 0;
  int fd = client_connect(*state);
  assert_true(client_send(fd, STR("GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")));
  for (int i = 0; i < 15; i++) {
    sleep_ms(STALL_MS / 4);
    ssize_t n = recv(fd, piece, sizeof piece, 0);
    assert_true(n > 0);
    taken += (size_t)n;
  }
  for (ssize_t n; (n = recv(fd, piece, sizeof piece, 0)) > 0;) taken += (size_t)n;
  assert_true(taken > sizeof large);
  close(fd);
}

static int start(void **state) {
  *state = server_start((struct http_config){.routes = routes,
                                             .route_count = ARRAY_LEN(routes),
                                             .header_ms = DEADLINE_MS,
                                             .body_ms = DEADLINE_MS,
                                             .idle_ms = DEADLINE_MS,
                                             .write_stall_ms = STALL_MS});
  return 0;
}

static int stop(void **state) {
  http_server_destroy(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_silent_connection_is_closed),
      cmocka_unit_test(half_a_head_is_closed),
      cmocka_unit_test(a_dripping_head_is_cut),
      cmocka_unit_test(a_dripping_first_line_is_cut),
      cmocka_unit_test(half_a_body_is_closed),
      cmocka_unit_test(a_dripping_body_is_cut),
      cmocka_unit_test(a_dripping_chunked_body_is_cut),
      cmocka_unit_test(a_larger_body_has_more_time),
      cmocka_unit_test(a_kept_connection_is_closed_when_idle),
      cmocka_unit_test(a_dripping_second_head_is_cut),
      cmocka_unit_test(a_waiting_request_has_no_deadline),
      cmocka_unit_test(an_answer_nobody_takes_is_given_up),
      cmocka_unit_test(an_answer_taken_slowly_is_not_given_up),
  };
  return cmocka_run_group_tests_name("deadlines", tests, start, stop);
}
