// The answer as it comes. A plain one is scanned and passed on. Of a stream each event is kept back until its end, so
// that the one that only carries the usage which the caller did not ask for can be left out, and the terminator can
// wait for the end; an event larger than what can be kept is neither, and is passed on as it comes.
#include "openai/openai.h"
#include <string.h>
#include <strings.h>

#define DONE_TEXT "[DONE]"
#define DONE_LEN 6
#define NAME_AT(i) (uint16_t)(offsetof(struct kept, names) + (size_t)(i)*NAME_MAX_RAW)

static const struct scan_watch watches[SEEN_COUNT] = {
    [SEEN_USAGE] = {.path = {"usage"}, .flags = SCAN_KEEP, .at = offsetof(struct kept, usage), .room = USAGE_MAX},
    [SEEN_MODEL] = {.path = {"model"}, .flags = SCAN_KEEP, .at = NAME_AT(0), .room = NAME_MAX_RAW},
    [SEEN_ID] = {.path = {"id"}, .flags = SCAN_KEEP, .at = NAME_AT(1), .room = NAME_MAX_RAW},
    [SEEN_TIER] = {.path = {"service_tier"}, .flags = SCAN_KEEP, .at = NAME_AT(2), .room = NAME_MAX_RAW},
    [SEEN_AUDIO_ID] = {.path = {"choices", "[]", "*", "audio", "id"},
                       .flags = SCAN_KEEP,
                       .at = NAME_AT(3),
                       .room = NAME_MAX_RAW},
    [SEEN_CHOICES] = {.path = {"choices"}},
    [SEEN_DATA] = {.path = {"data"}},
    [SEEN_ERROR] = {.path = {"error"}},
    [SEEN_AUDIO_DATA] = {.path = {"choices", "[]", "*", "audio", "data"}, .flags = SCAN_TEXT},
    // "*" is delta or message
    [SEEN_TEXT + 0] = {.path = {"choices", "[]", "*", "content"}, .flags = SCAN_TEXT},
    [SEEN_TEXT + 1] = {.path = {"choices", "[]", "*", "refusal"}, .flags = SCAN_TEXT},
    [SEEN_TEXT + 2] = {.path = {"choices", "[]", "*", "reasoning"}, .flags = SCAN_TEXT},
    [SEEN_TEXT + 3] = {.path = {"choices", "[]", "*", "reasoning_content"}, .flags = SCAN_TEXT},
    [SEEN_TEXT + 4] = {.path = {"choices", "[]", "*", "tool_calls", "[]", "function", "name"}, .flags = SCAN_TEXT},
    [SEEN_TEXT + 5] = {.path = {"choices", "[]", "*", "tool_calls", "[]", "function", "arguments"}, .flags = SCAN_TEXT},
    [SEEN_TEXT + 6] = {.path = {"choices", "[]", "*", "tool_calls", "[]", "custom", "input"}, .flags = SCAN_TEXT},
    [SEEN_TEXT + 7] = {.path = {"choices", "[]", "*", "function_call", "arguments"}, .flags = SCAN_TEXT},
    [SEEN_TEXT + 8] = {.path = {"choices", "[]", "*", "audio", "transcript"}, .flags = SCAN_TEXT},
};

static void event_reset(struct state *st) {
  scan_init(&st->scan, watches, SEEN_COUNT, st->hits, (char *)&st->event);
  st->scan.lenient = true;
  st->event_len = 0;
  st->done_len = 0;
  st->held_len = 0;
  st->has_data = st->passing = false;
}

// ---- begin

static bool is_event_stream(const struct tollgate_answer *a, bool ret_default) {
  static const char type[] = "text/event-stream", name[] = "content-type";
  for (size_t i = 0; i < a->header_count; i++) {
    struct tollgate_slice n = a->headers[i].name, v = a->headers[i].value;
    if (n.len != sizeof name - 1 || strncasecmp(n.ptr, name, n.len) != 0) continue;
    return v.len >= sizeof type - 1 && strncasecmp(v.ptr, type, sizeof type - 1) == 0;
  }
  return ret_default;
}

static bool asks_to_store(const struct tollgate_request *q) {
  struct pick members;
  return pick_read(&members, q->body.ptr, q->body.len) == PICK_OK &&
         pick_kind(pick_find(&members, "store")) == SCAN_TRUE;
}

