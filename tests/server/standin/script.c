// Each fault that a model's name can ask for, seen from the client.
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

// What came of it within `ms`, the connection then still open.
static void ask_and_wait(const char *model, bool stream, int ms, char *ret, size_t size) {
  char body[300];
  int fd = provider_connect(&provider);
  snprintf(body, sizeof(body), "{\"model\":\"%s\",\"stream\":%s,\"messages\":[]}", model, stream ? "true" : "false");
  send_request(fd, "POST", "/v1/chat/completions", KEY, body);
  poll(NULL, 0, ms);
  ssize_t n = recv(fd, ret, size - 1, MSG_DONTWAIT);
  assert_true(n > 0 || errno == EAGAIN);
  ret[n > 0 ? n : 0] = '\0';
  close(fd);
}

static void hanging_gives_nothing_or_a_head(void **state) {
  (void)state;
  char got[4096];
  ask_and_wait("stand-in:hang", false, 100, got, sizeof(got));
  assert_string_equal(got, "");
  for (int stream = 0; stream < 2; stream++) {
    ask_and_wait("stand-in:hang-head", stream, 100, got, sizeof(got));
    assert_true(str_starts(str_from(got), STR("HTTP/1.1 200 OK\r\n")));
    assert_true(str_ends(str_from(got), STR("\r\n\r\n")));
  }
}

static void dripping_gives_the_head_then_bytes(void **state) {
  (void)state;
  char got[4096];
  ask_and_wait("stand-in:drip-50", false, 320, got, sizeof(got));
  char *body = strstr(got, "\r\n\r\n");
  assert_non_null(body);
  assert_in_range(strlen(body + 4), 2, 8);
  ask_and_wait("stand-in:drip", true, 100, got, sizeof(got));
  body = strstr(got, "\r\n\r\n");
  assert_non_null(body);
  assert_int_equal(strlen(body + 4), 0); // the first byte takes a second too
}

static void slow_answers_take_their_time(void **state) {
  (void)state;
  for (int stream = 0; stream < 2; stream++) {
    struct reply r;
    int64_t before = clock_mono_us();
    ask_model(&provider, &r, "stand-in:slow-20", stream);
    assert_true(clock_mono_us() - before >= 20000 * (stream ? 12 : 1));
    assert_true(r.whole);
    reply_finish(&r);
  }
}

static void resets_are_resets(void **state) {
  (void)state;
  for (int stream = 0; stream < 2; stream++) {
    struct reply r;
    ask_model(&provider, &r, "stand-in:reset", stream);
    assert_true(r.reset);
    assert_int_equal(r.raw.len, 0);
    reply_finish(&r);
    ask_model(&provider, &r, "stand-in:reset-mid", stream);
    assert_true(r.reset);
    assert_false(r.whole);
    assert_int_equal(r.status, 200);
    assert_true(r.body.len > 0);
    if (stream) assert_int_equal(r.chunks, 4); // role and three words
    reply_finish(&r);
  }
}

static void cut_and_truncated_answers_lack_their_end(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "stand-in:cut", true);
  assert_false(r.whole);
  assert_false(r.reset);
  assert_int_equal(r.chunks, 4);
  reply_finish(&r);
  ask_model(&provider, &r, "stand-in:truncate", true);
  assert_true(r.whole);
  assert_int_equal(r.chunks, 13);
  assert_null(strstr(buf_cstr(&r.body), "DONE"));
  assert_null(strstr(buf_cstr(&r.body), "prompt_tokens"));
  reply_finish(&r);
  for (int i = 0; i < 2; i++) {
    ask_model(&provider, &r, i ? "stand-in:cut" : "stand-in:truncate", false);
    assert_false(r.whole);
    assert_true(r.body.len > 100);
    reply_finish(&r);
  }
}

static void garbage_is_no_json(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "stand-in:garbage", false);
  assert_int_equal(r.status, 200);
  assert_true(r.whole);
  assert_false(raw_check(buf_str(&r.body)));
  reply_finish(&r);
  ask_model(&provider, &r, "stand-in:garbage", true);
  assert_non_null(strstr(buf_cstr(&r.head), "text/event-stream"));
  reply_finish(&r);
}

static void errors_have_their_status_and_shape(void **state) {
  (void)state;
  static const int statuses[] = {400, 401, 403, 404, 429, 500, 503};
  for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
    char model[40];
    struct reply r;
    snprintf(model, sizeof(model), "stand-in:error-%d", statuses[i]);
    ask_model(&provider, &r, model, i % 2);
    assert_int_equal(r.status, statuses[i]);
    assert_true(value_at(buf_str(&r.body), "error.message").len > 2);
    assert_true(value_at(buf_str(&r.body), "error.type").len > 2);
    assert_int_equal(strstr(buf_cstr(&r.head), "retry-after: 1\r\n") != NULL, statuses[i] == 429 || statuses[i] == 503);
    reply_finish(&r);
  }
  struct reply r;
  ask_model(&provider, &r, "stand-in:html-error", true);
  assert_int_equal(r.status, 502);
  assert_non_null(strstr(buf_cstr(&r.head), "Content-Type: text/html\r\n"));
  assert_true(str_starts(buf_str(&r.body), STR("<html>")));
  reply_finish(&r);
}

