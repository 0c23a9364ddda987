// A lack of descriptors that passes: afterwards clients are accepted again, also those that came meanwhile, and by every
// thread.
#include "client.h"
#include <errno.h>
#include <sys/syscall.h>

static _Atomic bool starving;
static _Atomic int refused;

// In libc's place: without a descriptor to give while `starving`.
__attribute__((visibility("default"))) int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags) {
  if (atomic_load(&starving)) {
    atomic_fetch_add(&refused, 1);
    errno = EMFILE;
    return -1;
  }
  return (int)syscall(SYS_accept4, fd, address.__sockaddr__, size, flags);
}

static void quick(struct http_request *r, void *context) {
  (void)context;
  http_reply(r, 200, NULL, 0, STR("quick"));
}

static const struct http_route routes[] = {{"GET", "/quick", quick, NULL, 0}};

#define ASK STR("GET /quick HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

static void who_came_meanwhile_is_served(void **state) {
  (void)state;
  struct http_server *s = server_start((struct http_config){.routes = routes, .route_count = 1});
  struct buf in;
  buf_init(&in, 10000);
  atomic_store(&starving, true);
  int waiting = client_connect(s);
  for (int waited = 0; atomic_load(&refused) < 2 && waited < CLIENT_WAIT_MS; waited++) sleep_ms(1);
  assert_true(atomic_load(&refused) >= 2);
  atomic_store(&starving, false);
  assert_true(client_send(waiting, ASK));
  assert_true(client_until(waiting, &in, "quick"));
  for (int i = 0; i < 20; i++) {
    buf_clear(&in);
    assert_int_equal(client_exchange(s, ASK, &in), 1);
  }
  close(waiting);
  buf_finish(&in);
  http_server_destroy(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(who_came_meanwhile_is_served)};
  return cmocka_run_group_tests_name("starved", tests, NULL, NULL);
}
