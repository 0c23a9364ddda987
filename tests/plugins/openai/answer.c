// What the plugin makes of answers that were written for it: what the client sees, what is counted, and how sure it is.
#include "answers.h"

#define CHAT 0
#define EMBEDDINGS 1
#define PLAIN_REQUEST "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}],\"max_tokens\":50}"
#define STREAM_REQUEST "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}],\"stream\":true}"
#define ASKING_REQUEST \
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"
#define INPUT_LIKELY (3 + 3 + 4) // "Hello there", the request, the message
#define CERTAINTY (TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_ESTIMATED | TOLLGATE_USAGE_FREE | TOLLGATE_USAGE_INCONSISTENT)

static struct answering a;
static struct tollgate_usage usage;

static void answer(const char *request, bool stream, int status, const char *text, size_t len, size_t cut, enum tollgate_ending ending) {
  uint32_t endpoint = strstr(request, "\"input\"") ? EMBEDDINGS : CHAT;
  answering_init(&a, endpoint, slice(request), status, stream ? "text/event-stream" : "application/json");
  answering_bytes(&a, text, cut);
  answering_bytes(&a, text + cut, len - cut);
  answering_end(&a, ending);
  usage = answering_usage(&a);
}

static int restart(void **state) {
  (void)state;
  answering_finish(&a);
  a.state = NULL;
  return 0;
}

// Whole, and cut in two at every byte: always the same.
static void answered(const char *request, bool stream, const char *text) {
  size_t len = strlen(text);
  struct tollgate_usage whole;
  char *relayed = malloc(len + 64);
  answer(request, stream, 200, text, len, len, TOLLGATE_ENDED);
  whole = usage;
  size_t relayed_len = a.relayed_len;
  memcpy(relayed, a.relayed, relayed_len);
  for (size_t cut = 0; cut < len; cut++) {
    answering_finish(&a);
    answer(request, stream, 200, text, len, cut, TOLLGATE_ENDED);
    assert_int_equal(a.relayed_len, relayed_len);
    assert_memory_equal(a.relayed, relayed, relayed_len);
    assert_int_equal(usage.flags, whole.flags);
    assert_int_equal(usage.count, whole.count);
    assert_memory_equal(usage.counts, whole.counts, sizeof usage.counts);
    assert_memory_equal(usage.totals, whole.totals, sizeof usage.totals);
  }
  free(relayed);
}

static void counts_are(int64_t input, int64_t cached, int64_t written, int64_t output, int64_t reasoning) {
  assert_int_equal(quantity(&usage, "input_tokens"), input);
  assert_int_equal(quantity(&usage, "cached_input_tokens"), cached);
  assert_int_equal(quantity(&usage, "cache_write_tokens"), written);
  assert_int_equal(quantity(&usage, "output_tokens"), output);
  assert_int_equal(quantity(&usage, "reasoning_tokens"), reasoning);
}

static void is(unsigned certainty, bool complete) {
  assert_int_equal(usage.flags & CERTAINTY, certainty);
  assert_int_equal((usage.flags & TOLLGATE_USAGE_COMPLETE) != 0, complete);
}

// ---- plain answers

#define PLAIN(usage_text) \
  "{\"id\":\"chatcmpl-1\",\"model\":\"m-2\",\"service_tier\":\"flex\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"Good day to you\"}}]," \
  "\"usage\":" usage_text "}"

static void the_providers_numbers_are_the_usage(void **state) {
  (void)state;
  answered(PLAIN_REQUEST, false,
           " \n " PLAIN("{\"prompt_tokens\":100,\"completion_tokens\":50,\"total_tokens\":150,\"prompt_tokens_details\":{\"cached_tokens\":60,"
                        "\"cache_write_tokens\":10,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":20}}") "\n");
  counts_are(30, 60, 10, 30, 20);
  is(TOLLGATE_USAGE_KNOWN, true);
  assert_int_equal(usage.totals[TOLLGATE_TOTAL_INPUT], 100);
  assert_int_equal(usage.totals[TOLLGATE_TOTAL_OUTPUT], 50);
  assert_true(slice_is(usage.model, "m-2"));
  assert_true(slice_is(usage.provider_id, "chatcmpl-1"));
  assert_true(slice_is(usage.tier, "flex"));
  assert_int_equal(usage.object.len, 0);
  assert_int_equal(usage.raw.ptr[0], '{');
  assert_int_equal(usage.raw.ptr[usage.raw.len - 1], '}');
}

