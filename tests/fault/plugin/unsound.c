// A provider plugin that breaks the rules of api/tollgate/plugin.h, each in the way that the model's name says. It
// speaks to the stand-in as the OpenAI plugin does, relays what comes, and counts one unit of input and of output.
#include "common/pick.h"
#include "tollgate/plugin.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

//  id, the model's name
#define SINS(X)                                                                                                        \
  X(NONE, "unsound-none")                                                                                              \
  X(NEGATIVE, "unsound-negative")                                                                                      \
  X(METER, "unsound-meter")                                                                                            \
  X(MANY, "unsound-many")                                                                                              \
  X(HUGE, "unsound-huge")                                                                                              \
  X(TOTALS, "unsound-totals")                                                                                          \
  X(BEGIN, "unsound-begin")                                                                                            \
  X(BYTES, "unsound-bytes")                                                                                            \
  X(END, "unsound-end")                                                                                                \
  X(NEED, "unsound-need")                                                                                              \
  X(NEED_AGAIN, "unsound-need-again")                                                                                  \
  X(BOUND, "unsound-bound")                                                                                            \
  X(BUILD, "unsound-build")                                                                                            \
  X(SLOW, "unsound-slow")                                                                                              \
  X(SEGV, "unsound-segv")                                                                                              \
  X(ABORT, "unsound-abort")                                                                                            \
  X(EXIT, "unsound-exit")

enum sin {
#define X(id, name) SIN_##id,
  SINS(X)
#undef X
      SIN_COUNT
};
static const char *const sin_names[SIN_COUNT] = {
#define X(id, name) name,
    SINS(X)
#undef X
};

static const struct tollgate_endpoint endpoints[] = {
    {"POST", "/v1/chat/completions", "chat", TOLLGATE_ENDPOINT_STREAMS | TOLLGATE_ENDPOINT_STOPPABLE}};
enum { METER_INPUT, METER_OUTPUT };
static const struct tollgate_meter meters[] = {[METER_INPUT] = {"input_tokens", NULL, TOLLGATE_TOTAL_INPUT},
                                               [METER_OUTPUT] = {"output_tokens", NULL, TOLLGATE_TOTAL_OUTPUT}};

struct state {
  enum sin sin;
};

static enum sin sin_of(struct tollgate_slice model) {
  for (int i = 0; i < SIN_COUNT; i++)
    if (strlen(sin_names[i]) == model.len && memcmp(sin_names[i], model.ptr, model.len) == 0) return (enum sin)i;
  return SIN_NONE;
}

// ---- the request

static enum tollgate_result unsound_inspect(const struct tollgate_request *q, struct tollgate_facts *ret) {
  struct pick body;
  struct pick_span model;
  bool escaped = false;
  if (pick_read(&body, q->body.ptr, q->body.len) != PICK_OK) return TOLLGATE_REFUSED;
  if (!pick_string(pick_find(&body, "model"), &model, &escaped) || escaped) return TOLLGATE_REFUSED;
  ret->model = (struct tollgate_slice){model.ptr, model.len};
  ret->input_units = ret->input_likely = ret->choices = 1;
  return TOLLGATE_OK;
}

static enum tollgate_result unsound_bound(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                          const struct tollgate_model *model, struct tollgate_bound *ret) {
  (void)q, (void)model;
  ret->count = 2;
  ret->upper[0] = ret->likely[0] = (struct tollgate_count){METER_INPUT, 1};
  ret->upper[1] = ret->likely[1] = (struct tollgate_count){METER_OUTPUT, 1};
  if (sin_of(facts->model) == SIN_BOUND) ret->upper[1].quantity = -7;
  return TOLLGATE_OK;
}

static bool append(struct tollgate_out *o, const char *bytes, size_t len) {
  bool fits = o->need == 0 && len <= o->cap - o->len;
  if (fits && len) memcpy(o->ptr + o->len, bytes, len);
  if (fits)
    o->len += len;
  else
    o->need = (o->need ? o->need : o->len) + len;
  return fits;
}

static enum tollgate_result unsound_build(const struct tollgate_request *q, const struct tollgate_facts *facts,
                                          const struct tollgate_upstream *u, struct tollgate_built *ret) {
  static const char path[] = "/v1/chat/completions",
                    headers[] = "Content-Type: application/json\nAuthorization: Bearer ";
  if (sin_of(facts->model) == SIN_BUILD) return TOLLGATE_BROKEN;
  bool fits = append(&ret->url, u->base_url.ptr, u->base_url.len);
  fits = append(&ret->url, path, sizeof path - 1) && fits;
  fits = append(&ret->headers, headers, sizeof headers - 1) && fits;
  fits = append(&ret->headers, u->secret.ptr, u->secret.len) && fits;
  fits = append(&ret->headers, "\n", 1) && fits;
  fits = append(&ret->body, q->body.ptr, q->body.len) && fits;
  return fits ? TOLLGATE_OK : TOLLGATE_ROOM;
}

