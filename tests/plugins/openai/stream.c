// What the plugin makes of streams that were written for it: what the client sees of them and when, what is counted,
// and how they end.
#include "verdict.h"

#define CHUNK(delta, rest)                                                                                             \
  "data: {\"id\":\"c1\",\"model\":\"m-2\",\"choices\":[{\"index\":0,\"delta\":" delta "}]" rest "}\n\n"
#define ONE CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", ",\"usage\":null")
#define TWO CHUNK("{\"content\":\"Good\"}", ",\"usage\":null")
#define THREE CHUNK("{\"content\":\" day\"}", ",\"usage\":null")
#define COUNTS "{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13}"
#define USAGE "data: {\"id\":\"c1\",\"model\":\"m-2\",\"choices\":[],\"usage\":" COUNTS "}\n\n"
#define DONE "data: [DONE]\n\n"

static void usage_that_was_not_asked_for_is_left_out(void **state) {
  (void)state;
  answered(STREAM_REQUEST, true, ONE TWO THREE USAGE DONE);
  assert_true(relayed_is(&a, ONE TWO THREE DONE));
  counts_are(9, 0, 0, 4, 0);
  is(TOLLGATE_USAGE_KNOWN, true);
  assert_true(slice_is(usage.raw, COUNTS));
  assert_true(slice_is(usage.model, "m-2"));
}

static void usage_that_was_asked_for_is_passed_on(void **state) {
  (void)state;
  answered(ASKING_REQUEST, true, ONE TWO THREE USAGE DONE);
  assert_true(relayed_is(&a, ONE TWO THREE USAGE DONE));
  counts_are(9, 0, 0, 4, 0);
}

static void the_terminator_waits_for_the_end(void **state) {
  const char *text = ONE USAGE DONE;
  (void)state;
  answering_init(&a, CHAT, slice(STREAM_REQUEST), 200, "text/event-stream; charset=utf-8");
  answering_bytes(&a, text, strlen(text));
  assert_true(relayed_is(&a, ONE));
  answering_end(&a, TOLLGATE_ENDED);
  assert_int_equal(a.held_at_end, strlen(DONE));
}

static void events_are_passed_on_as_soon_as_they_end(void **state) {
  const char *text = TWO;
  (void)state;
  answering_init(&a, CHAT, slice(STREAM_REQUEST), 200, "text/event-stream");
  for (size_t i = 1; i <= strlen(text); i++) {
    answering_bytes(&a, text + i - 1, 1);
    assert_int_equal(a.relayed_len, i == strlen(text) ? i : 0);
  }
}

static void only_usage_alone_is_left_out(void **state) {
  static const char first[] = "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n",
                    moderation[] = "data: {\"choices\":[],\"usage\":null,\"m\":{}}\n\n";
  char text[2048];
  (void)state;
  (void)snprintf(text, sizeof text, "%s%s%s%s%s", first, CHUNK("{}", ",\"usage\":" COUNTS), USAGE, moderation, DONE);
  answered(STREAM_REQUEST, true, text);
  (void)snprintf(text, sizeof text, "%s%s%s%s", first, CHUNK("{}", ",\"usage\":" COUNTS), moderation, DONE);
  assert_true(relayed_is(&a, text));
  counts_are(9, 0, 0, 4, 0);
}

static void the_last_usage_wins(void **state) {
  (void)state;
  answered(STREAM_REQUEST, true, CHUNK("{}", ",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}") USAGE DONE);
  counts_are(9, 0, 0, 4, 0);
}

static void other_line_ends_comments_and_joined_data_are_read(void **state) {
  static const char text[] = ": hello\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n"
                             "data:{\"choices\":[],\r\ndata:\"usage\":" COUNTS "}\r\n\r\ndata: [DONE]\r\n\r\n";
  static const char seen[] =
      ": hello\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n";
  (void)state;
  answered(STREAM_REQUEST, true, text);
  assert_true(relayed_is(&a, seen));
  counts_are(9, 0, 0, 4, 0);
}

