// What an event is understood as: CloudEvents in each mode, other systems' names, quantities, and what is refused with what would
// be right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "json/read.h"
#include "plugin/registry.h"
#include "price/book.h"
#include "usage/event.h"
#include "usage/rate.h"

static struct cluster cluster;
static struct arena arena;
static struct usage_words words;
static struct usage_event e;
static struct usage_error error;

static int read_as(enum usage_form form, const char *text) {
  error = (struct usage_error){0};
  return usage_read(&arena, &words, form, str_from(text), &e, &error);
}

static void taken(enum usage_form form, const char *text) {
  if (read_as(form, text) != 0) fail_msg("%s: %s (%s)", text, error.message, error.param);
}

static void refused(enum usage_form form, const char *text, const char *param, const char *why) {
  assert_int_equal(read_as(form, text), 1);
  if (strcmp(error.param, param) != 0 || !strstr(error.message, why)) fail_msg("%s: %s (%s)", text, error.message, error.param);
}

static void is(struct str text, const char *expected) {
  if (!str_eq(text, str_from(expected))) fail_msg("%.*s is not %s", STR_ARG(text), expected);
}

static int64_t quantity(const char *meter) {
  for (size_t i = 0; i < e.quantity_count; i++)
    if (strcmp(e.quantities[i].meter, meter) == 0) return e.quantities[i].quantity;
  return -1;
}

// ---- CloudEvents

#define WHOLE                                                                                                          \
  "{\"specversion\":\"1.0\",\"id\":\"A234\",\"source\":\"https://example.com/app\",\"type\":\"com.example.rendered\",\"subject\":\"u1\","          \
  "\"time\":\"2026-11-21T08:00:00Z\",\"comexampleextension1\":\"value\",\"datacontenttype\":\"application/json\","                              \
  "\"data\":{\"model\":\"poster\",\"usage\":{\"images\":2}}}"

static void a_structured_event_is_read_whole(void **state) {
  (void)state;
  taken(USAGE_CLOUDEVENT, WHOLE);
  is(e.id, "A234");
  is(e.source, "https://example.com/app");
  is(e.type, "com.example.rendered");
  is(e.customer, "u1");
  is(e.model, "poster");
  assert_int_equal(e.time, INT64_C(1795248000000000));
  assert_int_equal(e.quantity_count, 1);
  assert_int_equal(quantity("images"), 2);
  assert_int_equal(e.more.len, 0);
}

static void its_four_attributes_are_needed_under_their_names(void **state) {
  (void)state;
  refused(USAGE_CLOUDEVENT, "{\"id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"data\":{\"value\":1}}", "specversion", "missing");
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"data\":{\"value\":1}}", "specversion", "1.0");
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"transaction_id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"data\":{\"value\":1}}", "id", "missing");
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"images\",\"data\":{\"value\":1}}", "source", "missing");
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/a\",\"type\":\"images\",\"data\":{\"value\":1}}", "id", "empty");
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"code\":\"images\",\"data\":{\"value\":1}}", "type", "missing");
}

static void data_may_be_json_in_base64(void **state) {
  (void)state;
  taken(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"data_base64\":\"eyJ2YWx1ZSI6IDN9\"}");
  assert_int_equal(quantity("images"), 3);
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"data_base64\":\"?\"}", "data_base64", "Base64");
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"data_base64\":\"AAAA\"}", "data_base64", "JSON");
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"data\":{},\"data_base64\":\"e30=\"}", "data_base64", "one member");
}

static void data_of_another_type_is_refused(void **state) {
  (void)state;
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"datacontenttype\":\"text/xml\",\"data\":\"<a/>\"}", "datacontenttype", "JSON");
  taken(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"images\",\"datacontenttype\":\"application/vnd.a+json; charset=utf-8\",\"data\":{\"value\":1}}");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"images\",\"data\":\"<a/>\"}", "data", "object");
  refused(USAGE_PLAIN, "[1]", "", "object");
}

static int binary(struct usage_attributes a, const char *data) {
  error = (struct usage_error){0};
  return usage_read_binary(&arena, &words, &a, str_from(data), &e, &error);
}

