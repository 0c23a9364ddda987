// What the plugin reads from requests, what it refuses and in which words, how it bounds them, and what it sends
// upstream.
#include "answers.h"

#define CHAT 0
#define EMBEDDINGS 1

static struct tollgate_request request;
static struct tollgate_facts facts;

static void accepted(uint32_t endpoint, const char *body) {
  assert_int_equal(inspect(endpoint, slice(body), &request, &facts), TOLLGATE_OK);
}

static void refused(uint32_t endpoint, const char *body, const char *param, const char *why) {
  assert_int_equal(inspect(endpoint, slice(body), &request, &facts), TOLLGATE_REFUSED);
  assert_string_equal(facts.error_param, param);
  if (!strstr(facts.error, why)) fail_msg("\"%s\" does not say \"%s\"", facts.error, why);
}

#define ASK(more) "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]" more "}"

// ---- facts

static void what_the_caller_asks_for_is_read(void **state) {
  (void)state;
  accepted(CHAT, ASK(""));
  assert_true(slice_is(facts.model, "gpt-4o"));
  assert_false(facts.stream || facts.wants_usage || facts.stoppable);
  assert_int_equal(facts.output_cap, 0);
  assert_int_equal(facts.choices, 1);
  assert_int_equal(facts.object.len, 0);
  accepted(
      CHAT,
      ASK(",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"max_tokens\":7,\"n\":3,\"user\":\"u1\""));
  assert_true(facts.stream && facts.wants_usage && facts.stoppable);
  assert_int_equal(facts.output_cap, 7);
  assert_int_equal(facts.choices, 3);
  assert_true(slice_is(facts.user, "u1"));
}

static void null_is_the_same_as_absent(void **state) {
  (void)state;
  accepted(CHAT, ASK(",\"stream\":null,\"stream_options\":null,\"max_tokens\":null,\"max_completion_tokens\":null,"
                     "\"n\":null,\"user\":null"));
  assert_false(facts.stream || facts.wants_usage);
  assert_int_equal(facts.output_cap, 0);
  assert_int_equal(facts.choices, 1);
}

static void names_are_unescaped_where_memory_is_lent(void **state) {
  char memory[16];
  struct tollgate_out text = {.ptr = memory, .cap = sizeof memory};
  (void)state;
  request_init(&request, CHAT, slice("{\"model\":\"openai\\/gpt-4\\u006f\",\"messages\":[],\"user\":\"J\\u00fc\"}"));
  request.text = &text;
  facts = (struct tollgate_facts){.size = sizeof facts};
  assert_int_equal(plugin->inspect(&request, &facts), TOLLGATE_OK);
  assert_true(slice_is(facts.model, "openai/gpt-4o"));
  assert_true(slice_is(facts.user, "J\xc3\xbc"));
  text = (struct tollgate_out){.ptr = memory, .cap = 12};
  assert_int_equal(plugin->inspect(&request, &facts), TOLLGATE_REFUSED);
}

static void of_two_caps_the_larger_binds(void **state) {
  (void)state;
  accepted(CHAT, ASK(",\"max_tokens\":5,\"max_completion_tokens\":9"));
  assert_int_equal(facts.output_cap, 9);
  accepted(CHAT, ASK(",\"max_tokens\":9,\"max_completion_tokens\":5"));
  assert_int_equal(facts.output_cap, 9);
}

static void hidden_reasoning_cannot_be_stopped(void **state) {
  static const char *const hidden[] = {"o1", "o3-mini", "gpt-5", "gpt-5-mini-2025-08-07", "openai/o4-mini"},
                           *const open[] = {"gpt-4o", "gpt-4.1", "opal", "o"};
  char body[256];
  (void)state;
  for (size_t i = 0; i < 9; i++) {
    (void)snprintf(body, sizeof body, "{\"model\":\"%s\",\"messages\":[],\"stream\":true}",
                   i < 5 ? hidden[i] : open[i - 5]);
    accepted(CHAT, body);
    assert_int_equal(facts.stoppable, i >= 5);
  }
}

// ---- refusals

