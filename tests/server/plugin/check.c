// What a plugin's table must have to be loaded, and that a smaller, older table is completed with nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugin/check.h"
#include <stdlib.h>
#include <string.h>

static const struct tollgate_endpoint endpoints[] = {{"POST", "/v1/x", "x", 0},
                                                     {"POST", "/v1/later", "x", TOLLGATE_ENDPOINT_LATER}};
static const struct tollgate_meter meters[] = {{"input_tokens", NULL, TOLLGATE_TOTAL_INPUT},
                                               {"cached_input_tokens", "input_tokens", TOLLGATE_TOTAL_INPUT}};

static enum tollgate_result inspect(const struct tollgate_request *q, struct tollgate_facts *ret) {
  (void)q, (void)ret;
  return TOLLGATE_OK;
}
static enum tollgate_result bound(const struct tollgate_request *q, const struct tollgate_facts *f,
                                  const struct tollgate_model *m, struct tollgate_bound *ret) {
  (void)q, (void)f, (void)m, (void)ret;
  return TOLLGATE_OK;
}
static enum tollgate_result build(const struct tollgate_request *q, const struct tollgate_facts *f,
                                  const struct tollgate_upstream *u, struct tollgate_built *ret) {
  (void)q, (void)f, (void)u, (void)ret;
  return TOLLGATE_OK;
}
static enum tollgate_result begin(void *s, const struct tollgate_request *q, const struct tollgate_facts *f,
                                  const struct tollgate_answer *a) {
  (void)s, (void)q, (void)f, (void)a;
  return TOLLGATE_OK;
}
static enum tollgate_result bytes(void *s, struct tollgate_slice piece, struct tollgate_out *relay) {
  (void)s, (void)piece, (void)relay;
  return TOLLGATE_OK;
}
static enum tollgate_result end(void *s, enum tollgate_ending e, struct tollgate_out *relay) {
  (void)s, (void)e, (void)relay;
  return TOLLGATE_OK;
}
static enum tollgate_result totals(const void *s, struct tollgate_usage *ret) {
  (void)s, (void)ret;
  return TOLLGATE_OK;
}
static enum tollgate_result failing(const void *s, struct tollgate_slice type, struct tollgate_slice code,
                                    struct tollgate_slice message, struct tollgate_out *relay) {
  (void)s, (void)type, (void)code, (void)message, (void)relay;
  return TOLLGATE_OK;
}
static enum tollgate_result follow(struct tollgate_slice handle, const struct tollgate_upstream *u,
                                   struct tollgate_built *ret, uint32_t *ms) {
  (void)handle, (void)u, (void)ret, (void)ms;
  return TOLLGATE_OK;
}

static struct tollgate_plugin good(void) {
  struct tollgate_plugin p = {.abi_major = TOLLGATE_ABI_MAJOR,
                              .abi_minor = TOLLGATE_ABI_MINOR,
                              .size = sizeof p,
                              .name = "good",
                              .version = "1",
                              .description = "d",
                              .base_url = "",
                              .endpoints = endpoints,
                              .endpoint_count = 1,
                              .meters = meters,
                              .meter_count = 2,
                              .state_size = 8,
                              .inspect = inspect,
                              .bound = bound,
                              .build = build,
                              .begin = begin,
                              .bytes = bytes,
                              .end = end,
                              .totals = totals};
  p.fail = failing;
  return p;
}

static struct tollgate_plugin loaded;

static void refused(const struct tollgate_plugin *p, const char *why) {
  const char *said = plugin_check(p, "good", &loaded);
  if (!said || !strstr(said, why)) fail_msg("\"%s\" does not say \"%s\"", said ? said : "(loaded)", why);
}

static void a_sound_table_is_copied(void **state) {
  struct tollgate_plugin p = good();
  (void)state;
  assert_null(plugin_check(&p, "good", &loaded));
  assert_memory_equal(&p, &loaded, sizeof p);
}

