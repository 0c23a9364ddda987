// The paths and methods that the server serves, with all plugins of the project, are those that api/openapi.yaml
// declares: none more, none less.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "db/embedded.h"
#include "gateway/gateway.h"
#include "rest/rest.h"
#include <stdio.h>

#define DECLARED_MAX 512

static struct rest_context rest;
static struct gateway_context gateway;
static struct plugin_registry *plugins;
static const struct http_route *rest_table, *gateway_table;
static size_t rest_count, gateway_count;

struct declared {
  struct str path;
  char method[8];
};
static struct declared declared[DECLARED_MAX];
static size_t declared_count;

static bool is_method(struct str word) {
  static const char *const known[] = {"get", "post", "put", "patch", "delete"};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (str_eq(word, str_from(known[i]))) return true;
  return false;
}

// Paths stand two blanks deep, "  /path:", and their methods four, "    get:".
static void line_read(struct str line, struct str *path) {
  if (!str_ends(line, STR(":"))) return;
  if (str_starts(line, STR("  /"))) *path = (struct str){line.ptr + 2, line.len - 3};
  if (!str_starts(line, STR("    ")) || line.len < 6 || line.ptr[4] == ' ') return;
  struct str word = {line.ptr + 4, line.len - 5};
  if (path->len == 0 || !is_method(word)) return;
  struct declared *d = &declared[declared_count++];
  assert_true(declared_count < DECLARED_MAX);
  d->path = *path;
  for (size_t i = 0; i < word.len; i++) d->method[i] = (char)(word.ptr[i] - 'a' + 'A');
}

static void document_read(void) {
  const struct embedded_file *f = embedded_files;
  while (strcmp(f->path, "api/openapi.yaml") != 0) f++;
  struct str text = {f->text, f->size}, line, path = {0};
  while (str_split(&text, '\n', &line)) {
    if (str_eq(line, STR("components:"))) return;
    line_read(line, &path);
  }
}

static int tables_make(void **state) {
  (void)state;
  static struct net_loop *loops[1]; // never run
  CLEANUP(buf_finish) struct buf problems;
  buf_init(&problems, 4096);
  if (plugin_registry_load(BINARY_DIR "/plugins", &plugins, &problems) < 1 || problems.len > 0) return 1;
  gateway = (struct gateway_context){.loops = loops, .loop_count = 1, .plugins = plugins};
  rest_table = rest_routes(&rest, &rest_count);
  gateway_table = gateway_routes(&gateway, &gateway_count);
  document_read();
  return 0;
}

static int tables_drop(void **state) {
  (void)state;
  rest_finish(&rest);
  gateway_finish(&gateway);
  plugin_registry_destroy(plugins);
  return 0;
}

static bool is_declared(const struct http_route *route) {
  for (size_t i = 0; i < declared_count; i++)
    if (str_eq(declared[i].path, str_from(route->path)) && strcmp(declared[i].method, route->method) == 0) return true;
  return false;
}

static size_t times_served(const struct declared *d, const struct http_route *table, size_t count) {
  size_t times = 0;
  for (size_t i = 0; i < count; i++)
    times += str_eq(d->path, str_from(table[i].path)) && strcmp(d->method, table[i].method) == 0;
  return times;
}

static void what_is_served_is_declared(void **state) {
  (void)state;
  assert_true(rest_count > 0 && gateway_count > 0);
  for (size_t i = 0; i < rest_count; i++)
    if (!is_declared(&rest_table[i])) fail_msg("%s %s is served", rest_table[i].method, rest_table[i].path);
  for (size_t i = 0; i < gateway_count; i++)
    if (!is_declared(&gateway_table[i])) fail_msg("%s %s is served", gateway_table[i].method, gateway_table[i].path);
}

static void what_is_declared_is_served_once(void **state) {
  (void)state;
  assert_true(declared_count > 0);
  for (size_t i = 0; i < declared_count; i++) {
    const struct declared *d = &declared[i];
    size_t times = times_served(d, rest_table, rest_count) + times_served(d, gateway_table, gateway_count);
    if (times != 1) fail_msg("%s %.*s is served %zu times", d->method, STR_ARG(d->path), times);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_served_is_declared),
      cmocka_unit_test(what_is_declared_is_served_once),
  };
  return cmocka_run_group_tests(tests, tables_make, tables_drop);
}
