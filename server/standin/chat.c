// Chat completions: reads the request, decides the shape of the answer, hands over to who makes it.
#include "standin/call.h"
#include "standin/raw.h"
#include "standin/words.h"
#include <stdio.h>

#define PROMPT_CONSTANT 8
#define ANSWER_WORDS 12
#define WORDS_MAX 4000000 // in all choices

static enum step step_hang(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)c, (void)out, (void)ret_wait_ms;
  return STEP_HANG;
}

static enum step step_hang_head(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)ret_wait_ms;
  if (c->stream) c->type = "text/event-stream; charset=utf-8";
  call_put_head(c, out, c->stream ? -1 : 1000);
  c->step = step_hang;
  return STEP_MORE;
}

static enum step step_reset(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)c, (void)out, (void)ret_wait_ms;
  return STEP_RESET;
}

static void script_error_begin(struct call *c, int64_t status) {
  const char *message, *fields;
  if (status < 300 || status > 599) status = 500;
  script_error(status, &message, &fields);
  if (status == 429 || status == 503) c->extra = "retry-after: 1\r\nretry-after-ms: 1000\r\n";
  call_error(c, (int)status, message, fields);
}

static void html_error_begin(struct call *c) {
  buf_puts(&c->body, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad "
                     "Gateway</h1></center>\r\n<hr><center>stand-in</center>\r\n</body>\r\n</html>\r\n");
  call_answer(c, 502, "text/html");
}

static void redirect_begin(struct call *c) {
  int status = script_redirect(c->script.number, &c->extra);
  call_answer(c, status, "text/html");
}

static void garbage_begin(struct call *c) {
  buf_puts(&c->body, c->stream ? "data: {nope\n\n\xff\xfe: x\ndata\n\ndata: 17\n\n" : "This is not { JSON \xff\xfe");
  call_answer(c, 200, c->stream ? "text/event-stream; charset=utf-8" : "application/json");
}

static void answer_begin(struct call *c) {
  if (c->stream)
    stream_begin(c);
  else
    plain_begin(c);
}

// The scripts that only change details of the ordinary answer are asked about where those are made.
static void chat_answer(struct call *c) {
  switch (c->script.script) {
  case SCRIPT_HANG:
    c->step = step_hang;
    return;
  case SCRIPT_HANG_HEAD:
    c->step = step_hang_head;
    return;
  case SCRIPT_RESET:
    c->step = step_reset;
    return;
  case SCRIPT_GARBAGE:
    garbage_begin(c);
    return;
  case SCRIPT_HTML_ERROR:
    html_error_begin(c);
    return;
  case SCRIPT_ERROR:
    script_error_begin(c, c->script.number);
    return;
  case SCRIPT_BIG:
    big_begin(c);
    return;
  case SCRIPT_ENDLESS:
    if (c->stream) break;
    big_begin(c);
    return;
  case SCRIPT_BOMB:
    bomb_begin(c);
    return;
  case SCRIPT_REDIRECT:
    redirect_begin(c);
    return;
  case SCRIPT_DRIP:
    c->drip_ms = (int)(c->script.number < 1 ? 1 : c->script.number);
    break;
  case SCRIPT_ERROR_MID:
    if (c->stream) break;
    script_error_begin(c, 500);
    return;
  case SCRIPT_NONE:
  case SCRIPT_SLOW:
  case SCRIPT_RESET_MID:
  case SCRIPT_CUT:
  case SCRIPT_TRUNCATE:
  case SCRIPT_NO_USAGE:
  case SCRIPT_NUL:
  case SCRIPT_USAGE_TWICE:
  case SCRIPT_USAGE_FIRST:
  case SCRIPT_BAD_USAGE:
  case SCRIPT_LONG:
  case SCRIPT_REPLAY:
    break;
  }
  answer_begin(c);
}

static bool has_weather(struct str value) {
  return memmem(value.ptr, value.len, "weather", 7) || memmem(value.ptr, value.len, "Weather", 7);
}

