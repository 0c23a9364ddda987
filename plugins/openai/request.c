// What a request asks for, and how much it can cause. Only what matters for the bill and for the customer's isolation
// is looked at and held to its type; everything else is the provider's business and passes unread.
#include "openai/openai.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OUTPUT_DEFAULT 16384 // where neither the caller nor the catalogue gives a cap
#define OUTPUT_LIKELY 256    // of one choice
#define CHOICES_MAX 128
#define MODEL_MAX 1024 // what is sold has 200 characters, and "provider/" may stand before
#define UPPER_REQUEST 16 // tokens around the messages, whatever they are
#define LIKELY_REQUEST 3
#define LIKELY_MESSAGE 4

// One image, at the most and probably. The small models count the same picture as many more tokens.
#define IMAGE_UPPER 4096
#define IMAGE_LIKELY 765
#define IMAGE_UPPER_MINI 48200
#define IMAGE_LIKELY_MINI 25501

enum chat_watch {
  ASKS_REST, // everything that no other watch counts: names, punctuation, roles, settings
  ASKS_MESSAGE,
  ASKS_IMAGE,
  ASKS_IMAGE_URL,
  ASKS_AUDIO,
  ASKS_FILE,
  ASKS_OBJECT, // … up to ASKS_TEXT: what names something that is kept upstream
  ASKS_TEXT = ASKS_OBJECT + 6,
  ASKS_COUNT = ASKS_TEXT + 10,
};

static const struct scan_watch chat_watches[ASKS_COUNT] = {
    [ASKS_REST] = {.path = {NULL}, .flags = SCAN_DEEP},
    [ASKS_MESSAGE] = {.path = {"messages", "[]"}},
    [ASKS_IMAGE] = {.path = {"messages", "[]", "content", "[]", "image_url"}, .flags = SCAN_TEXT},
    [ASKS_IMAGE_URL] = {.path = {"messages", "[]", "content", "[]", "image_url", "url"}, .flags = SCAN_TEXT},
    [ASKS_AUDIO] = {.path = {"messages", "[]", "content", "[]", "input_audio", "data"}, .flags = SCAN_TEXT},
    [ASKS_FILE] = {.path = {"messages", "[]", "content", "[]", "file", "file_data"}, .flags = SCAN_TEXT},
    [ASKS_OBJECT + 0] = {.path = {"messages", "[]", "content", "[]", "file_id"}, .flags = SCAN_EACH},
    [ASKS_OBJECT + 1] = {.path = {"messages", "[]", "content", "[]", "*", "file_id"}, .flags = SCAN_EACH},
    [ASKS_OBJECT + 2] = {.path = {"messages", "[]", "audio", "id"}, .flags = SCAN_EACH},
    [ASKS_OBJECT + 3] = {.path = {"previous_response_id"}, .flags = SCAN_EACH},
    [ASKS_OBJECT + 4] = {.path = {"conversation"}, .flags = SCAN_EACH},
    [ASKS_OBJECT + 5] = {.path = {"prompt", "id"}, .flags = SCAN_EACH},
    [ASKS_TEXT + 0] = {.path = {"messages", "[]", "content"}, .flags = SCAN_TEXT},
    [ASKS_TEXT + 1] = {.path = {"messages", "[]", "content", "[]", "text"}, .flags = SCAN_TEXT},
    [ASKS_TEXT + 2] = {.path = {"messages", "[]", "content", "[]", "refusal"}, .flags = SCAN_TEXT},
    [ASKS_TEXT + 3] = {.path = {"messages", "[]", "name"}, .flags = SCAN_TEXT},
    [ASKS_TEXT + 4] = {.path = {"messages", "[]", "tool_calls"}, .flags = SCAN_DEEP},
    [ASKS_TEXT + 5] = {.path = {"messages", "[]", "function_call"}, .flags = SCAN_DEEP},
    [ASKS_TEXT + 6] = {.path = {"tools"}, .flags = SCAN_DEEP},
    [ASKS_TEXT + 7] = {.path = {"functions"}, .flags = SCAN_DEEP},
    [ASKS_TEXT + 8] = {.path = {"response_format"}, .flags = SCAN_DEEP},
    [ASKS_TEXT + 9] = {.path = {"prediction"}, .flags = SCAN_DEEP},
};

enum embeddings_watch { ASKS_INPUT, ASKS_ITEM, ASKS_TOKEN };

static const struct scan_watch embeddings_watches[] = {
    [ASKS_INPUT] = {.path = {"input"}, .flags = SCAN_TEXT},
    [ASKS_ITEM] = {.path = {"input", "[]"}, .flags = SCAN_TEXT},
    [ASKS_TOKEN] = {.path = {"input", "[]", "[]"}},
};

