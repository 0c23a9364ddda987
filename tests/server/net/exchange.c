// What an exchange sends, what it makes of good answers, and where it does not go.
#include "wire.h"

static struct net_loop *loop;

static int begin(void **state) {
  (void)state;
  loop = net_loop_create("test");
  return 0;
}

static int end(void **state) {
  (void)state;
  net_loop_destroy(loop);
  return 0;
}

static void say_hello(struct wire_connection *c) {
  while (wire_read(c))
    if (!wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One:  1 \r\nX-Empty:\r\n\r\nhello")) return;
}

static void a_whole_answer_is_done(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, say_hello);
  probe_init(&p, loop, w.port);
  probe_run(&p);
  assert_int_equal(p.end, NET_DONE);
  assert_string_equal(p.detail, "");
  assert_int_equal(p.status, 200);
  assert_int_equal(p.heads, 1);
  assert_true(p.sent);
  assert_string_equal(buf_cstr(&p.headers), "Content-Length=5\nX-One=1\nX-Empty=\n");
  assert_string_equal(buf_cstr(&p.body), "hello");
  probe_finish(&p);
  wire_stop(&w);
}

static void echo_request(struct wire_connection *c) {
  while (wire_read(c)) {
    char head[100];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", c->request_len);
    if (!wire_puts(c, head) || !wire_write(c, c->request, c->request_len)) return;
  }
}

static void the_request_is_what_was_asked_and_the_doors_own_headers(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, echo_request);
  probe_init(&p, loop, w.port);
  p.spec.method = "POST";
  p.spec.body = STR("{\"a\":1}");
  p.spec.headers =
      STR("Authorization: Bearer x\nAccept-Encoding: gzip\nContent-Length: 99\nTransfer-Encoding: chunked\n"
          "Connection: close\nHost: elsewhere\nExpect: 100-continue\nContent-Type: application/json\nX-Empty: \n");
  probe_run(&p);
  assert_int_equal(p.end, NET_DONE);
  char expected[400];
  snprintf(expected, sizeof(expected),
           "POST /path HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\nAccept-Encoding: identity\r\nAuthorization: "
           "Bearer x\r\n"
           "Content-Type: application/json\r\nX-Empty:\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
           w.port);
  assert_string_equal(buf_cstr(&p.body), expected);
  probe_finish(&p);
  wire_stop(&w);
}

static void each_method_is_sent_as_named(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, echo_request);
  static const char *const methods[] = {"GET", "POST", "DELETE", "PUT", "PATCH", "GET", "OPTIONS", "POST"};
  for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
    struct probe p;
    probe_init(&p, loop, w.port);
    p.spec.method = methods[i];
    probe_run(&p);
    assert_int_equal(p.end, NET_DONE);
    assert_memory_equal(buf_cstr(&p.body), methods[i], strlen(methods[i]));
    assert_null(strstr(buf_cstr(&p.body), "Content-Type"));
    probe_finish(&p);
  }
  assert_int_equal(w.accepted, 1); // all on one connection
  wire_stop(&w);
}

static void sum_body(struct wire_connection *c) {
  char block[65536];
  unsigned long long total = 0, sum = 0, want = 0;
  while (!want || total < want) {
    ssize_t n = recv(c->fd, block, sizeof(block) - 1, 0);
    if (n <= 0) return;
    char *body = block;
    if (!want) {
      block[n] = '\0';
      char *length = strstr(block, "Content-Length: "), *blank = strstr(block, "\r\n\r\n");
      assert_non_null(length);
      assert_non_null(blank);
      want = strtoull(length + 16, NULL, 10);
      body = blank + 4;
    }
    for (char *at = body; at < block + n; at++) sum += (unsigned char)*at * (++total % 251);
  }
  char answer[200], text[64];
  int len = snprintf(text, sizeof(text), "%llu %llu", total, sum);
  snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len, text);
  wire_puts(c, answer);
}

static void large_bodies_arrive_whole(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 48 * 1024, 48 * 1024 + 1, 3 * 1024 * 1024};
  struct wire w;
  wire_start(&w, sum_body);
  for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
    char *body = mem_alloc(sizes[i]), expected[64];
    unsigned long long sum = 0;
    for (size_t b = 0; b < sizes[i]; b++) sum += (unsigned char)(body[b] = (char)('a' + b % 26)) * ((b + 1) % 251);
    snprintf(expected, sizeof(expected), "%zu %llu", sizes[i], sum);
    struct probe p;
    probe_init(&p, loop, w.port);
    p.spec.method = "POST";
    p.spec.body = (struct str){body, sizes[i]};
    probe_run(&p);
    assert_int_equal(p.end, NET_DONE);
    assert_string_equal(buf_cstr(&p.body), expected);
    probe_finish(&p);
    mem_free(body);
  }
  wire_stop(&w);
}