static void sounds_and_pictures_are_parts_of_their_own(void **state) {
  (void)state;
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":30,\"completion_tokens\":20,\"prompt_tokens_details\":{\"audio_tokens\":5,\"image_tokens\":7,\"text_tokens\":18},"
                 "\"completion_tokens_details\":{\"audio_tokens\":15,\"text_tokens\":5}}"));
  counts_are(18, 0, 0, 5, 0);
  assert_int_equal(quantity(&usage, "audio_input_tokens"), 5);
  assert_int_equal(quantity(&usage, "image_input_tokens"), 7);
  assert_int_equal(quantity(&usage, "audio_output_tokens"), 15);
  is(TOLLGATE_USAGE_KNOWN, true);
}

static void zero_is_a_number(void **state) {
  (void)state;
  answered(PLAIN_REQUEST, false, PLAIN("{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}"));
  assert_int_equal(usage.count, 0);
  is(TOLLGATE_USAGE_KNOWN, true);
}

static void missing_usage_is_estimated_from_what_was_seen(void **state) {
  static const char *const none[] = {PLAIN("null"), PLAIN("{}"), PLAIN("{\"prompt_tokens\":null,\"completion_tokens\":null}")};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    answered(PLAIN_REQUEST, false, none[i]);
    counts_are(INPUT_LIKELY, 0, 0, 4, 0); // 15 bytes of text
    is(TOLLGATE_USAGE_ESTIMATED, true);
    answering_finish(&a);
    a.state = NULL;
  }
  answered(PLAIN_REQUEST, false, PLAIN("{\"prompt_tokens\":7,\"total_tokens\":12}"));
  counts_are(7, 0, 0, 5, 0); // the sum tells
  is(TOLLGATE_USAGE_KNOWN, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false, PLAIN("{\"prompt_tokens\":7}"));
  counts_are(7, 0, 0, 4, 0);
  is(TOLLGATE_USAGE_ESTIMATED, true);
}

static void what_is_no_count_is_estimated_and_flagged(void **state) {
  static const char *const bad[] = {PLAIN("{\"prompt_tokens\":-1,\"completion_tokens\":5}"),
                                    PLAIN("{\"prompt_tokens\":1.5,\"completion_tokens\":5}"),
                                    PLAIN("{\"prompt_tokens\":\"9\",\"completion_tokens\":5}"),
                                    PLAIN("{\"prompt_tokens\":9,\"completion_tokens\":99999999999999999999999999}"),
                                    PLAIN("{\"prompt_tokens\":9223372036854775807,\"completion_tokens\":9223372036854775807}"),
                                    PLAIN("{\"prompt_tokens\":{},\"completion_tokens\":1e3}"),
                                    PLAIN("\"none\""),
                                    PLAIN("[1,2]"),
                                    PLAIN("7")};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    answered(PLAIN_REQUEST, false, bad[i]);
    counts_are(INPUT_LIKELY, 0, 0, 4, 0);
    is(TOLLGATE_USAGE_ESTIMATED | TOLLGATE_USAGE_INCONSISTENT, true);
    assert_int_equal(usage.totals[TOLLGATE_TOTAL_INPUT], -1);
    answering_finish(&a);
    a.state = NULL;
  }
}

static void parts_that_exceed_their_whole_are_clamped_and_flagged(void **state) {
  (void)state;
  answered(PLAIN_REQUEST, false, PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":12}}"));
  counts_are(0, 10, 0, 5, 0);
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":6,\"cache_write_tokens\":8}}"));
  counts_are(2, 6, 8, 5, 0); // the sets overlap
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"completion_tokens_details\":{\"reasoning_tokens\":9,\"audio_tokens\":2}}"));
  counts_are(10, 0, 0, 0, 3);
  assert_int_equal(quantity(&usage, "audio_output_tokens"), 2);
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false, PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":-3}}"));
  counts_are(10, 0, 0, 5, 0);
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
}

static void the_sum_tells_what_stands_beside_the_totals(void **state) {
  (void)state;
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":45,\"completion_tokens_details\":{\"reasoning_tokens\":30}}"));
  counts_are(10, 0, 0, 5, 30);
  is(TOLLGATE_USAGE_KNOWN, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false, PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":16}"));
  counts_are(10, 0, 0, 5, 0);
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false, PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":3}"));
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
}

