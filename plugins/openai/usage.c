// From the provider's usage object to disjoint meters. Its totals are inclusive: cached, written, audio and image
// tokens are parts of the prompt, reasoning and audio parts of the completion. What does not fit together is clamped
// and flagged; what is missing or no count at all is estimated from what was seen, and flagged.
#include "openai/openai.h"
#include <string.h>

#define TOKENS_MAX INT64_C(1000000000000) // more than that in one answer is no count
#define AUDIO_BYTES_TOKEN 3200            // base64 of 24 kHz PCM: a token is 50 ms

enum number { MISSING, GOOD, BAD };
struct count {
  enum number state;
  int64_t n; // 0 unless GOOD
};

enum usage_watch {
  U_PROMPT,
  U_COMPLETION,
  U_TOTAL,
  U_CACHED,
  U_WRITE,
  U_AUDIO_IN,
  U_IMAGE_IN,
  U_REASONING,
  U_AUDIO_OUT,
  U_COUNT,
  U_PROMPT_PARTS = U_COUNT,
  U_COMPLETION_PARTS,
  U_WATCHES
};

static const struct scan_watch watches[U_WATCHES] = {
    [U_PROMPT] = {.path = {"prompt_tokens"}},
    [U_COMPLETION] = {.path = {"completion_tokens"}},
    [U_TOTAL] = {.path = {"total_tokens"}},
    [U_CACHED] = {.path = {"prompt_tokens_details", "cached_tokens"}},
    [U_WRITE] = {.path = {"prompt_tokens_details", "cache_write_tokens"}},
    [U_AUDIO_IN] = {.path = {"prompt_tokens_details", "audio_tokens"}},
    [U_IMAGE_IN] = {.path = {"prompt_tokens_details", "image_tokens"}},
    [U_REASONING] = {.path = {"completion_tokens_details", "reasoning_tokens"}},
    [U_AUDIO_OUT] = {.path = {"completion_tokens_details", "audio_tokens"}},
    [U_PROMPT_PARTS] = {.path = {"prompt_tokens_details"}},
    [U_COMPLETION_PARTS] = {.path = {"completion_tokens_details"}},
};

struct reading {
  struct count counts[U_COUNT];
  int64_t input, output;
  bool inconsistent, estimated;
};

