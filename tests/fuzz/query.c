// Feeds: a request target to target_parse, and its path to the route table.
// Oracle: a plain reading of the rules: where the target is taken, path and parameters are what decoding each piece by itself
// gives; the path has one reading (no control characters, no escaped slash, no dot segments, valid UTF-8); a route's
// captures are its path's own segments.
#include "base/mem.h"
#include "fuzz.h"
#include "http/route.h"
#include "http/target.h"

#define PIECE_MAX (16 * 1024)

static void handler(struct http_request *r, void *context) {
  (void)r, (void)context;
}

static const struct http_route routes[] = {
    {"GET", "/", handler, NULL, 0},
    {"GET", "/a", handler, NULL, 0},
    {"POST", "/a", handler, NULL, 0},
    {"GET", "/a/{x}", handler, NULL, 0},
    {"GET", "/a/b", handler, NULL, 0},
    {"DELETE", "/{x}/b/{y}", handler, NULL, 0},
    {"GET", "/{p}/{q}/{r}/{s}", handler, NULL, 0},
};
static struct route_table table;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  route_table_init(&table, routes, ARRAY_LEN(routes));
  return 0;
}

// ---- the reference

static bool utf8_plain(const char *text, size_t len) {
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

// False: refused.
static bool piece_decode(struct str s, bool query, char *out, size_t *ret_len) {
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
  return utf8_plain(out, len);
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

// Goes through the parameters of a query in order. False: it is refused. t NULL: only that is asked.
static bool params_check(struct str query, const struct target *t) {
  static char name[PIECE_MAX], value[PIECE_MAX];
  size_t at = 0, pieces = query.len > 0, name_len, value_len;
  for (size_t i = 0; i < query.len; i++) pieces += query.ptr[i] == '&';
  if (pieces > TARGET_PARAMS_MAX) return false;
  for (struct str rest = query, piece; str_split(&rest, '&', &piece);) {
    const char *equals = piece.len ? memchr(piece.ptr, '=', piece.len) : NULL;
    struct str n = {piece.ptr, equals ? (size_t)(equals - piece.ptr) : piece.len};
    struct str v = equals ? (struct str){equals + 1, piece.len - n.len - 1} : (struct str){"", 0};
    if (!piece_decode(n, true, name, &name_len) || !piece_decode(v, true, value, &value_len)) return false;
    if (piece.len == 0 || !t) continue;
    FUZZ_CHECK(at < t->param_count, "a parameter is missing");
    FUZZ_CHECK(str_eq(t->params[at].name, (struct str){name, name_len}), "name %zu", at);
    FUZZ_CHECK(str_eq(t->params[at].value, (struct str){value, value_len}), "value %zu", at);
    at++;
  }
  if (t) FUZZ_CHECK(at == t->param_count, "%zu parameters instead of %zu", t->param_count, at);
  return true;
}

static bool reference(struct str raw, char *path, size_t *path_len, struct str *query) {
  const char *mark = raw.len ? memchr(raw.ptr, '?', raw.len) : NULL;
  *query = mark ? (struct str){mark + 1, raw.len - (size_t)(mark - raw.ptr) - 1} : (struct str){"", 0};
  struct str raw_path = {raw.ptr, mark ? (size_t)(mark - raw.ptr) : raw.len};
  return raw_sound(raw) && piece_decode(raw_path, false, path, path_len) && !dots(path, *path_len) &&
         params_check(*query, NULL);
}

// ---- routes

static bool pattern_fits(const struct http_route *route, struct str path, size_t *captures) {
  struct str pattern = str_from(route->path + 1), rest = {path.ptr + 1, path.len - 1}, p, s;
  bool more_p, more_s;
  *captures = 0;
  if (pattern.len == 0 || rest.len == 0) return pattern.len == rest.len;
  if (rest.ptr[rest.len - 1] == '/') return false;
  do {
    more_p = str_split(&pattern, '/', &p);
    more_s = str_split(&rest, '/', &s);
    if (more_p && more_s && p.ptr[0] == '{') {
      ++*captures;
      if (s.len == 0) return false;
    } else if (more_p && more_s && !str_eq(p, s)) {
      return false;
    }
  } while (more_p && more_s);
  return more_p == more_s;
}

static void route_check(struct str path) {
  struct route_match match;
  size_t captures = 0, least = SIZE_MAX;
  route_find(&table, STR("GET"), path, &match);
  for (size_t i = 0; i < ARRAY_LEN(routes); i++)
    if (strcmp(routes[i].method, "GET") == 0 && pattern_fits(&routes[i], path, &captures) && captures < least)
      least = captures;
  FUZZ_CHECK((match.route != NULL) == (least != SIZE_MAX), "%.*s", STR_ARG(path));
  if (!match.route) return;
  FUZZ_CHECK(pattern_fits(match.route, path, &captures) && captures == least, "%.*s", STR_ARG(path));
  FUZZ_CHECK(match.capture_count == captures, "%.*s", STR_ARG(path));
  for (size_t i = 0; i < captures; i++)
    FUZZ_CHECK(match.captures[i].len > 0 && match.captures[i].ptr > path.ptr &&
                   match.captures[i].ptr + match.captures[i].len <= path.ptr + path.len,
               "%.*s", STR_ARG(path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char path[PIECE_MAX];
  struct str raw = {(const char *)data, size}, query;
  struct target t = {0};
  struct guard_refusal refusal = {0};
  struct arena arena;
  size_t path_len = 0;
  if (size > PIECE_MAX) return 0;
  char *copy = fuzz_copy(raw);
  raw.ptr = copy;
  arena_init(&arena, 1 << 20);
  bool sound = reference(raw, path, &path_len, &query);
  FUZZ_CHECK(target_parse(raw, &arena, &t, &refusal) == sound, "\"%.*s\" is %s", STR_ARG(raw), sound ? "sound" : "not");
  FUZZ_CHECK(sound || (refusal.why && refusal.why[0]), "refused without a reason");
  if (sound) {
    FUZZ_CHECK(str_eq(t.path, (struct str){path, path_len}) && str_eq(t.query, query), "\"%.*s\"", STR_ARG(raw));
    (void)params_check(query, &t);
    route_check(t.path);
  }
  arena_finish(&arena);
  free(copy);
  return 0;
}
