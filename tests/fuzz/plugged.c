// See plugged.h.
#include "plugged.h"
#include "fuzz.h"
#include <jansson.h>

#define RELAYED_MAX (1024 * 1024)

const struct plugin_registry *plugged(void) {
  static struct plugin_registry *registry;
  struct buf problems;
  if (registry) return registry;
  buf_init(&problems, 4096);
  int count = plugin_registry_load(BINARY_DIR "/plugins", &registry, &problems);
  FUZZ_CHECK(count > 0 && problems.len == 0, "no plugins in %s: %s", BINARY_DIR, buf_cstr(&problems));
  buf_finish(&problems);
  return registry;
}

// ---- one answer

enum step { STEP_BYTES, STEP_END };

// First without room: where that is not enough, nothing may have changed.
static enum tollgate_result step(const struct tollgate_plugin *plugin, void *state, enum step which, struct str piece,
                                 enum tollgate_ending ending, struct buf *relayed) {
  struct tollgate_out out = {.ptr = NULL};
  struct tollgate_slice slice = {piece.ptr, piece.len};
  enum tollgate_result result = TOLLGATE_ROOM;
  for (int tries = 0; result == TOLLGATE_ROOM; tries++) {
    FUZZ_CHECK(tries < 3 && out.need <= RELAYED_MAX, "room for %zu is asked for", out.need);
    char *memory = malloc(out.need ? out.need : 1);
    out = (struct tollgate_out){.ptr = memory, .cap = out.need};
    result = which == STEP_BYTES ? plugin->bytes(state, slice, &out) : plugin->end(state, ending, &out);
    FUZZ_CHECK(out.len <= out.cap, "more was written than there was room");
    FUZZ_CHECK(result != TOLLGATE_ROOM || out.need > out.cap, "no room, and none is asked for");
    if (result != TOLLGATE_ROOM) FUZZ_CHECK(buf_add(relayed, memory, out.len), "too much is relayed");
    free(memory);
  }
  return result;
}

static void begin(const struct plugged_question *q, struct plugged_answer *a) {
  struct tollgate_request request = {
      .size = sizeof request, .endpoint = q->endpoint, .body = {q->body.ptr, q->body.len}};
  struct tollgate_facts facts = {.size = sizeof facts};
  const char *type = q->stream ? "text/event-stream" : "application/json";
  struct tollgate_header header = {{"Content-Type", 12}, {type, strlen(type)}};
  struct tollgate_answer answer = {.size = sizeof answer, .status = q->status, .headers = &header, .header_count = 1};
  FUZZ_CHECK(q->plugin->inspect(&request, &facts) == TOLLGATE_OK, "%s", facts.error);
  FUZZ_CHECK(q->plugin->begin(a->state, &request, &facts, &answer) == TOLLGATE_OK, "begin");
}

static void totals_check(const struct tollgate_plugin *plugin, const void *state) {
  struct tollgate_usage usage = {.size = sizeof usage};
  FUZZ_CHECK(plugin->totals(state, &usage) == TOLLGATE_OK, "totals");
  plugged_usage_check(plugin, &usage);
}

void plugged_run(const struct plugged_question *q, struct str answer, uint8_t how, enum tollgate_ending ending,
                 struct plugged_answer *ret) {
  *ret = (struct plugged_answer){.state = calloc(1, q->plugin->state_size), .usage.size = sizeof ret->usage};
  buf_init(&ret->relayed, RELAYED_MAX);
  begin(q, ret);
  for (size_t done = 0, pieces = 1; done < answer.len; pieces++) {
    struct str piece = {answer.ptr + done, fuzz_piece(how, done, answer.len - done)};
    char *copy = fuzz_copy(piece);
    done += piece.len;
    piece.ptr = copy;
    size_t before = ret->relayed.len;
    if (!ret->broken)
      ret->broken = step(q->plugin, ret->state, STEP_BYTES, piece, ending, &ret->relayed) != TOLLGATE_OK;
    if (ret->broken) {
      ret->relayed.len = before;
      (void)buf_add_str(&ret->relayed, piece);
    }
    free(copy);
    if ((pieces & (pieces - 1)) == 0) totals_check(q->plugin, ret->state); // a stream may be cut anywhere
  }
  size_t before = ret->relayed.len;
  bool fine = step(q->plugin, ret->state, STEP_END, (struct str){NULL, 0}, ending, &ret->relayed) == TOLLGATE_OK;
  if (!fine || ret->broken) ret->relayed.len = before;
  ret->broken = ret->broken || !fine;
  FUZZ_CHECK(q->plugin->totals(ret->state, &ret->usage) == TOLLGATE_OK, "totals");
  plugged_usage_check(q->plugin, &ret->usage);
}

void plugged_finish(struct plugged_answer *a) {
  free(a->state);
  buf_finish(&a->relayed);
}

// ---- what holds of any usage

// Numbers that no C type holds are JSON all the same.
static void json_check(struct tollgate_slice s) {
  json_error_t error;
  if (s.len == 0) return;
  json_t *root = json_loadb(s.ptr, s.len, JSON_DECODE_ANY, &error);
  bool number = !root && json_error_code(&error) == json_error_numeric_overflow;
  FUZZ_CHECK(root || number, "raw usage that is no JSON: %.*s: %s", (int)s.len, s.ptr, error.text);
  json_decref(root);
}

// A name goes into a database's text.
static void name_check(struct tollgate_slice s) {
  struct str text = {s.ptr, s.len};
  FUZZ_CHECK(s.len == 0 || (str_is_utf8(text) && !memchr(s.ptr, '\0', s.len)), "a name that is no text");
}

void plugged_usage_check(const struct tollgate_plugin *plugin, const struct tollgate_usage *usage) {
  struct tollgate_usage checked = *usage;
  uint32_t counted = usage->flags & (TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_ESTIMATED);
  FUZZ_CHECK(usage->count <= TOLLGATE_COUNTS_MAX, "%u counts", usage->count);
  for (uint32_t i = 0; i < usage->count; i++) {
    FUZZ_CHECK(usage->counts[i].meter < plugin->meter_count, "meter %u", usage->counts[i].meter);
    FUZZ_CHECK(usage->counts[i].quantity >= 0, "%lld of meter %u", (long long)usage->counts[i].quantity,
               usage->counts[i].meter);
    for (uint32_t k = 0; k < i; k++)
      FUZZ_CHECK(usage->counts[k].meter != usage->counts[i].meter, "meter %u twice", usage->counts[i].meter);
  }
  bool fits = plugin_usage_check(plugin, &checked);
  FUZZ_CHECK(fits || usage->flags & TOLLGATE_USAGE_INCONSISTENT, "sums that do not hold, and nothing is said of it");
  FUZZ_CHECK(checked.count == usage->count, "a count did not hold");
  FUZZ_CHECK(counted == 0 || (counted & (counted - 1)) == 0, "known and estimated");
  FUZZ_CHECK(!counted != !(usage->flags & TOLLGATE_USAGE_FREE), "neither counted nor free, or both");
  FUZZ_CHECK(counted || usage->count == 0, "an answer that is free has counts");
  json_check(usage->raw);
  name_check(usage->model);
  name_check(usage->provider_id);
  name_check(usage->tier);
  name_check(usage->object);
}