static void wrong_types_are_refused_by_name(void **state) {
  (void)state;
  refused(CHAT, "{\"messages\":[]}", "model", "required");
  refused(CHAT, "{\"model\":1,\"messages\":[]}", "model", "text");
  refused(CHAT, "{\"model\":\"\",\"messages\":[]}", "model", "not empty");
  refused(CHAT, "{\"model\":\"a\\/b\",\"messages\":[]}", "model", "escapes");
  refused(CHAT, "{\"model\":\"m\"}", "messages", "required");
  refused(CHAT, "{\"model\":\"m\",\"messages\":\"Hi\"}", "messages", "list");
  refused(CHAT, ASK(",\"stream\":\"yes\""), "stream", "true or false");
  refused(CHAT, ASK(",\"stream\":1"), "stream", "true or false");
  refused(CHAT, ASK(",\"stream_options\":[]"), "stream_options", "object");
  refused(CHAT, ASK(",\"stream_options\":{\"include_usage\":1}"), "stream_options.include_usage", "true or false");
  refused(CHAT, ASK(",\"user\":7"), "user", "text");
  refused(CHAT, ASK(",\"safety_identifier\":[]"), "safety_identifier", "text");
  refused(EMBEDDINGS, "{\"model\":\"m\"}", "input", "required");
  refused(EMBEDDINGS, "{\"model\":\"m\",\"input\":5}", "input", "text or a list");
}

static void numbers_are_integers_in_range(void **state) {
  (void)state;
  refused(CHAT, ASK(",\"max_tokens\":-1"), "max_tokens", "between 1");
  refused(CHAT, ASK(",\"max_tokens\":0"), "max_tokens", "between 1");
  refused(CHAT, ASK(",\"max_completion_tokens\":1.5"), "max_completion_tokens", "integer");
  refused(CHAT, ASK(",\"max_completion_tokens\":\"10\""), "max_completion_tokens", "integer");
  refused(CHAT, ASK(",\"max_tokens\":9223372036854775808"), "max_tokens", "between 1");
  refused(CHAT, ASK(",\"max_tokens\":1e3"), "max_tokens", "integer");
  refused(CHAT, ASK(",\"n\":0"), "n", "between 1 and 128");
  refused(CHAT, ASK(",\"n\":129"), "n", "between 1 and 128");
  refused(CHAT, ASK(",\"n\":99999999999999999999"), "n", "between 1 and 128");
  accepted(CHAT, ASK(",\"max_tokens\":9223372036854775807,\"n\":128"));
}

static void what_is_not_one_json_object_is_refused(void **state) {
  static char deep[200100];
  (void)state;
  refused(CHAT, "", "", "not valid JSON");
  refused(CHAT, "{\"model\":\"m\",", "", "not valid JSON (at byte 13)");
  refused(CHAT, "[]", "", "not a JSON object");
  refused(CHAT, ASK("") "{}", "", "not valid JSON");
  refused(CHAT, ASK(",\"x\":\"\xff\""), "", "not valid UTF-8");
  refused(CHAT, ASK(",\"x\":\"\\u0000\""), "", "NUL");
  refused(CHAT, ASK(",\"x\":\"\\ud800\""), "", "surrogate");
  int len = snprintf(deep, sizeof deep, "{\"model\":\"m\",\"messages\":");
  memset(deep + len, '[', 100000);
  memset(deep + len + 100000, ']', 100000);
  deep[len + 200000] = '}';
  refused(CHAT, deep, "", "nested too deeply");
}

static void a_member_twice_is_refused(void **state) {
  (void)state;
  refused(CHAT, ASK(",\"model\":\"other\""), "model", "twice");
  refused(CHAT, ASK(",\"mod\\u0065l\":\"other\""), "mod\\u0065l", "twice");
  refused(CHAT, ASK(",\"max_tokens\":1,\"max_tokens\":100000"), "max_tokens", "twice");
  refused(CHAT, ASK(",\"stream_options\":{\"include_usage\":false,\"include_usage\":true}"), "stream_options", "twice");
}

