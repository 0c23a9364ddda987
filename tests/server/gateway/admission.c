// The pure parts of an admission: how far a cap comes down, and what a refusal's headers say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/call.h"
#include "ledger/bucket.h"

struct hold {
  amount input, each;
  int calls;
};

static amount hold_of(void *arg, int64_t cap) {
  struct hold *h = arg;
  h->calls++;
  return h->input + cap * h->each;
}

static void a_cap_comes_down_to_the_last_unit_that_fits(void **state) {
  (void)state;
  struct hold h = {.input = 100, .each = 7};
  assert_int_equal(cap_lower(4000, 100 + 7 * 1234, hold_of, &h), 1234);
  assert_int_equal(cap_lower(4000, 100 + 7 * 1234 + 6, hold_of, &h), 1234);
  assert_int_equal(cap_lower(4000, 100 + 7 * 1234 - 1, hold_of, &h), 1233);
}

static void a_cap_is_at_least_one_or_there_is_none(void **state) {
  (void)state;
  struct hold h = {.input = 100, .each = 7};
  assert_int_equal(cap_lower(4000, 107, hold_of, &h), 1);
  assert_int_equal(cap_lower(4000, 106, hold_of, &h), 0);
  assert_int_equal(cap_lower(4000, -5, hold_of, &h), 0);
  assert_int_equal(cap_lower(1, 1000000, hold_of, &h), 0);
  assert_int_equal(cap_lower(0, 1000000, hold_of, &h), 0);
}

static void a_cap_only_ever_comes_down(void **state) {
  (void)state;
  struct hold h = {.input = 0, .each = 1};
  assert_int_equal(cap_lower(50, INT64_MAX, hold_of, &h), 49);
}

static void lowering_takes_few_questions(void **state) {
  (void)state;
  struct hold h = {.input = 0, .each = 1};
  assert_int_equal(cap_lower(INT64_C(1) << 40, 12345, hold_of, &h), 12345);
  assert_true(h.calls <= 41);
}

static amount no_hold(void *arg, int64_t cap) {
  (void)arg;
  return cap < 10 ? cap : -1;
}

static void a_cap_without_a_hold_does_not_fit(void **state) {
  (void)state;
  assert_int_equal(cap_lower(1000, 1000000, no_hold, NULL), 9);
}

static struct str header(const struct limit_texts *t, const char *name) {
  for (size_t i = 0; i < t->count; i++)
    if (str_eq_nocase(t->headers[i].name, str_from(name))) return t->headers[i].value;
  return (struct str){0};
}

static void a_rate_says_its_policy_and_when_the_next_request_may_come(void **state) {
  (void)state;
  struct ledger_op op = {.limit_measure = BUCKET_REQUESTS,
                         .limit_period = BUCKET_MINUTE,
                         .limit_amount = 60,
                         .left = 0,
                         .refills_at = 1000000000 + 1500001};
  struct limit_texts t;
  char expected[128], id[ID_TEXT_MAX];
  id_print("lim", op.limit, id);
  limit_describe(&op, 1000000000, &t);
  assert_int_equal(t.wait_ms, 1501);
  (void)snprintf(expected, sizeof expected, "\"%s\";q=60;w=60", id);
  assert_true(str_eq(header(&t, "RateLimit-Policy"), str_from(expected)));
  (void)snprintf(expected, sizeof expected, "\"%s\";r=0;t=2", id);
  assert_true(str_eq(header(&t, "RateLimit"), str_from(expected)));
  assert_true(str_eq(header(&t, "x-ratelimit-limit-requests"), STR("60")));
  assert_true(str_eq(header(&t, "x-ratelimit-remaining-requests"), STR("0")));
  assert_true(str_eq(header(&t, "x-ratelimit-reset-requests"), STR("1501ms")));
}

static void a_rate_that_refills_at_once_still_asks_for_a_moment(void **state) {
  (void)state;
  struct ledger_op op = {
      .limit_measure = BUCKET_REQUESTS, .limit_period = BUCKET_MINUTE, .limit_amount = 60, .refills_at = 5};
  struct limit_texts t;
  limit_describe(&op, 1000, &t);
  assert_int_equal(t.wait_ms, 1);
}

static void a_budget_has_no_request_headers(void **state) {
  (void)state;
  struct ledger_op op = {
      .limit_measure = BUCKET_SPEND, .limit_period = BUCKET_DAY, .limit_amount = AMOUNT_ONE, .refills_at = 61000000};
  struct limit_texts t;
  limit_describe(&op, 0, &t);
  assert_int_equal(t.count, 0);
  assert_int_equal(t.wait_ms, 61000);
  op.refills_at = 0;
  limit_describe(&op, 5, &t);
  assert_int_equal(t.wait_ms, 0);
}

static void what_is_available_never_wraps(void **state) {
  (void)state;
  struct ledger_op op = {.balance = 10, .held = 4, .credit_limit = 3};
  assert_int_equal(op_available(&op), 9);
  op = (struct ledger_op){.balance = INT64_MAX, .credit_limit = INT64_MAX};
  assert_int_equal(op_available(&op), INT64_MAX);
  op = (struct ledger_op){.balance = INT64_MIN, .held = INT64_MAX};
  assert_int_equal(op_available(&op), INT64_MIN);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_cap_comes_down_to_the_last_unit_that_fits),
      cmocka_unit_test(a_cap_is_at_least_one_or_there_is_none),
      cmocka_unit_test(a_cap_only_ever_comes_down),
      cmocka_unit_test(lowering_takes_few_questions),
      cmocka_unit_test(a_cap_without_a_hold_does_not_fit),
      cmocka_unit_test(a_rate_says_its_policy_and_when_the_next_request_may_come),
      cmocka_unit_test(a_rate_that_refills_at_once_still_asks_for_a_moment),
      cmocka_unit_test(a_budget_has_no_request_headers),
      cmocka_unit_test(what_is_available_never_wraps),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
