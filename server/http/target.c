// Percent-decoding with one reading: an escape must be two hex digits, the result valid UTF-8 without control
// characters, and an escaped '/' in the path is refused, since half the world's proxies take it for a real one.
#include "http/target.h"

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Decodes in place. False on a bad escape or a decoded byte that is a control character or (in a path) a slash.
static bool decode(char *text, size_t *len, bool in_query) {
  size_t out = 0;
  for (size_t i = 0; i < *len; i++) {
    char c = text[i];
    if (c == '+' && in_query) c = ' ';
    if (c == '%') {
      int high = i + 2 < *len ? hex_digit(text[i + 1]) : -1, low = i + 2 < *len ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return false;
      int value = high * 16 + low;
      if (value < 0x20 || value == 0x7f || (value == '/' && !in_query)) return false;
      c = (char)(unsigned char)value;
      i += 2;
    }
    text[out++] = c;
  }
  *len = out;
  return str_is_utf8((struct str){text, out});
}

static bool has_dot_segment(struct str path) {
  struct str rest = path, segment;
  while (str_split(&rest, '/', &segment))
    if (str_eq(segment, STR(".")) || str_eq(segment, STR(".."))) return true;
  return false;
}

static bool parse_params(struct arena *arena, struct target *t) {
  size_t count = t->query.len > 0;
  for (size_t i = 0; i < t->query.len; i++) count += t->query.ptr[i] == '&';
  if (count > TARGET_PARAMS_MAX) return false;
  if (!count) return true;
  t->params = arena_alloc(arena, count * sizeof(*t->params));
  char *copy = arena_strdup(arena, t->query), *end = copy + t->query.len;
  for (char *at = copy; at < end;) {
    char *stop = memchr(at, '&', (size_t)(end - at));
    if (!stop) stop = end;
    char *equals = memchr(at, '=', (size_t)(stop - at));
    char *value = equals ? equals + 1 : stop;
    size_t name_len = (size_t)((equals ? equals : stop) - at), value_len = (size_t)(stop - value);
    if (!decode(at, &name_len, true) || !decode(value, &value_len, true)) return false;
    if (stop > at) t->params[t->param_count++] = (struct http_header){{at, name_len}, {value, value_len}};
    at = stop + 1;
  }
  return true;
}

bool target_parse(struct str raw, struct arena *arena, struct target *ret, struct guard_refusal *ret_refusal) {
  struct target t = {0};
  *ret_refusal = (struct guard_refusal){PROBLEM_MALFORMED_HTTP, "The request target is malformed."};
  if (raw.len < 1 || raw.ptr[0] != '/') return false;
  for (size_t i = 0; i < raw.len; i++)
    if (raw.ptr[i] <= 0x20 || raw.ptr[i] >= 0x7f || raw.ptr[i] == '#') return false;
  const char *mark = memchr(raw.ptr, '?', raw.len);
  size_t path_len = mark ? (size_t)(mark - raw.ptr) : raw.len;
  if (mark) t.query = (struct str){mark + 1, raw.len - path_len - 1};
  char *path = arena_strdup(arena, (struct str){raw.ptr, path_len});
  if (!decode(path, &path_len, false)) return false;
  t.path = (struct str){path, path_len};
  if (has_dot_segment(t.path) || !parse_params(arena, &t)) return false;
  *ret = t;
  return true;
}