static void what_is_kept_upstream_is_named(void **state) {
  static const struct {
    const char *body, *object;
  } cases[] = {
      {ASK(",\"previous_response_id\":\"resp_1\""), "resp_1"},
      {ASK(",\"conversation\":\"conv_1\""), "conv_1"},
      {ASK(",\"conversation\":{\"id\":\"conv_1\"}"), "{\"id\":\"conv_1\"}"},
      {ASK(",\"previous_response_id\":null"), ""},
      {"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"audio\":{\"id\":\"audio_1\"}}]}", "audio_1"},
      {"{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]}]}",
       "file-1"},
      {"{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"file\",\"f\\u0069le\":{\"file_\\u0069d\":\"file-1\"}}]"
       "}]}",
       "file-1"},
      {"{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"input_file\",\"file_id\":\"file-1\"}]}]}", "file-1"},
      {"{\"model\":\"m\",\"messages\":[{\"audio\":{\"id\":\"a\"}},{\"audio\":{\"id\":\"a\"}}]}", "a"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    accepted(CHAT, cases[i].body);
    assert_true(slice_is(facts.object, cases[i].object));
  }
  refused(CHAT, "{\"model\":\"m\",\"messages\":[{\"audio\":{\"id\":\"a\"}},{\"audio\":{\"id\":\"b\"}}]}", "messages",
          "more than one");
}

// ---- bounds

static int64_t units(uint32_t endpoint, const char *body) {
  accepted(endpoint, body);
  assert_true(facts.input_likely <= facts.input_units);
  return facts.input_units;
}

static void text_is_bounded_by_its_length(void **state) {
  char body[4096], text[3001];
  (void)state;
  int64_t least = units(CHAT, ASK(""));
  memset(text, 'a', 3000);
  text[3000] = '\0';
  (void)snprintf(body, sizeof body, "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
                 text);
  int64_t more = units(CHAT, body);
  assert_in_range(more - least, 998, 1000);
  assert_in_range(facts.input_likely, 750, 770);
  (void)snprintf(
      body, sizeof body,
      "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"\xe4\xbd\xa0\xe5\xa5\xbd\\u4f60\"}]}");
  assert_in_range(units(CHAT, body) - least, 8, 9); // nine bytes beyond ASCII, in place of "Hi"
}

static void tools_count_and_settings_are_covered(void **state) {
  (void)state;
  int64_t least = units(CHAT, ASK(""));
  int64_t likely = facts.input_likely;
  assert_true(
      units(CHAT, ASK(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{}}}]")) >
      least + 20);
  assert_true(facts.input_likely > likely + 12);
  units(CHAT, ASK(",\"temperature\":0.5"));
  assert_int_equal(facts.input_likely, likely);
}

static void pictures_and_sounds_are_not_text(void **state) {
  static char body[60000], data[40001];
  (void)state;
  memset(data, 'A', 40000);
  (void)snprintf(
      body, sizeof body,
      "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
      "{\"url\":\"data:image/png;base64,%s\"}}]}]}",
      data);
  assert_in_range(units(CHAT, body), 4096, 4200);
  (void)snprintf(
      body, sizeof body,
      "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":"
      "{\"data\":\"%s\"}}]}]}",
      data);
  assert_in_range(units(CHAT, body), 625, 700);
}

static void embeddings_are_bounded_by_text_or_tokens(void **state) {
  (void)state;
  assert_int_equal(units(EMBEDDINGS, "{\"model\":\"m\",\"input\":\"hello world\"}"), 5);
  assert_int_equal(facts.input_likely, 3);
  assert_in_range(units(EMBEDDINGS, "{\"model\":\"m\",\"input\":[\"hello\",\"world\"]}"), 6, 8);
  assert_in_range(units(EMBEDDINGS, "{\"model\":\"m\",\"input\":[1,2,3,4]}"), 4, 6);
  assert_int_equal(facts.input_likely, 4);
  assert_in_range(units(EMBEDDINGS, "{\"model\":\"m\",\"input\":[[1,2],[3]]}"), 3, 7);
}

static struct tollgate_bound bound(int64_t max_input, int64_t max_output) {
  struct tollgate_model model = {.size = sizeof model, .max_input = max_input, .max_output = max_output};
  struct tollgate_bound b = {.size = sizeof b};
  assert_int_equal(plugin->bound(&request, &facts, &model, &b), TOLLGATE_OK);
  for (uint32_t i = 0; i < b.count; i++) {
    assert_int_equal(b.upper[i].meter, b.likely[i].meter);
    assert_true(b.likely[i].quantity <= b.upper[i].quantity);
  }
  return b;
}

