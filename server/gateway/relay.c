// The answer on its way: through the plugin, which counts, to the client. What is kept back is bounded by
// LIMIT_ANSWER_HELD, what the client has not taken yet by LIMIT_STREAM_BUFFER, and what a plugin may write at once by
// SCRATCH_MAX.
#include "gateway/call.h"

#define SCRATCH_MAX (4 * LIMIT_SSE_LINE)
#define SCRATCH_KEEP (256 * 1024)
#define SCRATCH_MORE 4096 // beyond the piece itself
#define ASK_TRIES 8

// ---- the plugin's side

static void scratch_fit(struct tollgate_out *o, size_t want) {
  if (o->cap >= want && o->cap <= SCRATCH_KEEP) return;
  mem_free(o->ptr);
  *o = (struct tollgate_out){.ptr = mem_alloc(want), .cap = want};
}

enum question { ASK_BYTES, ASK_END, ASK_FAIL };
struct ask {
  enum question question;
  struct str piece;
  enum tollgate_ending ending;
};

static struct tollgate_slice text_slice(const char *text) {
  return (struct tollgate_slice){text, strlen(text)};
}

static enum tollgate_result ask_once(struct gateway_call *c, const struct ask *ask, struct tollgate_out *out) {
  const struct tollgate_plugin *plugin = call_candidate(c)->plugin;
  const struct problem_row *row = &problem_table[c->problem];
  switch (ask->question) {
  case ASK_BYTES:
    return plugin->bytes(c->state, (struct tollgate_slice){ask->piece.ptr, ask->piece.len}, out);
  case ASK_END:
    return plugin->end(c->state, ask->ending, out);
  case ASK_FAIL:
    return plugin->fail(c->state, text_slice(row->type), text_slice(row->code), text_slice(c->problem_text), out);
  }
  return TOLLGATE_BROKEN;
}

// What the plugin wrote is lent until it is asked the next time.
static enum tollgate_result ask(struct gateway_call *c, const struct ask *question, struct str *ret) {
  struct tollgate_out *out = &c->lane->scratch;
  scratch_fit(out, question->piece.len + SCRATCH_MORE);
  for (int i = 0; i < ASK_TRIES; i++) {
    out->len = out->need = 0;
    enum tollgate_result result = ask_once(c, question, out);
    ASSERT(out->len <= out->cap);
    *ret = (struct str){out->ptr, out->len};
    if (result != TOLLGATE_ROOM) return result;
    if (out->need <= out->cap || out->need > SCRATCH_MAX) break;
    size_t need = out->need;
    mem_free(out->ptr);
    *out = (struct tollgate_out){.ptr = mem_alloc(need), .cap = need};
  }
  *ret = (struct str){0};
  return TOLLGATE_BROKEN;
}

struct str relay_failure(struct gateway_call *c) {
  struct str event = {0};
  if (!c->begun || ask(c, &(struct ask){.question = ASK_FAIL}, &event) != TOLLGATE_OK) return (struct str){0};
  return event;
}

// ---- the head

static bool header_is_relayed(struct str name) {
  static const char *const relayed[] = {"content-type", "content-encoding", "retry-after", "retry-after-ms",
                                        "x-should-retry"};
  for (size_t i = 0; i < ARRAY_LEN(relayed); i++)
    if (str_eq_nocase(name, str_from(relayed[i]))) return true;
  // Whose account it is stays the operator's own affair.
  if (str_eq_nocase(name, STR("openai-organization")) || str_eq_nocase(name, STR("openai-project"))) return false;
  bool openai = name.len > 7 && str_eq_nocase((struct str){name.ptr, 7}, STR("openai-"));
  return openai || (name.len > 12 && str_eq_nocase((struct str){name.ptr, 12}, STR("x-ratelimit-")));
}

