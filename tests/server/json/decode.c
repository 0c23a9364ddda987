// Rules of bodies: a table says what is taken; the first thing that is not is named, and the target is left alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "json/read.h"

struct body {
  struct str name, note, choice;
  int64_t count, at;
  amount sum, rest;
  struct uuid customer;
  struct json *metadata, *list;
  bool on, has_name, has_sum;
};

#define AT(member) .offset = offsetof(struct body, member)
static const struct json_field fields[] = {
    {"name", JSON_TEXT, AT(name), .nullable = true, .given = offsetof(struct body, has_name), .max = 10},
    {"note", JSON_TEXT_ANY, AT(note), .given = JSON_NOT_TOLD},
    {"choice", JSON_TEXT, AT(choice), .given = JSON_NOT_TOLD, .one_of = "minute|day|month"},
    {"count", JSON_INT, AT(count), .given = JSON_NOT_TOLD, .min = 1, .max = 100},
    {"at", JSON_TIME, AT(at), .given = JSON_NOT_TOLD, .nullable = true},
    {"sum", JSON_AMOUNT, AT(sum), .given = offsetof(struct body, has_sum), .min = 1, .max = 100 * AMOUNT_ONE},
    {"rest", JSON_AMOUNT, AT(rest), .given = JSON_NOT_TOLD, .min = 0, .max = 100 * AMOUNT_ONE},
    {"customer", JSON_ID, AT(customer), .given = JSON_NOT_TOLD, .prefix = "cus"},
    {"metadata", JSON_OBJECT, AT(metadata), .given = JSON_NOT_TOLD},
    {"list", JSON_ARRAY, AT(list), .given = JSON_NOT_TOLD},
    {"on", JSON_BOOL, AT(on), .given = JSON_NOT_TOLD},
};

static struct json *parsed(const char *text) {
  struct json *root = NULL;
  struct json_error error;
  if (json_parse(str_from(text), &root, &error)) fail_msg("%s: %s", text, error.message);
  return root;
}

static int decode(const char *text, struct body *body, struct json_error *error, struct json **ret_root) {
  *ret_root = parsed(text);
  return json_decode(*ret_root, fields, ARRAY_LEN(fields), body, sizeof *body, error);
}

static void assert_refuses(const char *text, const char *param, const char *message) {
  struct body body, before;
  struct json_error error = {0};
  CLEANUP(json_finishp) struct json *root = NULL;
  memset(&body, 0x5A, sizeof body);
  memcpy(&before, &body, sizeof body);
  if (decode(text, &body, &error, &root) != 1) fail_msg("taken: %s", text);
  assert_string_equal(error.param, param);
  if (!strstr(error.message, message)) fail_msg("%s: %s", text, error.message);
  assert_memory_equal(&body, &before, sizeof body);
}

static void assert_takes(const char *text) {
  struct body body = {0};
  struct json_error error = {0};
  CLEANUP(json_finishp) struct json *root = NULL;
  if (decode(text, &body, &error, &root) != 0) fail_msg("%s: %s: %s", text, error.param, error.message);
}

static void every_kind_finds_its_place(void **state) {
  (void)state;
  struct body b = {0};
  struct json_error error;
  CLEANUP(json_finishp) struct json *root = NULL;
  assert_int_equal(
      decode("{\"name\":\"n\",\"note\":\"\",\"choice\":\"day\",\"count\":7,\"at\":\"1970-01-02\",\"sum\":\"12.5\","
             "\"customer\":\"cus_00000000000000000000000001\",\"metadata\":{\"k\":1},\"list\":[1,2],\"on\":true}",
             &b, &error, &root),
      0);
  assert_true(str_eq(b.name, STR("n")) && b.has_name);
  assert_true(str_eq(b.note, STR("")) && str_eq(b.choice, STR("day")));
  assert_int_equal(b.count, 7);
  assert_int_equal(b.at, INT64_C(86400000000));
  assert_int_equal(b.sum, INT64_C(12500000000));
  assert_true(b.has_sum && b.on);
  assert_int_equal(b.customer.b[15], 1);
  assert_int_equal(json_count(b.list), 2);
  assert_non_null(json_get(b.metadata, "k"));
}