// The head comes before the body is read, and then what was read of it.
static void answer_first(struct wire_connection *c) {
  char head[4096], block[65536], text[64];
  size_t got = 0;
  unsigned long long total = 0, want, zeros = 0;
  while (got < sizeof head - 1 && !memmem(head, got, "\r\n\r\n", 4)) {
    if (recv(c->fd, head + got, 1, 0) <= 0) return;
    head[++got] = '\0';
  }
  want = strtoull(strstr(head, "Content-Length: ") + 16, NULL, 10);
  wire_puts(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  poll(NULL, 0, 100); // until the head has been told
  for (ssize_t n; total < want && (n = recv(c->fd, block, sizeof block, 0)) > 0; total += (unsigned long long)n)
    for (ssize_t i = 0; i < n; i++) zeros += block[i] == 0;
  snprintf(text, sizeof text, "%llu %llu", total, zeros);
  wire_puts(c, text);
}

static int releases;
static void release_and_wipe(struct probe *p) {
  union {
    const char *lent;
    void *own;
  } body = {.lent = p->spec.body.ptr};
  if (!net_body_release(p->x)) return;
  releases++;
  memset(body.own, 0, p->spec.body.len);
}

// A body that is given back is wiped here at once: no byte of that may be sent.
static void a_body_is_given_back_when_it_is_sent_and_no_sooner(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 48 * 1024, 200 * 1024, 3 * 1024 * 1024};
  struct wire w;
  wire_start(&w, answer_first);
  releases = 0;
  for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
    char *body = mem_alloc(sizes[i]), expected[64];
    memset(body, 'x', sizes[i]);
    snprintf(expected, sizeof expected, "%zu 0", sizes[i]);
    struct probe p;
    probe_init(&p, loop, w.port);
    p.spec.method = "POST";
    p.spec.body = (struct str){body, sizes[i]};
    p.on_head = release_and_wipe;
    probe_run(&p);
    assert_int_equal(p.end, NET_DONE);
    assert_string_equal(buf_cstr(&p.body), expected);
    probe_finish(&p);
    mem_free(body);
  }
  assert_in_range(releases, 2, 3); // the small ones; never the one that no socket takes at once
  wire_stop(&w);
}

static void script_1xx_and_trailers(struct wire_connection *c) {
  wire_read(c);
  wire_puts(c, "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
               "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX-Real: 1\r\n\r\n"
               "3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n");
}

static void interim_answers_and_trailers_are_not_heads(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_1xx_and_trailers);
  probe_init(&p, loop, w.port);
  probe_run(&p);
  assert_int_equal(p.end, NET_DONE);
  assert_int_equal(p.status, 201);
  assert_int_equal(p.heads, 1);
  assert_string_equal(buf_cstr(&p.headers), "Transfer-Encoding=chunked\nX-Real=1\n");
  assert_string_equal(buf_cstr(&p.body), "abc");
  probe_finish(&p);
  wire_stop(&w);
}

static void script_redirect(struct wire_connection *c) {
  while (wire_read(c)) {
    char head[200];
    snprintf(head, sizeof(head),
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/other\r\nContent-Length: 0\r\n\r\n", c->wire->port);
    wire_puts(c, head);
  }
}

static void redirects_are_answers_not_orders(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, script_redirect);
  probe_init(&p, loop, w.port);
  probe_run(&p);
  assert_int_equal(p.end, NET_DONE);
  assert_int_equal(p.status, 302);
  assert_int_equal(w.requests, 1);
  probe_finish(&p);
  wire_stop(&w);
}

static void proxies_in_the_environment_are_ignored(void **state) {
  (void)state;
  static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"};
  struct wire w, proxy;
  struct probe p;
  wire_start(&w, say_hello);
  wire_start(&proxy, say_hello);
  char url[64];
  snprintf(url, sizeof(url), "http://127.0.0.1:%d", proxy.port);
  for (size_t i = 0; i < ARRAY_LEN(names); i++) setenv(names[i], url, 1);
  probe_init(&p, loop, w.port);
  probe_run(&p);
  for (size_t i = 0; i < ARRAY_LEN(names); i++) unsetenv(names[i]);
  assert_int_equal(p.end, NET_DONE);
  assert_int_equal(w.requests, 1);
  assert_int_equal(proxy.accepted, 0);
  probe_finish(&p);
  wire_stop(&w);
  wire_stop(&proxy);
}