static void headers_are_unquoted_and_then_decoded_once(void **state) {
  (void)state;
  struct usage_attributes a = {.specversion = STR("1.0"),
                               .id = STR("\"a \\\"b\\\" %25\""),
                               .source = STR("/Euro%20%E2%82%AC%20%F0%9F%98%80"),
                               .type = STR("images"),
                               .subject = STR("100%2525"),
                               .time = STR("2026-11-21T08:00:00Z")};
  assert_int_equal(binary(a, "{\"value\":1}"), 0);
  is(e.id, "a \"b\" %");
  is(e.source, "/Euro € 😀");
  is(e.customer, "100%25");
  assert_int_equal(e.time, INT64_C(1795248000000000));
  a.source = STR("%");
  assert_int_equal(binary(a, "{\"value\":1}"), 1);
  assert_string_equal(error.param, "source");
  a.source = STR("%C3%28");
  assert_int_equal(binary(a, "{\"value\":1}"), 1);
  a.source = (struct str){0};
  assert_int_equal(binary(a, "{\"value\":1}"), 1);
  assert_non_null(strstr(error.message, "missing"));
}

// ---- other systems' names

static void names_of_other_systems_are_understood_in_plain_events(void **state) {
  (void)state;
  taken(USAGE_PLAIN, "{\"transaction_id\":\"t1\",\"external_customer_id\":\"u1\",\"code\":\"gpu_seconds\",\"timestamp\":1795248000,\"properties\":{\"value\":\"12\",\"model\":\"a100\"}}");
  is(e.id, "t1");
  is(e.customer, "u1");
  is(e.type, "gpu_seconds");
  is(e.model, "a100");
  is(e.source, "api");
  assert_int_equal(e.time, INT64_C(1795248000000000));
  assert_int_equal(quantity("gpu_seconds"), 12);
  taken(USAGE_PLAIN, "{\"event_name\":\"images\",\"identifier\":\"t2\",\"timestamp\":\"1795248000\",\"payload\":{\"stripe_customer_id\":\"cus_abc\",\"value\":1}}");
  is(e.customer, "cus_abc");
  taken(USAGE_PLAIN, "{\"idempotency_key\":\"t3\",\"event_name\":\"chat\",\"customer_id\":null,\"external_customer_id\":\"u2\",\"timestamp\":\"2026-11-21T08:00:00+00:00\",\"properties\":{\"input_tokens\":5}}");
  is(e.customer, "u2");
  is(e.model, "chat");
  taken(USAGE_PLAIN, "{\"id\":\"t4\",\"event_type\":\"images\",\"customer\":\"u3\",\"data\":{\"customer\":\"u3\",\"value\":1}}");
  is(e.customer, "u3");
}

static void one_thing_is_said_once(void **state) {
  (void)state;
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"identifier\":\"2\",\"type\":\"images\",\"data\":{\"value\":1}}", "identifier", "one member");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"images\",\"subject\":\"a\",\"data\":{\"value\":1,\"customer\":\"b\"}}", "data.customer", "different customers");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"x\",\"data\":{\"model\":\"a\",\"product\":\"b\",\"images\":1}}", "data.product", "priced");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"x\",\"data\":{\"images\":1,\"usage\":{\"images\":1}}}", "data.usage.images", "twice");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"id\":\"2\",\"type\":\"images\",\"data\":{\"value\":1}}", "", "twice");
}

static void times_are_instants_or_seconds(void **state) {
  (void)state;
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"images\",\"time\":\"yesterday\",\"data\":{\"value\":1}}", "time", "RFC 3339");
  static const struct {
    const char *text;
    int64_t us;
  } fractions[] = {{"1795248000.5", 500000},       {"\"1795248000.123\"", 123000}, {"1795248000.123", 123000}, {"\"1795248000.123456789\"", 123456},
                   {"\"1795248000.000001\"", 1}, {"1.7952480001e9", 100000},      {"\"1795248000.0\"", 0}};
  for (size_t i = 0; i < ARRAY_LEN(fractions); i++) {
    taken(USAGE_PLAIN, arena_printf(&arena, "{\"id\":\"1\",\"type\":\"images\",\"timestamp\":%s,\"data\":{\"value\":1}}", fractions[i].text));
    assert_int_equal(e.time, INT64_C(1795248000000000) + fractions[i].us);
  }
  static const char *const odd[] = {"\"1795248000.\"", "\".5\"", "\"1795248000.1234567890\"", "\"1795248000.5.5\"", "\"1795248000,5\"", "\"-1.5\"", "-1.5", "1e30", "0.25", "1e-9"};
  for (size_t i = 0; i < ARRAY_LEN(odd); i++)
    refused(USAGE_PLAIN, arena_printf(&arena, "{\"id\":\"1\",\"type\":\"images\",\"timestamp\":%s,\"data\":{\"value\":1}}", odd[i]), "timestamp", "seconds since 1970");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"images\",\"timestamp\":-3,\"data\":{\"value\":1}}", "timestamp", "RFC 3339");
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"images\",\"data\":{\"value\":1}}");
  assert_int_equal(e.time, 0);
}

