// The client of Stripe's API, against a server of raw sockets whose script may do anything.
#include "stripe/client.h"
#include "../net/wire.h"
#include "crypto/crypto.h"
#include "stripe/form.h"
#include "json/read.h"

static struct wire wire;
static struct stripe *stripe;
static struct stripe_answer answer;
static char requests[8][4096]; // whole, as they came
static atomic_int request_count;

static void request_keep(const struct wire_connection *c) {
  int n = request_count++;
  if (n < (int)ARRAY_LEN(requests)) (void)snprintf(requests[n], sizeof requests[n], "%.4000s", c->request);
}

static void reply(struct wire_connection *c, const char *status, const char *headers, const char *body) {
  char text[8192];
  (void)snprintf(
      text, sizeof text,
      "HTTP/1.1 %s\r\nContent-Type: application/json\r\nRequest-Id: req_1\r\n%sContent-Length: %zu\r\n\r\n%s", status,
      headers, strlen(body), body);
  wire_puts(c, text);
}

static void open_client(void (*script)(struct wire_connection *c), int timeout_ms) {
  static char base[64];
  request_count = 0;
  wire_start(&wire, script);
  (void)snprintf(base, sizeof base, "http://127.0.0.1:%d/", wire.port);
  stripe = stripe_create(&(struct stripe_config){base, "sk_test_abc", "2026-09-30.endive", timeout_ms});
}

static void close_client(void) {
  stripe_answer_finish(&answer);
  stripe_destroy(stripe);
  wire_stop(&wire);
}

static void post(const char *key) {
  stripe_answer_finish(&answer);
  assert_int_equal(
      stripe_call(stripe, "POST", "/v1/checkout/sessions", STR("mode=payment&line_items[0][quantity]=1"), key, &answer),
      0);
}

// ---- what is sent, and what is read

static void script_done(struct wire_connection *c) {
  while (wire_read(c)) {
    request_keep(c);
    reply(c, "200 OK", "Idempotent-Replayed: true\r\n", "{\"id\":\"cs_1\",\"livemode\":false}");
  }
}

static void has_line(const char *request, const char *line) {
  if (!strcasestr(request, line)) fail_msg("no \"%s\" in\n%s", line, request);
}

static void a_call_is_a_form_with_its_key_and_version(void **state) {
  (void)state;
  open_client(script_done, 0);
  post("cs:ord_1:1");
  assert_int_equal(answer.status, 200);
  assert_true(stripe_done(&answer) && !answer.unknown && answer.replayed);
  assert_string_equal(answer.request_id, "req_1");
  struct str id;
  assert_true(json_text(json_get(answer.body, "id"), &id) && str_eq(id, STR("cs_1")));
  static const char line[] = "POST /v1/checkout/sessions HTTP/1.1\r\n";
  assert_int_equal(strncmp(requests[0], line, sizeof line - 1), 0);
  has_line(requests[0], "\r\nAuthorization: Bearer sk_test_abc\r\n");
  has_line(requests[0], "\r\nStripe-Version: 2026-09-30.endive\r\n");
  has_line(requests[0], "\r\nContent-Type: application/x-www-form-urlencoded\r\n");
  has_line(requests[0], "\r\nIdempotency-Key: cs:ord_1:1\r\n");
  has_line(requests[0], "\r\n\r\nmode=payment&line_items[0][quantity]=1");
  close_client();
}

static void a_get_has_its_form_in_the_query_and_no_key(void **state) {
  (void)state;
  open_client(script_done, 0);
  assert_int_equal(
      stripe_call(stripe, "GET", "/v1/refunds", STR("payment_intent=pi_1&expand[0]=data.charge"), "never", &answer), 0);
  static const char line[] = "GET /v1/refunds?payment_intent=pi_1&expand[0]=data.charge HTTP/1.1\r\n";
  assert_int_equal(strncmp(requests[0], line, sizeof line - 1), 0);
  assert_null(strcasestr(requests[0], "Idempotency-Key"));
  assert_null(strcasestr(requests[0], "Content-Type"));
  close_client();
}

static void whether_money_is_real_follows_from_the_key(void **state) {
  (void)state;
  assert_true(stripe_key_is_live(STR("sk_live_1")) && stripe_key_is_live(STR("rk_live_1")));
  assert_false(stripe_key_is_live(STR("sk_test_live_1")) || stripe_key_is_live(STR("rk_test_1")));
}

static void script_refused(struct wire_connection *c) {
  while (wire_read(c)) {
    request_keep(c);
    reply(c, "402 Payment Required", "",
          "{\"error\":{\"type\":\"card_error\",\"code\":\"card_declined\",\"decline_code\":\"lost_card\",\"advice_"
          "code\":\"do_not_try_"
          "again\",\"message\":\"Your card was declined.\"}}");
  }
}

