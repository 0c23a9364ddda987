// A Session is read at Stripe by its id, whatever bytes the id has, with its payment and its lines.
#include "../net/wire.h"
#include "crypto/crypto.h"
#include "payment/checkout.h"
#include "json/read.h"

static char request[4096];

static void script(struct wire_connection *c) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"status\":\"complete\"}";
  while (wire_read(c)) {
    (void)snprintf(request, sizeof request, "%.4000s", c->request);
    wire_puts(c, answer);
    return;
  }
}

static void fetched(const char *id, const char *line) {
  struct wire w;
  struct stripe_answer answer;
  char base[64];
  wire_start(&w, script);
  (void)snprintf(base, sizeof base, "http://127.0.0.1:%d", w.port);
  struct stripe *stripe = stripe_create(&(struct stripe_config){base, "sk_test_abc", "2026-09-30.endive", 0});
  assert_int_equal(payment_session_fetch(stripe, str_from(id), &answer), 0);
  assert_true(stripe_done(&answer));
  if (strncmp(request, line, strlen(line)) != 0) fail_msg("%s", request);
  stripe_answer_finish(&answer);
  stripe_destroy(stripe);
  wire_stop(&w);
}

static void a_session_is_read_with_what_belongs_to_it(void **state) {
  (void)state;
  fetched("cs_test_1",
          "GET /v1/checkout/sessions/cs_test_1?expand[0]=payment_intent&expand[1]=line_items HTTP/1.1\r\n");
}

static void an_id_cannot_lead_elsewhere(void **state) {
  (void)state;
  fetched("../charges?limit=1#", "GET /v1/checkout/sessions/..%2Fcharges%3Flimit%3D1%23?expand[0]=");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_session_is_read_with_what_belongs_to_it),
      cmocka_unit_test(an_id_cannot_lead_elsewhere),
  };
  return crypto_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
