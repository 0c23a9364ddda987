// Ordinary requests: what a handler sees of them and what the client gets back.
#include "client.h"

static _Atomic int handled;

static void quick(struct http_request *r, void *context) {
  (void)context;
  atomic_fetch_add(&handled, 1);
  http_reply(r, 200, NULL, 0, STR("quick"));
}

static void echo(struct http_request *r, void *context) {
  (void)context;
  atomic_fetch_add(&handled, 1);
  http_reply(r, 200, NULL, 0, http_body(r));
}

static int list_param(void *arg, struct str name, struct str value) {
  buf_printf(arg, "%.*s=%.*s;", STR_ARG(name), STR_ARG(value));
  return str_eq(name, STR("stop"));
}

// Says what it sees: method, path, segments, query, a header, the client's request id.
static void mirror(struct http_request *r, void *context) {
  struct buf out;
  struct str q = {0};
  buf_init(&out, 10000);
  buf_printf(&out, "%.*s %.*s|%.*s|%.*s|", STR_ARG(http_method(r)), STR_ARG(http_path(r)),
             STR_ARG(http_path_segment(r, 0)), STR_ARG(http_query_raw(r)));
  if (http_query(r, "q", &q)) buf_printf(&out, "%.*s", STR_ARG(q));
  buf_printf(&out, "|%d|", http_query_each(r, list_param, &out));
  buf_printf(&out, "|%.*s|%.*s|%zu|%d", STR_ARG(http_header(r, "x-THING")), STR_ARG(http_client_request_id(r)),
             http_header_count(r), http_request_route(r)->context == context);
  struct http_header headers[] = {{STR("Content-Type"), STR("text/plain")},
                                  {STR("X-Bad"), STR("a\r\nSet-Cookie: b")},
                                  {STR("X-Good"), STR("yes")},
                                  {STR("Content-Length"), STR("3")},
                                  {STR("Connection"), STR("upgrade")},
                                  {STR("X-Request-Id"), STR("forged")},
                                  {STR("cache-control"), STR("max-age=60")},
                                  {STR("Transfer-Encoding"), STR("chunked")}};
  http_reply(r, 201, headers, ARRAY_LEN(headers), buf_str(&out));
  buf_finish(&out);
}

static void failing(struct http_request *r, void *context) {
  (void)context;
  struct problem_more more = {.param = "model", .details = STR("{\"a\":1}"), .retry_after_ms = 1500};
  http_problem(r, PROBLEM_RATE_LIMITED, &more, "Wait \"%d\" ms.", 1500);
}

static void unauthorized(struct http_request *r, void *context) {
  (void)context;
  http_problem(r, PROBLEM_INVALID_KEY, NULL, "No.");
}

static int context_mark;
static const struct http_route routes[] = {
    {"GET", "/quick", quick, NULL, 0},
    {"POST", "/echo", echo, NULL, 100000},
    {"PUT", "/echo", echo, NULL, 10},
    {"POST", "/nobody", quick, NULL, 0},
    {"GET", "/things/{id}", mirror, &context_mark, 0},
    {"GET", "/things/special", quick, NULL, 0},
    {"GET", "/failing", failing, NULL, 0},
    {"GET", "/api/v1/failing", failing, NULL, 0},
    {"GET", "/unauthorized", unauthorized, NULL, 0},
};

struct fixture {
  struct http_server *server;
  int fd;
  struct buf in, body;
};

static int request(struct fixture *f, const char *text) {
  assert_true(client_send(f->fd, str_from(text)));
  return client_answer(f->fd, &f->in, &f->body);
}

static void reconnect(struct fixture *f) {
  close(f->fd);
  buf_clear(&f->in);
  f->fd = client_connect(f->server);
}

#define assert_body(f, text) assert_string_equal(buf_cstr(&(f)->body), text)
#define H " HTTP/1.1\r\nHost: h\r\n"

static void a_handler_sees_the_request_decoded(void **state) {
  struct fixture *f = *state;
  assert_int_equal(
      request(f, "GET /things/a%20%C3%A4?q=1%2B1+2&r&q=z&stop=1&x=2" H "X-Thing: some\r\nX-Request-Id: mine-7\r\n\r\n"),
      201);
  assert_body(
      f, "GET /things/a \xc3\xa4|a \xc3\xa4|q=1%2B1+2&r&q=z&stop=1&x=2|1+1 2q=1+1 2;r=;q=z;stop=1;|1||some|mine-7|3|1");
}

static void blanks_around_a_value_are_not_of_it(void **state) {
  struct fixture *f = *state;
  assert_int_equal(request(f, "GET /things/a" H "X-Thing: some\tthing  \r\nX-Request-Id: mine \r\n\r\n"), 201);
  assert_non_null(strstr(buf_cstr(&f->body), "|some\tthing|mine|"));
}