static void a_plain_event_without_a_type_is_told_what_that_is(void **state) {
  (void)state;
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"data\":{\"model\":\"gpt\",\"images\":1}}", "type", "event_name");
  refused(USAGE_CLOUDEVENT, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"data\":{\"model\":\"gpt\",\"images\":1}}", "type", "missing");
}

// ---- quantities

static void quantities_are_whole_numbers_of_known_meters(void **state) {
  (void)state;
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"input_tokens\":900,\"cached_input_tokens\":\"100\",\"output_tokens\":0}}}");
  assert_int_equal(quantity("input_tokens"), 900);
  assert_int_equal(quantity("cached_input_tokens"), 100);
  assert_int_equal(quantity("output_tokens"), 0);
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"audio_seconds\":1.5}}}", "data.usage.audio_seconds", "finer unit");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"audio_seconds\":\"1.5\"}}}", "data.usage.audio_seconds", "finer unit");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"images\":-1}}}", "data.usage.images", "below zero");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"images\":\"-1\"}}}", "data.usage.images", "below zero");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"images\":\"two\"}}}", "data.usage.images", "whole number");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"images\":true}}}", "data.usage.images", "whole number");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"images\":\"99999999999999999999\"}}}", "data.usage.images", "whole number");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"horses\":1}}}", "data.usage.horses", "pages_scanned");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":7}}", "data.usage", "object");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{}}", "data.usage", "missing");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\"}", "data.usage", "missing");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"value\":3}}", "data.value", "type names");
}

static void quantities_alone_are_read_as_an_events_are(void **state) {
  (void)state;
  static const struct {
    const char *text, *param, *why;
  } wrong[] = {{"{\"tokens\":1}", "usage.tokens", "Known: "}, {"{\"input_tokens\":-1}", "usage.input_tokens", ""}, {"{\"input_tokens\":1.5}", "usage.input_tokens", ""},
               {"{}", "usage", "at least one meter"}};
  struct json_error why;
  struct json *root = NULL;
  assert_int_equal(json_parse(STR("{\"input_tokens\":12,\"output_tokens\":0}"), &root, &why), 0);
  assert_int_equal(usage_quantities(&arena, &words, "usage", root, &e, &error), 0);
  json_finish(root);
  assert_int_equal(quantity("input_tokens"), 12);
  assert_int_equal(e.model.len, 0);
  for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
    assert_int_equal(json_parse(str_from(wrong[i].text), &root, &why), 0);
    if (usage_quantities(&arena, &words, "usage", root, &e, &error) != 1 || strcmp(error.param, wrong[i].param) != 0 || !strstr(error.message, wrong[i].why))
      fail_msg("%s: %s (%s)", wrong[i].text, error.message, error.param);
    json_finish(root);
  }
}

static void totals_that_include_other_meters_are_none(void **state) {
  (void)state;
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"usage\":{\"prompt_tokens\":5}}}", "data.usage.prompt_tokens", "cached_input_tokens");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"completion_tokens\":5,\"input_tokens\":1}}", "data.completion_tokens", "reasoning_tokens");
}

static void what_is_no_meter_says_more_of_the_event(void **state) {
  (void)state;
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"images\":1,\"region\":\"eu\",\"seconds\":1.5,\"nothing\":null}}");
  is(e.more, "{\"region\":\"eu\",\"seconds\":1.5}");
}