static void a_refusal_says_why_and_is_final(void **state) {
  (void)state;
  open_client(script_refused, 0);
  post("k");
  assert_int_equal(answer.status, 402);
  assert_true(stripe_refused(&answer) && !stripe_done(&answer) && !answer.unknown);
  assert_true(str_eq(answer.type, STR("card_error")) && str_eq(answer.code, STR("card_declined")));
  assert_true(str_eq(answer.decline_code, STR("lost_card")) && str_eq(answer.advice_code, STR("do_not_try_again")));
  assert_true(str_eq(answer.message, STR("Your card was declined.")));
  assert_int_equal(request_count, 1);
  close_client();
}

static void script_key_refused(struct wire_connection *c) {
  while (wire_read(c)) {
    request_keep(c);
    reply(c, "401 Unauthorized", "",
          "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Invalid API Key\"}}");
  }
}

static void a_key_that_is_not_taken_refuses_nothing_for_good(void **state) {
  (void)state;
  open_client(script_key_refused, 0);
  post("k");
  assert_int_equal(answer.status, 401);
  assert_false(stripe_refused(&answer) || stripe_done(&answer) || answer.unknown);
  assert_int_equal(request_count, 1);
  close_client();
}

// ---- tries

static const char *first_status, *first_headers;
static void script_first_otherwise(struct wire_connection *c) {
  while (wire_read(c)) {
    request_keep(c);
    if (request_count == 1)
      reply(c, first_status, first_headers, "{\"error\":{\"type\":\"api_error\"}}");
    else
      reply(c, "200 OK", "", "{}");
  }
}

static void first_is(const char *status, const char *headers, int tries) {
  first_status = status;
  first_headers = headers;
  open_client(script_first_otherwise, 0);
  post("same");
  assert_int_equal(request_count, tries);
  for (int i = 0; i < tries; i++) has_line(requests[i], "\r\nIdempotency-Key: same\r\n");
  assert_int_equal(stripe_done(&answer), tries > 1);
  close_client();
}

static void a_failure_is_tried_again_under_the_same_key(void **state) {
  (void)state;
  first_is("500 Internal Server Error", "", 2);
  first_is("503 Service Unavailable", "", 2);
  first_is("409 Conflict", "", 2);
  first_is("429 Too Many Requests", "Stripe-Rate-Limited-Reason: global-rate\r\n", 2);
}

static void stripe_says_whether_it_wants_another_try(void **state) {
  (void)state;
  first_is("500 Internal Server Error", "Stripe-Should-Retry: false\r\n", 1);
  first_is("429 Too Many Requests", "Stripe-Should-Retry: false\r\n", 1);
  first_is("400 Bad Request", "Stripe-Should-Retry: true\r\n", 2);
}

static void script_always_500(struct wire_connection *c) {
  while (wire_read(c)) {
    request_keep(c);
    reply(c, "500 Internal Server Error", "", "<html>");
  }
}

static void after_three_tries_it_is_unknown(void **state) {
  (void)state;
  open_client(script_always_500, 0);
  post("k");
  assert_int_equal(answer.status, 500);
  assert_true(answer.unknown && !stripe_refused(&answer));
  assert_null(answer.body);
  assert_true(str_eq(answer.message, STR("Stripe answered with status 500")));
  assert_int_equal(request_count, 3);
  close_client();
}

static void script_first_reset(struct wire_connection *c) {
  while (wire_read(c)) {
    request_keep(c);
    if (request_count == 1) {
      wire_reset(c);
      return;
    }
    reply(c, first_status, "", "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"No.\"}}");
  }
}

static void after_a_reset_it_is(const char *second_status, bool unknown) {
  first_status = second_status;
  open_client(script_first_reset, 0);
  post("k");
  assert_true(request_count >= 2);
  assert_int_equal(answer.unknown, unknown);
  close_client();
}

static void what_a_reset_left_open_only_an_answer_closes(void **state) {
  (void)state;
  after_a_reset_it_is("200 OK", false);
  after_a_reset_it_is("400 Bad Request", false);
  after_a_reset_it_is("401 Unauthorized", true);
  after_a_reset_it_is("409 Conflict", true);
}

static void script_hang(struct wire_connection *c) {
  while (wire_read(c)) {
    request_keep(c);
    wire_hang(c);
  }
}

static void what_is_not_answered_in_time_is_unknown(void **state) {
  (void)state;
  open_client(script_hang, 200);
  post("k");
  assert_int_equal(answer.status, 0);
  assert_true(answer.unknown);
  assert_true(str_starts(answer.message, STR("Stripe did not answer")));
  assert_int_equal(request_count, 3);
  close_client();
}

static void without_a_key_what_may_have_happened_is_not_sent_again(void **state) {
  (void)state;
  open_client(script_hang, 200);
  post(NULL);
  assert_true(answer.unknown);
  assert_int_equal(request_count, 1);
  close_client();
}