enum tollgate_result answer_begin(void *state, const struct tollgate_request *q, const struct tollgate_facts *facts,
                                  const struct tollgate_answer *answer) {
  struct state *st = state;
  st->status = answer->status;
  st->chat = q->endpoint == ENDPOINT_CHAT;
  st->sse = is_event_stream(answer, facts->stream);
  st->wants_usage = facts->wants_usage;
  st->stores = st->chat && asks_to_store(q);
  st->input_likely = facts->input_likely;
  if (__builtin_mul_overflow(facts->output_cap, facts->choices, &st->output_most)) st->output_most = 0;
  sse_init(&st->reader);
  event_reset(st);
  return TOLLGATE_OK;
}

// ---- what an event, or a plain answer, tells

static bool told(const struct scan_hit *hit) {
  return hit->end > hit->start && hit->kind != SCAN_NULL;
}

// Takes over what has been read to its end. A usage too large to keep is as good as one that makes no sense.
static void take(struct state *st) {
  const struct scan_hit *usage = &st->hits[SEEN_USAGE];
  if (told(usage)) {
    st->usage_seen = true;
    st->usage_len = usage->cut ? 0 : usage->kept;
    memcpy(st->answer.usage, st->event.usage, st->usage_len);
  }
  for (size_t i = 0; i < KEPT_NAMES; i++) {
    const struct scan_hit *hit = &st->hits[SEEN_MODEL + i];
    if (!told(hit) || hit->kind != SCAN_STRING || hit->cut || hit->kept <= 2) continue;
    st->name_len[i] = hit->kept;
    memcpy(st->answer.names[i], st->event.names[i], hit->kept);
  }
  st->output_seen |= st->hits[SEEN_CHOICES].items > 0 || st->hits[SEEN_DATA].items > 0;
  st->error_seen |= told(&st->hits[SEEN_ERROR]);
}

static void measures_add(struct state *st) {
  for (size_t i = SEEN_TEXT; i < SEEN_COUNT; i++) {
    st->ascii += st->hits[i].ascii;
    st->wide += st->hits[i].wide;
    st->deltas += st->hits[i].filled;
  }
  st->audio += st->hits[SEEN_AUDIO_DATA].ascii;
}

// ---- a stream

static void data_add(struct state *st, const char *bytes, size_t len) {
  st->has_data = true;
  for (size_t i = 0; i < len && st->done_len != DONE_NOT; i++) {
    if (bytes[i] == ' ') continue;
    bool fits = st->done_len < DONE_LEN && bytes[i] == DONE_TEXT[st->done_len];
    st->done_len = fits ? (uint8_t)(st->done_len + 1) : DONE_NOT;
  }
  (void)scan_push(&st->scan, bytes, len);
}

enum verdict { EVENT_PASSES, EVENT_IS_DROPPED, EVENT_WAITS };

// An event is over: what it told is taken over, and what becomes of its bytes is decided.
static enum verdict event_judge(struct state *st) {
  bool small = st->event_len <= HELD_MAX;
  if (st->done_len == DONE_LEN) {
    st->done = true;
    return small ? EVENT_WAITS : EVENT_PASSES;
  }
  bool valid = st->has_data && scan_finish(&st->scan) == SCAN_DONE;
  measures_add(st);
  if (!valid) return EVENT_PASSES;
  take(st);
  const struct scan_hit *choices = &st->hits[SEEN_CHOICES];
  bool only_usage = choices->kind == SCAN_ARRAY && choices->items == 0 && told(&st->hits[SEEN_USAGE]);
  return only_usage && small && !st->wants_usage ? EVENT_IS_DROPPED : EVENT_PASSES;
}

static void held_flush(struct state *st, struct tollgate_out *relay) {
  out_add(relay, st->held, st->held_len);
  st->held_len = 0;
}

static void held_add(struct state *st, const char *bytes, size_t len) {
  memcpy(st->held + st->held_len, bytes, len);
  st->held_len = (uint16_t)(st->held_len + len);
}

// An event ends with these bytes; those before them are held, or were passed on.
static void event_end(struct state *st, const char *from, size_t len, struct tollgate_out *relay) {
  st->event_len += len;
  switch (event_judge(st)) {
  case EVENT_PASSES:
    held_flush(st, relay);
    out_add(relay, from, len);
    break;
  case EVENT_WAITS:
    held_add(st, from, len);
    return;
  case EVENT_IS_DROPPED:
    break;
  }
  event_reset(st);
}

static void event_rest(struct state *st, const char *from, size_t len, struct tollgate_out *relay) {
  st->event_len += len;
  if (st->event_len <= HELD_MAX) {
    held_add(st, from, len);
    return;
  }
  held_flush(st, relay);
  out_add(relay, from, len);
  st->passing = true;
}

