// The smallest plugin that meters something, to copy and to change. Its provider is imaginary:
//
//   POST /v1/scans   {"model": "m", "pages": 3}   ->   {"id": "s_1", "result": …, "usage": {"pages": 3}}
//
// Copy the folder, change the names, add a plugin(...) line to plugins/CMakeLists.txt. plugins/README.md explains the
// rest.
#include "common/pick.h"
#include "tollgate/plugin.h"
#include <stdio.h>
#include <string.h>

// ---- what it offers

static const struct tollgate_endpoint endpoints[] = {{"POST", "/v1/scans", "scan", 0}};

// A price is given for each meter. The meters of one call add up: a page is never counted under two of them.
enum { METER_PAGES };
static const struct tollgate_meter meters[] = {[METER_PAGES] = {"pages", NULL, TOLLGATE_TOTAL_NONE}};

// All that is remembered of an answer, lent by the server and zeroed. Bytes come in any split, so nothing here may
// depend on where they were cut; the scanner keeps its place.
enum { SEEN_PAGES, SEEN_ID, SEEN_COUNT };
struct state {
  int32_t status;
  bool whole, ended;
  struct scan scan;
  struct scan_hit hits[SEEN_COUNT];
  char store[160];
};
static const struct scan_watch watches[SEEN_COUNT] = {
    [SEEN_PAGES] = {.path = {"usage", "pages"}, .flags = SCAN_KEEP, .at = 0, .room = 32},
    [SEEN_ID] = {.path = {"id"}, .flags = SCAN_KEEP, .at = 32, .room = 128},
};

// ---- the request

static enum tollgate_result refuse(struct tollgate_facts *facts, const char *param, const char *why) {
  (void)snprintf(facts->error, sizeof facts->error, "%s", why);
  (void)snprintf(facts->error_param, sizeof facts->error_param, "%s", param);
  return TOLLGATE_REFUSED;
}

// The caller's bytes are not to be trusted: first they must be JSON, then they are read.
static enum tollgate_result skeleton_inspect(const struct tollgate_request *q, struct tollgate_facts *ret) {
  struct scan scan;
  struct pick body;
  struct pick_span model;
  bool escaped = false;
  scan_init(&scan, NULL, 0, NULL, NULL);
  (void)scan_push(&scan, q->body.ptr, q->body.len);
  if (scan_finish(&scan) != SCAN_DONE || pick_read(&body, q->body.ptr, q->body.len) != PICK_OK)
    return refuse(ret, "", "The request body must be a JSON object, no member twice.");
  if (!pick_string(pick_find(&body, "model"), &model, &escaped) || model.len == 0 || escaped)
    return refuse(ret, "model", "\"model\" must be a text.");
  if (pick_int(pick_find(&body, "pages"), &ret->input_units) != PICK_INTEGER || ret->input_units < 1)
    return refuse(ret, "pages", "\"pages\" must be an integer of at least 1.");
  ret->model = (struct tollgate_slice){model.ptr, model.len};
  ret->input_likely = ret->input_units;
  ret->choices = 1;
  return TOLLGATE_OK;
}

// What is held before the call: the most that it can use.
static enum tollgate_result skeleton_bound(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                           const struct tollgate_model *model, struct tollgate_bound *ret) {
  (void)q, (void)model;
  ret->count = 1;
  ret->upper[0] = ret->likely[0] = (struct tollgate_count){METER_PAGES, facts->input_units};
  return TOLLGATE_OK;
}

// Appends where there is room; where there is not, says how much is needed.
static bool append(struct tollgate_out *o, const char *bytes, size_t len) {
  bool fits = o->need == 0 && len <= o->cap - o->len;
  if (fits && len) memcpy(o->ptr + o->len, bytes, len);
  if (fits)
    o->len += len;
  else
    o->need = (o->need ? o->need : o->len) + len;
  return fits;
}

// All three outputs are written in full before the answer is given, so that the server has to ask at most twice.
static enum tollgate_result skeleton_build(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                           const struct tollgate_upstream *u, struct tollgate_built *ret) {
  static const char path[] = "/v1/scans", headers[] = "Content-Type: application/json\nX-Key: ";
  (void)facts;
  bool fits = append(&ret->url, u->base_url.ptr, u->base_url.len);
  fits = append(&ret->url, path, sizeof path - 1) && fits;
  fits = append(&ret->headers, headers, sizeof headers - 1) && fits;
  fits = append(&ret->headers, u->secret.ptr, u->secret.len) && fits;
  fits = append(&ret->headers, "\n", 1) && fits;
  fits = append(&ret->body, q->body.ptr, q->body.len) && fits;
  return fits ? TOLLGATE_OK : TOLLGATE_ROOM;
}

