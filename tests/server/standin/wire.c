// The wire format of ordinary answers.
#include "provider.h"

static struct provider provider;

static int begin(void **state) {
  (void)state;
  provider_dir(&provider);
  provider_start(&provider, NULL);
  return 0;
}

static int end(void **state) {
  (void)state;
  provider_stop(&provider);
  return 0;
}

static void a_plain_answer_has_every_field(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "gpt-4o", false);
  struct str body = buf_str(&r.body);
  assert_int_equal(r.status, 200);
  assert_true(r.whole);
  assert_true(str_starts(value_at(body, "id"), STR("\"chatcmpl-")));
  assert_value(body, "object", "\"chat.completion\"");
  assert_value(body, "model", "\"gpt-4o\"");
  assert_value(body, "choices.0.index", "0");
  assert_value(body, "choices.0.message.role", "\"assistant\"");
  assert_value(body, "choices.0.message.content",
               "\"Hello from the stand-in provider. Nothing here was thought by a model.\"");
  assert_value(body, "choices.0.finish_reason", "\"stop\"");
  assert_value(body, "usage.prompt_tokens", "11");
  assert_value(body, "usage.completion_tokens", "12");
  assert_value(body, "usage.total_tokens", "23");
  assert_value(body, "usage.prompt_tokens_details.cached_tokens", "0");
  assert_value(body, "usage.completion_tokens_details.reasoning_tokens", "0");
  static const char *const headers[] = {"Content-Type: application/json\r\n", "x-request-id: req_",
                                        "openai-processing-ms: ", "openai-version: 2020-10-01",
                                        "x-ratelimit-remaining-tokens: "};
  for (size_t i = 0; i < ARRAY_LEN(headers); i++) assert_non_null(strstr(buf_cstr(&r.head), headers[i]));
  reply_finish(&r);
}

static void a_stream_goes_role_words_finish_usage_done(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "gpt-4o", true);
  assert_true(r.whole);
  assert_non_null(strstr(buf_cstr(&r.head), "Content-Type: text/event-stream; charset=utf-8\r\n"));
  struct str stream = buf_str(&r.body), data, id = {0};
  char text[200] = "";
  for (int i = 0; i < 16; i++) {
    assert_true(event_next(&stream, &data));
    if (i == 15) break;
    if (i == 0) id = value_at(data, "id");
    assert_true(str_eq(value_at(data, "id"), id));
    assert_value(data, "object", "\"chat.completion.chunk\"");
    if (i < 14)
      assert_value(data, "usage", "null");
    else
      assert_value(data, "usage.total_tokens", "23");
    struct str word = raw_inner(value_at(data, "choices.0.delta.content"));
    strncat(text, word.ptr, word.len);
    if (i == 0) assert_value(data, "choices.0.delta.role", "\"assistant\"");
    assert_value(data, "choices.0.finish_reason", i < 13 ? "null" : i == 13 ? "\"stop\"" : "");
  }
  assert_string_equal(text, "Hello from the stand-in provider. Nothing here was thought by a model.");
  assert_true(str_eq(data, STR("[DONE]")));
  assert_false(event_next(&stream, &data));
  reply_finish(&r);
}

