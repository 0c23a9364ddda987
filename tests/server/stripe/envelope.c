// What is read of an event, whatever its kind and version.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "stripe/envelope.h"
#include <dirent.h>
#include <stdio.h>

static struct json *root;
static struct envelope read_of(const char *text) {
  struct json_error error;
  struct envelope e = {.created = -1};
  json_finish(root);
  root = NULL;
  if (json_parse(str_from(text), &root, &error) != 0) fail_msg("%s: %s", text, error.message);
  if (!envelope_read(root, &e)) fail_msg("%s", text);
  return e;
}

static int teardown(void **state) {
  (void)state;
  json_finish(root);
  root = NULL;
  return 0;
}

static void is_none(const char *text) {
  struct json_error error;
  struct envelope e = {.created = -1};
  CLEANUP(json_finishp) struct json *value = NULL;
  if (json_parse(str_from(text), &value, &error) != 0) fail_msg("%s: %s", text, error.message);
  if (envelope_read(value, &e) || e.created != -1) fail_msg("%s", text);
}

static void a_snapshot_brings_its_object(void **state) {
  (void)state;
  struct envelope e = read_of(
      "{\"id\":\"evt_1\",\"object\":\"event\",\"api_version\":\"2026-10-28.endive\",\"created\":1793700000,"
      "\"livemode\":true,\"type\":\"charge.refunded\",\"data\":{\"object\":{\"id\":\"ch_1\",\"object\":\"charge\"}}}");
  assert_true(str_eq(e.id, STR("evt_1")) && str_eq(e.type, STR("charge.refunded")) && str_eq(e.object_id, STR("ch_1")));
  assert_true(str_eq(e.api_version, STR("2026-10-28.endive")));
  assert_true(e.livemode && !e.thin && !e.foreign);
  assert_int_equal(e.created, 1793700000);
}

static void a_thin_one_names_it(void **state) {
  (void)state;
  struct envelope e = read_of(
      "{\"id\":\"evt_test_1\",\"object\":\"v2.core.event\",\"created\":\"2026-11-03T10:00:00.000Z\",\"livemode\":false,"
      "\"type\":\"v1.checkout.session.completed\",\"related_object\":{\"id\":\"cs_1\",\"type\":\"checkout.session\"}}");
  assert_true(e.thin && str_eq(e.object_id, STR("cs_1")) && e.api_version.len == 0);
  assert_int_equal(e.created, 1793700000);
  e = read_of("{\"id\":\"e\",\"object\":\"v2.core.event\",\"type\":\"t\",\"related_object\":null}");
  assert_true(e.thin && e.object_id.len == 0);
}

static void what_may_be_missing_may_be_missing(void **state) {
  (void)state;
  struct envelope e = read_of("{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"t\"}");
  assert_true(!e.livemode && e.created == 0 && e.object_id.len == 0 && e.api_version.len == 0);
  e = read_of("{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"t\",\"api_version\":null,\"created\":1.5,\"livemode\":"
              "\"yes\",\"account\":null,"
              "\"data\":[{\"object\":{\"id\":\"x\"}}]}");
  assert_true(!e.livemode && e.created == 0 && e.object_id.len == 0 && !e.foreign);
}

static void whose_account_it_is_about_is_seen(void **state) {
  (void)state;
  assert_string_equal(read_of("{\"id\":\"1\",\"object\":\"event\",\"type\":\"t\",\"account\":\"acct_1\"}").foreign,
                      "account");
  assert_string_equal(
      read_of("{\"id\":\"1\",\"object\":\"v2.core.event\",\"type\":\"t\",\"context\":\"acct_1\"}").foreign, "context");
}

static void what_has_no_id_kind_or_type_is_no_event(void **state) {
  static const char *const none[] = {"[]",
                                     "[{\"id\":\"1\",\"object\":\"event\",\"type\":\"t\"}]",
                                     "\"event\"",
                                     "1",
                                     "null",
                                     "true",
                                     "{}",
                                     "{\"id\":\"1\",\"type\":\"t\"}",
                                     "{\"object\":\"event\",\"type\":\"t\"}",
                                     "{\"id\":\"1\",\"object\":\"event\"}",
                                     "{\"id\":\"\",\"object\":\"event\",\"type\":\"t\"}",
                                     "{\"id\":1,\"object\":\"event\",\"type\":\"t\"}",
                                     "{\"id\":\"1\",\"object\":\"charge\",\"type\":\"t\"}",
                                     "{\"id\":\"1\",\"object\":\"event\",\"type\":null}"};
  (void)state;
  for (size_t i = 0; i < ARRAY_LEN(none); i++) is_none(none[i]);
}

static void names_have_at_most_255_bytes(void **state) {
  char text[1024], name[257];
  (void)state;
  memset(name, 'x', sizeof name);
  (void)snprintf(text, sizeof text, "{\"id\":\"%.255s\",\"object\":\"event\",\"type\":\"%.255s\"}", name, name);
  assert_int_equal(read_of(text).id.len, 255);
  (void)snprintf(text, sizeof text, "{\"id\":\"%.256s\",\"object\":\"event\",\"type\":\"t\"}", name);
  is_none(text);
  (void)snprintf(text, sizeof text, "{\"id\":\"1\",\"object\":\"event\",\"type\":\"%.256s\"}", name);
  is_none(text);
}

// ---- the recorded events, old versions and thin ones too

static void file_check(const char *folder, const char *name) {
  CLEANUP(buf_finish) struct buf text;
  char path[1024], piece[4096];
  size_t got;
  buf_init(&text, 1 << 20);
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "re");
  assert_non_null(f);
  while ((got = fread(piece, 1, sizeof piece, f)) > 0) buf_add(&text, piece, got);
  (void)fclose(f);
  struct envelope e = read_of(buf_cstr(&text));
  assert_true(e.id.len > 0 && e.type.len > 0 && e.created > 0);
}

static size_t folder_check(const char *below) {
  static const char *const others[] = {"signatures.json", "manifest.json", "scenarios.json"};
  char folder[512];
  size_t count = 0;
  (void)snprintf(folder, sizeof folder, SOURCE_DIR "/../shared/fixtures/stripe%s", below);
  DIR *d = opendir(folder);
  for (struct dirent *f; d && (f = readdir(d));) {
    bool other = !str_ends(str_from(f->d_name), STR(".json"));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) other |= strcmp(f->d_name, others[i]) == 0;
    if (other) continue;
    file_check(folder, f->d_name);
    count++;
  }
  if (d) (void)closedir(d);
  return count;
}

static void recorded_events_are_read(void **state) {
  (void)state;
  size_t count = folder_check("");
  if (count == 0) skip();
  assert_true(count >= 77 && folder_check("/legacy") >= 19);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_snapshot_brings_its_object, teardown),
      cmocka_unit_test_teardown(a_thin_one_names_it, teardown),
      cmocka_unit_test_teardown(what_may_be_missing_may_be_missing, teardown),
      cmocka_unit_test_teardown(whose_account_it_is_about_is_seen, teardown),
      cmocka_unit_test_teardown(what_has_no_id_kind_or_type_is_no_event, teardown),
      cmocka_unit_test_teardown(names_have_at_most_255_bytes, teardown),
      cmocka_unit_test_teardown(recorded_events_are_read, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
