// The log of served calls: what was started, how it ended, and how many tokens really went out.
#include "provider.h"

static struct provider provider;

static int begin(void **state) {
  (void)state;
  provider_dir(&provider);
  static const char *const extra[] = {"--log-sync", "--threads", "3", NULL};
  provider_start(&provider, extra);
  return 0;
}

static int end(void **state) {
  (void)state;
  provider_stop(&provider);
  return 0;
}

// The log's line of that call and state, waiting for it a while; *text is the memory it is in.
static struct str line_of(const char *call, const char *wanted, char **text) {
  for (int i = 0; i < 3000; i++) {
    *text = file_text(provider.log);
    struct str log = str_from(*text), line;
    while (str_split(&log, '\n', &line)) {
      assert_true(raw_check(line));
      if (str_eq(raw_inner(value_at(line, "call")), str_from(call)) &&
          str_eq(raw_inner(value_at(line, "state")), str_from(wanted)))
        return line;
    }
    mem_free(*text);
    poll(NULL, 0, 1);
  }
  fail_msg("no line: %s of %s", wanted, call);
  return STR("");
}

static void send_call(int fd, const char *call, const char *model, bool stream) {
  char headers[200], body[300];
  snprintf(headers, sizeof(headers), KEY "X-Tollgate-Call: %s\r\n", call);
  snprintf(body, sizeof(body),
           "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"a b\"}]}", model,
           stream ? "true" : "false");
  send_request(fd, "POST", "/v1/chat/completions", headers, body);
}

static void assert_line(const char *call, const char *state, const char *at, const char *value) {
  char *text;
  struct str line = line_of(call, state, &text);
  assert_value(line, at, value);
  mem_free(text);
}

static void a_finished_call_has_two_lines(void **state) {
  (void)state;
  for (int stream = 0; stream < 2; stream++) {
    struct reply r;
    const char *call = stream ? "call_s" : "call_p";
    int fd = provider_connect(&provider);
    send_call(fd, call, "gpt-4o", stream);
    reply_read(&r, fd);
    close(fd);
    assert_line(call, "started", "model", "\"gpt-4o\"");
    assert_line(call, "started", "completion_tokens", "0");
    assert_line(call, "finished", "path", "\"/v1/chat/completions\"");
    assert_line(call, "finished", "status", "200");
    assert_line(call, "finished", "prompt_tokens", "10");
    assert_line(call, "finished", "completion_tokens", "12");
    char *text;
    struct str id = raw_inner(value_at(line_of(call, "finished", &text), "id"));
    assert_non_null(memmem(r.body.data, r.body.len, id.ptr, id.len)); // the id of the answer
    mem_free(text);
    reply_finish(&r);
  }
}

static void a_client_that_leaves_is_aborted_with_what_it_got(void **state) {
  (void)state;
  int fd = provider_connect(&provider);
  send_call(fd, "call_gone", "stand-in:slow-100", true);
  struct buf got;
  buf_init(&got, 1 << 20);
  while (!buf_puts(&got, "") || !strstr(buf_cstr(&got), "\" from\"")) {
    char block[4096];
    ssize_t n = recv(fd, block, sizeof(block), 0);
    assert_true(n > 0);
    buf_add(&got, block, (size_t)n);
  }
  close(fd);
  buf_finish(&got);
  char *text;
  int64_t tokens = 0;
  assert_true(raw_int(value_at(line_of("call_gone", "aborted", &text), "completion_tokens"), &tokens));
  assert_in_range(tokens, 2, 4);
  mem_free(text);
  assert_line("call_gone", "aborted", "script", "\"stand-in:slow-100\"");
}

static void a_client_that_leaves_a_hanging_call_is_aborted(void **state) {
  (void)state;
  int fd = provider_connect(&provider);
  send_call(fd, "call_hang", "stand-in:hang", false);
  assert_line("call_hang", "started", "prompt_tokens", "10");
  close(fd);
  assert_line("call_hang", "aborted", "completion_tokens", "0");
}

static void an_answer_broken_off_is_aborted(void **state) {
  (void)state;
  static const struct {
    const char *call, *model, *tokens;
  } cases[] = {
      {"call_r", "stand-in:reset", "0"}, {"call_m", "stand-in:reset-mid", "3"}, {"call_c", "stand-in:cut", "3"}};
  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    struct reply r;
    int fd = provider_connect(&provider);
    send_call(fd, cases[i].call, cases[i].model, true);
    reply_read(&r, fd);
    close(fd);
    reply_finish(&r);
    assert_line(cases[i].call, "aborted", "completion_tokens", cases[i].tokens);
  }
}

static void a_reader_that_stops_is_not_told_more_than_was_sent(void **state) {
  (void)state;
  int fd = provider_connect(&provider), small = 4096;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  send_call(fd, "call_slow", "stand-in:long-1000000", true);
  poll(NULL, 0, 200);
  close(fd);
  char *text;
  int64_t tokens = 0;
  assert_true(raw_int(value_at(line_of("call_slow", "aborted", &text), "completion_tokens"), &tokens));
  assert_in_range(tokens, 1, 900000);
  mem_free(text);
}

static void errors_asked_for_are_logged_and_refusals_are_not(void **state) {
  (void)state;
  struct reply r;
  int fd = provider_connect(&provider);
  send_call(fd, "call_e", "stand-in:error-500", false);
  reply_read(&r, fd);
  close(fd);
  reply_finish(&r);
  assert_line("call_e", "finished", "status", "500");
  assert_line("call_e", "finished", "completion_tokens", "0");
  fd = provider_connect(&provider);
  send_request(fd, "POST", "/v1/chat/completions", KEY "x-tollgate-call: call_bad\r\n", "{\"model\":\"m\"}");
  reply_read(&r, fd);
  close(fd);
  reply_finish(&r);
  char *text = file_text(provider.log);
  assert_null(strstr(text, "call_bad"));
  mem_free(text);
}

static void hundreds_at_once_are_all_logged(void **state) {
  (void)state;
  enum { COUNT = 300 };
  int fds[COUNT];
  for (int i = 0; i < COUNT; i++) {
    fds[i] = provider_connect(&provider);
    send_call(fds[i], "call_many", "stand-in:slow-5", true);
  }
  for (int i = 0; i < COUNT; i++) {
    struct reply r;
    reply_read(&r, fds[i]);
    assert_true(r.whole);
    reply_finish(&r);
    close(fds[i]);
  }
  poll(NULL, 0, 100);
  char *text = file_text(provider.log);
  struct str log = str_from(text), line;
  int finished = 0;
  while (str_split(&log, '\n', &line))
    finished +=
        str_eq(value_at(line, "call"), STR("\"call_many\"")) && str_eq(value_at(line, "state"), STR("\"finished\""));
  assert_int_equal(finished, COUNT);
  mem_free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_finished_call_has_two_lines),
      cmocka_unit_test(a_client_that_leaves_is_aborted_with_what_it_got),
      cmocka_unit_test(a_client_that_leaves_a_hanging_call_is_aborted),
      cmocka_unit_test(an_answer_broken_off_is_aborted),
      cmocka_unit_test(a_reader_that_stops_is_not_told_more_than_was_sent),
      cmocka_unit_test(errors_asked_for_are_logged_and_refusals_are_not),
      cmocka_unit_test(hundreds_at_once_are_all_logged),
  };
  return cmocka_run_group_tests(tests, begin, end);
}
