// Answers that are left to the connection's own thread: each is made once, whatever happens between.
#include "base/metric.h"
#include "client.h"
#include <pthread.h>

static _Atomic(struct http_request *) held;
static _Atomic int holding, made;
static _Atomic unsigned long handler_thread, answer_thread;

static void hold(struct http_request *r, void *context) {
  (void)context;
  atomic_store(&handler_thread, (unsigned long)pthread_self());
  atomic_store(&held, r);
  atomic_store(&holding, 1);
}

static void answer(void *arg) {
  atomic_store(&answer_thread, (unsigned long)pthread_self());
  atomic_fetch_add(&made, 1);
  http_reply(arg, 200, NULL, 0, STR("made"));
}

static void at_once(struct http_request *r, void *context) {
  (void)context;
  http_answer_by(r, answer, r);
}

static void *leave_main(void *arg) {
  http_answer_by(arg, answer, arg);
  return NULL;
}

// Another thread leaves it while the handler may or may not have returned.
static void race(struct http_request *r, void *context) {
  (void)context;
  pthread_t thread;
  static _Atomic int turn;
  assert_int_equal(pthread_create(&thread, NULL, leave_main, r), 0);
  if (atomic_fetch_add(&turn, 1) % 2) assert_int_equal(pthread_join(thread, NULL), 0);
  else assert_int_equal(pthread_detach(thread), 0);
}

static const struct http_route routes[] = {
    {"GET", "/hold", hold, NULL, 0}, {"GET", "/at-once", at_once, NULL, 0}, {"GET", "/race", race, NULL, 0}};

#define ASK(path) STR("GET " path " HTTP/1.1\r\nHost: h\r\n\r\n")

static struct http_server *start(void) {
  atomic_store(&holding, 0);
  atomic_store(&made, 0);
  return server_start((struct http_config){.routes = routes, .route_count = ARRAY_LEN(routes)});
}

static struct http_request *ask_held(struct http_server *s, int *ret_fd) {
  *ret_fd = client_connect(s);
  assert_true(client_send(*ret_fd, ASK("/hold")));
  assert_true(await_int(&holding, 1, CLIENT_WAIT_MS));
  return atomic_load(&held);
}

static void it_is_made_on_the_connections_thread(void **state) {
  (void)state;
  int fd;
  struct http_server *s = start();
  struct http_request *r = ask_held(s, &fd);
  assert_false(client_readable(fd, 50));
  http_answer_by(r, answer, r);
  client_expect(fd, 200, "", "made");
  assert_int_equal(atomic_load(&made), 1);
  assert_true(atomic_load(&answer_thread) == atomic_load(&handler_thread));
  assert_int_equal(metric_get(METRIC_HTTP_SUSPENDED), 0);
  close(fd);
  http_server_destroy(s);
}

static void it_may_be_left_before_the_handler_returns(void **state) {
  (void)state;
  struct http_server *s = start();
  int fd = client_connect(s);
  for (int i = 0; i < 1000; i++) {
    assert_true(client_send(fd, i % 4 == 0 ? ASK("/at-once") : ASK("/race")));
    client_expect(fd, 200, "", "made");
  }
  assert_int_equal(atomic_load(&made), 1000);
  close(fd);
  http_server_destroy(s);
}

static void a_client_that_has_gone_changes_nothing(void **state) {
  (void)state;
  struct http_server *s = start();
  struct linger reset = {1, 0};
  for (int i = 1; i <= 200; i++) {
    int fd;
    atomic_store(&holding, 0);
    struct http_request *r = ask_held(s, &fd);
    if (i % 3 == 0) assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    if (i % 2) sleep_ms(1);
    http_answer_by(r, answer, r);
    assert_true(await_int(&made, i, CLIENT_WAIT_MS));
  }
  http_server_destroy(s);
  assert_int_equal(atomic_load(&made), 200);
}

static void it_comes_too_late_for_a_server_that_was_drained(void **state) {
  (void)state;
  int fd;
  struct http_server *s = start();
  struct http_request *r = ask_held(s, &fd);
  assert_int_equal(http_server_drain(s, 50), 1);
  client_expect(fd, 503, "", "shutting_down");
  http_answer_by(r, answer, r);
  assert_int_equal(atomic_load(&made), 1);
  close(fd);
  http_server_destroy(s);
}

static void what_was_left_is_answered_when_the_server_ends(void **state) {
  (void)state;
  for (int round = 0; round < 20; round++) {
    int fds[20];
    struct http_request *requests[ARRAY_LEN(fds)];
    struct http_server *s = start();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
      atomic_store(&holding, 0);
      requests[i] = ask_held(s, &fds[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) http_answer_by(requests[i], answer, requests[i]);
    http_server_destroy(s);
    assert_int_equal(atomic_load(&made), ARRAY_LEN(fds));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) close(fds[i]);
  }
  assert_int_equal(metric_get(METRIC_HTTP_SUSPENDED), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_made_on_the_connections_thread),
      cmocka_unit_test(it_may_be_left_before_the_handler_returns),
      cmocka_unit_test(a_client_that_has_gone_changes_nothing),
      cmocka_unit_test(it_comes_too_late_for_a_server_that_was_drained),
      cmocka_unit_test(what_was_left_is_answered_when_the_server_ends),
  };
  return cmocka_run_group_tests_name("answers left to the connection's thread", tests, NULL, NULL);
}