static void what_was_never_sent_is_not_unknown(void **state) {
  (void)state;
  open_client(script_done, 0);
  int port = wire.port;
  close_client();
  char base[64];
  (void)snprintf(base, sizeof base, "http://127.0.0.1:%d", port);
  stripe = stripe_create(&(struct stripe_config){base, "sk_test_abc", "2026-09-30.endive", 0});
  post("k");
  assert_int_equal(answer.status, 0);
  assert_false(answer.unknown || stripe_refused(&answer));
  assert_true(str_starts(answer.message, STR("Stripe cannot be reached")));
  stripe_answer_finish(&answer);
  stripe_destroy(stripe);
}

static void script_half(struct wire_connection *c) {
  wire_read(c);
  request_keep(c);
  wire_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":");
}

static void script_no_json(struct wire_connection *c) {
  while (wire_read(c)) {
    request_keep(c);
    reply(c, "200 OK", "", "OK");
  }
}

static void a_success_that_cannot_be_read_is_unknown(void **state) {
  (void)state;
  open_client(script_half, 0);
  post("k");
  assert_true(answer.unknown && !stripe_done(&answer));
  close_client();
  open_client(script_no_json, 0);
  post("k");
  assert_true(answer.unknown && !stripe_done(&answer));
  assert_true(str_eq(answer.message, STR("Stripe's answer cannot be read")));
  close_client();
}

// ---- the breaker, and the end

static void after_five_failures_nobody_is_sent(void **state) {
  (void)state;
  open_client(script_always_500, 0);
  post("a");
  post("b");
  assert_int_equal(request_count, 5); // the third try of the second call already
  assert_true(answer.unknown);
  post("c");
  assert_int_equal(request_count, 5);
  assert_int_equal(answer.status, 0);
  assert_false(answer.unknown);
  assert_true(str_starts(answer.message, STR("Stripe has been failing")));
  close_client();
}

static void *stop_later(void *arg) {
  (void)arg;
  while (request_count == 0) usleep(1000);
  stripe_stop(stripe);
  return NULL;
}

static void a_client_that_is_stopped_lets_its_callers_go(void **state) {
  (void)state;
  pthread_t thread;
  open_client(script_hang, 0);
  assert_int_equal(pthread_create(&thread, NULL, stop_later, NULL), 0);
  int64_t began = clock_mono_us();
  post("k");
  assert_true(clock_mono_us() - began < INT64_C(20000000)); // its time-out is 30 seconds
  assert_true(answer.unknown);
  pthread_join(thread, NULL);
  stripe_answer_finish(&answer);
  assert_int_equal(stripe_call(stripe, "POST", "/v1/x", STR(""), "k", &answer), FAULT_CLOSED);
  assert_int_equal(request_count, 1);
  close_client();
}

static void *call_once(void *arg) {
  struct stripe_answer a;
  (void)arg;
  assert_int_equal(stripe_call(stripe, "POST", "/v1/x", STR(""), "k", &a), 0);
  assert_true(stripe_done(&a));
  stripe_answer_finish(&a);
  return NULL;
}

static void many_threads_call_at_once(void **state) {
  (void)state;
  pthread_t threads[16];
  open_client(script_done, 0);
  for (size_t i = 0; i < ARRAY_LEN(threads); i++)
    assert_int_equal(pthread_create(&threads[i], NULL, call_once, NULL), 0);
  for (size_t i = 0; i < ARRAY_LEN(threads); i++) pthread_join(threads[i], NULL);
  assert_int_equal(request_count, 16);
  close_client();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_call_is_a_form_with_its_key_and_version),
      cmocka_unit_test(a_get_has_its_form_in_the_query_and_no_key),
      cmocka_unit_test(whether_money_is_real_follows_from_the_key),
      cmocka_unit_test(a_refusal_says_why_and_is_final),
      cmocka_unit_test(a_key_that_is_not_taken_refuses_nothing_for_good),
      cmocka_unit_test(a_failure_is_tried_again_under_the_same_key),
      cmocka_unit_test(stripe_says_whether_it_wants_another_try),
      cmocka_unit_test(after_three_tries_it_is_unknown),
      cmocka_unit_test(what_a_reset_left_open_only_an_answer_closes),
      cmocka_unit_test(what_is_not_answered_in_time_is_unknown),
      cmocka_unit_test(without_a_key_what_may_have_happened_is_not_sent_again),
      cmocka_unit_test(what_was_never_sent_is_not_unknown),
      cmocka_unit_test(a_success_that_cannot_be_read_is_unknown),
      cmocka_unit_test(after_five_failures_nobody_is_sent),
      cmocka_unit_test(a_client_that_is_stopped_lets_its_callers_go),
      cmocka_unit_test(many_threads_call_at_once),
  };
  return crypto_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
