// Long bodies: leave is asked before any of one is taken, the connection waits for it without holding up the server, and what
// they need in memory is bounded over all of them.
#include "base/metric.h"
#include "client.h"

#define FREE 1000
#define LONG (300 * 1024)

static _Atomic(struct http_request *) asked; // waits for the test's word
static _Atomic int asking, given;
static enum manner { LATER, AT_ONCE, REFUSE } manner;

static bool ask(struct http_request *r, const struct http_route *route) {
  (void)route;
  if (!http_body_may_pass(r, FREE)) return false;
  atomic_fetch_add(&asking, 1);
  if (manner == AT_ONCE) http_body_take(r);
  if (manner == REFUSE) http_body_refuse(r, PROBLEM_INVALID_KEY, "Nobody knows you.");
  if (manner == LATER) atomic_store(&asked, r);
  return true;
}

static void echo_length(struct http_request *r, void *context) {
  (void)context;
  char text[32];
  atomic_fetch_add(&given, 1);
  int len = snprintf(text, sizeof text, "%zu bytes", http_body(r).len);
  http_reply(r, 200, NULL, 0, (struct str){text, (size_t)len});
}

// Counts twice what it got.
static void reserve(struct http_request *r, void *context) {
  (void)context;
  atomic_fetch_add(&given, 1);
  http_reply(r, http_reserve(r, 2 * http_body(r).len) ? 200 : 503, NULL, 0, STR("done"));
}

static const struct http_route routes[] = {{"POST", "/length", echo_length, NULL, 4 << 20}, {"POST", "/reserve", reserve, NULL, 4 << 20}};

static struct http_server *start(enum manner how, size_t memory_max) {
  manner = how;
  atomic_store(&asking, 0);
  atomic_store(&given, 0);
  return server_start((struct http_config){.routes = routes, .route_count = ARRAY_LEN(routes), .body_ask = ask, .memory_max = memory_max});
}

static void send_head(int fd, const char *path, size_t length, const char *more) {
  char head[200];
  int len = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n%s\r\n", path, length, more);
  assert_true(client_send(fd, (struct str){head, (size_t)len}));
}

// False where the peer does not take it all.
static bool send_body(int fd, size_t length) {
  char *body = mem_alloc(length);
  memset(body, 'x', length);
  bool sent = client_send(fd, (struct str){body, length});
  mem_free(body);
  return sent;
}

static int ask_long(struct http_server *s, const char *path, size_t length) {
  int fd = client_connect(s), before = atomic_load(&asking);
  send_head(fd, path, length, "");
  assert_true(await_int(&asking, before + 1, CLIENT_WAIT_MS));
  return fd;
}

static void assert_all_given_back(void) {
  for (int waited = 0; metric_get(METRIC_HTTP_RESERVED) != 0 && waited < CLIENT_WAIT_MS; waited += 2) sleep_ms(2);
  assert_int_equal(metric_get(METRIC_HTTP_RESERVED), 0);
}

static void nothing_of_a_long_body_is_taken_before_leave(void **state) {
  (void)state;
  struct http_server *s = start(LATER, 0);
  int fd = ask_long(s, "/length", LONG);
  sleep_ms(50);
  assert_int_equal(metric_get(METRIC_HTTP_RESERVED), 0);
  assert_int_equal(metric_get(METRIC_HTTP_SUSPENDED), 1);
  http_body_take(atomic_load(&asked));
  assert_true(send_body(fd, LONG));
  client_expect(fd, 200, "200 OK", "307200 bytes");
  assert_int_equal(metric_get(METRIC_HTTP_SUSPENDED), 0);
  assert_all_given_back();
  close(fd);
  http_server_destroy(s);
}

static void what_was_sent_meanwhile_is_not_lost(void **state) {
  (void)state;
  struct http_server *s = start(LATER, 0);
  int fd = client_connect(s);
  send_head(fd, "/length", FREE + 1, "");
  assert_true(send_body(fd, FREE + 1));
  assert_true(await_int(&asking, 1, CLIENT_WAIT_MS));
  sleep_ms(20);
  http_body_take(atomic_load(&asked));
  client_expect(fd, 200, "200 OK", "1001 bytes");
  send_head(fd, "/length", FREE, ""); // the connection goes on, and what is short needs no leave
  assert_true(send_body(fd, FREE));
  client_expect(fd, 200, "200 OK", "1000 bytes");
  assert_int_equal(atomic_load(&asking), 1);
  close(fd);
  http_server_destroy(s);
}

static void leave_may_be_given_at_once_also_for_chunks(void **state) {
  (void)state;
  struct http_server *s = start(AT_ONCE, 0);
  int fd = client_connect(s);
  assert_true(client_send(fd, STR("POST /length HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")));
  client_expect(fd, 200, "200 OK", "5 bytes");
  assert_int_equal(atomic_load(&asking), 1);
  assert_all_given_back();
  close(fd);
  http_server_destroy(s);
}

