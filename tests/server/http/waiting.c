// Requests that wait for another thread: answered from anywhere and at any moment, told when their client goes away,
// never lost in a crowd, and never left behind when the server stops.
#include "base/metric.h"
#include "client.h"
#include <pthread.h>
#include <sys/resource.h>

#define CROWD 300
#define ROUNDS 30

static _Atomic(struct http_request *) held; // the request that the test answers itself
static _Atomic int holding, gone;

static void on_gone(void *arg) {
  atomic_fetch_add((_Atomic int *)arg, 1);
}

static void hold(struct http_request *r, void *context) {
  (void)context;
  http_watch(r, (struct http_watch){.gone = on_gone, .arg = &gone});
  atomic_store(&held, r);
  atomic_store(&holding, 1);
}

static void hold_unwatched(struct http_request *r, void *context) {
  (void)context;
  atomic_store(&held, r);
  atomic_store(&holding, 1);
}

// Another thread answers while the handler may or may not have returned.
static void *answer_main(void *arg) {
  http_reply(arg, 200, NULL, 0, STR("raced"));
  return NULL;
}

static void race(struct http_request *r, void *context) {
  (void)context;
  pthread_t thread;
  static _Atomic int turn;
  assert_int_equal(pthread_create(&thread, NULL, answer_main, r), 0);
  if (atomic_fetch_add(&turn, 1) % 2)
    assert_int_equal(pthread_join(thread, NULL), 0); // answered before it returns
  else
    assert_int_equal(pthread_detach(thread), 0);
}

// A queue answered in batches by one thread, as the ledger's writer does.
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_more = PTHREAD_COND_INITIALIZER;
static struct http_request *queue[4 * CROWD];
static size_t queue_len;
static bool queue_ended;

static void enqueue(struct http_request *r, void *context) {
  (void)context;
  pthread_mutex_lock(&queue_lock);
  queue[queue_len++] = r;
  pthread_cond_signal(&queue_more);
  pthread_mutex_unlock(&queue_lock);
}

static void *queue_main(void *arg) {
  (void)arg;
  static struct http_request *batch[4 * CROWD];
  for (;;) {
    pthread_mutex_lock(&queue_lock);
    while (!queue_len && !queue_ended) pthread_cond_wait(&queue_more, &queue_lock);
    size_t count = queue_len;
    memcpy(batch, queue, count * sizeof *batch);
    queue_len = 0;
    pthread_mutex_unlock(&queue_lock);
    if (!count) return NULL;
    for (size_t i = 0; i < count; i++) http_reply(batch[i], 200, NULL, 0, STR("queued"));
  }
}

static void thread_name(struct http_request *r, void *context) {
  (void)context;
  char text[32];
  int len = snprintf(text, sizeof text, "%lx", (unsigned long)pthread_self());
  http_reply(r, 200, NULL, 0, (struct str){text, (size_t)len});
}

// Handlers never block; this one does, so that the others of its thread become ready meanwhile.
static void block(struct http_request *r, void *context) {
  (void)context;
  sleep_ms(600);
  http_reply(r, 200, NULL, 0, STR("blocked"));
}

static const struct http_route routes[] = {
    {"GET", "/hold", hold, NULL, 0},          {"GET", "/hold-unwatched", hold_unwatched, NULL, 0},
    {"GET", "/race", race, NULL, 0},          {"GET", "/queue", enqueue, NULL, 0},
    {"GET", "/thread", thread_name, NULL, 0}, {"GET", "/block", block, NULL, 0},
};

#define ASK(path) STR("GET " path " HTTP/1.1\r\nHost: h\r\n\r\n")

static struct http_server *start(void) {
  atomic_store(&holding, 0);
  atomic_store(&gone, 0);
  return server_start(
      (struct http_config){.routes = routes, .route_count = ARRAY_LEN(routes), .connections_max = 4000});
}

static struct http_request *ask_held(struct http_server *s, int *ret_fd, struct str text) {
  *ret_fd = client_connect(s);
  assert_true(client_send(*ret_fd, text));
  assert_true(await_int(&holding, 1, CLIENT_WAIT_MS));
  return atomic_load(&held);
}

static void an_answer_may_come_from_another_thread(void **state) {
  (void)state;
  int fd;
  struct http_server *s = start();
  struct http_request *r = ask_held(s, &fd, ASK("/hold"));
  assert_false(client_readable(fd, 50));
  assert_int_equal(metric_get(METRIC_HTTP_SUSPENDED), 1);
  assert_false(http_is_gone(r));
  http_reply(r, 200, NULL, 0, STR("at last"));
  client_expect(fd, 200, "", "at last");
  assert_int_equal(metric_get(METRIC_HTTP_SUSPENDED), 0);
  close(fd);
  http_server_destroy(s);
  assert_int_equal(atomic_load(&gone), 0);
}

