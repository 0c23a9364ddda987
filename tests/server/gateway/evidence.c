// Evidence is always JSON that the database takes, whatever a provider wrote.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/call.h"
#include "json/read.h"

static struct json *written(struct evidence *e, struct buf *out) {
  static const struct meter_bill none;
  struct json *root = NULL;
  struct json_error error;
  if (!e->bill) e->bill = &none;
  e->request_id = "req_1";
  e->ending = "done";
  buf_init(out, LIMIT_EVIDENCE);
  evidence_write(out, e);
  assert_int_equal(json_parse(buf_str(out), &root, &error), 0);
  return root;
}

static void assert_text(struct json *root, const char *name, const char *expected) {
  struct str text = {0};
  assert_non_null(json_get(root, name));
  assert_true(json_text(json_get(root, name), &text));
  assert_true(str_eq(text, str_from(expected)));
}

static void usage_that_is_json_stays_as_it_was_sent(void **state) {
  (void)state;
  struct buf out;
  struct evidence e = {.raw = STR("{\"prompt_tokens\": 3,  \"completion_tokens\":4}")};
  struct json *root = written(&e, &out);
  assert_non_null(json_get(json_get(root, "raw_usage"), "prompt_tokens"));
  assert_non_null(strstr(buf_cstr(&out), "{\"prompt_tokens\": 3,  \"completion_tokens\":4}"));
  json_finish(root);
  buf_finish(&out);
}

static void usage_that_the_database_would_refuse_becomes_text(void **state) {
  (void)state;
  static const char *const bad[] = {"{\"a\":1", "{\"a\":\"\\u0000\"}", "{\"a\":1,\"a\":2}",
                                    "{\"a\":99999999999999999999}", "{\"a\":1e999}"};
  for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
    struct buf out;
    struct evidence e = {.raw = str_from(bad[i])};
    struct json *root = written(&e, &out);
    assert_text(root, "raw_usage", bad[i]);
    json_finish(root);
    buf_finish(&out);
  }
}

static void texts_lose_control_characters_and_what_is_too_long(void **state) {
  (void)state;
  char longer[1000];
  struct buf out;
  memset(longer, '\\', sizeof longer);
  struct evidence e = {.model_served = {"a\0b\nc", 5}, .tier = {longer, sizeof longer}, .provider_id = {"\xff\xfe", 2}};
  struct json *root = written(&e, &out);
  assert_text(root, "model_served", "a?b?c");
  struct str tier = {0};
  assert_true(json_text(json_get(root, "tier"), &tier));
  assert_int_equal(tier.len, 256);
  assert_null(json_get(root, "provider"));
  json_finish(root);
  buf_finish(&out);
}

static void the_largest_evidence_fits(void **state) {
  (void)state;
  static char raw[LIMIT_EVIDENCE];
  struct meter_bill bill = {.count = METER_LINES_MAX};
  struct buf out;
  for (size_t i = 0; i < METER_LINES_MAX; i++) {
    bill.lines[i].meter = "a_meter_with_a_name_of_quite_some_length_as_meters_go";
    bill.lines[i].quantity = bill.lines[i].charge = bill.lines[i].cost = INT64_MIN;
    bill.lines[i].charge_rate = bill.lines[i].cost_rate = INT64_MIN;
  }
  memset(raw, 1, sizeof raw);
  struct str all = {raw, sizeof raw};
  struct evidence e = {.raw = all,
                       .upstream_request_id = all,
                       .provider_id = all,
                       .model_served = all,
                       .tier = all,
                       .provider = all,
                       .bill = &bill};
  struct json *root = written(&e, &out);
  assert_int_equal(json_count(json_get(root, "lines")), METER_LINES_MAX);
  json_finish(root);
  buf_finish(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(usage_that_is_json_stays_as_it_was_sent),
      cmocka_unit_test(usage_that_the_database_would_refuse_becomes_text),
      cmocka_unit_test(texts_lose_control_characters_and_what_is_too_long),
      cmocka_unit_test(the_largest_evidence_fits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
