// Rules of the log: one event is one line and one write, whatever stands in its values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

// stderr becomes a packet pipe: one read returns what one write wrote.
struct capture {
  int saved, ends[2];
};

static void capture_begin(struct capture *c) {
  assert_int_equal(pipe2(c->ends, O_DIRECT | O_NONBLOCK), 0);
  c->saved = dup(STDERR_FILENO);
  assert_true(c->saved >= 0 && dup2(c->ends[1], STDERR_FILENO) >= 0);
}

static void capture_end(struct capture *c) {
  assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
  close(c->saved);
  close(c->ends[0]);
  close(c->ends[1]);
}

// The next write, or "" where there was none.
static const char *capture_next(struct capture *c) {
  static char packet[8192];
  ssize_t len = read(c->ends[0], packet, sizeof packet - 1);
  packet[len > 0 ? len : 0] = '\0';
  return packet;
}

static void a_json_line_has_time_level_event_and_message(void **state) {
  (void)state;
  struct capture c;
  capture_begin(&c);
  log_open(LOG_INFO, true);
  log_info("server.started", "port %d", 8080);
  const char *line = capture_next(&c);
  capture_end(&c);
  assert_true(str_starts(str_from(line), STR("{\"time\":\"20")));
  assert_non_null(strstr(line, "Z\",\"level\":\"info\",\"event\":\"server.started\",\"message\":\"port 8080\"}\n"));
}

static void a_text_line_is_for_people(void **state) {
  (void)state;
  struct capture c;
  capture_begin(&c);
  log_open(LOG_INFO, false);
  log_warn("server.slow", "took %d ms", 5);
  const char *line = capture_next(&c);
  capture_end(&c);
  assert_non_null(strstr(line, " warn server.slow: took 5 ms\n"));
}

static void lower_levels_are_left_out(void **state) {
  (void)state;
  struct capture c;
  capture_begin(&c);
  log_open(LOG_WARN, true);
  log_debug("a", "no");
  log_info("a", "no");
  assert_string_equal(capture_next(&c), "");
  log_error("a", "yes");
  assert_non_null(strstr(capture_next(&c), "\"level\":\"error\""));
  capture_end(&c);
}

static void values_cannot_end_a_line_or_begin_another(void **state) {
  (void)state;
  struct capture c;
  capture_begin(&c);
  for (int json = 0; json < 2; json++) {
    log_open(LOG_INFO, json);
    log_info("a", "%s", "x\r\n{\"level\":\"forged\\\"}\x1b[2J\x7f\xC2\x85\xFF\xE2\x82\xAC");
    const char *line = capture_next(&c);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(
        strstr(line, "x\\u000d\\n{\\\"level\\\":\\\"forged\\\\\\\"}\\u001b[2J\\u007f\\u0085\xEF\xBF\xBD\xE2\x82\xAC"));
  }
  capture_end(&c);
}

static void the_request_is_named_until_it_ends(void **state) {
  (void)state;
  struct capture c;
  capture_begin(&c);
  log_open(LOG_INFO, true);
  log_context("req_1");
  log_info("a", "in");
  assert_non_null(strstr(capture_next(&c), "\"request_id\":\"req_1\""));
  log_context(NULL);
  log_info("a", "out");
  assert_null(strstr(capture_next(&c), "request_id"));
  capture_end(&c);
}

static void a_line_that_is_too_long_is_cut_and_still_closes(void **state) {
  (void)state;
  struct capture c;
  char text[9000];
  memset(text, '\n', sizeof text - 1); // each takes two bytes
  text[sizeof text - 1] = '\0';
  capture_begin(&c);
  log_open(LOG_INFO, true);
  log_info("a", "%s", text);
  const char *line = capture_next(&c);
  assert_in_range(strlen(line), 2000, 4096);
  assert_true(str_ends(str_from(line), STR("\\n\"}\n")));
  capture_end(&c);
}

static void *write_lines(void *arg) {
  log_context(arg);
  for (int i = 0; i < 50; i++) log_info("thread.line", "%s", (const char *)arg);
  return NULL;
}

static void lines_of_threads_do_not_mix(void **state) {
  (void)state;
  static char names[2][8] = {"one", "two"};
  struct capture c;
  pthread_t threads[2];
  capture_begin(&c);
  assert_true(fcntl(c.ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
  log_open(LOG_INFO, true);
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (int i = 0; i < 100; i++) {
    const char *line = capture_next(&c);
    bool one = strstr(line, "\"request_id\":\"one\",\"message\":\"one\"}\n");
    bool two = strstr(line, "\"request_id\":\"two\",\"message\":\"two\"}\n");
    assert_true(one != two);
  }
  assert_string_equal(capture_next(&c), "");
  capture_end(&c);
}

static void a_broken_invariant_says_where_and_aborts(void **state) {
  (void)state;
  struct capture c;
  int status = 0;
  capture_begin(&c);
  log_open(LOG_ERROR, true);
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGABRT, SIG_DFL);
    ASSERT(1 + 1 == 3);
    _exit(0);
  }
  waitpid(pid, &status, 0);
  const char *line = capture_next(&c);
  capture_end(&c);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  assert_non_null(strstr(line, "1 + 1 == 3 does not hold at "));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_json_line_has_time_level_event_and_message),
      cmocka_unit_test(a_text_line_is_for_people),
      cmocka_unit_test(lower_levels_are_left_out),
      cmocka_unit_test(values_cannot_end_a_line_or_begin_another),
      cmocka_unit_test(the_request_is_named_until_it_ends),
      cmocka_unit_test(a_line_that_is_too_long_is_cut_and_still_closes),
      cmocka_unit_test(lines_of_threads_do_not_mix),
      cmocka_unit_test(a_broken_invariant_says_where_and_aborts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