static void an_answer_may_race_with_the_handlers_return(void **state) {
  (void)state;
  struct http_server *s = start();
  int fd = client_connect(s);
  for (int i = 0; i < 1000; i++) {
    assert_true(client_send(fd, ASK("/race")));
    client_expect(fd, 200, "", "raced");
  }
  close(fd);
  http_server_destroy(s);
}

static void a_client_that_closes_is_gone(void **state) {
  (void)state;
  int fd;
  struct http_server *s = start();
  struct http_request *r = ask_held(s, &fd, ASK("/hold"));
  close(fd);
  assert_true(await_int(&gone, 1, CLIENT_WAIT_MS));
  assert_true(http_is_gone(r));
  sleep_ms(150);
  http_reply(r, 200, NULL, 0, STR("to nobody"));
  http_server_destroy(s);
  assert_int_equal(atomic_load(&gone), 1);
}

static void a_client_that_resets_is_gone(void **state) {
  (void)state;
  int fd;
  struct linger reset = {1, 0};
  struct http_server *s = start();
  struct http_request *r = ask_held(s, &fd, ASK("/hold"));
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  close(fd);
  assert_true(await_int(&gone, 1, CLIENT_WAIT_MS));
  http_problem(r, PROBLEM_UPSTREAM_ERROR, NULL, "too late");
  http_server_destroy(s);
}

// As the usual proxies take it; the answer still reaches who listens.
static void a_half_close_counts_as_gone(void **state) {
  (void)state;
  int fd;
  char answer[1000];
  struct http_server *s = start();
  struct http_request *r = ask_held(s, &fd, ASK("/hold"));
  assert_int_equal(shutdown(fd, SHUT_WR), 0);
  assert_true(await_int(&gone, 1, CLIENT_WAIT_MS));
  http_reply(r, 200, NULL, 0, STR("to whom it may concern"));
  while (recv(fd, answer, sizeof answer, 0) > 0) {} // libmicrohttpd may send it or not; the connection ends
  close(fd);
  http_server_destroy(s);
}

static void a_half_close_before_the_handler_counts_too(void **state) {
  (void)state;
  struct http_server *s = start();
  int fd = client_connect(s);
  assert_true(client_send(fd, ASK("/hold")));
  assert_int_equal(shutdown(fd, SHUT_WR), 0);
  assert_true(await_int(&gone, 1, CLIENT_WAIT_MS));
  http_reply(atomic_load(&held), 200, NULL, 0, STR("anyway"));
  close(fd);
  http_server_destroy(s);
}

static void a_watch_set_late_is_told(void **state) {
  (void)state;
  int fd;
  struct http_server *s = start();
  struct http_request *r = ask_held(s, &fd, ASK("/hold-unwatched"));
  close(fd);
  for (int waited = 0; waited < CLIENT_WAIT_MS && !http_is_gone(r); waited += 2) sleep_ms(2);
  assert_true(http_is_gone(r));
  http_watch(r, (struct http_watch){.gone = on_gone, .arg = &gone});
  assert_true(await_int(&gone, 1, CLIENT_WAIT_MS));
  http_reply(r, 200, NULL, 0, STR(""));
  http_server_destroy(s);
}

static void nobody_is_told_after_the_answer(void **state) {
  (void)state;
  struct http_server *s = start();
  for (int i = 0; i < 200; i++) {
    int fd;
    atomic_store(&holding, 0);
    atomic_store(&gone, 0);
    struct http_request *r = ask_held(s, &fd, ASK("/hold"));
    close(fd);
    if (i % 2) sleep_ms(1);
    http_reply(r, 200, NULL, 0, STR(""));
    int told = atomic_load(&gone);
    sleep_ms(2);
    assert_int_equal(atomic_load(&gone), told);
  }
  http_server_destroy(s);
}

struct drain_later {
  struct http_server *server;
  int bound_ms, cut;
};

static void *drain_main(void *arg) {
  struct drain_later *d = arg;
  d->cut = http_server_drain(d->server, d->bound_ms);
  return NULL;
}

static void a_drain_waits_for_the_answer(void **state) {
  (void)state;
  int fd;
  pthread_t thread;
  struct drain_later d = {start(), 5000, -1};
  struct http_request *r = ask_held(d.server, &fd, ASK("/hold"));
  assert_int_equal(pthread_create(&thread, NULL, drain_main, &d), 0);
  sleep_ms(100);
  http_reply(r, 200, NULL, 0, STR("in time"));
  client_expect(fd, 200, "", "in time");
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(d.cut, 0);
  close(fd);
  http_server_destroy(d.server);
}