static void an_error_may_come_midway(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "stand-in:error-mid", true);
  assert_int_equal(r.status, 200);
  assert_true(r.whole);
  assert_int_equal(r.chunks, 5);
  assert_non_null(strstr(buf_cstr(&r.body), "data: {\"error\":{\"message\":"));
  assert_null(strstr(buf_cstr(&r.body), "DONE"));
  reply_finish(&r);
  ask_model(&provider, &r, "stand-in:error-mid", false);
  assert_int_equal(r.status, 500);
  reply_finish(&r);
}

static size_t longest_line(struct str s) {
  size_t longest = 0;
  for (struct str line; str_split(&s, '\n', &line);)
    if (line.len > longest) longest = line.len;
  return longest;
}

static void large_answers_have_the_size_asked_for(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "stand-in:big-300", false);
  assert_true(r.whole);
  assert_int_equal(value_at(buf_str(&r.body), "choices.0.message.content").len, 300 * 1024 + 2);
  assert_value(buf_str(&r.body), "usage.completion_tokens", "1");
  reply_finish(&r);
  ask_model(&provider, &r, "stand-in:big-300", true);
  assert_true(r.whole);
  assert_in_range(longest_line(buf_str(&r.body)), 300 * 1024, 301 * 1024);
  assert_true(str_ends(buf_str(&r.body), STR("data: [DONE]\n\n")));
  reply_finish(&r);
  ask_model(&provider, &r, "stand-in:line-100mb", true);
  assert_true(r.whole);
  assert_in_range(longest_line(buf_str(&r.body)), 100 << 20, (100 << 20) + 1000);
  reply_finish(&r);
}

static void the_bomb_is_small_and_says_gzip(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "stand-in:bomb", false);
  assert_true(r.whole);
  assert_in_range(r.body.len, 256 * 1024, 257 * 1024);
  assert_memory_equal(r.body.data, "\x1f\x8b\x08", 3);
  assert_non_null(strstr(buf_cstr(&r.head), "Content-Encoding: gzip\r\n"));
  reply_finish(&r);
}

static int count_of(struct reply *r, const char *what) {
  int count = 0;
  for (const char *at = buf_cstr(&r->body); (at = strstr(at, what)); at++) count++;
  return count;
}

static void usage_may_be_missing_doubled_or_bad(void **state) {
  (void)state;
  static const struct {
    const char *model, *text;
    int times;
  } cases[] = {
      {"stand-in:no-usage", "prompt_tokens\"", 0},
      {"stand-in:usage-twice", "prompt_tokens\"", 2},
      {"stand-in:usage-twice", "\"completion_tokens\":6,", 1},
      {"stand-in:usage-twice", "\"completion_tokens\":12,", 1},
      {"stand-in:bad-usage", "\"completion_tokens\":-5,", 1},
      {"stand-in:bad-usage-0", "\"completion_tokens\":-5,", 1},
      {"stand-in:bad-usage-1", "\"completion_tokens\":\"12\",", 1},
      {"stand-in:bad-usage-2", "\"completion_tokens\":1e400,", 1},
      {"stand-in:bad-usage-3", "\"completion_tokens\":9223372036854775808,", 1},
      {"stand-in:bad-usage-4", "\"completion_tokens\":null,", 1},
      {"stand-in:bad-usage-5", "\"completion_tokens\":1.5,", 1},
      {"stand-in:bad-usage-6", "\"completion_tokens\":{\"tokens\":12},", 1},
      {"stand-in:bad-usage-7", "\"completion_tokens\":[12],", 1},
  };
  for (size_t i = 0; i < ARRAY_LEN(cases); i++)
    for (int stream = 0; stream < 2; stream++) {
      struct reply r;
      ask_model(&provider, &r, cases[i].model, stream);
      assert_true(r.whole);
      if (count_of(&r, cases[i].text) != cases[i].times) fail_msg("%s: %s", cases[i].model, buf_cstr(&r.body));
      reply_finish(&r);
    }
}

static void long_answers_have_their_words(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "stand-in:long-5000", true);
  assert_true(r.whole);
  assert_int_equal(r.chunks, 1 + 5000 + 1 + 1 + 1);
  assert_int_equal(count_of(&r, "\"completion_tokens\":5000,"), 1);
  reply_finish(&r);
  ask_model(&provider, &r, "stand-in:long-5000", false);
  assert_value(buf_str(&r.body), "usage.completion_tokens", "5000");
  reply_finish(&r);
}

