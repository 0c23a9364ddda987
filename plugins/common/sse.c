// One line at a time: a field's name, an optional blank behind its colon, its value. Names longer than any known one
// and comments are passed over.
#include "common/sse.h"
#include <string.h>

enum state { L_NAME, L_BLANK, L_VALUE };
enum kind { K_OTHER, K_DATA, K_NAME };

// A byte order mark before the first line is not of it.
static size_t mark_len(const struct sse *s) {
  return !s->begun && s->field_len >= 3 && memcmp(s->field, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static bool field_is(const struct sse *s, const char *name) {
  size_t mark = mark_len(s), len = s->field_len - mark;
  if (s->field_len > sizeof s->field) return false;
  return len == strlen(name) && memcmp(s->field + mark, name, len) == 0;
}

static void field_end(struct sse *s) {
  s->kind = field_is(s, "data") ? K_DATA : field_is(s, "event") ? K_NAME : K_OTHER;
}

// The value of a field begins. True: a data line is joined to the one before it.
static bool value_begin(struct sse *s) {
  bool joined = s->kind == K_DATA && s->has_data;
  if (s->kind == K_DATA) s->has_data = true;
  s->state = L_BLANK;
  return joined;
}

static void field_add(struct sse *s, char c) {
  if (s->field_len < sizeof s->field) s->field[s->field_len] = c;
  if (s->field_len <= sizeof s->field) s->field_len++;
}

// A line is over: was it blank, or a bare "data", which is data without a value?
static enum sse_token line_end(struct sse *s) {
  bool blank = s->state == L_NAME && s->field_len == mark_len(s), named = s->state == L_NAME && !blank;
  bool joined = false;
  if (named) {
    field_end(s);
    joined = value_begin(s);
  }
  s->begun = true;
  s->state = L_NAME;
  s->field_len = 0;
  if (blank) s->has_data = false;
  return blank ? SSE_END : joined ? SSE_DATA : SSE_MORE;
}

// Up to the end of the line or of the input.
static const char *run_end(const char *p, const char *end) {
  const char *lf = memchr(p, '\n', (size_t)(end - p));
  if (lf) end = lf;
  const char *cr = memchr(p, '\r', (size_t)(end - p));
  return cr ? cr : end;
}

// At *at there is neither the end of a line nor of the input.
static enum sse_token line_step(struct sse *s, const char **at, const char *end, const char **ret_bytes,
                                size_t *ret_len) {
  const char *p = *at;
  if (s->state == L_NAME) {
    *at = p + 1;
    if (*p != ':') {
      field_add(s, *p);
      return SSE_MORE;
    }
    field_end(s);
    return value_begin(s) ? SSE_DATA : SSE_MORE;
  }
  if (s->state == L_BLANK) {
    s->state = L_VALUE;
    if (*p == ' ') {
      *at = p + 1;
      return SSE_MORE;
    }
  }
  *at = run_end(p, end);
  *ret_bytes = p;
  *ret_len = (size_t)(*at - p);
  return s->kind == K_DATA ? SSE_DATA : s->kind == K_NAME ? SSE_NAME : SSE_MORE;
}

static enum sse_token step(struct sse *s, const char **at, const char *end, const char **ret_bytes, size_t *ret_len) {
  char c = **at;
  *ret_bytes = "\n"; // what joins two data lines
  *ret_len = 1;
  if (s->cr) {
    s->cr = false;
    if (c == '\n') ++*at;
    return line_end(s);
  }
  if (c == '\r' || c == '\n') {
    ++*at;
    s->cr = c == '\r';
    return s->cr ? SSE_MORE : line_end(s);
  }
  return line_step(s, at, end, ret_bytes, ret_len);
}

enum sse_token sse_next(struct sse *s, const char **at, const char *end, const char **ret_bytes, size_t *ret_len) {
  while (*at < end) {
    enum sse_token token = step(s, at, end, ret_bytes, ret_len);
    if (token != SSE_MORE) return token;
  }
  return SSE_MORE;
}

enum sse_token sse_finish(struct sse *s) {
  if (!s->cr) return SSE_MORE;
  s->cr = false;
  return line_end(s) == SSE_END ? SSE_END : SSE_MORE;
}
