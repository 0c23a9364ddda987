// URLs that others chose: where they may lead when the operator opens ranges, and whose connections they use.
#include "wire.h"

#include "net/ranges.h"

static struct net_loop *loop;

static int begin(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf error;
  struct net_ranges open;
  buf_init(&error, 1000);
  assert_true(net_ranges_parse(STR("127.0.0.0/9,169.254.0.0/16"), &open, &error));
  loop = net_loop_create("test");
  net_loop_open(loop, &open);
  return 0;
}

static int end(void **state) {
  (void)state;
  net_loop_destroy(loop);
  return 0;
}

static void say_hello(struct wire_connection *c) {
  while (wire_read(c))
    if (!wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")) return;
}

static enum net_end reach(enum net_trust trust, const char *host, int port) {
  struct probe p;
  probe_init(&p, loop, port);
  p.spec.trust = trust;
  snprintf(p.url, sizeof p.url, "http://%s:%d/", host, port);
  probe_run(&p);
  enum net_end end = p.end;
  assert_int_equal(p.sent, end == NET_DONE);
  probe_finish(&p);
  return end;
}

static void what_is_open_is_reached_by_http_and_on_one_connection(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, say_hello);
  for (int i = 0; i < 5; i++) assert_int_equal(reach(NET_FOREIGN, i % 2 ? "localhost" : "127.0.0.1", w.port), NET_DONE);
  assert_int_equal(w.requests, 5);
  assert_int_equal(w.accepted, 2); // one for each host
  wire_stop(&w);
}

static void a_connection_of_one_lane_serves_no_other(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, say_hello);
  for (int i = 0; i < 4; i++)
    assert_int_equal(reach(i % 2 ? NET_OPERATOR : NET_FOREIGN, "127.0.0.1", w.port), NET_DONE);
  assert_int_equal(w.accepted, 2);
  wire_stop(&w);
}

static void what_is_not_open_stays_shut(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, say_hello);
  // Beside the range; a name of an address that is not in it; any public one, by http; and what is never open.
  static const char *const shut[] = {"127.128.0.1", "2139062143", "[::1]", "ip6-localhost", "8.8.8.8", "169.254.169.254", "0"};
  for (size_t i = 0; i < ARRAY_LEN(shut); i++) {
    enum net_end end = reach(NET_FOREIGN, shut[i], w.port);
    if (end != NET_REFUSED && end != NET_UNREACHED) fail_msg("%s: %s", shut[i], net_end_name(end));
  }
  assert_int_equal(reach(NET_FOREIGN, "127.128.0.1", w.port), NET_REFUSED);
  assert_int_equal(w.accepted, 0);
  wire_stop(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_open_is_reached_by_http_and_on_one_connection),
      cmocka_unit_test(a_connection_of_one_lane_serves_no_other),
      cmocka_unit_test(what_is_not_open_stays_shut),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
