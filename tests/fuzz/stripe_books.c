// A Stripe for the fuzzers, in the place of stripe/client.c: it answers at once, with what a price and a page have, or
// as the database's mood would have it with a refusal, nothing, or something that is none of these.
#include "base/mem.h"
#include "books.h"
#include "fuzz.h"
#include "stripe/client.h"
#include "json/read.h"

struct stripe {
  int unused;
};

struct stripe *stripe_create(const struct stripe_config *config) {
  (void)config;
  return mem_alloc(sizeof(struct stripe));
}

void stripe_stop(struct stripe *s) {
  (void)s;
}

void stripe_destroy(struct stripe *s) {
  mem_free(s);
}

bool stripe_key_is_live(struct str key) {
  return str_starts(key, STR("sk_live_"));
}

bool stripe_is_live(const struct stripe *s) {
  (void)s;
  return books.mood & 32;
}

int stripe_call(struct stripe *s, const char *method, const char *path, struct str form, const char *idempotency_key,
                struct stripe_answer *ret) {
  static const char *const bodies[] = {
      "{\"id\":\"cs_1\",\"url\":\"https://"
      "x\",\"active\":true,\"billing_scheme\":\"per_unit\",\"currency\":\"usd\",\"unit_amount\":2000,"
      "\"type\":\"one_time\"}",
      "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"resource_missing\",\"param\":\"customer\"}}",
      "{\"id\":7,\"url\":[]}", "[]"};
  static const int statuses[] = {200, 400, 200, 200, 404, 503, 0, 401};
  (void)s, (void)form;
  FUZZ_CHECK(!books.open, "Stripe is asked inside of a transaction");
  FUZZ_CHECK(path[0] == '/' && (strcmp(method, "GET") == 0) == (idempotency_key == NULL), "%s %s", method, path);
  unsigned how = books.mood / 4 % 8;
  if (books.mood == 253) return FAULT_CLOSED;
  struct json_error error;
  *ret = (struct stripe_answer){.status = statuses[how], .unknown = statuses[how] == 503};
  ret->type = ret->code = ret->decline_code = ret->advice_code = STR("");
  ret->message = STR("said by a test");
  if (how < 5) FUZZ_CHECK(json_parse(str_from(bodies[how % 4]), &ret->body, &error) == 0, "%s", error.message);
  if (how == 1) ret->code = STR("resource_missing");
  return 0;
}