static void embeddings_have_input_only(void **state) {
  (void)state;
  answered("{\"model\":\"m\",\"input\":\"hello world\"}", false,
           "{\"object\":\"list\",\"data\":[{\"embedding\":[0.25,-1e-3]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}");
  counts_are(2, 0, 0, 0, 0);
  assert_int_equal(usage.count, 1);
  is(TOLLGATE_USAGE_KNOWN, true);
}

static void any_size_is_metered_in_the_same_memory(void **state) {
  size_t len = 3 * 1024 * 1024;
  char *text = malloc(len + 512);
  (void)state;
  assert_true(plugin->state_size <= 24 * 1024);
  size_t at = (size_t)sprintf(text, "{\"choices\":[{\"message\":{\"content\":\"");
  memset(text + at, 'x', len);
  at += len;
  at += (size_t)sprintf(text + at, "\\u0000\\ud800\xff\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}");
  answer(PLAIN_REQUEST, false, 200, text, at, 100, TOLLGATE_ENDED);
  counts_are(1, 0, 0, 2, 0);
  is(TOLLGATE_USAGE_KNOWN, true);
  assert_int_equal(a.relayed_len, at);
  assert_memory_equal(a.relayed, text, at);
  free(text);
}

static void an_error_costs_nothing_and_is_passed_on(void **state) {
  const char *text = "<html>{\"usage\":{\"prompt_tokens\":5}}";
  (void)state;
  answer(PLAIN_REQUEST, false, 502, text, strlen(text), 3, TOLLGATE_ENDED);
  is(TOLLGATE_USAGE_FREE, true);
  assert_int_equal(usage.count, 0);
  assert_int_equal(a.result, TOLLGATE_OK);
  assert_true(relayed_is(&a, text));
  answering_finish(&a);
  answered(PLAIN_REQUEST, false, "{\"error\":{\"message\":\"busy\",\"code\":502}}");
  is(TOLLGATE_USAGE_FREE, true);
}

static void what_makes_no_sense_is_told_as_broken(void **state) {
  static const char *const bad[] = {"<html>", "{\"choices\":[}", "", "{\"choices\":[]"};
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    answer(PLAIN_REQUEST, false, 200, bad[i], strlen(bad[i]), strlen(bad[i]) / 2, TOLLGATE_ENDED);
    assert_int_equal(a.result, TOLLGATE_BROKEN);
    is(TOLLGATE_USAGE_FREE, false);
    answering_finish(&a);
    a.state = NULL;
  }
}

static void who_cancels_pays_for_what_was_asked(void **state) {
  (void)state;
  answer(PLAIN_REQUEST, false, 200, "", 0, 0, TOLLGATE_CANCELLED);
  counts_are(INPUT_LIKELY, 0, 0, 0, 0);
  is(TOLLGATE_USAGE_ESTIMATED, false);
  answering_finish(&a);
  answer(PLAIN_REQUEST, false, 200, "", 0, 0, TOLLGATE_CUT);
  is(TOLLGATE_USAGE_FREE, false);
}

static void an_estimate_stays_within_the_cap(void **state) {
  char text[2048];
  (void)state;
  int len = snprintf(text, sizeof text, "{\"choices\":[{\"message\":{\"content\":\"%0*d\"}}]}", 1000, 0);
  answer(PLAIN_REQUEST, false, 200, text, (size_t)len, 7, TOLLGATE_ENDED);
  assert_int_equal(quantity(&usage, "output_tokens"), 50);
}

static void what_an_answer_leaves_upstream_is_named(void **state) {
  (void)state;
  answered("{\"model\":\"m\",\"messages\":[],\"store\":true}", false, PLAIN("null"));
  assert_true(slice_is(usage.object, "chatcmpl-1"));
  answering_finish(&a);
  answered(PLAIN_REQUEST, false, "{\"id\":\"c\",\"choices\":[{\"message\":{\"audio\":{\"id\":\"audio_1\",\"data\":\"AAAA\"}}}]}");
  assert_true(slice_is(usage.object, "audio_1"));
}

// ---- streams

#define CHUNK(delta, rest) "data: {\"id\":\"c1\",\"model\":\"m-2\",\"choices\":[{\"index\":0,\"delta\":" delta "}]" rest "}\n\n"
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
  (void)state;
  answering_init(&a, CHAT, slice(STREAM_REQUEST), 200, "text/event-stream");
  for (size_t i = 1; i <= strlen(TWO); i++) {
    answering_bytes(&a, TWO + i - 1, 1);
    assert_int_equal(a.relayed_len, i == strlen(TWO) ? i : 0);
  }
}

