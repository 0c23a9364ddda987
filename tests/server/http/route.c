// Routes are found exactly, literals before names, and a wrong method is told the right ones.
#include "http/route.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct http_route routes[] = {
    {.method = "GET", .path = "/"},
    {.method = "GET", .path = "/things/{id}"},
    {.method = "GET", .path = "/things/all"},
    {.method = "POST", .path = "/things/{id}"},
    {.method = "PATCH", .path = "/things/{id}/parts/{part}"},
    {.method = "POST", .path = "/v1/chat/completions"},
};

static struct route_table table;
static struct route_match match;

static const struct http_route *find(const char *method, const char *path) {
  route_find(&table, str_from(method), str_from(path), &match);
  return match.route;
}

static void a_path_finds_its_route(void **state) {
  (void)state;
  assert_ptr_equal(find("GET", "/"), &routes[0]);
  assert_ptr_equal(find("POST", "/v1/chat/completions"), &routes[5]);
  assert_ptr_equal(find("PATCH", "/things/a b/parts/7"), &routes[4]);
  assert_int_equal(match.capture_count, 2);
  assert_true(str_eq(match.captures[0], STR("a b")) && str_eq(match.captures[1], STR("7")));
}

static void a_literal_goes_before_a_name(void **state) {
  (void)state;
  assert_ptr_equal(find("GET", "/things/all"), &routes[2]);
  assert_int_equal(match.capture_count, 0);
  assert_ptr_equal(find("POST", "/things/all"), &routes[3]);
}

static void head_is_served_by_get(void **state) {
  (void)state;
  assert_ptr_equal(find("HEAD", "/things/x"), &routes[1]);
  assert_null(find("HEAD", "/v1/chat/completions"));
}

static void nothing_is_nearly_a_route(void **state) {
  (void)state;
  static const char *const wrong[] = {"",
                                      "//",
                                      "/things",
                                      "/things/",
                                      "/things//",
                                      "//things/x",
                                      "/things/x/",
                                      "/v",
                                      "/v1/chat/completions/",
                                      "/V1/chat/completions",
                                      "/v1/chat/completion",
                                      "/things/x/parts/",
                                      "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_null(find("GET", wrong[i]));
    assert_string_equal(match.allow, "");
  }
}

static void a_wrong_method_is_told_the_right_ones(void **state) {
  (void)state;
  assert_null(find("DELETE", "/things/all"));
  assert_string_equal(match.allow, "GET, HEAD, POST");
  assert_null(find("GET", "/v1/chat/completions"));
  assert_string_equal(match.allow, "POST");
}

static int setup(void **state) {
  (void)state;
  route_table_init(&table, routes, sizeof routes / sizeof routes[0]);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  route_table_finish(&table);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_path_finds_its_route),
      cmocka_unit_test(a_literal_goes_before_a_name),
      cmocka_unit_test(head_is_served_by_get),
      cmocka_unit_test(nothing_is_nearly_a_route),
      cmocka_unit_test(a_wrong_method_is_told_the_right_ones),
  };
  return cmocka_run_group_tests_name("routes", tests, setup, teardown);
}