static void usage_is_streamed_only_where_asked_for(void **state) {
  (void)state;
  struct reply r;
  ask(&provider, &r, "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
  assert_true(r.whole);
  assert_null(strstr(buf_cstr(&r.body), "usage"));
  assert_true(str_ends(buf_str(&r.body), STR("data: [DONE]\n\n")));
  reply_finish(&r);
}

static void every_choice_comes_and_counts(void **state) {
  (void)state;
  struct reply r;
  ask(&provider, &r,
      "{\"model\":\"m\",\"n\":3,\"max_completion_tokens\":2,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
  for (int i = 0; i < 3; i++) {
    char path[40];
    snprintf(path, sizeof(path), "choices.%d.message.content", i);
    assert_value(buf_str(&r.body), path, "\"Hello from\"");
  }
  assert_value(buf_str(&r.body), "choices.2.finish_reason", "\"length\"");
  assert_value(buf_str(&r.body), "usage.completion_tokens", "6");
  reply_finish(&r);

  ask(&provider, &r,
      "{\"model\":\"m\",\"n\":3,\"max_tokens\":2,\"stream\":true,\"stream_options\":{\"include_usage\":true},"
      "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
  int events = 0, seen[3] = {0};
  struct str stream = buf_str(&r.body), data, last = {0};
  for (; event_next(&stream, &data); events++) {
    int64_t index;
    if (raw_int(value_at(data, "choices.0.index"), &index)) seen[index]++;
    if (data.ptr[0] == '{') last = data;
  }
  assert_int_equal(events, 3 * 4 + 2);
  for (int i = 0; i < 3; i++) assert_int_equal(seen[i], 4);
  assert_value(last, "usage.completion_tokens", "6");
  assert_value(last, "choices", "[]");
  reply_finish(&r);
}

static void prompts_are_counted_by_the_rule(void **state) {
  (void)state;
  static const struct {
    const char *messages, *tokens;
  } cases[] = {
      {"[]", "8"},
      {"[{\"role\":\"user\",\"content\":\"\"}]", "8"},
      {"[{\"role\":\"user\",\"content\":\" a  b\\nc\\td \"}]", "12"},
      {"[{\"role\":\"system\",\"content\":\"a b\"},{\"role\":\"user\",\"content\":\"c\"}]", "11"},
      {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a "
       "b\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}]",
       "95"},
      {"[{\"role\":\"user\",\"content\":\"\\\"quoted\\\" \\u00e4\"}]", "10"},
      {"[{\"role\":\"assistant\",\"content\":null}]", "8"},
  };
  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    char body[400];
    struct reply r;
    snprintf(body, sizeof(body), "{\"model\":\"m\",\"messages\":%s}", cases[i].messages);
    ask(&provider, &r, body);
    assert_value(buf_str(&r.body), "usage.prompt_tokens", cases[i].tokens);
    reply_finish(&r);
  }
}

#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{}}}],"
#define WEATHER "\"messages\":[{\"role\":\"user\",\"content\":\"How is the weather?\"}]}"

static void a_tool_is_called_for_the_weather(void **state) {
  (void)state;
  struct reply r;
  ask(&provider, &r, "{\"model\":\"m\"," TOOLS WEATHER);
  struct str body = buf_str(&r.body);
  assert_value(body, "choices.0.finish_reason", "\"tool_calls\"");
  assert_value(body, "choices.0.message.content", "null");
  assert_value(body, "choices.0.message.tool_calls.0.function.name", "\"get_weather\"");
  assert_value(body, "choices.0.message.tool_calls.0.function.arguments", "\"{\\\"location\\\":\\\"Paris\\\"}\"");
  assert_value(body, "usage.completion_tokens", "9");
  reply_finish(&r);

  ask(&provider, &r, "{\"model\":\"m\",\"stream\":true," TOOLS WEATHER);
  struct str stream = buf_str(&r.body), data;
  char arguments[100] = "";
  while (event_next(&stream, &data) && data.ptr[0] == '{') {
    struct str piece = raw_inner(value_at(data, "choices.0.delta.tool_calls.0.function.arguments"));
    strncat(arguments, piece.ptr, piece.len);
  }
  assert_string_equal(arguments, "{\\\"location\\\":\\\"Paris\\\"}");
  reply_finish(&r);
}

static void no_tool_is_called_otherwise(void **state) {
  (void)state;
  static const char *const bodies[] = {
      "{\"model\":\"m\"," WEATHER,
      "{\"model\":\"m\",\"tool_choice\":\"none\"," TOOLS WEATHER,
      "{\"model\":\"m\"," TOOLS "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}",
      "{\"model\":\"m\"," TOOLS
      "\"messages\":[{\"role\":\"user\",\"content\":\"weather\"},{\"role\":\"tool\",\"content\":\"weather\"}]}",
  };
  for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
    struct reply r;
    ask(&provider, &r, bodies[i]);
    assert_value(buf_str(&r.body), "choices.0.finish_reason", "\"stop\"");
    reply_finish(&r);
  }
}

static void embeddings_come_as_numbers_or_base64(void **state) {
  (void)state;
  struct reply r;
  ask_path(&provider, &r, "POST", "/v1/embeddings", KEY,
           "{\"model\":\"e\",\"input\":[\"a b\",\"c\"],\"dimensions\":2}");
  struct str body = buf_str(&r.body);
  assert_value(body, "object", "\"list\"");
  assert_value(body, "data.1.index", "1");
  assert_value(body, "data.1.object", "\"embedding\"");
  assert_value(body, "data.0.embedding", "[-0.9982,-0.2063]");
  assert_value(body, "data.2", "");
  assert_value(body, "usage.prompt_tokens", "3");
  assert_value(body, "usage.total_tokens", "3");
  reply_finish(&r);
  ask_path(&provider, &r, "POST", "/v1/embeddings", KEY,
           "{\"model\":\"e\",\"input\":[1,2,3,4],\"dimensions\":1,\"encoding_format\":\"base64\"}");
  assert_value(buf_str(&r.body), "data.0.embedding", "\"CYp/vw==\""); // -0.9982 as a float
  assert_value(buf_str(&r.body), "usage.prompt_tokens", "4");
  reply_finish(&r);
}

static void models_are_listed_and_named(void **state) {
  (void)state;
  struct reply r;
  ask_path(&provider, &r, "GET", "/v1/models", KEY, "");
  assert_value(buf_str(&r.body), "data.0.object", "\"model\"");
  reply_finish(&r);
  ask_path(&provider, &r, "GET", "/v1/models/gpt-4o", KEY, "");
  assert_value(buf_str(&r.body), "id", "\"gpt-4o\"");
  reply_finish(&r);
  ask_path(&provider, &r, "GET", "/v1/models/none", KEY, "");
  assert_int_equal(r.status, 404);
  assert_value(buf_str(&r.body), "error.code", "\"model_not_found\"");
  reply_finish(&r);
}

static void mistakes_get_openais_errors(void **state) {
  (void)state;
#define CHAT "/v1/chat/completions"
  static const struct {
    const char *method, *path, *headers, *body;
    int status;
    const char *at, *value;
  } cases[] = {
      {"POST", CHAT, "Connection: close\r\n", "{}", 401, "error.code", "null"},
      {"POST", CHAT, "Connection: close\r\nAuthorization: Bearer wrong\r\n", "{}", 401, "error.code",
       "\"invalid_api_key\""},
      {"POST", CHAT, "Connection: close\r\nAuthorization: Basic x\r\n", "{}", 401, "error.type",
       "\"invalid_request_error\""},
      {"POST", CHAT, KEY, "{", 400, "error.param", "null"},
      {"POST", CHAT, KEY, "[]", 400, "error.type", "\"invalid_request_error\""},
      {"POST", CHAT, KEY, "{\"model\":7}", 400, "error.message", "\"you must provide a model parameter\""},
      {"POST", CHAT, KEY, "{\"model\":\"m\"}", 400, "error.param", "\"messages\""},
      {"POST", CHAT, KEY, "{\"model\":\"m\",\"messages\":[],\"n\":0}", 400, "error.param", "\"n\""},
      {"POST", CHAT, KEY, "{\"model\":\"m\",\"messages\":[],\"max_tokens\":\"x\"}", 400, "error.code",
       "\"invalid_type\""},
      {"POST", CHAT, KEY, "{\"model\":\"m\",\"messages\":[],\"stream_options\":{}}", 400, "error.param",
       "\"stream_options\""},
      {"POST", "/v1/embeddings", KEY, "{\"model\":\"m\",\"input\":{}}", 400, "error.type", "\"invalid_request_error\""},
      {"POST", "/v1/nothing", KEY, "{\"model\":\"m\"}", 404, "error.message", "\"Invalid URL (POST /v1/nothing)\""},
      {"GET", "/", KEY, "", 404, "error.message", "\"Invalid URL (GET /)\""},
  };
  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    struct reply r;
    ask_path(&provider, &r, cases[i].method, cases[i].path, cases[i].headers, cases[i].body);
    if (r.status != cases[i].status) fail_msg("case %zu: %d", i, r.status);
    assert_value(buf_str(&r.body), cases[i].at, cases[i].value);
    reply_finish(&r);
  }
}