static void what_is_not_given_stays_as_it_was(void **state) {
  (void)state;
  struct body b = {.count = 55, .sum = 5};
  struct json_error error;
  CLEANUP(json_finishp) struct json *root = NULL;
  assert_int_equal(decode("{\"on\":false}", &b, &error, &root), 0);
  assert_int_equal(b.count, 55);
  assert_int_equal(b.sum, 5);
  assert_false(b.has_name || b.has_sum);
}

static void null_is_given_and_zero_where_it_is_allowed(void **state) {
  (void)state;
  struct body b = {.name = STR("old"), .at = 5};
  struct json_error error;
  CLEANUP(json_finishp) struct json *root = NULL;
  assert_int_equal(decode("{\"name\":null,\"at\":null}", &b, &error, &root), 0);
  assert_true(b.has_name);
  assert_null(b.name.ptr);
  assert_int_equal(b.at, 0);
  assert_refuses("{\"sum\":null}", "sum", "Must not be null.");
}

static void unknown_members_are_refused_by_name(void **state) {
  (void)state;
  assert_refuses("{\"on\":true,\"of\":1}", "of", "no such member");
  assert_refuses("{\"of\":1}", "of", "Known: name, note, choice, count,");
  assert_refuses("{\"\":1}", "", "no such member");
  assert_refuses("{\"Name\":\"x\"}", "Name", "no such member");
}

static void a_long_name_is_cut_between_characters(void **state) {
  (void)state;
  char text[400] = "{\"a", expected[96] = "a";
  for (int i = 0; i < 60; i++) strcat(text, "\xC3\xA4");
  for (int i = 0; i < 47; i++) strcat(expected, "\xC3\xA4");
  expected[95] = '\0';
  strcat(text, "\":1}");
  assert_refuses(text, expected, "no such member");
}

static void required_members_are_missed(void **state) {
  (void)state;
  static const struct json_field needed[] = {
      {"sum", JSON_AMOUNT, true, false, AT(sum), JSON_NOT_TOLD, 0, 0, NULL, NULL}};
  struct body b = {0};
  struct json_error error;
  CLEANUP(json_finishp) struct json *root = parsed("{}");
  assert_int_equal(json_decode(root, needed, 1, &b, sizeof b, &error), 1);
  assert_string_equal(error.param, "sum");
  assert_string_equal(error.message, "This member is required.");
  CLEANUP(json_finishp)
  struct json *given = parsed("{\"sum\":\"-9223372036.854775808\"}"); // and without bounds all fit
  assert_int_equal(json_decode(given, needed, 1, &b, sizeof b, &error), 0);
  assert_int_equal(b.sum, INT64_MIN);
}

static void only_objects_are_bodies(void **state) {
  (void)state;
  assert_refuses("[]", "", "A JSON object is expected.");
  assert_refuses("null", "", "A JSON object is expected.");
  assert_refuses("\"{}\"", "", "A JSON object is expected.");
  struct json_error error;
  assert_int_equal(json_decode(NULL, NULL, 0, NULL, 0, &error), 1);
}

static void text_keeps_to_its_length_and_has_no_controls(void **state) {
  (void)state;
  assert_takes("{\"name\":\"1234567890\"}");
  assert_refuses("{\"name\":\"12345678901\"}", "name", "1 to 10 characters");
  assert_takes("{\"name\":\"\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\"}"); // ten of two bytes
  assert_refuses("{\"name\":\"\"}", "name", "empty");
  assert_refuses("{\"name\":5}", "name", "string");
  assert_refuses("{\"name\":\"a\\nb\"}", "name", "control");
  assert_refuses("{\"name\":\"\\u007f\"}", "name", "control");
  assert_refuses("{\"name\":\"\\u0085\"}", "name", "control");
  assert_takes("{\"name\":\"\\u00a0\"}");
  assert_takes("{\"note\":\"a\\nb\\u0001\"}");
}