static struct http_header *relayed_room(struct gateway_call *c, const struct net_header *headers, size_t count) {
  size_t wanted = 0;
  for (size_t i = 0; i < count && wanted < RELAYED_HEADERS_MAX; i++) wanted += header_is_relayed(headers[i].name);
  return arena_alloc(http_arena(c->request), wanted * sizeof *c->relayed);
}

static void headers_keep(struct gateway_call *c, const struct net_header *headers, size_t count) {
  c->relayed = relayed_room(c, headers, count);
  for (size_t i = 0; i < count; i++) {
    const struct net_header *h = &headers[i];
    bool is_id = str_eq_nocase(h->name, STR("x-request-id")) || str_eq_nocase(h->name, STR("request-id"));
    if (is_id && c->upstream_request_id.len == 0) c->upstream_request_id = arena_str(http_arena(c->request), h->value);
    if (!header_is_relayed(h->name) || c->relayed_count == RELAYED_HEADERS_MAX) continue;
    c->relayed[c->relayed_count++] =
        (struct http_header){arena_str(http_arena(c->request), h->name), arena_str(http_arena(c->request), h->value)};
  }
}

static bool is_event_stream(const struct gateway_call *c) {
  for (size_t i = 0; i < c->relayed_count; i++) {
    struct str value = c->relayed[i].value, kind = {0};
    if (!str_eq_nocase(c->relayed[i].name, STR("content-type"))) continue;
    return str_split(&value, ';', &kind) && str_eq_nocase(str_trim(kind), STR("text/event-stream"));
  }
  return false;
}

static void begin(struct gateway_call *c, const struct net_header *headers, size_t count) {
  const struct candidate *one = call_candidate(c);
  struct tollgate_header *lent = mem_alloc((count + 1) * sizeof *lent);
  for (size_t i = 0; i < count; i++)
    lent[i] = (struct tollgate_header){{headers[i].name.ptr, headers[i].name.len},
                                       {headers[i].value.ptr, headers[i].value.len}};
  struct tollgate_answer answer = {.size = sizeof answer, .status = c->status, .headers = lent, .header_count = count};
  c->state = arena_alloc(http_arena(c->request), one->plugin->state_size);
  c->begun = true;
  c->broken = one->plugin->begin(c->state, &one->request, &one->facts, &answer) != TOLLGATE_OK;
  mem_free(lent);
}

void relay_head(struct gateway_call *c, const struct net_header *headers, size_t count) {
  headers_keep(c, headers, count);
  bool good = c->status >= 200 && c->status < 300;
  if (good) begin(c, headers, count);
  c->mode = good && is_event_stream(c) ? RELAY_STREAM : RELAY_HELD;
  call_go(c, STEP_RELAY);
}

static void fail(struct gateway_call *c, enum problem p, const char *text) {
  c->answer = ANSWER_PROBLEM;
  c->problem = p;
  c->problem_text = text;
}

// A redirect is not followed and not handed on: it would send the caller's key elsewhere.
void relay_enter(struct gateway_call *c) {
  if (c->status >= 200 && (c->status < 300 || c->status >= 400)) return;
  upstream_drop(c);
  fail(c, PROBLEM_UPSTREAM_ERROR, "The provider answered with a redirect, which is not followed.");
  settle_release(c, "redirect");
}

// ---- the body

// Upstream is paused while there is a reason. For each of them somebody is bound to come back: the client's connection by
// `drained` or `gone` (http/watch.c), the hold by its timer (grow.c).
void relay_pause(struct gateway_call *c, enum call_paused why, bool on) {
  unsigned before = c->paused;
  c->paused = on ? before | why : before & ~(unsigned)why;
  if (!c->exchange || !before == !c->paused) return;
  if (c->paused)
    net_pause(c->exchange);
  else
    net_resume(c->exchange);
}

static void write_on(struct gateway_call *c, struct str bytes) {
  c->written += (int64_t)bytes.len;
  if (c->left) return;
  if (!c->streaming) respond_stream_start(c);
  if (bytes.len == 0) return;
  if (http_stream_write(c->request, bytes)) c->delivered += (int64_t)bytes.len; // else `gone` is on its way
  if (http_stream_pending(c->request) > LIMIT_STREAM_BUFFER) relay_pause(c, PAUSED_CLIENT, true);
}