static void a_refusal_is_answered_and_ends_the_connection(void **state) {
  (void)state;
  for (int how = LATER; how <= REFUSE; how += REFUSE - LATER) {
    struct http_server *s = start((enum manner)how, 0);
    int fd = ask_long(s, "/length", LONG);
    if (how == LATER) http_body_refuse(atomic_load(&asked), PROBLEM_INVALID_KEY, "Nobody knows you.");
    (void)send_body(fd, LONG);
    client_expect(fd, 401, "\r\nWWW-Authenticate: Bearer\r\n", "Nobody knows you.");
    struct buf rest;
    buf_init(&rest, 1000);
    assert_true(client_until_closed(fd, &rest));
    buf_finish(&rest);
    assert_int_equal(atomic_load(&given), 0);
    close(fd);
    http_server_destroy(s);
  }
}

static void who_asks_before_sending_is_refused_without_having_sent(void **state) {
  (void)state;
  for (int how = LATER; how <= REFUSE; how += REFUSE - LATER) {
    struct http_server *s = start((enum manner)how, 0);
    int fd = client_connect(s);
    send_head(fd, "/length", LONG, "Expect: 100-continue\r\n");
    assert_true(await_int(&asking, 1, CLIENT_WAIT_MS));
    if (how == LATER) http_body_refuse(atomic_load(&asked), PROBLEM_INVALID_KEY, "Nobody knows you.");
    client_expect(fd, 401, "HTTP/1.1 401 ", "Nobody knows you.");
    close(fd);
    http_server_destroy(s);
  }
}

static void all_long_bodies_together_have_a_bound(void **state) {
  (void)state;
  struct http_server *s = start(AT_ONCE, 2 * LONG);
  int first = ask_long(s, "/length", LONG), second = ask_long(s, "/length", LONG);
  for (int waited = 0; metric_get(METRIC_HTTP_RESERVED) != 2 * LONG && waited < CLIENT_WAIT_MS; waited += 2) sleep_ms(2);
  int third = ask_long(s, "/length", LONG);
  client_expect(third, 503, "\r\nRetry-After: 1\r\n", "Too many long bodies");
  assert_int_equal(metric_get(METRIC_HTTP_RESERVED), 2 * LONG);
  assert_true(send_body(first, LONG));
  client_expect(first, 200, "200 OK", "307200 bytes");
  close(second); // what was begun and left is given back too
  assert_all_given_back();
  close(first);
  close(third);
  http_server_destroy(s);
}

static void chunks_are_counted_as_they_come(void **state) {
  (void)state;
  struct http_server *s = start(AT_ONCE, LONG);
  int first = ask_long(s, "/length", LONG), second = client_connect(s);
  char head[] = "POST /length HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4b000\r\n";
  assert_true(client_send(second, STR(head)));
  (void)send_body(second, LONG);
  client_expect(second, 503, "HTTP/1.1 503 ", "Too many long bodies");
  close(first);
  close(second);
  http_server_destroy(s);
}

static void a_handler_counts_what_it_needs_besides(void **state) {
  (void)state;
  struct http_server *s = start(AT_ONCE, 2 * LONG);
  int waiting = ask_long(s, "/reserve", LONG), other = ask_long(s, "/reserve", LONG);
  assert_true(send_body(waiting, LONG));
  client_expect(waiting, 503, "HTTP/1.1 503 ", "done");
  close(other);
  assert_all_given_back();
  int alone = ask_long(s, "/reserve", 4 * LONG); // by itself a request is never too much
  assert_true(send_body(alone, 4 * LONG));
  client_expect(alone, 200, "200 OK", "done");
  assert_all_given_back();
  close(waiting);
  close(alone);
  http_server_destroy(s);
}

static void a_client_that_leaves_meanwhile_does_no_harm(void **state) {
  (void)state;
  struct http_server *s = start(LATER, 0);
  int fd = ask_long(s, "/length", LONG);
  close(fd);
  sleep_ms(20);
  http_body_take(atomic_load(&asked));
  assert_all_given_back();
  http_server_destroy(s);
  assert_int_equal(atomic_load(&given), 0);
}

static void a_server_ends_while_a_body_is_waited_for(void **state) {
  (void)state;
  struct http_server *s = start(LATER, 0);
  int fd = ask_long(s, "/length", LONG);
  http_body_take(atomic_load(&asked)); // and nothing comes
  int64_t from = clock_mono_us();
  http_server_destroy(s);
  assert_true(clock_mono_us() - from < 5000000);
  close(fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_of_a_long_body_is_taken_before_leave),
      cmocka_unit_test(what_was_sent_meanwhile_is_not_lost),
      cmocka_unit_test(leave_may_be_given_at_once_also_for_chunks),
      cmocka_unit_test(a_refusal_is_answered_and_ends_the_connection),
      cmocka_unit_test(who_asks_before_sending_is_refused_without_having_sent),
      cmocka_unit_test(all_long_bodies_together_have_a_bound),
      cmocka_unit_test(chunks_are_counted_as_they_come),
      cmocka_unit_test(a_handler_counts_what_it_needs_besides),
      cmocka_unit_test(a_client_that_leaves_meanwhile_does_no_harm),
      cmocka_unit_test(a_server_ends_while_a_body_is_waited_for),
  };
  return cmocka_run_group_tests_name("long bodies", tests, NULL, NULL);
}
