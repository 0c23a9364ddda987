// Limits on connections: one address cannot take them all, and those that only hold a place make room for those that
// ask.
#include "client.h"

static void quick(struct http_request *r, void *context) {
  (void)context;
  http_reply(r, 200, NULL, 0, STR("quick"));
}

static const struct http_route routes[] = {{"GET", "/quick", quick, NULL, 0}};

#define ASK STR("GET /quick HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

static void idle_connections_make_room(void **state) {
  (void)state;
  int idle[60];
  struct http_server *s = server_start((struct http_config){.routes = routes, .route_count = 1, .connections_max = 20});
  for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
    idle[i] = client_connect(s);
    assert_true(client_send(idle[i], STR("GET /qu")));
  }
  for (int i = 0; i < 5; i++) {
    struct buf in;
    buf_init(&in, 10000);
    assert_int_equal(client_exchange(s, ASK, &in), 1);
    buf_finish(&in);
  }
  for (size_t i = 0; i < ARRAY_LEN(idle); i++) close(idle[i]);
  http_server_destroy(s);
}

static void one_address_has_a_share(void **state) {
  (void)state;
  int fds[5];
  struct buf in;
  buf_init(&in, 10000);
  struct http_server *s = server_start(
      (struct http_config){.routes = routes, .route_count = 1, .connections_max = 100, .connections_per_ip = 5});
  for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
    fds[i] = client_connect(s);
    assert_true(client_send(fds[i], STR("GET /quick HTTP/1.1\r\nHost: h\r\n\r\n")));
    assert_true(client_until(fds[i], &in, "quick"));
    buf_clear(&in);
  }
  assert_int_equal(client_exchange(s, ASK, &in), 0);
  for (size_t i = 0; i < ARRAY_LEN(fds); i++) close(fds[i]);
  http_server_destroy(s);
  buf_finish(&in);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(idle_connections_make_room),
                                     cmocka_unit_test(one_address_has_a_share)};
  return cmocka_run_group_tests_name("crowds", tests, NULL, NULL);
}