struct reading {
  const struct tollgate_request *request;
  struct tollgate_facts *facts;
  struct scan scan;
  struct scan_hit hits[ASKS_COUNT];
  struct pick members;
  bool objects; // more than one upstream object is named
};

__attribute__((format(printf, 3, 4))) static enum tollgate_result refuse(struct tollgate_facts *facts,
                                                                         const char *param, const char *format, ...) {
  va_list args;
  va_start(args, format);
  (void)vsnprintf(facts->error, sizeof facts->error, format, args);
  va_end(args);
  (void)snprintf(facts->error_param, sizeof facts->error_param, "%s", param);
  return TOLLGATE_REFUSED;
}

// ---- names

// A name without its escapes, where the server lends memory for that: it has to live as long as the request.
static bool name_unescape(const struct reading *r, struct pick_span inner, bool escaped, struct tollgate_slice *ret) {
  struct tollgate_out *text = r->request->text;
  size_t len = 0;
  *ret = slice_of(inner);
  if (!escaped) return true;
  if (!text || !pick_text(inner, text->ptr + text->len, text->cap - text->len, &len)) return false;
  *ret = (struct tollgate_slice){text->ptr + text->len, len};
  text->len += len;
  return true;
}

// ---- upstream objects

// The conversation may be an object with an id: then its raw text stands for it, which matches no recorded id. Nor does
// a name with escapes.
static void object_seen(void *context, size_t watch, uint64_t start, uint64_t end) {
  struct reading *r = context;
  struct pick_span raw = {r->request->body.ptr + start, (size_t)(end - start)}, name;
  bool escaped = false;
  (void)watch;
  if (pick_kind(raw) == SCAN_NULL) return;
  if (!pick_string(raw, &name, &escaped)) name = raw;
  if (name.len == 0) name = raw;
  struct pick_span known = {r->facts->object.ptr, r->facts->object.len};
  if (known.len == 0)
    r->facts->object = slice_of(name);
  else if (!pick_same(known, name))
    r->objects = true;
}

// ---- reading the members

static enum tollgate_result text_refuse(struct reading *r) {
  return refuse(r->facts, "", "The request body is %s (at byte %" PRIu64 ").",
                scan_fault_text((enum scan_fault)(r->scan.fault ? r->scan.fault : SCAN_SYNTAX)), r->scan.offset);
}

static enum tollgate_result body_read(struct reading *r) {
  bool chat = r->request->endpoint == ENDPOINT_CHAT;
  struct tollgate_slice body = r->request->body;
  if (chat)
    scan_init(&r->scan, chat_watches, ASKS_COUNT, r->hits, NULL);
  else
    scan_init(&r->scan, embeddings_watches, sizeof embeddings_watches / sizeof embeddings_watches[0], r->hits, NULL);
  r->scan.each = object_seen;
  r->scan.context = r;
  (void)scan_push(&r->scan, body.ptr, body.len);
  if (scan_finish(&r->scan) != SCAN_DONE) return text_refuse(r);
  enum pick_answer answer = pick_read(&r->members, body.ptr, body.len);
  if (answer == PICK_OK) return TOLLGATE_OK;
  if (answer == PICK_NOT_OBJECT) return refuse(r->facts, "", "The request body is not a JSON object.");
  if (answer == PICK_TOO_MANY) return refuse(r->facts, "", "The request body has more than %d members.", PICK_MEMBERS);
  struct pick_span name = r->members.members[r->members.count - 1].name;
  int len = name.len < 48 ? (int)name.len : 48;
  char param[64];
  (void)snprintf(param, sizeof param, "%.*s", len, name.ptr);
  return refuse(r->facts, param, "The member \"%s\" stands in the request twice.", param);
}

static enum tollgate_result model_read(struct reading *r) {
  struct pick_span value = pick_find(&r->members, "model"), text;
  bool escaped = false;
  if (!value.len) return refuse(r->facts, "model", "The request names no model: \"model\" is required.");
  if (!pick_string(value, &text, &escaped) || text.len == 0)
    return refuse(r->facts, "model", "\"model\" must be a text that is not empty.");
  if (text.len > (escaped ? 6 * MODEL_MAX : MODEL_MAX)) // \u00e9
    return refuse(r->facts, "model", "\"model\" is longer than %d bytes.", MODEL_MAX);
  if (name_unescape(r, text, escaped, &r->facts->model)) return TOLLGATE_OK;
  return refuse(r->facts, "model", "\"model\" must be written without escapes (\\/ is /).");
}

