// One pass over the bytes before any memory is spent on them: a body of a mebibyte can become eighty of tree. Only
// tokens are told apart here. Where the text is not JSON the counts mean nothing, but then the parser stops at that
// very place, having built no more than was counted up to it.
#include "base/limits.h"
#include "json/tree.h"
#include <stdarg.h>
#include <stdio.h>

struct prescan {
  int64_t depth, nodes;
  bool in_scalar; // inside a number, true, false or null
};

int json_refuse(struct json_error *ret_error, struct str param, const char *format, ...) {
  size_t len = 0, step;
  while ((step = str_utf8_len((struct str){param.ptr + len, param.len - len})) > 0) {
    if (len + step >= sizeof ret_error->param) break;
    len += step;
  }
  memset(ret_error, 0, sizeof *ret_error);
  if (len > 0) memcpy(ret_error->param, param.ptr, len);
  va_list args;
  va_start(args, format);
  (void)vsnprintf(ret_error->message, sizeof ret_error->message, format, args);
  va_end(args);
  return 1;
}

// The index of the quote that closes the string opened at `at`, or the text's length.
static size_t string_end(struct str text, size_t at) {
  for (at++; at < text.len && text.ptr[at] != '"'; at++)
    if (text.ptr[at] == '\\') at++;
  return at;
}

// A member's name is counted as it is met and taken back at its colon: what remains are the values.
static void token_count(struct prescan *p, char c) {
  bool was_scalar = p->in_scalar;
  p->in_scalar = false;
  switch (c) {
  case '"':
    p->nodes++;
    break;
  case '{':
  case '[':
    p->nodes++, p->depth++;
    break;
  case '}':
  case ']':
    p->depth--;
    break;
  case ':':
    p->nodes--;
    break;
  case ',':
  case ' ':
  case '\t':
  case '\r':
  case '\n':
    break;
  default:
    p->in_scalar = true;
    if (!was_scalar) p->nodes++;
  }
}

bool json_prescan(struct str text, struct json_error *ret_error) {
  struct prescan p = {0};
  if (text.len == 0) return !json_refuse(ret_error, STR(""), "There is nothing here; JSON is expected.");
  if (memchr(text.ptr, '\0', text.len)) return !json_refuse(ret_error, STR(""), "JSON cannot hold a NUL byte.");
  if (!str_is_utf8(text)) return !json_refuse(ret_error, STR(""), "This is not valid UTF-8.");
  for (size_t i = 0; i < text.len; i++) {
    token_count(&p, text.ptr[i]);
    if (text.ptr[i] == '"') i = string_end(text, i);
    if (p.depth > LIMIT_JSON_DEPTH)
      return !json_refuse(ret_error, STR(""), "This JSON is nested more than %d levels deep.", LIMIT_JSON_DEPTH);
    if (p.nodes > LIMIT_JSON_NODES)
      return !json_refuse(ret_error, STR(""), "This JSON holds more than %d values.", LIMIT_JSON_NODES);
  }
  return true;
}
