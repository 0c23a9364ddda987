// The streamed chat answer, event by event: each choice's role, the words in turn over the choices, each choice's
// finish_reason, the usage where asked for, [DONE].
#include "base/clock.h"
#include "standin/call.h"

#define BREAK_AT_WORD 3

static void event_begin(struct call *c) {
  buf_clear(&c->event);
  buf_add_str(&c->event, buf_str(&c->prefix));
}

static void event_end(struct call *c, struct buf *out) {
  buf_puts(&c->event, c->include_usage ? "],\"usage\":null}\n\n" : "]}\n\n");
  call_put(c, out, buf_str(&c->event));
}

static enum step stream_last(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)ret_wait_ms;
  call_put_last(c, out);
  return STEP_END;
}

static void usage_event(struct call *c, struct buf *out, int64_t completion) {
  event_begin(c);
  buf_puts(&c->event, "],\"usage\":");
  usage_add(c, &c->event, completion);
  buf_puts(&c->event, "}\n\n");
  call_put(c, out, buf_str(&c->event));
}

static enum step stream_close(struct call *c, struct buf *out, int *ret_wait_ms) {
  if (c->script.script == SCRIPT_TRUNCATE) return stream_last(c, out, ret_wait_ms);
  int64_t total = c->choices * c->words * c->token_each;
  for (int64_t i = 0; i < c->choices; i++) {
    event_begin(c);
    buf_printf(&c->event, "{\"index\":%lld,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"%s\"}", (long long)i,
               c->finish_reason);
    event_end(c, out);
  }
  if (c->include_usage && c->script.script == SCRIPT_USAGE_TWICE) usage_event(c, out, total / 2);
  bool told = c->script.script == SCRIPT_NO_USAGE || c->script.script == SCRIPT_USAGE_FIRST;
  if (c->include_usage && !told) usage_event(c, out, total);
  call_put(c, out, STR("data: [DONE]\n\n"));
  return stream_last(c, out, ret_wait_ms);
}

static void word_event(struct call *c, struct buf *out) {
  int64_t choice = c->at % c->choices, word = c->at / c->choices;
  event_begin(c);
  if (c->tool.len)
    buf_printf(&c->event,
               "{\"index\":%lld,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"%s\"}}]}",
               (long long)choice, tool_pieces[word]);
  else {
    buf_printf(&c->event, "{\"index\":%lld,\"delta\":{\"content\":\"", (long long)choice);
    word_add(c, &c->event, word);
    buf_puts(&c->event, "\"}");
  }
  buf_puts(&c->event, ",\"logprobs\":null,\"finish_reason\":null}");
  event_end(c, out);
  c->tokens += c->token_each;
  c->at++;
}

static int pause_before_word(const struct call *c) {
  return c->script.script == SCRIPT_SLOW ? (int)c->script.number : c->standin->chunk_ms;
}

static bool breaks_here(const struct call *c) {
  enum script s = c->script.script;
  return c->at == BREAK_AT_WORD && (s == SCRIPT_RESET_MID || s == SCRIPT_CUT || s == SCRIPT_ERROR_MID);
}

static enum step stream_break(struct call *c, struct buf *out, int *ret_wait_ms) {
  if (c->script.script == SCRIPT_ERROR_MID) {
    call_put(c, out,
             STR("data: {\"error\":{\"message\":\"The server had an error while processing your request. Sorry about "
                 "that!\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n"));
    return stream_last(c, out, ret_wait_ms);
  }
  call_break(c, ret_wait_ms);
  return STEP_WAIT;
}

enum step stream_words(struct call *c, struct buf *out, int *ret_wait_ms) {
  if (breaks_here(c)) return stream_break(c, out, ret_wait_ms);
  if (c->at >= c->words * c->choices) return stream_close(c, out, ret_wait_ms);
  word_event(c, out);
  *ret_wait_ms = pause_before_word(c);
  return *ret_wait_ms ? STEP_WAIT : STEP_MORE;
}

void stream_role(struct call *c, struct buf *out, int64_t choice) {
  event_begin(c);
  buf_printf(&c->event, "{\"index\":%lld,\"delta\":{\"role\":\"assistant\",\"content\":%s", (long long)choice,
             c->tool.len ? "null" : "\"\"");
  if (c->tool.len)
    buf_printf(&c->event,
               ",\"tool_calls\":[{\"index\":0,\"id\":\"call_%s\",\"type\":\"function\",\"function\":{\"name\":%.*s,"
               "\"arguments\":\"\"}}]",
               c->id + 9, STR_ARG(c->tool));
  buf_puts(&c->event, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}");
  event_end(c, out);
}

static enum step stream_head(struct call *c, struct buf *out, int *ret_wait_ms) {
  call_put_head(c, out, -1);
  for (int64_t i = 0; i < c->choices; i++) stream_role(c, out, i);
  if (c->include_usage && c->script.script == SCRIPT_USAGE_FIRST)
    usage_event(c, out, c->choices * c->words * c->token_each);
  c->step = stream_words;
  *ret_wait_ms = pause_before_word(c);
  return *ret_wait_ms ? STEP_WAIT : STEP_MORE;
}

void stream_prefix(struct call *c) {
  c->type = "text/event-stream; charset=utf-8";
  buf_printf(&c->prefix,
             "data: {\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,\"model\":%.*s,"
             "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_standin\",\"choices\":[",
             c->id, (long long)(clock_wall_us() / 1000000), STR_ARG(c->model));
}

void stream_begin(struct call *c) {
  stream_prefix(c);
  c->step = stream_head;
}