static void defined_meters_count_as_they_are_defined(void **state) {
  (void)state;
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"logins\"}");
  assert_int_equal(quantity("logins"), 1);
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"logins\",\"data\":{\"value\":7}}");
  assert_int_equal(quantity("logins"), 1);
  assert_false(e.quantities[0].uncharged);
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"users\",\"data\":{\"value\":17}}");
  int64_t as_number = quantity("users");
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"users\",\"data\":{\"usage\":{\"users\":\"17\"}}}");
  assert_int_equal(quantity("users"), as_number);
  assert_true(as_number > 0 && e.quantities[0].uncharged);
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"users\",\"data\":{\"value\":\"18\"}}");
  assert_int_not_equal(quantity("users"), as_number);
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"users\",\"data\":{\"value\":1.5}}", "data.value", "counted once");
  refused(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"users\"}", "data.usage", "missing");
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"x\",\"data\":{\"seats\":0,\"pages_scanned\":4}}");
  assert_true(e.quantities[0].uncharged && !e.quantities[1].uncharged);
}

// ---- what makes it known

static void the_identity_is_source_and_id_and_the_content_what_it_says(void **state) {
  (void)state;
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"source\":\"ab\",\"type\":\"m\",\"time\":1795248000,\"data\":{\"images\":1,\"requests\":2}}");
  struct uuid identity = usage_identity(&e), content = usage_content(&arena, &e);
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"source\":\"ab\",\"type\":\"m\",\"time\":1795248001,\"data\":{\"model\":\"m\",\"usage\":{\"requests\":\"2\",\"images\":1}}}");
  assert_true(uuid_eq(identity, usage_identity(&e)) && uuid_eq(content, usage_content(&arena, &e)));
  taken(USAGE_PLAIN, "{\"id\":\"b1\",\"source\":\"a\",\"type\":\"m\",\"data\":{\"images\":1,\"requests\":2}}");
  assert_false(uuid_eq(identity, usage_identity(&e)));
  assert_true(uuid_eq(content, usage_content(&arena, &e)));
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"source\":\"ab\",\"type\":\"m\",\"data\":{\"images\":2,\"requests\":1}}");
  assert_false(uuid_eq(content, usage_content(&arena, &e)));
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"source\":\"ab\",\"type\":\"n\",\"data\":{\"model\":\"m\",\"images\":1,\"requests\":2}}");
  assert_false(uuid_eq(content, usage_content(&arena, &e)));
}

static void what_else_it_says_is_content_in_whatever_order(void **state) {
  (void)state;
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"images\":1}}");
  struct uuid bare = usage_content(&arena, &e);
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"user\":\"a\",\"images\":1,\"job\":{\"y\":[1,2],\"x\":null}}}");
  struct uuid content = usage_content(&arena, &e);
  is(e.more, "{\"job\":{\"x\":null,\"y\":[1,2]},\"user\":\"a\"}");
  assert_false(uuid_eq(bare, content));
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"job\":{\"x\":null,\"y\": [1, 2]},\"usage\":{\"images\":\"1\"},\"user\":\"a\"}}");
  assert_true(uuid_eq(content, usage_content(&arena, &e)));
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"m\",\"data\":{\"job\":{\"x\":null,\"y\":[2,1]},\"images\":1,\"user\":\"a\"}}");
  assert_false(uuid_eq(content, usage_content(&arena, &e)));
}

static void what_has_no_price_is_unrated_and_what_needs_none_is_not(void **state) {
  (void)state;
  struct usage_rating rating;
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"nothing\",\"data\":{\"images\":1,\"region\":\"eu\"}}");
  assert_true(usage_rate(&arena, &words, &e, INT64_C(1795248000000000), &rating));
  assert_int_equal(rating.state, CALL_UNRATED);
  assert_int_equal(rating.charge, 0);
  is(rating.usage, "{\"images\":1}");
  is(usage_evidence(&arena, &e, &rating), "{\"event\":{\"type\":\"nothing\",\"data\":{\"region\":\"eu\"}},\"model\":\"nothing\"}");
  taken(USAGE_PLAIN, "{\"id\":\"1\",\"type\":\"users\",\"data\":{\"value\":\"17\"}}");
  assert_true(usage_rate(&arena, &words, &e, INT64_C(1795248000000000), &rating));
  assert_int_equal(rating.state, CALL_SETTLED);
  assert_int_equal(usage_evidence(&arena, &e, &rating).len, 0);
}