static void a_stream_without_usage_is_estimated(void **state) {
  (void)state;
  answered(STREAM_REQUEST, true, ONE TWO THREE DONE);
  counts_are(INPUT_LIKELY, 0, 0, 2, 0); // eight bytes, two deltas
  is(TOLLGATE_USAGE_ESTIMATED, true);
  answering_finish(&a);
  answered(STREAM_REQUEST, true,
           CHUNK("{\"content\":\"a\"}", "") CHUNK("{\"content\":\"b\"}", "") CHUNK("{\"content\":\"c\"}", "") DONE);
  counts_are(INPUT_LIKELY, 0, 0, 3, 0); // no delta is less than a token
  answering_finish(&a);
  answered(STREAM_REQUEST, true,
           CHUNK("{\"reasoning_content\":\"0123456789abcdef\"}", "") CHUNK(
               "{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"look\",\"arguments\":\"{\\\"a\\\":1}\"}}]}", "")
               CHUNK("{\"refusal\":\"no, I will not\"}", "") DONE);
  counts_are(INPUT_LIKELY, 0, 0, 11, 0); // 16 + 4 + 7 + 14 bytes
}

static void a_cut_stream_is_never_complete_and_shows_whole_events(void **state) {
  static const char text[] = ONE TWO THREE USAGE DONE;
  (void)state;
  for (size_t cut = 0; cut < sizeof text; cut++) {
    answer(STREAM_REQUEST, true, 200, text, cut, cut / 2, TOLLGATE_CUT);
    bool first = cut >= strlen(ONE), known = cut >= strlen(ONE TWO THREE USAGE),
         done = cut >= strlen(ONE TWO THREE USAGE) + strlen(DONE) - 2;
    is(known ? TOLLGATE_USAGE_KNOWN : first ? TOLLGATE_USAGE_ESTIMATED : TOLLGATE_USAGE_FREE, done);
    if (known) counts_are(9, 0, 0, 4, 0);
    assert_true(quantity(&usage, "output_tokens") <= 4);
    assert_true(a.relayed_len == 0 || (a.relayed[a.relayed_len - 1] == '\n' && a.relayed[a.relayed_len - 2] == '\n'));
    answering_finish(&a);
    a.state = NULL;
  }
}

static void an_end_without_terminator_is_complete_after_usage_only(void **state) {
  (void)state;
  answered(STREAM_REQUEST, true, ONE TWO);
  assert_true(relayed_is(&a, ONE TWO));
  is(TOLLGATE_USAGE_ESTIMATED, false);
  answering_finish(&a);
  answered(STREAM_REQUEST, true, ONE TWO USAGE);
  assert_true(relayed_is(&a, ONE TWO DONE));
  is(TOLLGATE_USAGE_KNOWN, true);
  answering_finish(&a);
  answered(STREAM_REQUEST, true, ONE "data: {\"choices\":[],\"usage\":" COUNTS "}");
  assert_true(relayed_is(&a, ONE DONE));
  is(TOLLGATE_USAGE_KNOWN, true);
  answering_finish(&a);
  answered(STREAM_REQUEST, true, ONE "data: {\"choices\":[],\"usage\":{\"prompt_tok");
  assert_true(relayed_is(&a, ONE));
  is(TOLLGATE_USAGE_ESTIMATED, false);
}

#define FAULT "data: {\"error\":{\"message\":\"overloaded\"}}\n\n"

static void an_error_in_a_stream_keeps_what_was_seen(void **state) {
  (void)state;
  answered(STREAM_REQUEST, true, FAULT DONE);
  is(TOLLGATE_USAGE_FREE, true);
  assert_true(relayed_is(&a, FAULT DONE));
  answering_finish(&a);
  answered(STREAM_REQUEST, true, TWO FAULT);
  is(TOLLGATE_USAGE_ESTIMATED, true);
  counts_are(INPUT_LIKELY, 0, 0, 1, 0);
  assert_true(relayed_is(&a, TWO FAULT DONE));
}

static void an_event_too_large_to_keep_is_passed_on_as_it_comes(void **state) {
  size_t len = 200000;
  char *text = malloc(len + 4096);
  (void)state;
  size_t at = (size_t)sprintf(text, "data: {\"pad\":\"");
  memset(text + at, 'x', len);
  at += len;
  at += (size_t)sprintf(text + at, "\",\"choices\":[],\"usage\":" COUNTS "}\n\n" DONE);
  for (size_t cut = 0; cut < at; cut += 9973) {
    answering_init(&a, CHAT, slice(STREAM_REQUEST), 200, "text/event-stream");
    answering_bytes(&a, text, cut);
    assert_true(a.relayed_len == 0 || a.relayed_len == cut);
    assert_true(cut <= 16384 || a.relayed_len == cut);
    answering_bytes(&a, text + cut, at - cut);
    answering_end(&a, TOLLGATE_ENDED);
    usage = answering_usage(&a);
    counts_are(9, 0, 0, 4, 0);
    assert_int_equal(a.relayed_len, at);
    assert_memory_equal(a.relayed, text, at);
    answering_finish(&a);
    a.state = NULL;
  }
  free(text);
}