// Counts the prompt; the last message is left in ret_last.
static void messages_read(struct call *c, struct str list, struct str *ret_last) {
  c->prompt_tokens = PROMPT_CONSTANT;
  for (struct str message; raw_next(&list, &message);) {
    struct str content;
    *ret_last = message;
    if (raw_member(message, "content", &content)) c->prompt_tokens += words_in_content(content);
  }
}

static void tool_read(struct call *c, struct str body, struct str last) {
  struct str tools, tool, function, choice, role, content;
  if (!raw_member(body, "tools", &tools) || !raw_next(&tools, &tool)) return;
  if (raw_member(body, "tool_choice", &choice) && raw_is(choice, "\"none\"")) return;
  if (!raw_member(last, "role", &role) || !raw_is(role, "\"user\"")) return;
  if (!raw_member(last, "content", &content) || !has_weather(content)) return;
  if (raw_member(tool, "function", &function)) raw_member(function, "name", &c->tool);
}

// False, and refused, where it is not a count of at least one.
static bool count_read(struct call *c, struct str body, const char *name, int64_t *count) {
  struct str value;
  char message[160];
  if (!raw_member(body, name, &value) || raw_is(value, "null")) return true;
  int64_t given;
  if (!raw_int(value, &given)) {
    snprintf(message, sizeof(message), "Invalid type for '%s': expected an integer.", name);
    call_refuse(c, message, name, "invalid_type");
    return false;
  }
  if (given < 1) {
    snprintf(message, sizeof(message), "Invalid '%s': integer below minimum value. Expected a value >= 1.", name);
    call_refuse(c, message, name, "integer_below_min_value");
    return false;
  }
  *count = given;
  return true;
}

static bool stream_read(struct call *c, struct str body) {
  struct str value, usage;
  c->stream = raw_member(body, "stream", &value) && raw_is(value, "true");
  if (!raw_member(body, "stream_options", &value) || raw_is(value, "null")) return true;
  if (!c->stream) {
    call_refuse(c, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options", NULL);
    return false;
  }
  c->include_usage = raw_member(value, "include_usage", &usage) && raw_is(usage, "true");
  return true;
}

static void words_decide(struct call *c, int64_t max_tokens) {
  c->finish_reason = "stop";
  c->token_each = 1;
  c->words = c->script.script == SCRIPT_LONG ? c->script.number : ANSWER_WORDS;
  if (c->tool.len) {
    c->finish_reason = "tool_calls";
    c->words = 3;
    c->token_each = 3;
    return;
  }
  if (c->words > WORDS_MAX / c->choices) c->words = WORDS_MAX / c->choices;
  if (c->script.script == SCRIPT_ENDLESS) {
    c->words = INT64_MAX / c->choices;
    return;
  }
  if (max_tokens < c->words) {
    c->words = max_tokens;
    c->finish_reason = "length";
  }
}

void chat_begin(struct call *c, struct str body) {
  struct str messages, last = {"", 0};
  int64_t old_max = INT64_MAX, max = INT64_MAX;
  c->choices = 1;
  if (!raw_member(body, "messages", &messages) || raw_kind(messages) != '[') {
    call_refuse(c, "Missing required parameter: 'messages'.", "messages", "missing_required_parameter");
    return;
  }
  if (!stream_read(c, body) || !count_read(c, body, "n", &c->choices) || !count_read(c, body, "max_tokens", &old_max) ||
      !count_read(c, body, "max_completion_tokens", &max))
    return;
  if (c->choices > 128) {
    call_refuse(c, "Invalid 'n': integer above maximum value. Expected a value <= 128.", "n",
                "integer_above_max_value");
    return;
  }
  messages_read(c, messages, &last);
  tool_read(c, body, last);
  words_decide(c, old_max < max ? old_max : max);
  c->started = true;
  chat_answer(c);
}