static void a_literal_segment_goes_before_a_named_one(void **state) {
  struct fixture *f = *state;
  assert_int_equal(request(f, "GET /things/special" H "\r\n"), 200);
  assert_body(f, "quick");
}

static void paths_are_exact(void **state) {
  struct fixture *f = *state;
  static const char *const wrong[] = {"/",       "/quick/",  "//quick",     "/Quick",  "/quickly",
                                      "/things", "/things/", "/things/a/b", "/-/pulse"};
  for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
    char text[200];
    (void)snprintf(text, sizeof text, "GET %s" H "\r\n", wrong[i]);
    assert_int_equal(request(f, text), 404);
    assert_non_null(strstr(buf_cstr(&f->body), "\"code\":\"not_found\""));
  }
}

static void other_methods_are_named(void **state) {
  struct fixture *f = *state;
  assert_true(client_send(f->fd, STR("DELETE /echo" H "\r\n")));
  assert_true(client_until(f->fd, &f->in, "\r\n\r\n"));
  assert_non_null(strstr(buf_cstr(&f->in), "\r\nAllow: POST, PUT\r\n"));
  assert_int_equal(client_answer(f->fd, &f->in, &f->body), 405);
  assert_non_null(strstr(buf_cstr(&f->body), "\"code\":\"method_not_allowed\""));
  assert_int_equal(request(f, "OPTIONS /quick" H "\r\n"), 405);
}

static void head_is_get_without_the_body(void **state) {
  struct fixture *f = *state;
  assert_true(client_send(f->fd, STR("HEAD /quick" H "\r\nGET /quick" H "\r\n")));
  assert_true(client_until(f->fd, &f->in, "quick"));
  const char *first = strstr(buf_cstr(&f->in), "Content-Length: 5\r\n\r\nHTTP/1.1 200");
  assert_non_null(first);
}

static void pipelined_requests_are_answered_in_order(void **state) {
  struct fixture *f = *state;
  assert_true(client_send(f->fd, STR("POST /echo" H "Content-Length: 3\r\n\r\nonePOST /echo" H
                                     "Content-Length: 3\r\n\r\ntwoGET /quick" H "\r\nGET /none" H "\r\nPOST /echo" H
                                     "Content-Length: 5\r\n\r\nthree")));
  static const char *const bodies[] = {"one", "two", "quick", NULL, "three"};
  for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
    assert_int_equal(client_answer(f->fd, &f->in, &f->body), bodies[i] ? 200 : 404);
    if (bodies[i]) assert_body(f, bodies[i]);
  }
}