static int64_t min_of(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// ---- the provider's numbers

static struct count count_read(const char *text, const struct scan_hit *hit) {
  int64_t n = 0;
  if (hit->count == 0 || hit->kind == SCAN_NULL) return (struct count){MISSING, 0};
  struct pick_span raw = {text + hit->start, (size_t)(hit->end - hit->start)};
  if (pick_int(raw, &n) != PICK_INTEGER || n < 0 || n > TOKENS_MAX) return (struct count){BAD, 0};
  return (struct count){GOOD, n};
}

// Of a member that comes twice the last one counts, and so nothing of an object that came before.
static bool is_replaced(const struct scan_hit *hits, size_t w) {
  if (w < U_CACHED) return false;
  return hits[w].start < hits[w < U_REASONING ? U_PROMPT_PARTS : U_COMPLETION_PARTS].start;
}

// False: it is no object with counts.
static bool usage_read(const struct state *st, struct reading *r) {
  struct scan scan;
  struct scan_hit hits[U_WATCHES];
  if (st->usage_len == 0 || st->answer.usage[0] != '{') return false;
  scan_init(&scan, watches, U_WATCHES, hits, NULL);
  (void)scan_push(&scan, st->answer.usage, st->usage_len);
  if (scan_finish(&scan) != SCAN_DONE) return false;
  for (size_t i = 0; i < U_COUNT; i++) {
    r->counts[i] = is_replaced(hits, i) ? (struct count){MISSING, 0} : count_read(st->answer.usage, &hits[i]);
    if (r->counts[i].state == BAD) r->inconsistent = true;
  }
  return r->counts[U_PROMPT].state != BAD && r->counts[U_COMPLETION].state != BAD;
}

// ---- the estimate

static int64_t output_estimate(const struct state *st) {
  uint64_t ascii = st->ascii, wide = st->wide, deltas = st->deltas;
  for (size_t i = SEEN_TEXT; i < SEEN_COUNT; i++) { // the event that has not ended
    ascii += st->hits[i].ascii;
    wide += st->hits[i].wide;
    deltas += st->hits[i].filled;
  }
  uint64_t tokens = tokens_likely(ascii, wide) + (st->audio + st->hits[SEEN_AUDIO_DATA].ascii) / AUDIO_BYTES_TOKEN;
  if (st->sse && tokens < deltas) tokens = deltas;
  int64_t n = (int64_t)(tokens > (uint64_t)TOKENS_MAX ? (uint64_t)TOKENS_MAX : tokens);
  return st->output_most > 0 ? min_of(n, st->output_most) : n;
}

static void estimate_all(const struct state *st, struct reading *r) {
  memset(r->counts, 0, sizeof r->counts);
  r->estimated = true;
  r->input = st->input_likely;
  r->output = st->chat ? output_estimate(st) : 0;
}

// ---- both totals, from what there is

// One of them may follow from the sum of both, which is a number of its own only when nothing else is missing.
static void totals_find(const struct state *st, struct reading *r) {
  const struct count *prompt = &r->counts[U_PROMPT], *completion = &r->counts[U_COMPLETION],
                     *total = &r->counts[U_TOTAL];
  bool sum = total->state == GOOD;
  r->input = prompt->n;
  r->output = completion->n;
  if (prompt->state == MISSING) {
    bool known = sum && completion->state == GOOD && total->n >= completion->n;
    r->input = known ? total->n - completion->n : st->input_likely;
    r->estimated |= !known;
  }
  if (completion->state == MISSING && st->chat) {
    bool known = sum && prompt->state == GOOD && total->n >= prompt->n;
    r->output = known ? total->n - prompt->n : output_estimate(st);
    r->estimated |= !known;
  }
}

// Compatible servers count reasoning or audio beside the totals instead of inside of them: the sum tells which.
static void sum_check(struct reading *r) {
  if (r->counts[U_TOTAL].state != GOOD || r->estimated) return;
  int64_t rest = r->counts[U_TOTAL].n - r->input - r->output;
  if (rest == 0) return;
  if (rest > 0 && rest == r->counts[U_REASONING].n)
    r->output += rest;
  else if (rest > 0 && rest == r->counts[U_AUDIO_IN].n)
    r->input += rest;
  else
    r->inconsistent = true;
}

// ---- disjoint meters

static void add(struct tollgate_usage *u, enum meter meter, int64_t n) {
  if (n > 0) u->counts[u->count++] = (struct tollgate_count){(uint32_t)meter, n};
}

// A part of the whole, which it cannot exceed.
static int64_t part(struct reading *r, enum usage_watch w, int64_t whole) {
  int64_t n = r->counts[w].n;
  if (n > whole) r->inconsistent = true;
  return min_of(n, whole);
}

static void input_split(struct reading *r, struct tollgate_usage *u) {
  int64_t cached = part(r, U_CACHED, r->input), written = part(r, U_WRITE, r->input),
          audio = part(r, U_AUDIO_IN, r->input), image = part(r, U_IMAGE_IN, r->input),
          plain = r->input - cached - written - audio - image;
  if (plain < 0) { // the sets overlap
    r->inconsistent = true;
    plain += min_of(cached, written);
  }
  add(u, METER_INPUT, plain);
  add(u, METER_CACHED, cached);
  add(u, METER_CACHE_WRITE, written);
  add(u, METER_AUDIO_IN, audio);
  add(u, METER_IMAGE_IN, image);
}

static void output_split(struct reading *r, struct tollgate_usage *u) {
  int64_t audio = part(r, U_AUDIO_OUT, r->output), reasoning = part(r, U_REASONING, r->output - audio);
  add(u, METER_OUTPUT, r->output - audio - reasoning);
  add(u, METER_REASONING, reasoning);
  add(u, METER_AUDIO_OUT, audio);
}

// ---- names

// An unreadable name is no name: what is kept is text without escapes.
static struct tollgate_slice name_of(const struct state *st, size_t watch) {
  size_t i = watch - SEEN_MODEL;
  struct pick_span raw = {st->answer.names[i], st->name_len[i]}, text = {NULL, 0};
  struct scan scan;
  bool escaped = false;
  if (!pick_string(raw, &text, &escaped) || escaped) return (struct tollgate_slice){NULL, 0};
  scan_init(&scan, NULL, 0, NULL, NULL);
  if (scan_push(&scan, raw.ptr, raw.len) != SCAN_DONE) text.len = 0;
  return slice_of(text);
}

static void names_tell(const struct state *st, struct tollgate_usage *u) {
  u->model = name_of(st, SEEN_MODEL);
  u->provider_id = name_of(st, SEEN_ID);
  u->tier = name_of(st, SEEN_TIER);
  u->object = name_of(st, SEEN_AUDIO_ID); // a later request may name it to go on
  if (u->object.len == 0 && st->stores) u->object = u->provider_id;
}

// Nothing that was generated: an error, bytes that are no answer, or a connection that broke before. Who cancels pays
// for what was asked; a whole answer without usage is estimated.
static bool is_free(const struct state *st) {
  if (st->status < 200 || st->status > 299) return true;
  if (st->usage_seen || st->output_seen) return false;
  return st->error_seen || (st->ended && !st->cancelled && !st->complete);
}

static void usage_count(const struct state *st, struct tollgate_usage *u) {
  struct reading r = {.inconsistent = false};
  bool nothing = true;
  if (st->usage_seen && !usage_read(st, &r)) {
    estimate_all(st, &r);
    r.inconsistent = true;
  } else {
    for (size_t i = 0; i < U_COUNT; i++) nothing = nothing && r.counts[i].state == MISSING;
    if (nothing)
      estimate_all(st, &r);
    else
      totals_find(st, &r);
  }
  sum_check(&r);
  input_split(&r, u);
  output_split(&r, u);
  u->flags |= r.estimated ? TOLLGATE_USAGE_ESTIMATED : TOLLGATE_USAGE_KNOWN;
  if (r.inconsistent) u->flags |= TOLLGATE_USAGE_INCONSISTENT;
  if (r.counts[U_PROMPT].state == GOOD) u->totals[TOLLGATE_TOTAL_INPUT] = r.input;
  if (r.counts[U_COMPLETION].state == GOOD) u->totals[TOLLGATE_TOTAL_OUTPUT] = r.output;
}

// The raw usage is evidence, and has to be text that a database takes.
static void raw_tell(const struct state *st, struct tollgate_usage *u) {
  struct scan scan;
  scan_init(&scan, NULL, 0, NULL, NULL);
  if (st->usage_len == 0) return;
  (void)scan_push(&scan, st->answer.usage, st->usage_len);
  if (scan_finish(&scan) == SCAN_DONE) u->raw = (struct tollgate_slice){st->answer.usage, st->usage_len};
}

enum tollgate_result usage_totals(const void *state, struct tollgate_usage *ret) {
  const struct state *st = state;
  *ret = (struct tollgate_usage){.size = ret->size, .totals = {-1, -1, -1}};
  names_tell(st, ret);
  raw_tell(st, ret);
  if (st->complete) ret->flags |= TOLLGATE_USAGE_COMPLETE;
  if (is_free(st))
    ret->flags |= TOLLGATE_USAGE_FREE;
  else
    usage_count(st, ret);
  return TOLLGATE_OK;
}