static void output_is_bounded_by_the_cap_for_each_choice(void **state) {
  (void)state;
  accepted(CHAT, ASK(",\"max_tokens\":100,\"n\":2"));
  assert_int_equal(bound(0, 4096).upper[1].quantity, 200);
  accepted(CHAT, ASK(",\"n\":2"));
  assert_int_equal(bound(0, 4096).upper[1].quantity, 8192);
  assert_int_equal(bound(0, 0).upper[1].quantity, 2 * 16384);
  accepted(CHAT, ASK(",\"max_tokens\":9223372036854775807,\"n\":2"));
  assert_true(bound(0, 0).upper[1].quantity == INT64_MAX);
  assert_int_equal(bound(5, 0).upper[0].quantity, 5);
  accepted(EMBEDDINGS, "{\"model\":\"m\",\"input\":\"hello world\"}");
  assert_int_equal(bound(0, 0).count, 1);
}

// ---- what goes upstream

static char url[256], headers[512], sent[4096];
static struct tollgate_upstream upstream;

static void build(const char *model, int64_t cap) {
  struct tollgate_built b = {.size = sizeof b, .url = {.ptr = url}, .headers = {.ptr = headers}, .body = {.ptr = sent}};
  upstream.size = sizeof upstream;
  upstream.model = slice(model);
  upstream.output_cap = cap;
  if (!upstream.base_url.len) upstream.base_url = slice("https://api.example");
  if (!upstream.secret.len) upstream.secret = slice("sk-1");
  assert_int_equal(plugin->build(&request, &facts, &upstream, &b), TOLLGATE_ROOM);
  assert_true(b.url.need < sizeof url && b.headers.need < sizeof headers && b.body.need < sizeof sent);
  b = (struct tollgate_built){.size = sizeof b,
                              .url = {.ptr = url, .cap = b.url.need},
                              .headers = {.ptr = headers, .cap = b.headers.need},
                              .body = {.ptr = sent, .cap = b.body.need}};
  assert_int_equal(plugin->build(&request, &facts, &upstream, &b), TOLLGATE_OK);
  url[b.url.len] = headers[b.headers.len] = sent[b.body.len] = '\0';
}

static void sends(const char *body, const char *model, int64_t cap, const char *expected) {
  accepted(CHAT, body);
  build(model, cap);
  assert_string_equal(sent, expected);
}

static void an_unchanged_request_goes_on_byte_for_byte(void **state) {
  const char *body = " { \"messages\" : [ ] ,\n\"model\":\"m\" , \"stream\":false, \"temperature\":1.0 } ";
  (void)state;
  sends(body, "m", 0, body);
  const char *asked = "{\"model\":\"m\",\"messages\":[],\"stream\":true,\"stream_options\":{ \"include_usage\":true }}";
  sends(asked, "m", 0, asked);
}

static void the_models_name_is_replaced(void **state) {
  (void)state;
  sends("{\"model\" : \"m\",\"messages\":[{\"model\":\"m\"}]}", "up/m\"1", 0,
        "{\"model\" : \"up/m\\\"1\",\"messages\":[{\"model\":\"m\"}]}");
}