// What follows the terminator is neither read nor passed on.
static void stream_bytes(struct state *st, struct tollgate_slice piece, struct tollgate_out *relay) {
  const char *at = piece.ptr, *from = at, *end = at + piece.len, *bytes = NULL;
  size_t len = 0;
  enum sse_token token;
  while (!st->done && (token = sse_next(&st->reader, &at, end, &bytes, &len)) != SSE_MORE) {
    if (token == SSE_DATA) data_add(st, bytes, len);
    if (token != SSE_END) continue;
    event_end(st, from, (size_t)(at - from), relay);
    from = at;
  }
  if (!st->done) event_rest(st, from, (size_t)(end - from), relay);
}

// ---- a plain answer

static enum tollgate_result plain_bytes(struct state *st, struct tollgate_slice piece, struct tollgate_out *relay) {
  out_add(relay, piece.ptr, piece.len);
  if (scan_push(&st->scan, piece.ptr, piece.len) == SCAN_BAD) st->broken = true;
  return st->broken ? TOLLGATE_BROKEN : TOLLGATE_OK;
}

enum tollgate_result answer_bytes(void *state, struct tollgate_slice piece, struct tollgate_out *relay) {
  struct state *st = state;
  if (!out_room(relay, (size_t)st->held_len + piece.len)) return TOLLGATE_ROOM;
  if (piece.len == 0) return TOLLGATE_OK;
  if (st->status < 200 || st->status > 299) {
    out_add(relay, piece.ptr, piece.len);
    return TOLLGATE_OK;
  }
  if (!st->sse) return plain_bytes(st, piece, relay);
  stream_bytes(st, piece, relay);
  return TOLLGATE_OK;
}

// ---- end

static bool event_whole(struct state *st, enum tollgate_ending ending) {
  if (st->done_len == DONE_LEN) return true;
  return ending == TOLLGATE_ENDED && !st->passing && st->has_data && scan_finish(&st->scan) == SCAN_DONE;
}

// The last event may lack its blank line. What is not whole is not passed on: something else may have to follow it.
static void stream_last(struct state *st, enum tollgate_ending ending, struct tollgate_out *relay) {
  if (st->done || st->event_len == 0) return;
  if (sse_finish(&st->reader) == SSE_END) {
    event_end(st, "", 0, relay);
    return;
  }
  if (!event_whole(st, ending)) return;
  event_end(st, "\n\n", 2, relay);
}

// The proper end is the terminator. Where it is missing, a transfer that ended in good order behind the usage or behind
// the provider's own error lacks nothing else: the terminator is then made up for, so that no client waits for more.
static bool stream_end(struct state *st, enum tollgate_ending ending, struct tollgate_out *relay) {
  stream_last(st, ending, relay);
  if (st->done) {
    held_flush(st, relay);
    return true;
  }
  if (ending != TOLLGATE_ENDED || st->event_len > 0) return false;
  bool whole = st->usage_seen || st->error_seen;
  if (whole) out_text(relay, "data: " DONE_TEXT "\n\n");
  return whole;
}

static bool plain_end(struct state *st, enum tollgate_ending ending) {
  bool whole = scan_finish(&st->scan) == SCAN_DONE;
  take(st);
  if (ending == TOLLGATE_ENDED && !whole) st->broken = true;
  return ending == TOLLGATE_ENDED && whole;
}

enum tollgate_result answer_end(void *state, enum tollgate_ending ending, struct tollgate_out *relay) {
  struct state *st = state;
  bool served = st->status >= 200 && st->status <= 299;
  if (!out_room(relay, (size_t)st->held_len + 32)) return TOLLGATE_ROOM;
  if (!served)
    st->complete = ending == TOLLGATE_ENDED;
  else if (st->sse)
    st->complete = stream_end(st, ending, relay);
  else
    st->complete = plain_end(st, ending);
  st->ended = true;
  st->cancelled = ending == TOLLGATE_CANCELLED;
  return st->broken ? TOLLGATE_BROKEN : TOLLGATE_OK;
}

// ---- fail

enum tollgate_result answer_fail(const void *state, struct tollgate_slice type, struct tollgate_slice code,
                                 struct tollgate_slice message, struct tollgate_out *relay) {
  const struct state *st = state;
  if (!out_room(relay, 6 * (type.len + code.len + message.len) + 128)) return TOLLGATE_ROOM;
  if (st->passing) out_text(relay, "\n\n");
  out_text(relay, "data: {\"error\":{\"message\":");
  out_json(relay, message);
  out_text(relay, ",\"type\":");
  out_json(relay, type);
  out_text(relay, ",\"code\":");
  out_json(relay, code);
  out_text(relay, ",\"param\":null}}\n\ndata: " DONE_TEXT "\n\n");
  return TOLLGATE_OK;
}
