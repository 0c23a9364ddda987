// Names that cannot be resolved: the exchange ends with that, and what it leaves behind serves the next one.
#include "wire.h"
#include <netdb.h>

// In libc's place: no name is known, and that at once; addresses are.
__attribute__((visibility("default"))) int getaddrinfo(const char *restrict name, const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict ret) {
  (void)name, (void)service, (void)hints, (void)ret;
  return EAI_NONAME;
}

static void script_hello(struct wire_connection *c) {
  while (wire_read(c)) wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static enum net_end run(struct net_loop *loop, int port, const char *url, int block) {
  struct probe p;
  probe_init(&p, loop, port);
  if (url) p.spec.url = url;
  p.spec.block = block;
  probe_run(&p);
  enum net_end end = p.end;
  probe_finish(&p);
  return end;
}

static void an_unknown_name_costs_its_own_exchange_only(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, script_hello);
  struct net_loop *loop = net_loop_create("names");
  for (int i = 0; i < 3; i++) {
    assert_int_equal(run(loop, w.port, "http://nowhere.invalid/", 0), NET_UNREACHED);
    assert_int_equal(run(loop, w.port, NULL, NET_BLOCK_STREAM), NET_DONE);
    assert_int_equal(run(loop, w.port, "http://nowhere.invalid/", NET_BLOCK_STREAM), NET_UNREACHED);
    assert_int_equal(run(loop, w.port, NULL, 0), NET_DONE);
  }
  net_loop_destroy(loop);
  wire_stop(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(an_unknown_name_costs_its_own_exchange_only)};
  return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