static void a_connection_serves_many_requests_pipelined_too(void **state) {
  (void)state;
  int fd = provider_connect(&provider);
  for (int i = 0; i < 200; i++)
    send_request(fd, "GET", i == 199 ? "/v1/models/gpt-4o?x=1" : "/v1/models/gpt-4o",
                 i == 199 ? KEY : "Authorization: Bearer test\r\n", "");
  struct reply r;
  reply_read(&r, fd);
  int answers = 0;
  for (const char *at = buf_cstr(&r.raw); (at = strstr(at, "HTTP/1.1 200 OK")); at++) answers++;
  assert_int_equal(answers, 200);
  reply_finish(&r);
  close(fd);
}

static void a_request_may_come_byte_by_byte_and_wait_for_continue(void **state) {
  (void)state;
  int fd = provider_connect(&provider);
  static const char head[] =
      "POST /v1/chat/completions HTTP/1.1\r\nExpect: 100-continue\r\n" KEY "Content-Length: 27\r\n\r\n";
  for (size_t i = 0; i < sizeof(head) - 1; i++) send_all(fd, head + i, 1);
  char answer[100] = "";
  assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
  assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
  send_all(fd, "{\"model\":\"m\",\"messages\":[]}", 27);
  struct reply r;
  reply_read(&r, fd);
  assert_int_equal(r.status, 200);
  reply_finish(&r);
  close(fd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plain_answer_has_every_field),
      cmocka_unit_test(a_stream_goes_role_words_finish_usage_done),
      cmocka_unit_test(usage_is_streamed_only_where_asked_for),
      cmocka_unit_test(every_choice_comes_and_counts),
      cmocka_unit_test(prompts_are_counted_by_the_rule),
      cmocka_unit_test(a_tool_is_called_for_the_weather),
      cmocka_unit_test(no_tool_is_called_otherwise),
      cmocka_unit_test(embeddings_come_as_numbers_or_base64),
      cmocka_unit_test(models_are_listed_and_named),
      cmocka_unit_test(mistakes_get_openais_errors),
      cmocka_unit_test(a_connection_serves_many_requests_pipelined_too),
      cmocka_unit_test(a_request_may_come_byte_by_byte_and_wait_for_continue),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
