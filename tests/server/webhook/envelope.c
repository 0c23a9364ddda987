// The body of an event.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "json/read.h"
#include "webhook/envelope.h"

static const struct uuid id = {{0x01, 0x93, 0x4f, 0x00, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1}};

static void written(struct buf *out, const struct envelope *e) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  buf_clear(out);
  envelope_write(e, out);
  assert_int_equal(json_parse(buf_str(out), &root, &error), 0);
}

static void an_event_reads_as_both_conventions_have_it(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 4096);
  struct envelope e = {.id = id, .customer = id, .sequence = 7, .type = STR("key.created"), .data = STR("{\"id\":\"key_1\"}"),
                       .request_id = STR("req_1"), .idempotency_key = STR("a\"b"), .created_at = INT64_C(1700000000123456),
                       .api_version = STR("2026-09-30.endive"), .livemode = true};
  written(&out, &e);
  assert_string_equal(buf_cstr(&out),
                      "{\"id\":\"evt_01jd7g0000e008000000000001\",\"object\":\"event\",\"api_version\":\"2026-09-30.endive\","
                      "\"type\":\"key.created\",\"created\":1700000000,\"timestamp\":\"2023-11-14T22:13:20.123456Z\",\"livemode\":true,"
                      "\"customer\":\"cus_01jd7g0000e008000000000001\",\"sequence\":7,\"data\":{\"object\":{\"id\":\"key_1\"}},"
                      "\"request\":{\"id\":\"req_1\",\"idempotency_key\":\"a\\\"b\"}}");
}

static void what_is_not_there_is_null(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 4096);
  struct envelope e = {.id = id, .type = STR("endpoint.test"), .data = STR("{}"), .created_at = 1000000, .api_version = STR("2026-09-30.endive")};
  written(&out, &e);
  assert_non_null(strstr(buf_cstr(&out), "\"livemode\":false,\"customer\":null,\"sequence\":null,\"data\":{\"object\":{}},\"request\":null}"));
  e.request_id = STR("req_1");
  written(&out, &e);
  assert_non_null(strstr(buf_cstr(&out), "\"request\":{\"id\":\"req_1\",\"idempotency_key\":null}"));
}

static void blanks_between_tokens_go_and_those_in_texts_stay(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 4096);
  struct envelope e = {.id = id, .type = STR("x"), .created_at = 1000000, .api_version = STR("v"),
                       .data = STR("{ \"a b\" : [ 1 ,\n2.50 ], \t\"c\\\" d\\\\\" : \" e : \\\\\\\" , \" , \"n\":1.50e3 }\r\n")};
  written(&out, &e);
  assert_non_null(strstr(buf_cstr(&out), "\"object\":{\"a b\":[1,2.50],\"c\\\" d\\\\\":\" e : \\\\\\\" , \",\"n\":1.50e3}}"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_event_reads_as_both_conventions_have_it),
      cmocka_unit_test(what_is_not_there_is_null),
      cmocka_unit_test(blanks_between_tokens_go_and_those_in_texts_stay),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