static void the_version_decides_first(void **state) {
  struct tollgate_plugin p = {.abi_major = TOLLGATE_ABI_MAJOR + 1};
  (void)state;
  refused(&p, "another major version");
  p = good();
  p.abi_minor++;
  refused(&p, "newer");
}

static void an_older_table_lacks_what_came_later(void **state) {
  struct tollgate_plugin p = good();
  (void)state;
  p.follow = follow;
  p.size = offsetof(struct tollgate_plugin, follow);
  struct tollgate_plugin *small = malloc(p.size); // a sanitizer sees what is read beyond
  memcpy(small, &p, p.size);
  assert_null(plugin_check(small, "good", &loaded));
  assert_true(loaded.follow == NULL);
  small->size = 16;
  refused(small, "smaller");
  free(small);
}

static void a_name_is_that_of_the_file(void **state) {
  struct tollgate_plugin p = good();
  (void)state;
  p.name = "other";
  refused(&p, "another name");
  p.name = NULL;
  refused(&p, "another name");
  p = good();
  p.version = NULL;
  refused(&p, "version");
}

static void every_function_is_required(void **state) {
  static const size_t at[] = {offsetof(struct tollgate_plugin, inspect), offsetof(struct tollgate_plugin, bound),
                              offsetof(struct tollgate_plugin, build),   offsetof(struct tollgate_plugin, begin),
                              offsetof(struct tollgate_plugin, bytes),   offsetof(struct tollgate_plugin, end),
                              offsetof(struct tollgate_plugin, totals),  offsetof(struct tollgate_plugin, fail)};
  (void)state;
  for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
    struct tollgate_plugin p = good();
    memset((char *)&p + at[i], 0, sizeof(void (*)(void)));
    refused(&p, "is missing");
  }
}

static void usage_that_comes_later_needs_follow(void **state) {
  struct tollgate_plugin p = good();
  (void)state;
  p.endpoint_count = 2;
  refused(&p, "follow");
  p.follow = follow;
  assert_null(plugin_check(&p, "good", &loaded));
}

static void meters_have_names_and_parents(void **state) {
  static const struct tollgate_meter twice[] = {{"a", NULL, 0}, {"a", NULL, 0}}, orphan[] = {{"a", "b", 0}},
                                     circle[] = {{"a", "b", 0}, {"b", "a", 0}}, named[] = {{"Input-Tokens", NULL, 0}},
                                     total[] = {{"a", NULL, TOLLGATE_TOTALS}};
  static const struct {
    const struct tollgate_meter *meters;
    size_t count;
    const char *why;
  } cases[] = {{twice, 2, "twice"},      {orphan, 1, "parent"},       {circle, 2, "parent"},
               {named, 1, "lower case"}, {total, 1, "unknown total"}, {NULL, 0, "no meters"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct tollgate_plugin p = good();
    p.meters = cases[i].meters;
    p.meter_count = cases[i].count;
    refused(&p, cases[i].why);
  }
}

static void endpoints_and_state_are_bounded(void **state) {
  static const struct tollgate_endpoint bad[] = {{"POST", "v1/x", "x", 0}};
  struct tollgate_plugin p = good();
  (void)state;
  p.endpoints = bad;
  refused(&p, "endpoint");
  p.endpoint_count = 0;
  refused(&p, "no endpoints");
  p = good();
  p.state_size = 64 * 1024 + 1;
  refused(&p, "state");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_sound_table_is_copied),
      cmocka_unit_test(the_version_decides_first),
      cmocka_unit_test(an_older_table_lacks_what_came_later),
      cmocka_unit_test(a_name_is_that_of_the_file),
      cmocka_unit_test(every_function_is_required),
      cmocka_unit_test(usage_that_comes_later_needs_follow),
      cmocka_unit_test(meters_have_names_and_parents),
      cmocka_unit_test(endpoints_and_state_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