static void choices_are_listed(void **state) {
  (void)state;
  assert_takes("{\"choice\":\"minute\"}");
  assert_takes("{\"choice\":\"month\"}");
  assert_refuses("{\"choice\":\"year\"}", "choice", "Must be one of: minute, day, month.");
  assert_refuses("{\"choice\":\"\"}", "choice", "Must be one of");
  assert_refuses("{\"choice\":\"minute|day\"}", "choice", "Must be one of");
}

static void integers_keep_to_their_bounds(void **state) {
  (void)state;
  assert_takes("{\"count\":1}");
  assert_takes("{\"count\":100}");
  assert_refuses("{\"count\":0}", "count", "at least 1.");
  assert_refuses("{\"count\":101}", "count", "at most 100.");
  assert_refuses("{\"count\":5.0}", "count", "integer");
  assert_refuses("{\"count\":1e1}", "count", "integer");
  assert_refuses("{\"count\":\"5\"}", "count", "integer");
  assert_refuses("{\"count\":true}", "count", "integer");
}

static void amounts_are_strings(void **state) {
  (void)state;
  assert_takes("{\"sum\":\"0.000000001\"}");
  assert_takes("{\"sum\":\"100\"}");
  assert_refuses("{\"sum\":12.5}", "sum", "Must be a string holding a decimal");
  assert_refuses("{\"sum\":12}", "sum", "Must be a string holding a decimal");
  assert_refuses("{\"sum\":\"1e3\"}", "sum", "plain decimal");
  assert_refuses("{\"sum\":\"1.0000000001\"}", "sum", "nine digits");
  assert_refuses("{\"sum\":\"99999999999\"}", "sum", "plain decimal");
  assert_refuses("{\"sum\":\"0\"}", "sum", "at least 0.000000001.");
  assert_refuses("{\"sum\":\"100.000000001\"}", "sum", "at most 100.");
  assert_takes("{\"rest\":\"0.0\"}");
  assert_refuses("{\"rest\":\"-0\"}", "rest", "no sign");
  assert_refuses("{\"rest\":\"-1\"}", "rest", "at least 0.");
}

static void the_other_kinds_say_what_they_want(void **state) {
  (void)state;
  assert_refuses("{\"at\":\"soon\"}", "at", "RFC 3339");
  assert_refuses("{\"at\":5}", "at", "RFC 3339");
  assert_refuses("{\"customer\":\"key_00000000000000000000000001\"}", "customer", "begins with cus_.");
  assert_refuses("{\"customer\":1}", "customer", "begins with cus_.");
  assert_refuses("{\"metadata\":[]}", "metadata", "object");
  assert_refuses("{\"list\":{}}", "list", "array");
  assert_refuses("{\"on\":1}", "on", "true or false");
  assert_refuses("{\"on\":\"true\"}", "on", "true or false");
}

static void nothing_is_written_when_a_later_member_is_wrong(void **state) {
  (void)state;
  assert_refuses("{\"name\":\"fine\",\"sum\":\"1\",\"on\":\"no\"}", "on", "true or false");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_finds_its_place),
      cmocka_unit_test(what_is_not_given_stays_as_it_was),
      cmocka_unit_test(null_is_given_and_zero_where_it_is_allowed),
      cmocka_unit_test(unknown_members_are_refused_by_name),
      cmocka_unit_test(a_long_name_is_cut_between_characters),
      cmocka_unit_test(required_members_are_missed),
      cmocka_unit_test(only_objects_are_bodies),
      cmocka_unit_test(text_keeps_to_its_length_and_has_no_controls),
      cmocka_unit_test(choices_are_listed),
      cmocka_unit_test(integers_keep_to_their_bounds),
      cmocka_unit_test(amounts_are_strings),
      cmocka_unit_test(the_other_kinds_say_what_they_want),
      cmocka_unit_test(nothing_is_written_when_a_later_member_is_wrong),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