// Absent and null are false.
static enum tollgate_result bool_read(struct reading *r, struct pick_span value, const char *param, bool *ret) {
  enum scan_kind kind = pick_kind(value);
  *ret = kind == SCAN_TRUE;
  if (kind == SCAN_TRUE || kind == SCAN_FALSE || kind == SCAN_NULL || kind == SCAN_NOTHING) return TOLLGATE_OK;
  return refuse(r->facts, param, "\"%s\" must be true or false.", param);
}

// Absent and null leave *ret as it is.
static enum tollgate_result int_read(struct reading *r, const char *name, int64_t most, int64_t *ret) {
  struct pick_span value = pick_find(&r->members, name);
  int64_t number = 0;
  enum scan_kind kind = pick_kind(value);
  if (kind == SCAN_NOTHING || kind == SCAN_NULL) return TOLLGATE_OK;
  enum pick_number answer = pick_int(value, &number);
  if (answer == PICK_NOT_INTEGER) return refuse(r->facts, name, "\"%s\" must be an integer.", name);
  if (answer == PICK_OUT_OF_RANGE || number < 1 || number > most)
    return refuse(r->facts, name, "\"%s\" must be between 1 and %" PRId64 ".", name, most);
  *ret = number;
  return TOLLGATE_OK;
}

static enum tollgate_result user_read(struct reading *r, const char *name) {
  struct pick_span value = pick_find(&r->members, name), text;
  enum scan_kind kind = pick_kind(value);
  bool escaped = false;
  if (kind == SCAN_NOTHING || kind == SCAN_NULL) return TOLLGATE_OK;
  if (!pick_string(value, &text, &escaped)) return refuse(r->facts, name, "\"%s\" must be a text.", name);
  if (!name_unescape(r, text, escaped, &r->facts->user)) r->facts->user = slice_of(text);
  return TOLLGATE_OK;
}

static enum tollgate_result stream_read(struct reading *r) {
  struct pick_span value = pick_find(&r->members, "stream_options");
  struct pick options;
  enum tollgate_result result = bool_read(r, pick_find(&r->members, "stream"), "stream", &r->facts->stream);
  if (result != TOLLGATE_OK || pick_kind(value) == SCAN_NOTHING || pick_kind(value) == SCAN_NULL) return result;
  switch (pick_read(&options, value.ptr, value.len)) {
  case PICK_OK:
    break;
  case PICK_NOT_OBJECT:
    return refuse(r->facts, "stream_options", "\"stream_options\" must be an object.");
  case PICK_DUPLICATE:
  case PICK_TOO_MANY:
    return refuse(r->facts, "stream_options", "\"stream_options\" has a member twice, or too many.");
  }
  return bool_read(r, pick_find(&options, "include_usage"), "stream_options.include_usage", &r->facts->wants_usage);
}

// Both caps may be there: the provider refuses that or takes either, so the larger one binds.
static enum tollgate_result caps_read(struct reading *r) {
  int64_t legacy = 0;
  enum tollgate_result result = int_read(r, "max_completion_tokens", INT64_MAX, &r->facts->output_cap);
  if (result == TOLLGATE_OK) result = int_read(r, "max_tokens", INT64_MAX, &legacy);
  if (legacy > r->facts->output_cap) r->facts->output_cap = legacy;
  return result;
}

// ---- how much text it is

