// See plain.h.
#include "plain.h"
#include "fuzz.h"

static bool utf8_sound(const char *text, size_t len) {
  for (size_t i = 0; i < len;) {
    unsigned char c = (unsigned char)text[i];
    size_t more = c < 0x80 ? 0 : c >= 0xF8 ? 9 : c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 9;
    uint32_t point = c < 0x80 ? c : c & (0x3Fu >> more);
    if (more == 9 || more >= len - i) return false;
    for (size_t k = 1; k <= more; k++) {
      if (((unsigned char)text[i + k] & 0xC0) != 0x80) return false;
      point = point << 6 | ((unsigned char)text[i + k] & 0x3F);
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (point < least[more] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
    i += more + 1;
  }
  return true;
}

static bool hex_value(char c, unsigned *ret) {
  static const char digits[] = "0123456789abcdef";
  const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
  if (at) *ret = (unsigned)(at - digits);
  return at != NULL;
}

bool plain_decode(struct str s, bool query, char *out, size_t *ret_len) {
  size_t len = 0;
  for (size_t i = 0; i < s.len; i++) {
    unsigned high = 0, low = 0;
    char c = s.ptr[i];
    if (c == '%') {
      if (s.len - i < 3 || !hex_value(s.ptr[i + 1], &high) || !hex_value(s.ptr[i + 2], &low)) return false;
      c = (char)(high * 16 + low);
      i += 2;
      if ((unsigned char)c < 0x20 || c == 0x7F || (c == '/' && !query)) return false;
    } else if (c == '+' && query) {
      c = ' ';
    }
    out[len++] = c;
  }
  *ret_len = len;
  return utf8_sound(out, len);
}

static bool raw_sound(struct str raw) {
  for (size_t i = 0; i < raw.len; i++)
    if (raw.ptr[i] < 0x21 || raw.ptr[i] > 0x7E || raw.ptr[i] == '#') return false;
  return raw.len > 0 && raw.ptr[0] == '/';
}

static bool dots(const char *path, size_t len) {
  for (size_t from = 1; from <= len;) {
    size_t to = from;
    while (to < len && path[to] != '/') to++;
    if ((to - from == 1 && path[from] == '.') || (to - from == 2 && path[from] == '.' && path[from + 1] == '.'))
      return true;
    from = to + 1;
  }
  return false;
}

bool plain_params(struct str query, const struct target *t) {
  static char name[PLAIN_TARGET_MAX], value[PLAIN_TARGET_MAX];
  size_t at = 0, pieces = query.len > 0, name_len, value_len;
  for (size_t i = 0; i < query.len; i++) pieces += query.ptr[i] == '&';
  if (pieces > TARGET_PARAMS_MAX) return false;
  for (struct str rest = query, piece; str_split(&rest, '&', &piece);) {
    const char *equals = piece.len ? memchr(piece.ptr, '=', piece.len) : NULL;
    struct str n = {piece.ptr, equals ? (size_t)(equals - piece.ptr) : piece.len};
    struct str v = equals ? (struct str){equals + 1, piece.len - n.len - 1} : (struct str){"", 0};
    if (!plain_decode(n, true, name, &name_len) || !plain_decode(v, true, value, &value_len)) return false;
    if (piece.len == 0 || !t) continue;
    FUZZ_CHECK(at < t->param_count, "a parameter is missing");
    FUZZ_CHECK(str_eq(t->params[at].name, (struct str){name, name_len}), "name %zu", at);
    FUZZ_CHECK(str_eq(t->params[at].value, (struct str){value, value_len}), "value %zu", at);
    at++;
  }
  if (t) FUZZ_CHECK(at == t->param_count, "%zu parameters instead of %zu", t->param_count, at);
  return true;
}

bool plain_target(struct str raw, char *path, size_t *path_len, struct str *query) {
  const char *mark = raw.len ? memchr(raw.ptr, '?', raw.len) : NULL;
  *query = mark ? (struct str){mark + 1, raw.len - (size_t)(mark - raw.ptr) - 1} : (struct str){"", 0};
  struct str raw_path = {raw.ptr, mark ? (size_t)(mark - raw.ptr) : raw.len};
  return raw_sound(raw) && plain_decode(raw_path, false, path, path_len) && !dots(path, *path_len) &&
         plain_params(*query, NULL);
}