// ---- batches

static void walk_all(const char *text, bool lines, const char *const *expected, int end) {
  struct usage_walk walk = {.text = str_from(text), .lines = lines};
  struct str one;
  const char *why = NULL;
  int r;
  for (; (r = usage_walk_next(&walk, &one, &why)) == 0; expected++) {
    assert_non_null(*expected);
    is(one, *expected);
  }
  assert_null(*expected);
  if (r != end) fail_msg("%s: %d %s", text, r, why ? why : "");
}

static void a_batch_is_cut_before_it_is_read(void **state) {
  (void)state;
  walk_all(" [ {\"a\":[1,\"],[\"]} ,5, \"\\\\\\\"]\" ] ", false, (const char *const[]){"{\"a\":[1,\"],[\"]}", "5", "\"\\\\\\\"]\"", NULL}, 1);
  walk_all("[]", false, (const char *const[]){NULL}, 1);
  walk_all("[{}", false, (const char *const[]){NULL}, 2);
  walk_all("[{},]", false, (const char *const[]){"{}", NULL}, 2);
  walk_all("[,{}]", false, (const char *const[]){NULL}, 2);
  walk_all("[{}] x", false, (const char *const[]){"{}", NULL}, 2);
  walk_all("{}", false, (const char *const[]){NULL}, 2);
  walk_all("[{\"bad\":01},{}]", false, (const char *const[]){"{\"bad\":01}", "{}", NULL}, 1);
  walk_all("{\"a\":1}\n\n \t\r\n{\"b\":2}\r\nx", true, (const char *const[]){"{\"a\":1}", "{\"b\":2}", "x", NULL}, 1);
  walk_all("", true, (const char *const[]){NULL}, 1);
}

// ---- the whole

static int start(void **state) {
  (void)state;
  struct book *book = NULL;
  struct plugin_registry *plugins = NULL;
  CLEANUP(buf_finish) struct buf problems;
  buf_init(&problems, 4096);
  arena_init(&arena, 1 << 24);
  if (!crypto_start() || plugin_registry_load(BINARY_DIR "/plugins", &plugins, &problems) < 1) return 1;
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  struct db *db = db_connect(cluster_url(&cluster), 10000, 5000, 10000, &problems);
  if (!db || db_exec(db, "INSERT INTO meters (name, unit, aggregation) VALUES ('pages_scanned', 'page', 1), ('seats', '', 2), ('logins', '', 3), ('users', '', 5)") != 0) return 1;
  if (book_load(db, &book) != 0) return 1;
  db_destroy(db);
  words = (struct usage_words){plugins, book};
  return 0;
}

static int finish(void **state) {
  (void)state;
  book_unref((struct book *)(uintptr_t)words.book);
  plugin_registry_destroy((struct plugin_registry *)(uintptr_t)words.plugins);
  cluster_remove(&cluster);
  arena_finish(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_structured_event_is_read_whole),
      cmocka_unit_test(its_four_attributes_are_needed_under_their_names),
      cmocka_unit_test(data_may_be_json_in_base64),
      cmocka_unit_test(data_of_another_type_is_refused),
      cmocka_unit_test(headers_are_unquoted_and_then_decoded_once),
      cmocka_unit_test(names_of_other_systems_are_understood_in_plain_events),
      cmocka_unit_test(one_thing_is_said_once),
      cmocka_unit_test(times_are_instants_or_seconds),
      cmocka_unit_test(what_else_it_says_is_content_in_whatever_order),
      cmocka_unit_test(a_plain_event_without_a_type_is_told_what_that_is),
      cmocka_unit_test(quantities_are_whole_numbers_of_known_meters),
      cmocka_unit_test(quantities_alone_are_read_as_an_events_are),
      cmocka_unit_test(totals_that_include_other_meters_are_none),
      cmocka_unit_test(what_is_no_meter_says_more_of_the_event),
      cmocka_unit_test(defined_meters_count_as_they_are_defined),
      cmocka_unit_test(the_identity_is_source_and_id_and_the_content_what_it_says),
      cmocka_unit_test(what_has_no_price_is_unrated_and_what_needs_none_is_not),
      cmocka_unit_test(a_batch_is_cut_before_it_is_read),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