static int64_t clamp(uint64_t n) {
  return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static uint64_t upper_text(uint64_t ascii, uint64_t wide) {
  return (ascii + 2) / 3 + wide;
}

static bool contains(struct tollgate_slice s, const char *part) {
  return memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

static void chat_measure(const struct reading *r) {
  const struct scan_hit *hits = r->hits;
  uint64_t ascii = 0, wide = 0, audio = hits[ASKS_AUDIO].ascii, file = hits[ASKS_FILE].ascii,
           images = hits[ASKS_IMAGE].count;
  bool mini = contains(r->facts->model, "4o-mini");
  for (size_t i = ASKS_TEXT; i < ASKS_COUNT; i++) {
    ascii += hits[i].ascii;
    wide += hits[i].wide;
  }
  uint64_t likely = tokens_likely(ascii, wide) + LIKELY_REQUEST + LIKELY_MESSAGE * (uint64_t)hits[ASKS_MESSAGE].count;
  uint64_t upper = upper_text(ascii + hits[ASKS_REST].ascii, wide + hits[ASKS_REST].wide) + UPPER_REQUEST;
  likely += images * (mini ? IMAGE_LIKELY_MINI : IMAGE_LIKELY) + audio / 2000 + file / 40;
  upper +=
      images * (mini ? IMAGE_UPPER_MINI : IMAGE_UPPER) + audio / 64 + 10 * (uint64_t)hits[ASKS_AUDIO].count + file / 2;
  r->facts->input_units = clamp(upper);
  r->facts->input_likely = clamp(likely < upper ? likely : upper);
}

static void embeddings_measure(const struct reading *r) {
  const struct scan_hit *hits = r->hits;
  uint64_t ascii = hits[ASKS_INPUT].ascii + hits[ASKS_ITEM].ascii, wide = hits[ASKS_INPUT].wide + hits[ASKS_ITEM].wide;
  uint64_t tokens = hits[ASKS_TOKEN].count + (hits[ASKS_ITEM].kind == SCAN_NUMBER ? hits[ASKS_ITEM].count : 0);
  r->facts->input_units = clamp(upper_text(ascii, wide) + hits[ASKS_TOKEN].count + hits[ASKS_ITEM].count + 1);
  r->facts->input_likely = clamp(tokens_likely(ascii, wide) + tokens);
}

// ---- the whole

// Models that think where nobody sees it: a stream of theirs that is stopped has used more than its deltas show.
static bool hides_reasoning(struct tollgate_slice model) {
  const char *slash = memrchr(model.ptr, '/', model.len);
  size_t skip = slash ? (size_t)(slash - model.ptr) + 1 : 0;
  const char *name = model.ptr + skip;
  size_t len = model.len - skip;
  if (len >= 2 && name[0] == 'o' && name[1] >= '1' && name[1] <= '9') return true;
  return len >= 5 && memcmp(name, "gpt-", 4) == 0 && name[4] >= '5' && name[4] <= '9';
}

static enum tollgate_result kind_read(struct reading *r, const char *name, bool text_too) {
  enum scan_kind kind = pick_kind(pick_find(&r->members, name));
  if (kind == SCAN_ARRAY || (text_too && kind == SCAN_STRING)) return TOLLGATE_OK;
  if (kind == SCAN_NOTHING) return refuse(r->facts, name, "\"%s\" is required.", name);
  return refuse(r->facts, name, text_too ? "\"%s\" must be a text or a list." : "\"%s\" must be a list.", name);
}

static enum tollgate_result chat_read(struct reading *r) {
  enum tollgate_result result = kind_read(r, "messages", false);
  if (result == TOLLGATE_OK) result = stream_read(r);
  if (result == TOLLGATE_OK) result = caps_read(r);
  if (result == TOLLGATE_OK) result = int_read(r, "n", CHOICES_MAX, &r->facts->choices);
  if (result != TOLLGATE_OK) return result;
  r->facts->stoppable = r->facts->stream && !hides_reasoning(r->facts->model);
  chat_measure(r);
  return TOLLGATE_OK;
}

enum tollgate_result request_inspect(const struct tollgate_request *q, struct tollgate_facts *ret) {
  struct reading r = {.request = q, .facts = ret};
  ret->choices = 1;
  enum tollgate_result result = body_read(&r);
  if (result == TOLLGATE_OK) result = model_read(&r);
  if (result == TOLLGATE_OK) result = user_read(&r, "user");
  if (result == TOLLGATE_OK) result = user_read(&r, "safety_identifier");
  if (result != TOLLGATE_OK) return result;
  if (r.objects) return refuse(ret, "messages", "The request names more than one object that is kept upstream.");
  if (q->endpoint == ENDPOINT_CHAT) return chat_read(&r);
  result = kind_read(&r, "input", true);
  if (result == TOLLGATE_OK) embeddings_measure(&r);
  return result;
}

// ---- the bound

static void bound_add(struct tollgate_bound *b, enum meter meter, int64_t upper, int64_t likely) {
  b->upper[b->count] = (struct tollgate_count){(uint32_t)meter, upper};
  b->likely[b->count++] = (struct tollgate_count){(uint32_t)meter, likely < upper ? likely : upper};
}

enum tollgate_result request_bound(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                   const struct tollgate_model *model, struct tollgate_bound *ret) {
  int64_t input = facts->input_units, output = facts->output_cap ? facts->output_cap : model->max_output;
  if (model->max_input > 0 && input > model->max_input) input = model->max_input;
  ret->count = 0;
  bound_add(ret, METER_INPUT, input, facts->input_likely);
  if (q->endpoint != ENDPOINT_CHAT) return TOLLGATE_OK;
  if (output <= 0) output = OUTPUT_DEFAULT;
  if (__builtin_mul_overflow(output, facts->choices, &output)) output = INT64_MAX;
  bound_add(ret, METER_OUTPUT, output, OUTPUT_LIKELY * facts->choices);
  return TOLLGATE_OK;
}