// ---- the answer

static enum tollgate_result skeleton_begin(void *state, const struct tollgate_request *q,
                                           const struct tollgate_facts *facts, const struct tollgate_answer *answer) {
  struct state *st = state;
  (void)q, (void)facts;
  st->status = answer->status;
  scan_init(&st->scan, watches, SEEN_COUNT, st->hits, st->store);
  st->scan.lenient = true; // whatever the result holds, the pages are to be found
  return TOLLGATE_OK;
}

// The client sees every byte as it came. Room is asked for before anything changes: the same piece comes again.
static enum tollgate_result skeleton_bytes(void *state, struct tollgate_slice piece, struct tollgate_out *relay) {
  struct state *st = state;
  if (!append(relay, piece.ptr, piece.len)) return TOLLGATE_ROOM;
  if (st->status != 200) return TOLLGATE_OK;
  return scan_push(&st->scan, piece.ptr, piece.len) == SCAN_BAD ? TOLLGATE_BROKEN : TOLLGATE_OK;
}

static enum tollgate_result skeleton_end(void *state, enum tollgate_ending ending, struct tollgate_out *relay) {
  struct state *st = state;
  (void)relay;
  st->ended = true;
  st->whole = ending == TOLLGATE_ENDED && (st->status != 200 || scan_finish(&st->scan) == SCAN_DONE);
  return ending == TOLLGATE_ENDED && !st->whole ? TOLLGATE_BROKEN : TOLLGATE_OK;
}

// A number the provider states is final; what it does not state is estimated or free, and never silently nothing.
static enum tollgate_result skeleton_totals(const void *state, struct tollgate_usage *ret) {
  const struct state *st = state;
  const struct scan_hit *pages = &st->hits[SEEN_PAGES], *id = &st->hits[SEEN_ID];
  struct pick_span name;
  int64_t n = 0;
  bool escaped = false;
  *ret = (struct tollgate_usage){.size = ret->size, .totals = {-1, -1, -1}};
  if (st->whole) ret->flags |= TOLLGATE_USAGE_COMPLETE;
  bool known =
      pages->end > pages->start && pick_int((struct pick_span){st->store, pages->kept}, &n) == PICK_INTEGER && n >= 0;
  if (st->status != 200 || !known) {
    ret->flags |= TOLLGATE_USAGE_FREE;
    return TOLLGATE_OK;
  }
  ret->flags |= TOLLGATE_USAGE_KNOWN;
  ret->counts[ret->count++] = (struct tollgate_count){METER_PAGES, n};
  if (pick_string((struct pick_span){st->store + 32, id->end > id->start ? id->kept : 0}, &name, &escaped) && !escaped)
    ret->provider_id = (struct tollgate_slice){name.ptr, name.len};
  return TOLLGATE_OK;
}

// There are no streams here, so there is nothing that could be ended early.
static enum tollgate_result skeleton_fail(const void *state, struct tollgate_slice type, struct tollgate_slice code,
                                          struct tollgate_slice message, struct tollgate_out *relay) {
  (void)state, (void)type, (void)code, (void)message, (void)relay;
  return TOLLGATE_OK;
}

// ---- the one symbol

extern const struct tollgate_plugin tollgate_plugin;
__attribute__((visibility("default"))) const struct tollgate_plugin tollgate_plugin = {
    .abi_major = TOLLGATE_ABI_MAJOR,
    .abi_minor = TOLLGATE_ABI_MINOR,
    .size = sizeof(struct tollgate_plugin),
    .name = "skeleton",
    .version = "1",
    .description = "a page scanner that does not exist",
    .base_url = "https://scans.example",
    .endpoints = endpoints,
    .endpoint_count = 1,
    .meters = meters,
    .meter_count = 1,
    .state_size = sizeof(struct state),
    .inspect = skeleton_inspect,
    .bound = skeleton_bound,
    .build = skeleton_build,
    .begin = skeleton_begin,
    .bytes = skeleton_bytes,
    .end = skeleton_end,
    .totals = skeleton_totals,
    .fail = skeleton_fail,
};
