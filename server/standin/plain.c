// The plain chat answer, and the words, usage and tool arguments that streams have in common with it.
#include "base/clock.h"
#include "base/mem.h"
#include "standin/call.h"

static const char *const words[] = {"Hello", "from", "the",     "stand-in", "provider.", "Nothing",
                                    "here",  "was",  "thought", "by",       "a",         "model."};

const char *const tool_pieces[3] = {"{\\\"location\\\":", "\\\"Paris\\\"", "}"};

void word_add(struct call *c, struct buf *out, int64_t number) {
  if (number) buf_putc(out, ' ');
  if (c->script.script == SCRIPT_NUL) buf_add(out, "\0\xff", 2);
  buf_puts(out, words[(size_t)number % ARRAY_LEN(words)]);
}

static void count_add(struct call *c, struct buf *out, int64_t completion) {
  bool bad = c->script.script == SCRIPT_BAD_USAGE;
  if (bad)
    buf_puts(out, script_bad_counts[c->script.number % SCRIPT_BAD_COUNTS]);
  else
    buf_printf(out, "%lld", (long long)completion);
}

void usage_add(struct call *c, struct buf *out, int64_t completion) {
  buf_printf(out, "{\"prompt_tokens\":%lld,\"completion_tokens\":", (long long)c->prompt_tokens);
  count_add(c, out, completion);
  buf_printf(out, ",\"total_tokens\":%lld", (long long)(c->prompt_tokens + completion));
  buf_puts(
      out,
      ",\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":"
      "{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}");
}

static void message_add(struct call *c, struct buf *out) {
  if (c->tool.len) {
    buf_printf(out,
               "\"content\":null,\"tool_calls\":[{\"id\":\"call_%s\",\"type\":\"function\",\"function\":{\"name\":%.*s,"
               "\"arguments\":\"",
               c->id + 9, STR_ARG(c->tool));
    for (size_t i = 0; i < ARRAY_LEN(tool_pieces); i++) buf_puts(out, tool_pieces[i]);
    buf_puts(out, "\"}}]");
    return;
  }
  buf_puts(out, "\"content\":\"");
  for (int64_t i = 0; i < c->words; i++) word_add(c, out, i);
  buf_putc(out, '"');
}

static void body_make(struct call *c) {
  struct buf *b = &c->body;
  int64_t total = c->choices * c->words * c->token_each;
  buf_printf(b, "{\"id\":\"%s\",\"object\":\"chat.completion\",\"created\":%lld,\"model\":%.*s,\"choices\":[", c->id,
             (long long)(clock_wall_us() / 1000000), STR_ARG(c->model));
  for (int64_t i = 0; i < c->choices; i++) {
    buf_printf(b, "%s{\"index\":%lld,\"message\":{\"role\":\"assistant\",", i ? "," : "", (long long)i);
    message_add(c, b);
    buf_printf(b, ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"%s\"}",
               c->finish_reason);
  }
  buf_putc(b, ']');
  if (c->script.script == SCRIPT_USAGE_TWICE) {
    buf_puts(b, ",\"usage\":");
    usage_add(c, b, total / 2);
  }
  if (c->script.script != SCRIPT_NO_USAGE) {
    buf_puts(b, ",\"usage\":");
    usage_add(c, b, total);
  }
  buf_puts(b, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_standin\"}");
}

static enum step step_half(struct call *c, struct buf *out, int *ret_wait_ms) {
  call_put_head(c, out, (int64_t)c->body.len);
  buf_add(out, c->body.data, c->body.len / 2);
  call_break(c, ret_wait_ms);
  return STEP_WAIT;
}

static enum step step_plain(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)ret_wait_ms;
  c->tokens = c->choices * c->words * c->token_each;
  call_put_head(c, out, (int64_t)c->body.len);
  buf_add_str(out, buf_str(&c->body));
  return STEP_END;
}

static enum step step_slowly(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)out;
  *ret_wait_ms = (int)c->script.number;
  c->step = step_plain;
  return STEP_WAIT;
}

void plain_begin(struct call *c) {
  body_make(c);
  enum script s = c->script.script;
  bool half = s == SCRIPT_RESET_MID || s == SCRIPT_CUT || s == SCRIPT_TRUNCATE;
  c->step = half ? step_half : s == SCRIPT_SLOW ? step_slowly : step_plain;
}
