// What the parts of this plugin share: the meters, and the state of one answer.
#pragma once
#include "common/pick.h"
#include "common/sse.h"
#include "tollgate/plugin.h"

enum { ENDPOINT_CHAT, ENDPOINT_EMBEDDINGS };

enum meter {
  METER_INPUT,
  METER_CACHED,
  METER_CACHE_WRITE,
  METER_AUDIO_IN,
  METER_IMAGE_IN,
  METER_OUTPUT,
  METER_REASONING,
  METER_AUDIO_OUT,
};

// What is watched in an answer, or in each event of a stream.
enum answer_watch {
  SEEN_USAGE,
  SEEN_MODEL,
  SEEN_ID,
  SEEN_TIER,
  SEEN_AUDIO_ID,
  SEEN_CHOICES,
  SEEN_DATA,
  SEEN_ERROR,
  SEEN_AUDIO_DATA,
  SEEN_TEXT, // the first of those whose text is counted
  SEEN_COUNT = SEEN_TEXT + 9,
};

// A running stream's state is mostly these three; what was recorded of providers stays below half of each.
#define HELD_MAX (2 * 1024) // an event with nothing in it but usage
#define USAGE_MAX 1536
#define NAME_MAX_RAW 128 // a model, an id, a tier, with its quotes
#define KEPT_NAMES 4     // SEEN_MODEL … SEEN_AUDIO_ID

// Raw JSON values, kept where the scanner's watches say.
struct kept {
  char usage[USAGE_MAX];
  char names[KEPT_NAMES][NAME_MAX_RAW];
};

struct state {
  int64_t input_likely, output_most; // for the estimate; output_most 0: no cap
  int32_t status;
  bool sse, chat, wants_usage, stores;
  bool ended, cancelled, complete, broken;
  bool output_seen, error_seen, usage_seen;

  struct sse reader;
  struct scan scan;
  struct scan_hit hits[SEEN_COUNT];
  struct kept event; // of the event, or the plain answer, now read
  bool has_data, passing;
  uint8_t done_len; // bytes of "[DONE]" that its data has matched; DONE_NOT: none of it
  uint64_t event_len;

  struct kept answer; // of all that was read to its end
  uint16_t usage_len, name_len[KEPT_NAMES];
  uint64_t ascii, wide, deltas, audio; // of the events that are over
  bool done;
  uint16_t held_len;
  char held[HELD_MAX]; // the bytes of the event now read; after its end, the terminator
};

#define DONE_NOT 0xff

enum tollgate_result request_inspect(const struct tollgate_request *q, struct tollgate_facts *ret);
enum tollgate_result request_bound(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                   const struct tollgate_model *model, struct tollgate_bound *ret);
enum tollgate_result request_build(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                   const struct tollgate_upstream *upstream, struct tollgate_built *ret);
enum tollgate_result answer_begin(void *state, const struct tollgate_request *q, const struct tollgate_facts *facts,
                                  const struct tollgate_answer *answer);
enum tollgate_result answer_bytes(void *state, struct tollgate_slice piece, struct tollgate_out *relay);
enum tollgate_result answer_end(void *state, enum tollgate_ending ending, struct tollgate_out *relay);
enum tollgate_result answer_fail(const void *state, struct tollgate_slice type, struct tollgate_slice code,
                                 struct tollgate_slice message, struct tollgate_out *relay);
enum tollgate_result usage_totals(const void *state, struct tollgate_usage *ret);

// What ASCII text and text beyond it probably are in tokens: four bytes of the one, three of the other.
static inline uint64_t tokens_likely(uint64_t ascii, uint64_t wide) {
  return (3 * ascii + 4 * wide + 11) / 12;
}
static inline struct tollgate_slice slice_of(struct pick_span s) { return (struct tollgate_slice){s.ptr, s.len}; }

// out.c
bool out_room(struct tollgate_out *o, size_t len); // false: `need` was set
void out_add(struct tollgate_out *o, const char *bytes, size_t len); // after out_room said that there is room
void out_text(struct tollgate_out *o, const char *text);
void out_json(struct tollgate_out *o, struct tollgate_slice text); // a JSON string, quotes included; at most 6 bytes for one