static void redirects_lead_where_nobody_should_follow(void **state) {
  (void)state;
  static const struct {
    const char *model, *where;
    int status;
  } cases[] = {
      {"stand-in:redirect-0", "Location: http://169.254.169.254/", 301},
      {"stand-in:redirect-1", "Location: file:///etc/passwd\r\n", 307},
      {"stand-in:redirect-2", "Location: ftp://", 308},
  };
  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    struct reply r;
    ask_model(&provider, &r, cases[i].model, i % 2);
    assert_int_equal(r.status, cases[i].status);
    assert_non_null(strstr(buf_cstr(&r.head), cases[i].where));
    reply_finish(&r);
  }
}

// More than any whole answer has, and no sign of an end.
static void endless_answers_go_on(void **state) {
  (void)state;
  for (int stream = 0; stream < 2; stream++) {
    char *block = mem_alloc(1 << 20), body[200];
    size_t got = 0;
    int fd = provider_connect(&provider);
    snprintf(body, sizeof(body), "{\"model\":\"stand-in:endless\",\"stream\":%s,\"messages\":[]}", stream ? "true" : "false");
    send_request(fd, "POST", "/v1/chat/completions", KEY, body);
    while (got < 8 << 20) {
      ssize_t n = recv(fd, block, 1 << 20, 0);
      assert_true(n > 0);
      if (got == 0) assert_non_null(memmem(block, (size_t)n, "Transfer-Encoding: chunked", 26));
      got += (size_t)n;
    }
    close(fd);
    mem_free(block);
  }
}

static void words_may_hold_what_no_text_may(void **state) {
  (void)state;
  for (int stream = 0; stream < 2; stream++) {
    struct reply r;
    ask_model(&provider, &r, "stand-in:nul", stream);
    assert_true(r.whole);
    assert_non_null(memmem(r.body.data, r.body.len, "\0\xffHello", 7));
    reply_finish(&r);
  }
}

static void usage_may_come_before_the_words(void **state) {
  (void)state;
  struct reply r;
  ask_model(&provider, &r, "stand-in:usage-first", true);
  const char *usage = strstr(buf_cstr(&r.body), "\"completion_tokens\":12,"), *word = strstr(buf_cstr(&r.body), "Hello");
  assert_true(usage && word && usage < word);
  assert_int_equal(count_of(&r, "prompt_tokens\""), 1);
  reply_finish(&r);
}

// The model's name stays one that has a price.
static void metadata_may_name_the_script(void **state) {
  (void)state;
  struct reply r;
  ask(&provider, &r, "{\"model\":\"gpt-4o\",\"messages\":[],\"metadata\":{\"script\":\"stand-in:long-7\"}}");
  assert_value(buf_str(&r.body), "model", "\"gpt-4o\"");
  assert_value(buf_str(&r.body), "usage.completion_tokens", "7");
  reply_finish(&r);
  ask(&provider, &r, "{\"model\":\"gpt-4o\",\"messages\":[],\"metadata\":{\"script\":17}}");
  assert_value(buf_str(&r.body), "usage.completion_tokens", "12");
  reply_finish(&r);
}

static void unknown_names_are_ordinary_models(void **state) {
  (void)state;
  static const char *const names[] = {"stand-in:",       "stand-in:nothing", "stand-in:slow",
                                      "stand-in:slow-x", "stand-in:long--5", "hang"};
  for (size_t i = 0; i < ARRAY_LEN(names); i++) {
    struct reply r;
    ask_model(&provider, &r, names[i], false);
    assert_value(buf_str(&r.body), "usage.completion_tokens", "12");
    reply_finish(&r);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hanging_gives_nothing_or_a_head),
      cmocka_unit_test(dripping_gives_the_head_then_bytes),
      cmocka_unit_test(slow_answers_take_their_time),
      cmocka_unit_test(resets_are_resets),
      cmocka_unit_test(cut_and_truncated_answers_lack_their_end),
      cmocka_unit_test(garbage_is_no_json),
      cmocka_unit_test(errors_have_their_status_and_shape),
      cmocka_unit_test(an_error_may_come_midway),
      cmocka_unit_test(large_answers_have_the_size_asked_for),
      cmocka_unit_test(the_bomb_is_small_and_says_gzip),
      cmocka_unit_test(usage_may_be_missing_doubled_or_bad),
      cmocka_unit_test(long_answers_have_their_words),
      cmocka_unit_test(redirects_lead_where_nobody_should_follow),
      cmocka_unit_test(endless_answers_go_on),
      cmocka_unit_test(words_may_hold_what_no_text_may),
      cmocka_unit_test(usage_may_come_before_the_words),
      cmocka_unit_test(metadata_may_name_the_script),
      cmocka_unit_test(unknown_names_are_ordinary_models),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