// ---- the answer

static enum tollgate_result unsound_begin(void *state, const struct tollgate_request *q,
                                          const struct tollgate_facts *facts, const struct tollgate_answer *answer) {
  struct state *st = state;
  (void)q, (void)answer;
  st->sin = sin_of(facts->model);
  return st->sin == SIN_BEGIN ? TOLLGATE_BROKEN : TOLLGATE_OK;
}

static void die(enum sin sin) {
  volatile int *volatile nowhere = NULL; // the compiler shall not know
  if (sin == SIN_SEGV) *nowhere = 1;
  if (sin == SIN_ABORT) abort();
  if (sin == SIN_EXIT) _Exit(3);
}

static enum tollgate_result unsound_bytes(void *state, struct tollgate_slice piece, struct tollgate_out *relay) {
  const struct state *st = state;
  const struct timespec pause = {0, 300000000};
  die(st->sin);
  if (st->sin == SIN_SLOW) (void)nanosleep(&pause, NULL);
  if (st->sin == SIN_BYTES) return TOLLGATE_BROKEN;
  if (st->sin == SIN_NEED) relay->need = SIZE_MAX / 2;
  if (st->sin == SIN_NEED_AGAIN) relay->need = relay->cap;
  if (st->sin == SIN_NEED || st->sin == SIN_NEED_AGAIN) return TOLLGATE_ROOM;
  return append(relay, piece.ptr, piece.len) ? TOLLGATE_OK : TOLLGATE_ROOM;
}

static enum tollgate_result unsound_end(void *state, enum tollgate_ending ending, struct tollgate_out *relay) {
  const struct state *st = state;
  (void)ending, (void)relay;
  return st->sin == SIN_END ? TOLLGATE_BROKEN : TOLLGATE_OK;
}

static enum tollgate_result unsound_totals(const void *state, struct tollgate_usage *ret) {
  const struct state *st = state;
  *ret = (struct tollgate_usage){.size = ret->size, .totals = {-1, -1, -1}};
  ret->flags = TOLLGATE_USAGE_KNOWN | TOLLGATE_USAGE_COMPLETE;
  ret->count = 2;
  ret->counts[0] = (struct tollgate_count){METER_INPUT, 1};
  ret->counts[1] = (struct tollgate_count){METER_OUTPUT, 1};
  if (st->sin == SIN_NEGATIVE) ret->counts[1].quantity = -1000000;
  if (st->sin == SIN_METER) ret->counts[1].meter = 99;
  if (st->sin == SIN_MANY) ret->count = TOLLGATE_COUNTS_MAX + 1;
  if (st->sin == SIN_HUGE) ret->counts[0].quantity = ret->counts[1].quantity = INT64_MAX;
  if (st->sin == SIN_TOTALS) ret->totals[TOLLGATE_TOTAL_OUTPUT] = 41;
  return TOLLGATE_OK;
}

static enum tollgate_result unsound_fail(const void *state, struct tollgate_slice type, struct tollgate_slice code,
                                         struct tollgate_slice message, struct tollgate_out *relay) {
  (void)state, (void)type, (void)code, (void)message;
  return append(relay, "data: [DONE]\n\n", 14) ? TOLLGATE_OK : TOLLGATE_ROOM;
}

extern const struct tollgate_plugin tollgate_plugin;
__attribute__((visibility("default"))) const struct tollgate_plugin tollgate_plugin = {
    .abi_major = TOLLGATE_ABI_MAJOR,
    .abi_minor = TOLLGATE_ABI_MINOR,
    .size = sizeof(struct tollgate_plugin),
    .name = "unsound",
    .version = "1",
    .description = "breaks every rule",
    .base_url = "http://127.0.0.1:1",
    .endpoints = endpoints,
    .endpoint_count = 1,
    .meters = meters,
    .meter_count = 2,
    .state_size = sizeof(struct state),
    .inspect = unsound_inspect,
    .bound = unsound_bound,
    .build = unsound_build,
    .begin = unsound_begin,
    .bytes = unsound_bytes,
    .end = unsound_end,
    .totals = unsound_totals,
    .fail = unsound_fail,
};
