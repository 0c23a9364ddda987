// An answer given whole and in pieces, and what was made of it.
#pragma once
#include "answers.h"

#define CHAT 0
#define EMBEDDINGS 1
#define PLAIN_REQUEST                                                                                                  \
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}],\"max_tokens\":50}"
#define STREAM_REQUEST                                                                                                 \
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello there\"}],\"stream\":true}"
#define ASKING_REQUEST                                                                                                 \
  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello "                                             \
  "there\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true}}"
#define INPUT_LIKELY (3 + 3 + 4) // "Hello there", the request, the message
#define CERTAINTY (TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_ESTIMATED | TOLLGATE_USAGE_FREE | TOLLGATE_USAGE_INCONSISTENT)

static struct answering a;
static struct tollgate_usage usage;

static inline void answer(const char *request, bool stream, int status, const char *text, size_t len, size_t cut,
                          enum tollgate_ending ending) {
  uint32_t endpoint = strstr(request, "\"input\"") ? EMBEDDINGS : CHAT;
  answering_init(&a, endpoint, slice(request), status, stream ? "text/event-stream" : "application/json");
  answering_bytes(&a, text, cut);
  answering_bytes(&a, text + cut, len - cut);
  answering_end(&a, ending);
  usage = answering_usage(&a);
}

static inline int restart(void **state) {
  (void)state;
  answering_finish(&a);
  a.state = NULL;
  return 0;
}

// Whole, and cut in two at every byte: always the same.
static inline void answered(const char *request, bool stream, const char *text) {
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

static inline void counts_are(int64_t input, int64_t cached, int64_t written, int64_t output, int64_t reasoning) {
  assert_int_equal(quantity(&usage, "input_tokens"), input);
  assert_int_equal(quantity(&usage, "cached_input_tokens"), cached);
  assert_int_equal(quantity(&usage, "cache_write_tokens"), written);
  assert_int_equal(quantity(&usage, "output_tokens"), output);
  assert_int_equal(quantity(&usage, "reasoning_tokens"), reasoning);
}

static inline void is(unsigned certainty, bool complete) {
  assert_int_equal(usage.flags & CERTAINTY, certainty);
  assert_int_equal((usage.flags & TOLLGATE_USAGE_COMPLETE) != 0, complete);
}

#define RULE(name) cmocka_unit_test_teardown(name, restart)