static void connections_are_kept_and_used_again(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, say_hello);
  for (int i = 0; i < 50; i++) {
    struct probe p;
    probe_init(&p, loop, w.port);
    probe_run(&p);
    assert_int_equal(p.end, NET_DONE);
    probe_finish(&p);
  }
  assert_int_equal(w.accepted, 1);
  assert_int_equal(w.requests, 50);
  wire_stop(&w);
}

static void refused_unsent(struct probe *p, enum net_end why) {
  probe_run(p);
  assert_int_equal(p->end, why);
  assert_false(p->sent);
  assert_int_equal(p->heads, 0);
  assert_true(p->detail[0]);
  probe_finish(p);
}

static void what_must_not_be_sent_is_refused(void **state) {
  (void)state;
  static const char *const headers[] = {"X: a\rb\n",     "X: a\x01\n", "No colon\n",
                                        "Bad name: x\n", ": x\n",      "X\xc3\xa4: y\n"};
  static const char *const urls[] = {"ftp://127.0.0.1/", "127.0.0.1", "http://u:p@127.0.0.1/", ""};
  static const char *const methods[] = {"", "GET / HTTP/1.1\r\nX:", "get"};
  struct probe p;
  for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
    probe_init(&p, loop, 1);
    p.spec.headers = str_from(headers[i]);
    refused_unsent(&p, NET_REFUSED);
  }
  for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
    probe_init(&p, loop, 1);
    p.spec.url = urls[i];
    refused_unsent(&p, NET_REFUSED);
  }
  for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
    probe_init(&p, loop, 1);
    p.spec.method = methods[i];
    refused_unsent(&p, NET_REFUSED);
  }
}

// One exchange serves them all, one after the other.
static void what_one_may_call_another_may_not(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, say_hello);
  for (int i = 0; i < 3; i++) {
    probe_init(&p, loop, w.port);
    probe_run(&p);
    assert_int_equal(p.end, NET_DONE);
    probe_finish(&p);
    probe_init(&p, loop, w.port);
    p.spec.trust = NET_FOREIGN;
    probe_run(&p);
    assert_int_equal(p.end, NET_REFUSED);
    assert_non_null(strstr(p.detail, "only https"));
    probe_finish(&p);
    probe_init(&p, loop, w.port);
    p.spec.url = "ftp://127.0.0.1/";
    refused_unsent(&p, NET_REFUSED);
  }
  assert_int_equal(w.requests, 3);
  wire_stop(&w);
}

static void forbidden_addresses_are_never_connected_to(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, say_hello);
  static const char *const foreign[] = {
      "https://127.0.0.1:%d/",          "https://2130706433:%d/", "https://0x7f.1:%d/",
      "https://0177.0.0.1:%d/",         "https://0:%d/",          "https://[::1]:%d/",
      "https://[::ffff:127.0.0.1]:%d/", "https://localhost:%d/"};
  for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
    probe_init(&p, loop, w.port);
    p.spec.trust = NET_FOREIGN;
    char *url = p.url;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(url, sizeof(p.url), foreign[i], w.port);
#pragma GCC diagnostic pop
    refused_unsent(&p, NET_REFUSED);
  }
  static const char *const own[] = {"http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://0/"};
  for (size_t i = 0; i < ARRAY_LEN(own); i++) {
    probe_init(&p, loop, w.port);
    p.spec.url = own[i];
    refused_unsent(&p, NET_REFUSED);
  }
  assert_int_equal(w.accepted, 0);
  wire_stop(&w);
}

static void nobody_there_is_unreached(void **state) {
  (void)state;
  struct wire w;
  struct probe p;
  wire_start(&w, say_hello);
  int port = w.port;
  wire_stop(&w);
  probe_init(&p, loop, port);
  refused_unsent(&p, NET_UNREACHED);
  probe_init(&p, loop, port);
  p.spec.url = "http://no-such-host.invalid/";
  refused_unsent(&p, NET_UNREACHED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_whole_answer_is_done),
      cmocka_unit_test(the_request_is_what_was_asked_and_the_doors_own_headers),
      cmocka_unit_test(each_method_is_sent_as_named),
      cmocka_unit_test(large_bodies_arrive_whole),
      cmocka_unit_test(a_body_is_given_back_when_it_is_sent_and_no_sooner),
      cmocka_unit_test(interim_answers_and_trailers_are_not_heads),
      cmocka_unit_test(redirects_are_answers_not_orders),
      cmocka_unit_test(proxies_in_the_environment_are_ignored),
      cmocka_unit_test(connections_are_kept_and_used_again),
      cmocka_unit_test(what_must_not_be_sent_is_refused),
      cmocka_unit_test(what_one_may_call_another_may_not),
      cmocka_unit_test(forbidden_addresses_are_never_connected_to),
      cmocka_unit_test(nobody_there_is_unreached),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
