// A server that ends: whatever its threads and its clients are at just then, it ends, and the process lives on.
#include "client.h"
#include <pthread.h>

static void quick(struct http_request *r, void *context) {
  (void)context;
  http_reply(r, 200, NULL, 0, STR("quick"));
}

static _Atomic int waiting;

static void wait(struct http_request *r, void *context) {
  (void)r, (void)context; // the end of the server answers it
  atomic_fetch_add(&waiting, 1);
}

static const struct http_route routes[] = {{"GET", "/quick", quick, NULL, 0}, {"GET", "/wait", wait, NULL, 0}};

#define QUICK STR("GET /quick HTTP/1.1\r\nHost: h\r\n\r\n")
#define WAIT STR("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n")

static struct http_server *start(void) {
  atomic_store(&waiting, 0);
  return server_start((struct http_config){.routes = routes, .route_count = ARRAY_LEN(routes), .connections_max = 4000});
}

struct hammer {
  struct sockaddr_in to;
  _Atomic bool over;
};

static void *hammer_main(void *arg) {
  struct hammer *h = arg;
  char answer[4096];
  while (!atomic_load(&h->over)) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open = fd >= 0 && connect(fd, (struct sockaddr *)&h->to, sizeof h->to) == 0;
    for (int i = 0; open && i < 5; i++) open = client_send(fd, QUICK) && recv(fd, answer, sizeof answer, 0) > 0;
    if (fd >= 0) close(fd);
  }
  return NULL;
}

static void it_ends_while_clients_come_and_go(void **state) {
  (void)state;
  for (int round = 0; round < 150; round++) {
    struct http_server *s = start();
    struct hammer h = {.to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(s)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
      assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &h), 0);
    sleep_ms(round % 5);
    http_server_destroy(s);
    atomic_store(&h.over, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) pthread_join(threads[i], NULL);
  }
}

// Among 128 events at once is the one that was to wake the thread.
static void it_ends_when_a_crowd_leaves_in_the_same_moment(void **state) {
  (void)state;
  int fds[300];
  for (int round = 0; round < 10; round++) {
    struct http_server *s = start();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
      fds[i] = client_connect(s);
      assert_true(client_send(fds[i], WAIT));
    }
    assert_true(await_int(&waiting, ARRAY_LEN(fds), CLIENT_WAIT_MS));
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) close(fds[i]);
    http_server_destroy(s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(it_ends_while_clients_come_and_go),
                                     cmocka_unit_test(it_ends_when_a_crowd_leaves_in_the_same_moment)};
  return cmocka_run_group_tests_name("ending", tests, NULL, NULL);
}