static void pass(struct gateway_call *c, struct str bytes) {
  if (c->mode == RELAY_HELD && bytes.len <= c->held.max - c->held.len) {
    (void)buf_add_str(&c->held, bytes);
    return;
  }
  if (c->mode == RELAY_HELD) {
    c->mode = RELAY_THROUGH;
    write_on(c, buf_str(&c->held));
    buf_finish(&c->held);
    buf_init(&c->held, LIMIT_ANSWER_HELD);
  }
  write_on(c, bytes);
}

void relay_drained(struct gateway_call *c) {
  relay_pause(c, PAUSED_CLIENT, false);
}

static void piece_relay(struct gateway_call *c, struct str piece) {
  struct str relay = piece;
  c->received += (int64_t)piece.len;
  if (c->begun && !c->broken && ask(c, &(struct ask){.question = ASK_BYTES, .piece = piece}, &relay) != TOLLGATE_OK) {
    c->broken = true;
    relay = piece;
  }
  if (c->broken && c->mode == RELAY_STREAM) {
    upstream_drop(c);
    relay_end(c, NET_BROKEN);
    return;
  }
  pass(c, relay);
  grow_seen(c);
}

// Each piece may be the last: the call may end by it, or wait for its hold to grow.
size_t relay_data(struct gateway_call *c, struct str bytes) {
  size_t taken = 0;
  while (taken < bytes.len && c->exchange && !(c->paused & PAUSED_HOLD)) {
    struct str piece = {bytes.ptr + taken, bytes.len - taken};
    piece.len = grow_piece(c, piece);
    taken += piece.len;
    piece_relay(c, piece);
  }
  return taken;
}

// ---- the end

void relay_finish(struct gateway_call *c, enum tollgate_ending ending) {
  struct str rest = {0};
  if (!c->begun) return;
  bool fine = ask(c, &(struct ask){.question = ASK_END, .ending = ending}, &rest) == TOLLGATE_OK;
  if (!fine || c->broken || ending == TOLLGATE_CANCELLED || rest.len == 0) return;
  if (c->mode == RELAY_STREAM)
    (void)buf_add_str(&c->held, rest);
  else
    pass(c, rest);
}

static void fail_upstream(struct gateway_call *c, enum net_end end) {
  if (end == NET_TIMEOUT)
    fail(c, PROBLEM_UPSTREAM_TIMEOUT, "The provider did not finish its answer in time.");
  else if (end == NET_TOO_LARGE)
    fail(c, PROBLEM_UPSTREAM_ERROR, "The provider's answer is too large.");
  else
    fail(c, PROBLEM_UPSTREAM_ERROR, "The provider's answer broke off before its end.");
}

// Upstream's error is the client's, unchanged, and costs nothing.
static void end_error(struct gateway_call *c, enum net_end end) {
  if (end != NET_DONE) fail_upstream(c, end);
  settle_release(c, end == NET_DONE ? "refused" : net_end_name(end));
}

void relay_end(struct gateway_call *c, enum net_end end) {
  bool complete = false, stream = c->mode == RELAY_STREAM;
  if (c->status >= 400) {
    end_error(c, end);
    return;
  }
  if (stream && end == NET_DONE && c->received == 0) end = NET_BROKEN;
  if (end != NET_DONE && c->received == 0) {
    fail_upstream(c, end);
    settle_release(c, net_end_name(end));
    return;
  }
  enum tollgate_ending ending = end == NET_DONE ? TOLLGATE_ENDED : TOLLGATE_CUT;
  relay_finish(c, ending);
  settle_usage(c, ending, net_end_name(end), &complete);
  if (stream ? !complete : end != NET_DONE) fail_upstream(c, end);
  call_go(c, STEP_SETTLE);
}
