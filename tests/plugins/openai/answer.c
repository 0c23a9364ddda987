// What the plugin makes of plain answers that were written for it: what the client sees, what is counted, and how sure
// it is.
#include "verdict.h"

#define PLAIN(usage_text)                                                                                              \
  "{\"id\":\"chatcmpl-1\",\"model\":\"m-2\",\"service_tier\":\"flex\",\"choices\":[{\"index\":0,\"message\":{"         \
  "\"content\":\"Good day to you\"}}],"                                                                                \
  "\"usage\":" usage_text "}"

static void the_providers_numbers_are_the_usage(void **state) {
  (void)state;
  answered(PLAIN_REQUEST, false,
           " \n " PLAIN("{\"prompt_tokens\":100,\"completion_tokens\":50,\"total_tokens\":150,\"prompt_tokens_"
                        "details\":{\"cached_tokens\":60,"
                        "\"cache_write_tokens\":10,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_"
                        "tokens\":20}}") "\n");
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
           PLAIN("{\"prompt_tokens\":30,\"completion_tokens\":20,\"prompt_tokens_details\":{\"audio_tokens\":5,\"image_"
                 "tokens\":7,\"text_tokens\":18},"
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
  static const char *const none[] = {PLAIN("null"), PLAIN("{}"),
                                     PLAIN("{\"prompt_tokens\":null,\"completion_tokens\":null}")};
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
  static const char *const bad[] = {
      PLAIN("{\"prompt_tokens\":-1,\"completion_tokens\":5}"),
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
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":12}}"));
  counts_are(0, 10, 0, 5, 0);
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":6,\"cache_"
                 "write_tokens\":8}}"));
  counts_are(2, 6, 8, 5, 0); // the sets overlap
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"completion_tokens_details\":{\"reasoning_tokens\":9,"
                 "\"audio_tokens\":2}}"));
  counts_are(10, 0, 0, 0, 3);
  assert_int_equal(quantity(&usage, "audio_output_tokens"), 2);
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
  answering_finish(&a);
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":-3}}"));
  counts_are(10, 0, 0, 5, 0);
  is(TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_INCONSISTENT, true);
}

static void parts_that_come_twice_are_the_last_ones(void **state) {
  (void)state;
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":6,\"audio_tokens\":1},"
                 "\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4}}"));
  counts_are(6, 4, 0, 5, 0);
  assert_int_equal(quantity(&usage, "audio_input_tokens"), 0);
  is(TOLLGATE_USAGE_KNOWN, true);
}

static void the_sum_tells_what_stands_beside_the_totals(void **state) {
  (void)state;
  answered(PLAIN_REQUEST, false,
           PLAIN("{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":45,\"completion_tokens_details\":{"
                 "\"reasoning_tokens\":30}}"));
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
           "{\"object\":\"list\",\"data\":[{\"embedding\":[0.25,-1e-3]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":"
           "2,\"total_tokens\":2}}");
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
  answered(PLAIN_REQUEST, false,
           "{\"id\":\"c\",\"choices\":[{\"message\":{\"audio\":{\"id\":\"audio_1\",\"data\":\"AAAA\"}}}]}");
  assert_true(slice_is(usage.object, "audio_1"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RULE(the_providers_numbers_are_the_usage),
      RULE(sounds_and_pictures_are_parts_of_their_own),
      RULE(zero_is_a_number),
      RULE(missing_usage_is_estimated_from_what_was_seen),
      RULE(what_is_no_count_is_estimated_and_flagged),
      RULE(parts_that_exceed_their_whole_are_clamped_and_flagged),
      RULE(parts_that_come_twice_are_the_last_ones),
      RULE(the_sum_tells_what_stands_beside_the_totals),
      RULE(embeddings_have_input_only),
      RULE(any_size_is_metered_in_the_same_memory),
      RULE(an_error_costs_nothing_and_is_passed_on),
      RULE(what_makes_no_sense_is_told_as_broken),
      RULE(who_cancels_pays_for_what_was_asked),
      RULE(an_estimate_stays_within_the_cap),
      RULE(what_an_answer_leaves_upstream_is_named),
  };
  return cmocka_run_group_tests(tests, plugin_open, NULL);
}