static void a_stream_is_asked_for_its_usage(void **state) {
  (void)state;
  sends("{\"model\":\"m\",\"messages\":[],\"stream\":true}", "m", 0,
        "{\"model\":\"m\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
  sends("{\"model\":\"m\",\"messages\":[],\"stream\":true,\"stream_options\":null}", "m", 0,
        "{\"model\":\"m\",\"messages\":[],\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
  sends("{\"model\":\"m\",\"messages\":[],\"stream_options\":{\"include_obfuscation\":false},\"stream\":true}", "m", 0,
        "{\"model\":\"m\",\"messages\":[],\"stream_options\":{\"include_obfuscation\":false,\"include_usage\":true},"
        "\"stream\":true}");
  sends("{\"model\":\"m\",\"messages\":[],\"stream_options\":{\"include_usage\":false},\"stream\":true}", "m", 0,
        "{\"model\":\"m\",\"messages\":[],\"stream_options\":{\"include_usage\":true},\"stream\":true}");
  sends("{\"model\":\"m\",\"messages\":[],\"stream_options\":{},\"stream\":true}", "m", 0,
        "{\"model\":\"m\",\"messages\":[],\"stream_options\":{\"include_usage\":true},\"stream\":true}");
}

static void a_lowered_cap_is_written_where_the_callers_stands(void **state) {
  (void)state;
  sends("{\"model\":\"m\",\"messages\":[],\"max_tokens\":100}", "m", 9,
        "{\"model\":\"m\",\"messages\":[],\"max_tokens\":9}");
  sends("{\"model\":\"m\",\"messages\":[],\"max_completion_tokens\":100}", "m", 9,
        "{\"model\":\"m\",\"messages\":[],\"max_completion_tokens\":9}");
  sends("{\"model\":\"m\",\"messages\":[]}", "m", 9, "{\"model\":\"m\",\"messages\":[],\"max_completion_tokens\":9}");
  sends("{\"model\":\"m\",\"messages\":[],\"max_tokens\":null}", "m", 9,
        "{\"model\":\"m\",\"messages\":[],\"max_tokens\":null,\"max_completion_tokens\":9}");
  sends("{\"model\":\"m\",\"messages\":[],\"max_completion_tokens\":null}", "m", 9,
        "{\"model\":\"m\",\"messages\":[],\"max_completion_tokens\":9}");
  sends(
      "{\"model\":\"a\",\"messages\":[],\"stream\":true,\"max_tokens\":5}", "b", 9,
      "{\"model\":\"b\",\"messages\":[],\"stream\":true,\"max_tokens\":9,\"stream_options\":{\"include_usage\":true}}");
}

static void the_address_may_name_the_version_or_not(void **state) {
  (void)state;
  accepted(CHAT, ASK(""));
  upstream.base_url = slice("https://h.example");
  build("m", 0);
  assert_string_equal(url, "https://h.example/v1/chat/completions");
  upstream.base_url = slice("https://h.example/openai/v1");
  build("m", 0);
  assert_string_equal(url, "https://h.example/openai/v1/chat/completions");
  accepted(EMBEDDINGS, "{\"model\":\"m\",\"input\":\"a\"}");
  build("m", 0);
  assert_string_equal(url, "https://h.example/openai/v1/embeddings");
}

static void the_secret_is_in_one_header(void **state) {
  struct tollgate_built b = {.size = sizeof b,
                             .url = {.ptr = url, .cap = sizeof url},
                             .headers = {.ptr = headers, .cap = sizeof headers},
                             .body = {.ptr = sent, .cap = sizeof sent}};
  (void)state;
  accepted(CHAT, ASK(""));
  build("gpt-4o", 0);
  assert_string_equal(headers, "Content-Type: application/json\nAuthorization: Bearer sk-1\n");
  upstream.settings = slice("{\"organization\":\"org-1\",\"project\":\"p-1\",\"other\":true}");
  build("gpt-4o", 0);
  assert_string_equal(
      headers,
      "Content-Type: application/json\nAuthorization: Bearer sk-1\nOpenAI-Organization: org-1\nOpenAI-Project: p-1\n");
  upstream.settings.len = 0;
  upstream.secret = slice("sk\nX-Forged: 1");
  assert_int_equal(plugin->build(&request, &facts, &upstream, &b), TOLLGATE_BROKEN);
  upstream.secret = slice("sk-1");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_the_caller_asks_for_is_read),
      cmocka_unit_test(null_is_the_same_as_absent),
      cmocka_unit_test(names_are_unescaped_where_memory_is_lent),
      cmocka_unit_test(of_two_caps_the_larger_binds),
      cmocka_unit_test(hidden_reasoning_cannot_be_stopped),
      cmocka_unit_test(wrong_types_are_refused_by_name),
      cmocka_unit_test(numbers_are_integers_in_range),
      cmocka_unit_test(what_is_not_one_json_object_is_refused),
      cmocka_unit_test(a_member_twice_is_refused),
      cmocka_unit_test(what_is_kept_upstream_is_named),
      cmocka_unit_test(text_is_bounded_by_its_length),
      cmocka_unit_test(tools_count_and_settings_are_covered),
      cmocka_unit_test(pictures_and_sounds_are_not_text),
      cmocka_unit_test(embeddings_are_bounded_by_text_or_tokens),
      cmocka_unit_test(output_is_bounded_by_the_cap_for_each_choice),
      cmocka_unit_test(an_unchanged_request_goes_on_byte_for_byte),
      cmocka_unit_test(the_models_name_is_replaced),
      cmocka_unit_test(a_stream_is_asked_for_its_usage),
      cmocka_unit_test(a_lowered_cap_is_written_where_the_callers_stands),
      cmocka_unit_test(the_address_may_name_the_version_or_not),
      cmocka_unit_test(the_secret_is_in_one_header),
  };
  return cmocka_run_group_tests(tests, plugin_open, NULL);
}
