// Patterns are cut into segments once; a request's path is cut once and compared segment by segment. An empty segment
// ("//", a trailing slash) matches nothing.
#include "http/route.h"
#include "base/log.h"
#include "base/mem.h"
#include <stdio.h>

// The number of segments, or ROUTE_SEGMENTS_MAX + 1 where there are more.
static size_t cut(struct str path, struct str ret[ROUTE_SEGMENTS_MAX]) {
  size_t count = 0;
  struct str rest = {path.ptr + 1, path.len - 1};
  for (;;) {
    if (count == ROUTE_SEGMENTS_MAX) return ROUTE_SEGMENTS_MAX + 1;
    const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
    size_t len = slash ? (size_t)(slash - rest.ptr) : rest.len;
    ret[count++] = (struct str){rest.ptr, len};
    if (!slash) return count;
    rest = (struct str){slash + 1, rest.len - len - 1};
  }
}

static void pattern_init(struct route_pattern *p, const struct http_route *route) {
  p->route = route;
  ASSERT(route->path[0] == '/');
  p->segment_count = cut(str_from(route->path), p->segments);
  ASSERT(p->segment_count <= ROUTE_SEGMENTS_MAX);
  for (size_t i = 0; i < p->segment_count; i++) {
    if (!str_starts(p->segments[i], STR("{"))) continue;
    p->segments[i] = (struct str){NULL, 0};
    p->capture_count++;
  }
  ASSERT(p->capture_count <= ROUTE_CAPTURES_MAX);
}

void route_table_init(struct route_table *t, const struct http_route *routes, size_t count) {
  t->patterns = mem_alloc((count ? count : 1) * sizeof(*t->patterns));
  t->count = count;
  for (size_t i = 0; i < count; i++) pattern_init(&t->patterns[i], &routes[i]);
}

void route_table_finish(struct route_table *t) {
  mem_free(t->patterns);
  *t = (struct route_table){0};
}

// From the end: paths begin alike.
static bool pattern_matches(const struct route_pattern *p, const struct str *segments, size_t count) {
  if (p->segment_count != count) return false;
  for (size_t i = count; i-- > 0;)
    if (p->segments[i].ptr ? !str_eq(p->segments[i], segments[i]) : segments[i].len == 0) return false;
  return true;
}

static void allow_add(char allow[ROUTE_ALLOW_MAX], const char *method) {
  size_t len = strlen(allow);
  if (!strstr(allow, method)) (void)snprintf(allow + len, ROUTE_ALLOW_MAX - len, "%s%s", len ? ", " : "", method);
}

void route_find(const struct route_table *t, struct str method, struct str path, struct route_match *ret) {
  *ret = (struct route_match){0};
  struct str segments[ROUTE_SEGMENTS_MAX];
  size_t count = path.len ? cut(path, segments) : 0;
  if (count == 0 || count > ROUTE_SEGMENTS_MAX) return;
  struct str wanted = str_eq(method, STR("HEAD")) ? STR("GET") : method;
  const struct route_pattern *best = NULL;
  for (size_t i = 0; i < t->count; i++) {
    const struct route_pattern *p = &t->patterns[i];
    if (!pattern_matches(p, segments, count)) continue;
    allow_add(ret->allow, p->route->method);
    if (strcmp(p->route->method, "GET") == 0) allow_add(ret->allow, "HEAD");
    if (!str_eq(wanted, str_from(p->route->method))) continue;
    if (!best || p->capture_count < best->capture_count) best = p;
  }
  if (!best) return;
  ret->route = best->route;
  for (size_t i = 0; i < count; i++)
    if (!best->segments[i].ptr) ret->captures[ret->capture_count++] = segments[i];
}
