// The error envelope, byte for byte, and what must hold for every row of its table.
#include "http/problem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct buf out;

static const char *written(enum problem p, const struct problem_more *more, const char *message) {
  buf_clear(&out);
  problem_write(&out, p, more, "req_1", message);
  return buf_cstr(&out);
}

static void the_envelope_serves_both_kinds_of_reader(void **state) {
  (void)state;
  struct problem_more more = {.param = "model", .details = STR("{\"balance\":\"0.12\"}")};
  assert_string_equal(
      written(PROBLEM_INSUFFICIENT_CREDITS, &more, "Not \"enough\"\n."),
      "{\"type\":\"urn:tollgate:problem:insufficient_credits\",\"title\":\"Insufficient credits\",\"status\":402,"
      "\"detail\":\"Not \\\"enough\\\"\\n.\",\"instance\":\"urn:tollgate:request:req_1\",\"request_id\":\"req_1\","
      "\"error\":{\"message\":\"Not \\\"enough\\\"\\n.\",\"type\":\"billing_error\",\"code\":\"insufficient_credits\","
      "\"param\":\"model\",\"details\":{\"balance\":\"0.12\"}}}");
}

static void what_is_not_given_is_null_or_empty(void **state) {
  (void)state;
  assert_non_null(strstr(written(PROBLEM_NOT_FOUND, NULL, "x"), "\"param\":null,\"details\":{}}}"));
}

static void a_message_that_is_no_utf8_is_still_json(void **state) {
  (void)state;
  assert_true(str_is_utf8(str_from(written(PROBLEM_NOT_FOUND, NULL,
                                           "a\xff"
                                           "b"))));
}

static void every_row_is_complete(void **state) {
  (void)state;
  for (int p = 0; p < PROBLEM_COUNT; p++) {
    const struct problem_row *row = &problem_table[p];
    assert_in_range(row->status, 400, 599);
    assert_true(row->code[0] >= 'a' && row->code[0] <= 'z');
    assert_true(strlen(row->type) > 0);
    assert_true(!row->retry[0] || !strcmp(row->retry, "true") || !strcmp(row->retry, "false"));
    for (int q = 0; q < p; q++) assert_string_not_equal(row->code, problem_table[q].code);
    assert_non_null(strstr(written((enum problem)p, NULL, "x"), row->code));
  }
}

static int setup(void **state) {
  (void)state;
  buf_init(&out, 10000);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  buf_finish(&out);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_envelope_serves_both_kinds_of_reader),
      cmocka_unit_test(what_is_not_given_is_null_or_empty),
      cmocka_unit_test(a_message_that_is_no_utf8_is_still_json),
      cmocka_unit_test(every_row_is_complete),
  };
  return cmocka_run_group_tests_name("problems", tests, setup, teardown);
}
