// What is told with a refusal: in whole seconds and milliseconds that are never too short, and in the unit of what ran out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "json/write.h"
#include "ledger/bucket.h"
#include "meter/refusal.h"

static struct ledger_op of(int measure, int period) {
  return (struct ledger_op){.limit = {{1}}, .limit_measure = measure, .limit_period = period, .limit_amount = 60, .left = 3, .refills_at = 5000001};
}

static bool has(const struct buf *text, const char *part) {
  return memmem(text->data, text->len, part, strlen(part)) != NULL;
}

static void a_rate_has_its_headers_and_waits_are_rounded_up(void **state) {
  (void)state;
  struct ledger_op op = of(BUCKET_REQUESTS, BUCKET_MINUTE);
  struct limit_texts texts;
  limit_describe(&op, 4000000, &texts);
  assert_int_equal(texts.wait_ms, 1001);
  assert_int_equal(texts.count, 5);
  assert_non_null(strstr(texts.policy, ";q=60;w=60"));
  assert_non_null(strstr(texts.state, ";r=3;t=2"));
  assert_string_equal(texts.reset, "1001ms");
  limit_describe(&op, 9000000, &texts); // the moment has passed meanwhile
  assert_int_equal(texts.wait_ms, 1);
}

static void a_budget_tells_the_wait_alone(void **state) {
  (void)state;
  struct ledger_op op = of(BUCKET_SPEND, BUCKET_DAY);
  struct limit_texts texts;
  limit_describe(&op, 5000000, &texts);
  assert_int_equal(texts.wait_ms, 1);
  assert_int_equal(texts.count, 0);
  op.refills_at = 0; // never
  limit_describe(&op, 5000000, &texts);
  assert_int_equal(texts.wait_ms, 0);
}

static void requests_are_counted_and_money_is_told_as_amounts(void **state) {
  (void)state;
  for (int measure = BUCKET_REQUESTS; measure <= BUCKET_SPEND; measure++) {
    struct ledger_op op = of(measure, BUCKET_MONTH);
    CLEANUP(buf_finish) struct buf out;
    buf_init(&out, 4096);
    struct json_writer w = json_writer(&out);
    json_object_begin(&w);
    refusal_limit_write(&w, &op, 7);
    json_object_end(&w);
    bool spend = measure == BUCKET_SPEND;
    assert_true(has(&out, spend ? "\"left\":\"0.000000003\"" : "\"left\":3"));
    assert_true(has(&out, "\"period\":\"month\""));
    assert_int_equal(has(&out, "\"required\":\"0.000000007\""), spend);
  }
}

static void what_is_available_stays_within_64_bits(void **state) {
  (void)state;
  struct ledger_op op = {.balance = 5, .held = 7, .credit_limit = 3};
  assert_int_equal(op_available(&op), 1);
  op = (struct ledger_op){.balance = INT64_MIN, .held = INT64_MAX};
  assert_true(op_available(&op) == INT64_MIN);
  op = (struct ledger_op){.balance = INT64_MAX, .credit_limit = INT64_MAX};
  assert_true(op_available(&op) == INT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_rate_has_its_headers_and_waits_are_rounded_up),
      cmocka_unit_test(a_budget_tells_the_wait_alone),
      cmocka_unit_test(requests_are_counted_and_money_is_told_as_amounts),
      cmocka_unit_test(what_is_available_stays_within_64_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