static void a_drain_answers_503_for_those_who_do_not(void **state) {
  (void)state;
  int fd;
  struct http_server *s = start();
  struct http_request *r = ask_held(s, &fd, ASK("/hold"));
  assert_int_equal(http_server_drain(s, 50), 1);
  client_expect(fd, 503, "", "shutting_down");
  assert_int_equal(atomic_load(&gone), 1);
  http_reply(r, 200, NULL, 0, STR("too late, and harmless"));
  close(fd);
  http_server_destroy(s);
}

static void a_server_destroyed_at_once_cuts_all(void **state) {
  (void)state;
  int fds[50];
  struct http_server *s = start();
  for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
    atomic_store(&holding, 0);
    (void)ask_held(s, &fds[i], ASK("/hold"));
  }
  http_server_destroy(s);
  for (size_t i = 0; i < ARRAY_LEN(fds); i++) close(fds[i]);
  assert_int_equal(metric_get(METRIC_HTTP_SUSPENDED), 0);
  assert_int_equal(metric_get(METRIC_HTTP_CONNECTIONS), 0);
}

static void a_crowd_is_served_without_a_stall(void **state) {
  (void)state;
  static int fds[CROWD];
  pthread_t thread;
  struct http_server *s = start();
  queue_ended = false;
  assert_int_equal(pthread_create(&thread, NULL, queue_main, NULL), 0);
  for (size_t i = 0; i < CROWD; i++) fds[i] = client_connect(s);
  for (int round = 0; round < ROUNDS; round++) {
    for (size_t i = 0; i < CROWD; i++) assert_true(client_send(fds[i], ASK("/queue")));
    for (size_t i = 0; i < CROWD; i++) client_expect(fds[i], 200, "", "queued");
  }
  for (size_t i = 0; i < CROWD; i++) close(fds[i]);
  pthread_mutex_lock(&queue_lock);
  queue_ended = true;
  pthread_cond_signal(&queue_more);
  pthread_mutex_unlock(&queue_lock);
  assert_int_equal(pthread_join(thread, NULL), 0);
  http_server_destroy(s);
}

static unsigned long thread_of(int fd) {
  struct buf in, body;
  buf_init(&in, 10000);
  buf_init(&body, 100);
  assert_true(client_send(fd, ASK("/thread")));
  assert_int_equal(client_answer(fd, &in, &body), 200);
  unsigned long thread = strtoul(buf_cstr(&body), NULL, 16);
  buf_finish(&in);
  buf_finish(&body);
  return thread;
}

// libmicrohttpd takes 128 ready sockets at a time and, where there are exactly so many, waits for a 129th.
static void exactly_128_at_once_are_served(void **state) {
  (void)state;
  int fds[129], fd;
  static int others[2000];
  size_t count = 0, other_count = 0;
  struct http_server *s = start();
  unsigned long thread = thread_of(fds[count++] = client_connect(s));
  while (count < ARRAY_LEN(fds)) {
    if (thread_of(fd = client_connect(s)) == thread)
      fds[count++] = fd;
    else
      others[other_count++] = fd;
    assert_true(other_count < ARRAY_LEN(others));
  }
  assert_true(client_send(fds[0], ASK("/block")));
  sleep_ms(100);
  for (size_t i = 1; i < count; i++) assert_true(client_send(fds[i], ASK("/thread")));
  for (size_t i = 1; i < count; i++) assert_true(client_readable(fds[i], CLIENT_WAIT_MS));
  for (size_t i = 0; i < count; i++) close(fds[i]);
  for (size_t i = 0; i < other_count; i++) close(others[i]);
  http_server_destroy(s);
}

int main(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max, (void)setrlimit(RLIMIT_NOFILE, &files);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_may_come_from_another_thread),
      cmocka_unit_test(an_answer_may_race_with_the_handlers_return),
      cmocka_unit_test(a_client_that_closes_is_gone),
      cmocka_unit_test(a_client_that_resets_is_gone),
      cmocka_unit_test(a_half_close_counts_as_gone),
      cmocka_unit_test(a_half_close_before_the_handler_counts_too),
      cmocka_unit_test(a_watch_set_late_is_told),
      cmocka_unit_test(nobody_is_told_after_the_answer),
      cmocka_unit_test(a_drain_waits_for_the_answer),
      cmocka_unit_test(a_drain_answers_503_for_those_who_do_not),
      cmocka_unit_test(a_server_destroyed_at_once_cuts_all),
      cmocka_unit_test(a_crowd_is_served_without_a_stall),
      cmocka_unit_test(exactly_128_at_once_are_served),
  };
  return cmocka_run_group_tests_name("waiting requests", tests, NULL, NULL);
}