static void a_chunked_body_arrives_whole(void **state) {
  struct fixture *f = *state;
  assert_int_equal(request(f,
                           "POST /echo" H
                           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n"),
                   200);
  assert_body(f, "abc0123456789");
}

static void a_body_in_pieces_arrives_whole(void **state) {
  struct fixture *f = *state;
  assert_true(client_send(f->fd, STR("POST /echo" H "Content-Length: 100000\r\n\r\n")));
  char piece[1000];
  memset(piece, 'x', sizeof piece);
  for (int i = 0; i < 100; i++) {
    assert_true(client_send(f->fd, (struct str){piece, sizeof piece}));
    if (i % 10 == 0) sleep_ms(1);
  }
  assert_int_equal(client_answer(f->fd, &f->in, &f->body), 200);
  assert_int_equal(f->body.len, 100000);
}

static void a_body_may_be_empty(void **state) {
  struct fixture *f = *state;
  assert_int_equal(request(f, "POST /echo" H "Content-Length: 0\r\n\r\n"), 200);
  assert_body(f, "");
  assert_int_equal(request(f, "POST /nobody" H "Content-Length: 0\r\n\r\n"), 200);
  assert_int_equal(request(f, "POST /echo" H "\r\n"), 200);
}

// Head and body of a POST to /echo whose head has exactly that many bytes and as many headers as are taken.
static void largest_head(struct buf *out, size_t size, struct str body) {
  buf_printf(out, "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: %zu\r\n", body.len);
  for (size_t i = 2; i + 1 < LIMIT_HEADERS; i++) buf_printf(out, "X-%zu: y\r\n", i);
  buf_puts(out, "X-Rest: ");
  while (out->len + 4 < size) buf_putc(out, 'z');
  buf_puts(out, "\r\n\r\n");
  assert_int_equal(out->len, size);
  buf_add_str(out, body);
}

static void the_largest_head_is_served_with_its_body(void **state) {
  struct fixture *f = *state;
  CLEANUP(buf_finish) struct buf text;
  static char body[50000];
  memset(body, 'b', sizeof body);
  buf_init(&text, 100000);
  for (int again = 0; again < 3; again++) { // on one connection
    buf_clear(&text);
    largest_head(&text, LIMIT_HEADER_BLOCK, (struct str){body, sizeof body});
    assert_true(client_send(f->fd, buf_str(&text)));
    assert_int_equal(client_answer(f->fd, &f->in, &f->body), 200);
    assert_int_equal(f->body.len, sizeof body);
  }
}

static void leading_empty_lines_are_forgiven_or_refused_but_nothing_else(void **state) {
  struct fixture *f = *state;
  int status = request(f, "\r\nGET /quick" H "\r\n");
  assert_true(status == 200 || status == 400);
}

static void expect_100_is_answered_before_the_body(void **state) {
  struct fixture *f = *state;
  assert_true(client_send(f->fd, STR("POST /echo" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")));
  assert_true(client_until(f->fd, &f->in, "HTTP/1.1 100 Continue\r\n\r\n"));
  buf_clear(&f->in);
  assert_int_equal(request(f, "hi"), 200);
  assert_body(f, "hi");
}

static void an_unwelcome_body_is_not_asked_for(void **state) {
  struct fixture *f = *state;
  assert_int_equal(request(f, "PUT /echo" H "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n"), 413);
  assert_true(client_until_closed(f->fd, &f->in));
}

static void a_small_body_too_large_is_drained_and_refused(void **state) {
  struct fixture *f = *state;
  assert_int_equal(request(f, "PUT /echo" H "Content-Length: 11\r\n\r\n01234567890"), 413);
  assert_non_null(strstr(buf_cstr(&f->body), "\"code\":\"request_too_large\""));
  assert_int_equal(request(f, "POST /nobody" H "Content-Length: 1\r\n\r\n0"), 413);
  assert_int_equal(request(f, "GET /quick" H "\r\n"), 200);
  assert_int_equal(request(f, "PUT /echo" H "Transfer-Encoding: chunked\r\n\r\nB\r\n01234567890\r\n0\r\n\r\n"), 413);
}

// The client sends megabytes without listening and must still find the 413.
static void upload(struct fixture *f, const char *head, bool chunked) {
  static char piece[65536];
  memset(piece, 'x', sizeof piece);
  assert_true(client_send(f->fd, str_from(head)));
  for (int i = 0; i < 80; i++) {
    bool taken = (!chunked || client_send(f->fd, STR("10000\r\n"))) &&
                 client_send(f->fd, (struct str){piece, sizeof piece}) && (!chunked || client_send(f->fd, STR("\r\n")));
    assert_true(taken);
  }
  assert_int_equal(client_answer(f->fd, &f->in, &f->body), 413);
  assert_non_null(strstr(buf_cstr(&f->body), "\"code\":\"request_too_large\""));
  assert_true(client_until_closed(f->fd, &f->in));
}

static void a_large_upload_refused_still_reads_why(void **state) {
  struct fixture *f = *state;
  upload(f, "POST /echo" H "Content-Length: 5242880\r\n\r\n", false);
  reconnect(f);
  upload(f, "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n", true);
  assert_int_equal(atomic_load(&handled), 0);
}

static void answers_carry_their_ids_and_only_clean_headers(void **state) {
  struct fixture *f = *state;
  assert_true(client_send(f->fd, STR("GET /things/a" H "\r\n")));
  assert_true(client_until(f->fd, &f->in, "\r\n\r\n"));
  const char *head = buf_cstr(&f->in), *id = strstr(head, "\r\nX-Request-Id: req_");
  assert_non_null(id);
  char again[64];
  (void)snprintf(again, sizeof again, "\r\nrequest-id: %.30s\r\n", id + 16);
  assert_non_null(strstr(head, again));
  assert_null(strstr(head, "forged"));
  assert_null(strstr(head, "Set-Cookie"));
  assert_null(strstr(head, "upgrade"));
  assert_null(strstr(head, "no-store"));
  assert_null(strstr(head, "chunked"));
  assert_non_null(strstr(head, "\r\nX-Good: yes\r\n"));
  assert_int_equal(client_answer(f->fd, &f->in, &f->body), 201);
  assert_true(client_send(f->fd, STR("GET /quick" H "\r\n")));
  assert_true(client_until(f->fd, &f->in, "\r\n\r\n"));
  assert_non_null(strstr(buf_cstr(&f->in), "\r\nCache-Control: no-store\r\n"));
}

static void problems_carry_what_clients_read(void **state) {
  struct fixture *f = *state;
  assert_true(client_send(f->fd, STR("GET /failing" H "\r\n")));
  assert_true(client_until(f->fd, &f->in, "}}"));
  const char *text = buf_cstr(&f->in);
  assert_non_null(strstr(text, "HTTP/1.1 429 "));
  assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
  assert_non_null(strstr(text, "\r\nRetry-After: 2\r\n"));
  assert_non_null(strstr(text, "\r\nretry-after-ms: 1500\r\n"));
  assert_non_null(strstr(text, "\r\nx-should-retry: true\r\n"));
  assert_non_null(strstr(text, "\"detail\":\"Wait \\\"1500\\\" ms.\""));
  assert_int_equal(client_answer(f->fd, &f->in, &f->body), 429);
  assert_true(client_send(f->fd, STR("GET /unauthorized" H "\r\n")));
  assert_true(client_until(f->fd, &f->in, "}}"));
  assert_non_null(strstr(buf_cstr(&f->in), "\r\nWWW-Authenticate: Bearer\r\n"));
}

static void problem_json_is_said_where_it_is_asked_for(void **state) {
  struct fixture *f = *state;
  static const char *const asking[] = {"GET /failing" H "Accept: text/html, application/problem+json\r\n\r\n",
                                       "GET /api/v1/failing" H "\r\n", "GET /api/v1/none" H "\r\n"};
  for (size_t i = 0; i < ARRAY_LEN(asking); i++) {
    assert_true(client_send(f->fd, str_from(asking[i])));
    assert_true(client_until(f->fd, &f->in, "\r\n\r\n"));
    assert_non_null(strstr(buf_cstr(&f->in), "\r\nContent-Type: application/problem+json\r\n"));
    assert_true(client_answer(f->fd, &f->in, &f->body) >= 400);
  }
}

static void http_1_0_is_served_and_closed(void **state) {
  struct fixture *f = *state;
  assert_int_equal(request(f, "GET /quick HTTP/1.0\r\n\r\n"), 200);
  assert_body(f, "quick");
  assert_true(client_until_closed(f->fd, &f->in));
}

static void a_port_taken_is_an_error_with_a_sentence(void **state) {
  struct fixture *f = *state;
  struct buf error;
  buf_init(&error, 1000);
  struct http_config config = {
      .host = "127.0.0.1", .port = http_server_port(f->server), .routes = routes, .route_count = 1};
  assert_null(http_server_create(&config, &error));
  assert_non_null(strstr(buf_cstr(&error), "cannot listen on 127.0.0.1 port"));
  config.host = "nonsense.invalid.";
  buf_clear(&error);
  assert_null(http_server_create(&config, &error));
  assert_non_null(strstr(buf_cstr(&error), "nonsense"));
  buf_finish(&error);
}

static struct http_server *shared;

static int connect_client(void **state) {
  static struct fixture f;
  f = (struct fixture){.server = shared, .fd = client_connect(shared)};
  buf_init(&f.in, 1 << 20);
  buf_init(&f.body, 1 << 20);
  atomic_store(&handled, 0);
  *state = &f;
  return 0;
}

static int disconnect_client(void **state) {
  struct fixture *f = *state;
  close(f->fd);
  buf_finish(&f->in);
  buf_finish(&f->body);
  return 0;
}

static int start(void **state) {
  (void)state;
  shared = server_start((struct http_config){.routes = routes, .route_count = ARRAY_LEN(routes)});
  return 0;
}

static int stop(void **state) {
  (void)state;
  assert_int_equal(http_server_drain(shared, 1000), 0);
  http_server_destroy(shared);
  return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, connect_client, disconnect_client)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(a_handler_sees_the_request_decoded),
      T(blanks_around_a_value_are_not_of_it),
      T(a_literal_segment_goes_before_a_named_one),
      T(paths_are_exact),
      T(other_methods_are_named),
      T(head_is_get_without_the_body),
      T(pipelined_requests_are_answered_in_order),
      T(a_chunked_body_arrives_whole),
      T(a_body_in_pieces_arrives_whole),
      T(a_body_may_be_empty),
      T(the_largest_head_is_served_with_its_body),
      T(leading_empty_lines_are_forgiven_or_refused_but_nothing_else),
      T(expect_100_is_answered_before_the_body),
      T(an_unwelcome_body_is_not_asked_for),
      T(a_small_body_too_large_is_drained_and_refused),
      T(a_large_upload_refused_still_reads_why),
      T(answers_carry_their_ids_and_only_clean_headers),
      T(problems_carry_what_clients_read),
      T(problem_json_is_said_where_it_is_asked_for),
      T(http_1_0_is_served_and_closed),
      T(a_port_taken_is_an_error_with_a_sentence),
  };
  return cmocka_run_group_tests_name("requests", tests, start, stop);
}