static void only_usage_alone_is_left_out(void **state) {
  static const char first[] = "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n", moderation[] = "data: {\"choices\":[],\"usage\":null,\"m\":{}}\n\n";
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
  static const char seen[] = ": hello\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n";
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
  answered(STREAM_REQUEST, true, CHUNK("{\"content\":\"a\"}", "") CHUNK("{\"content\":\"b\"}", "") CHUNK("{\"content\":\"c\"}", "") DONE);
  counts_are(INPUT_LIKELY, 0, 0, 3, 0); // no delta is less than a token
  answering_finish(&a);
  answered(STREAM_REQUEST, true,
           CHUNK("{\"reasoning_content\":\"0123456789abcdef\"}", "")
           CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"look\",\"arguments\":\"{\\\"a\\\":1}\"}}]}", "")
           CHUNK("{\"refusal\":\"no, I will not\"}", "") DONE);
  counts_are(INPUT_LIKELY, 0, 0, 11, 0); // 16 + 4 + 7 + 14 bytes
}

static void a_cut_stream_is_never_complete_and_shows_whole_events(void **state) {
  static const char text[] = ONE TWO THREE USAGE DONE;
  (void)state;
  for (size_t cut = 0; cut < sizeof text; cut++) {
    answer(STREAM_REQUEST, true, 200, text, cut, cut / 2, TOLLGATE_CUT);
    bool first = cut >= strlen(ONE), known = cut >= strlen(ONE TWO THREE USAGE), done = cut >= strlen(ONE TWO THREE USAGE) + strlen(DONE) - 2;
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

static void an_error_in_a_stream_keeps_what_was_seen(void **state) {
  static const char error[] = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
  char text[1024];
  (void)state;
  (void)snprintf(text, sizeof text, "%s%s", error, DONE);
  answered(STREAM_REQUEST, true, text);
  is(TOLLGATE_USAGE_FREE, false);
  assert_true(relayed_is(&a, text));
  answering_finish(&a);
  (void)snprintf(text, sizeof text, "%s%s%s", TWO, error, DONE);
  answered(STREAM_REQUEST, true, text);
  is(TOLLGATE_USAGE_ESTIMATED, false);
  counts_are(INPUT_LIKELY, 0, 0, 1, 0);
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
  (void)snprintf(text, sizeof text, "%sdata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"pad\":\"%0*d\"}}\n\n%s", TWO, 4000, 0, DONE);
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
  return (plugin->fail)(a.state, slice("billing_error"), slice("credits_exhausted"), slice("No \"credits\"\nleft\xc3\xa9"), out);
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

#define FAILURE \
  "data: {\"error\":{\"message\":\"No \\\"credits\\\"\\u000aleft\xc3\xa9\",\"type\":\"billing_error\",\"code\":\"credits_exhausted\",\"param\":null}}\n\n" DONE

static void a_stream_is_ended_early_with_an_event(void **state) {
  (void)state;
  ended(TWO, TWO FAILURE);
}

static void an_event_that_was_only_begun_is_not_shown(void **state) {
  (void)state;
  ended(TWO "data: {\"choices\":[{\"del", TWO FAILURE);
}

#define RULE(name) cmocka_unit_test_teardown(name, restart)

int main(void) {
  const struct CMUnitTest tests[] = {
      RULE(the_providers_numbers_are_the_usage),
      RULE(sounds_and_pictures_are_parts_of_their_own),
      RULE(zero_is_a_number),
      RULE(missing_usage_is_estimated_from_what_was_seen),
      RULE(what_is_no_count_is_estimated_and_flagged),
      RULE(parts_that_exceed_their_whole_are_clamped_and_flagged),
      RULE(the_sum_tells_what_stands_beside_the_totals),
      RULE(embeddings_have_input_only),
      RULE(any_size_is_metered_in_the_same_memory),
      RULE(an_error_costs_nothing_and_is_passed_on),
      RULE(what_makes_no_sense_is_told_as_broken),
      RULE(who_cancels_pays_for_what_was_asked),
      RULE(an_estimate_stays_within_the_cap),
      RULE(what_an_answer_leaves_upstream_is_named),
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
