// Feeds: a request target to target_parse, and its path to the route table.
// Oracle: a plain reading of the rules: where the target is taken, path and parameters are what decoding each piece by
// itself gives; the path has one reading (no control characters, no escaped slash, no dot segments, valid UTF-8); a
// route's captures are its path's own segments.
#include "base/mem.h"
#include "fuzz.h"
#include "http/route.h"
#include "plain.h"

static void handler(struct http_request *r, void *context) {
  (void)r, (void)context;
}

static const struct http_route routes[] = {
    {"GET", "/", handler, NULL, 0},
    {"GET", "/a", handler, NULL, 0},
    {"POST", "/a", handler, NULL, 0},
    {"GET", "/a/b", handler, NULL, 0},
    {"GET", "/a/{x}", handler, NULL, 0},
    {"GET", "/a/c", handler, NULL, 0},
    {"DELETE", "/{x}/b/{y}", handler, NULL, 0},
    {"GET", "/{p}/{q}/{r}/{s}", handler, NULL, 0},
};
static struct route_table table;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  route_table_init(&table, routes, ARRAY_LEN(routes));
  return 0;
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
  static char path[PLAIN_TARGET_MAX];
  struct str raw = {(const char *)data, size}, query;
  struct target t = {0};
  struct guard_refusal refusal = {0};
  struct arena arena;
  size_t path_len = 0;
  if (size > PLAIN_TARGET_MAX) return 0;
  char *copy = fuzz_copy(raw);
  raw.ptr = copy;
  arena_init(&arena, 1 << 20);
  bool sound = plain_target(raw, path, &path_len, &query);
  FUZZ_CHECK(target_parse(raw, &arena, &t, &refusal) == sound, "\"%.*s\" is %s", STR_ARG(raw), sound ? "sound" : "not");
  FUZZ_CHECK(sound || (refusal.why && refusal.why[0]), "refused without a reason");
  if (sound) {
    FUZZ_CHECK(str_eq(t.path, (struct str){path, path_len}) && str_eq(t.query, query), "\"%.*s\"", STR_ARG(raw));
    (void)plain_params(query, &t);
    route_check(t.path);
  }
  arena_finish(&arena);
  free(copy);
  return 0;
}