static void usage_too_large_to_keep_is_estimated(void **state) {
  char text[8192];
  (void)state;
  (void)snprintf(text, sizeof text, "%sdata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"pad\":\"%0*d\"}}\n\n%s",
                 TWO, 4000, 0, DONE);
  answer(STREAM_REQUEST, true, 200, text, strlen(text), 50, TOLLGATE_ENDED);
  is(TOLLGATE_USAGE_ESTIMATED | TOLLGATE_USAGE_INCONSISTENT, true);
  assert_int_equal(usage.raw.len, 0);
}

static void garbage_in_a_stream_is_passed_on(void **state) {
  static const char text[] = "hello\n\ndata: not json\n\ndata: [1]\n\ndata: [DON\n\n" TWO DONE;
  (void)state;
  answered(STREAM_REQUEST, true, text);
  assert_true(relayed_is(&a, text));
  is(TOLLGATE_USAGE_ESTIMATED, true);
}

static void an_error_instead_of_a_stream_is_passed_on(void **state) {
  const char *text = "{\"error\":{\"message\":\"no\"}}";
  (void)state;
  answer(STREAM_REQUEST, false, 429, text, strlen(text), 4, TOLLGATE_ENDED);
  assert_true(relayed_is(&a, text));
  is(TOLLGATE_USAGE_FREE, true);
}

// ---- ended early

static enum tollgate_result end_early(struct tollgate_out *out) {
  return (plugin->fail)(a.state, slice("billing_error"), slice("credits_exhausted"),
                        slice("No \"credits\"\nleft\xc3\xa9"), out);
}

static void ended(const char *seen, const char *expected) {
  struct tollgate_out out = {.cap = 0};
  answering_init(&a, CHAT, slice(STREAM_REQUEST), 200, "text/event-stream");
  answering_bytes(&a, seen, strlen(seen));
  answering_end(&a, TOLLGATE_CANCELLED);
  assert_int_equal(end_early(&out), TOLLGATE_ROOM);
  out = (struct tollgate_out){.ptr = a.relayed + a.relayed_len, .cap = out.need};
  assert_int_equal(end_early(&out), TOLLGATE_OK);
  a.relayed_len += out.len;
  assert_true(relayed_is(&a, expected));
}

#define FAILURE                                                                                                        \
  "data: {\"error\":{\"message\":\"No "                                                                                \
  "\\\"credits\\\"\\u000aleft\xc3\xa9\",\"type\":\"billing_error\",\"code\":\"credits_exhausted\",\"param\":null}}"    \
  "\n\n" DONE

static void a_stream_is_ended_early_with_an_event(void **state) {
  (void)state;
  ended(TWO, TWO FAILURE);
}

static void an_event_that_was_only_begun_is_not_shown(void **state) {
  (void)state;
  ended(TWO "data: {\"choices\":[{\"del", TWO FAILURE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RULE(usage_that_was_not_asked_for_is_left_out),
      RULE(usage_that_was_asked_for_is_passed_on),
      RULE(the_terminator_waits_for_the_end),
      RULE(events_are_passed_on_as_soon_as_they_end),
      RULE(only_usage_alone_is_left_out),
      RULE(the_last_usage_wins),
      RULE(other_line_ends_comments_and_joined_data_are_read),
      RULE(a_stream_without_usage_is_estimated),
      RULE(a_cut_stream_is_never_complete_and_shows_whole_events),
      RULE(an_end_without_terminator_is_complete_after_usage_only),
      RULE(an_error_in_a_stream_keeps_what_was_seen),
      RULE(an_event_too_large_to_keep_is_passed_on_as_it_comes),
      RULE(usage_too_large_to_keep_is_estimated),
      RULE(garbage_in_a_stream_is_passed_on),
      RULE(an_error_instead_of_a_stream_is_passed_on),
      RULE(a_stream_is_ended_early_with_an_event),
      RULE(an_event_that_was_only_begun_is_not_shown),
  };
  return cmocka_run_group_tests(tests, plugin_open, NULL);
}
