// The rules of the configuration.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/config.h"
#include "app/files.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MASTER "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct loaded {
  struct config config;
  struct buf error, warnings, shown;
  char path[64];
};

static int setup(void **state) {
  struct loaded *l = mem_alloc(sizeof *l);
  buf_init(&l->error, 32768);
  buf_init(&l->warnings, 32768);
  buf_init(&l->shown, 32768);
  (void)snprintf(l->path, sizeof l->path, "/tmp/config-test-%d", (int)getpid());
  *state = l;
  return 0;
}

static int teardown(void **state) {
  struct loaded *l = *state;
  config_finish(&l->config);
  buf_finish(&l->error);
  buf_finish(&l->warnings);
  buf_finish(&l->shown);
  (void)unlink(l->path);
  mem_free(l);
  return 0;
}

static bool load(struct loaded *l, const char *path, const char *a, const char *b) {
  char copies[2][4096], *environment[3] = {NULL};
  if (a) (void)snprintf(environment[0] = copies[0], sizeof copies[0], "%s", a);
  if (b) (void)snprintf(environment[1] = copies[1], sizeof copies[1], "%s", b);
  return config_load(&l->config, path, environment, &l->error, &l->warnings);
}

static void file(const struct loaded *l, const char *text) {
  assert_int_equal(file_write(l->path, str_from(text), 0600), 0);
}

static void refused(struct loaded *l, const char *variable, const char *needle) {
  buf_clear(&l->error);
  assert_false(load(l, NULL, variable, NULL));
  assert_non_null(strstr(buf_cstr(&l->error), needle));
}

static const char *shown(struct loaded *l, enum setting_id id) {
  buf_clear(&l->shown);
  config_show(&l->config, id, &l->shown);
  return buf_cstr(&l->shown);
}

static void nothing_given_means_the_defaults(void **state) {
  struct loaded *l = *state;
  assert_true(load(l, NULL, NULL, NULL));
  assert_int_equal(config_number(&l->config, SETTING_PORT), 8080);
  assert_string_equal(config_text(&l->config, SETTING_HOST), "0.0.0.0");
  assert_int_equal(l->config.value[SETTING_PORT].source, CONFIG_DEFAULT);
}

static void every_default_and_every_example_passes_its_own_check(void **state) {
  struct loaded *l = *state;
  for (int i = 0; i < SETTING_COUNT; i++) {
    const struct setting *s = &setting_table[i];
    if (s->kind == SETTING_KIND_MASTER) continue; // its example is how to make one
    char variable[512];
    (void)snprintf(variable, sizeof variable, "%s=%s", s->name,
                   s->kind == SETTING_KIND_CHOICE ? s->fallback : s->example);
    if (!load(l, NULL, variable, NULL)) fail_msg("%s", buf_cstr(&l->error));
    config_finish(&l->config);
  }
}

static void the_environment_goes_before_the_file(void **state) {
  struct loaded *l = *state;
  file(l, "# a comment\n\nPORT = 9000\r\nTOLLGATE_HOST=\"127.0.0.1\"\n");
  assert_true(load(l, l->path, "PORT=9001", NULL));
  assert_int_equal(config_number(&l->config, SETTING_PORT), 9001);
  assert_int_equal(l->config.value[SETTING_PORT].source, CONFIG_ENVIRONMENT);
  assert_string_equal(config_text(&l->config, SETTING_HOST), "127.0.0.1");
  assert_int_equal(l->config.value[SETTING_HOST].source, CONFIG_FILE);
}

static void tollgate_config_names_the_file(void **state) {
  struct loaded *l = *state;
  char variable[128];
  file(l, "PORT=9000\n");
  (void)snprintf(variable, sizeof variable, "TOLLGATE_CONFIG=%s", l->path);
  assert_true(load(l, NULL, variable, NULL));
  assert_int_equal(config_number(&l->config, SETTING_PORT), 9000);
  assert_int_equal(l->warnings.len, 0);
}

static void an_empty_variable_counts_as_not_given(void **state) {
  struct loaded *l = *state;
  assert_true(load(l, NULL, "PORT=", NULL));
  assert_int_equal(config_number(&l->config, SETTING_PORT), 8080);
}

static void a_wrong_value_is_refused_with_its_name_the_problem_and_an_example(void **state) {
  struct loaded *l = *state;
  refused(l, "PORT=http", "PORT is not a whole number: \"http\". Example: PORT=8080");
  refused(l, "PORT=65536", "PORT is out of range");
  refused(l, "PORT=-1", "PORT is out of range");
  refused(l, "PORT=99999999999999999999", "PORT is not a whole number");
  refused(l, "TOLLGATE_HOST=localhost", "TOLLGATE_HOST is not an IP address");
  refused(l, "TOLLGATE_LOG_LEVEL=loud", "it is one of debug|info|warn|error");
  refused(l, "DATABASE_URL=mysql://x", "DATABASE_URL is not a PostgreSQL address");
  refused(l, "TOLLGATE_URL=ftp://x", "TOLLGATE_URL is not the address of a server");
  refused(l, "TOLLGATE_MASTER_KEY=short", "openssl rand -hex 32");
  refused(l, "TOLLGATE_INSTANCE=\xff", "is not valid UTF-8");
}

static void what_stripe_could_not_have_given_out_is_refused(void **state) {
  struct loaded *l = *state;
  refused(l, "STRIPE_SECRET_KEY=pk_live_abc", "STRIPE_SECRET_KEY is none of Stripe's secret keys");
  refused(l, "STRIPE_SECRET_KEY=sk_live_", "STRIPE_SECRET_KEY is none of Stripe's secret keys");
  refused(l, "STRIPE_SECRET_KEY=sk_test_a b", "Example: STRIPE_SECRET_KEY=rk_live_...");
  refused(l, "STRIPE_WEBHOOK_SECRET=secret", "STRIPE_WEBHOOK_SECRET is not one to four");
  refused(l, "STRIPE_WEBHOOK_SECRET=whsec_", "STRIPE_WEBHOOK_SECRET is not one to four");
  refused(l, "STRIPE_WEBHOOK_SECRET=whsec_a,", "STRIPE_WEBHOOK_SECRET is not one to four");
  refused(l, "STRIPE_WEBHOOK_SECRET=,whsec_a", "STRIPE_WEBHOOK_SECRET is not one to four");
  refused(l, "STRIPE_WEBHOOK_SECRET=whsec_a,whsec_b,whsec_c,whsec_d,whsec_e", "Example: STRIPE_WEBHOOK_SECRET=whsec_...");
  refused(l, "STRIPE_API_BASE=api.stripe.com", "STRIPE_API_BASE is not the address of a server");
  CLEANUP(buf_finish) struct buf address;
  buf_init(&address, 4096);
  buf_puts(&address, "TOLLGATE_URL=https://");
  while (address.len < strlen("TOLLGATE_URL=") + 2001) buf_putc(&address, 'a');
  refused(l, buf_cstr(&address), "it is longer than 2000 characters");
  refused(l, "STRIPE_API_VERSION=latest", "STRIPE_API_VERSION is no version of Stripe's API: \"latest\"");
  refused(l, "STRIPE_API_VERSION=2026-09-30.", "STRIPE_API_VERSION is no version");
  refused(l, "STRIPE_API_VERSION=2026-09-30.endive2", "STRIPE_API_VERSION is no version");
  refused(l, "STRIPE_API_VERSION=2026-09-30x", "Example: STRIPE_API_VERSION=2026-09-30.endive");
  refused(l, "STRIPE_WEBHOOK_TOLERANCE=0", "STRIPE_WEBHOOK_TOLERANCE is out of range: 0 is not within 1 to 3600");
  refused(l, "STRIPE_WEBHOOK_TOLERANCE=3601", "STRIPE_WEBHOOK_TOLERANCE is out of range");
}

static void what_stripe_gives_out_is_taken_and_never_shown(void **state) {
  static const char *const keys[] = {"sk_test_51H", "sk_live_51H", "rk_test_51H", "rk_live_51H"};
  struct loaded *l = *state;
  for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
    char variable[128];
    (void)snprintf(variable, sizeof variable, "STRIPE_SECRET_KEY=%s", keys[i]);
    assert_true(load(l, NULL, variable, "STRIPE_WEBHOOK_SECRET=whsec_a, whsec_b,whsec_c,whsec_d"));
    assert_string_equal(shown(l, SETTING_STRIPE_KEY), "*** (set)");
    assert_string_equal(shown(l, SETTING_STRIPE_HOOKS), "*** (set)");
    config_finish(&l->config);
  }
  assert_true(load(l, NULL, "STRIPE_API_VERSION=2020-08-27", NULL));
  assert_string_equal(shown(l, SETTING_STRIPE_VERSION), "2020-08-27");
}

static void ranges_and_schedules_are_lists(void **state) {
  struct loaded *l = *state;
  refused(l, "TOLLGATE_WEBHOOK_ALLOW=10.0.0.0/8,localhost", "TOLLGATE_WEBHOOK_ALLOW is not a list of address ranges: \"localhost\" is not an IP address");
  refused(l, "TOLLGATE_WEBHOOK_ALLOW=10.0.0.1/8", "Example: TOLLGATE_WEBHOOK_ALLOW=127.0.0.0/8,10.0.0.0/8");
  refused(l, "TOLLGATE_WEBHOOK_SCHEDULE=5s,soon", "TOLLGATE_WEBHOOK_SCHEDULE is not a list of times: \"soon\"");
  refused(l, "TOLLGATE_WEBHOOK_SCHEDULE=5", "Example: TOLLGATE_WEBHOOK_SCHEDULE=5s,5m");
  assert_true(load(l, NULL, "TOLLGATE_WEBHOOK_ALLOW=10.0.0.0/8", "TOLLGATE_WEBHOOK_SCHEDULE=1s"));
  assert_string_equal(shown(l, SETTING_WEBHOOK_ALLOW), "10.0.0.0/8");
  assert_string_equal(shown(l, SETTING_WEBHOOK_SCHEDULE), "1s");
  config_finish(&l->config);
  assert_true(load(l, NULL, NULL, NULL));
  assert_string_equal(shown(l, SETTING_WEBHOOK_ALLOW), "");
  assert_string_equal(shown(l, SETTING_WEBHOOK_SCHEDULE), "5s,5m,30m,2h,5h,10h,14h,20h,24h");
}

static void all_wrong_values_are_told_at_once(void **state) {
  struct loaded *l = *state;
  assert_false(load(l, NULL, "PORT=x", "TOLLGATE_LEASE_MS=1"));
  assert_non_null(strstr(buf_cstr(&l->error), "PORT is not"));
  assert_non_null(strstr(buf_cstr(&l->error), "TOLLGATE_LEASE_MS is out of range"));
}

static void a_refused_secret_is_not_repeated(void **state) {
  struct loaded *l = *state;
  assert_false(load(l, NULL, "TOLLGATE_MASTER_KEY=hunter2hunter2", "DATABASE_URL=user:hunter2@host"));
  assert_null(strstr(buf_cstr(&l->error), "hunter2"));
  assert_false(load(l, NULL, "STRIPE_SECRET_KEY=hunter2", "STRIPE_WEBHOOK_SECRET=hunter2"));
  assert_null(strstr(buf_cstr(&l->error), "hunter2"));
}

static void a_file_with_an_unknown_name_is_refused_with_a_suggestion(void **state) {
  struct loaded *l = *state;
  file(l, "PROT=9000\n");
  assert_false(load(l, l->path, NULL, NULL));
  assert_non_null(strstr(buf_cstr(&l->error), "line 1: PROT is not a setting; did you mean PORT?"));
}

static void a_file_line_without_a_value_is_refused_by_number(void **state) {
  struct loaded *l = *state;
  file(l, "PORT=9000\nnonsense\n");
  assert_false(load(l, l->path, NULL, NULL));
  assert_non_null(strstr(buf_cstr(&l->error), "line 2: is not of the form KEY=value"));
}

static void of_too_many_wrong_lines_whole_ones_are_told_and_that_there_are_more(void **state) {
  struct loaded *l = *state;
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 4096);
  for (int i = 0; i < 1000; i++) buf_puts(&text, "x\n");
  file(l, buf_cstr(&text));
  assert_false(load(l, l->path, NULL, NULL));
  struct str rest = buf_str(&l->error), line;
  size_t told = 0;
  for (; str_split(&rest, '\n', &line) && str_starts(line, str_from(l->path)); told++)
    assert_non_null(memmem(line.ptr, line.len, "is not of the form KEY=value, for example PORT=8080", 51));
  assert_true(told > 100);
  assert_true(str_eq(line, STR("the configuration has more wrong lines or values than are told at once")));
  assert_int_equal(rest.len, 0);
}

static void a_file_that_is_not_there_is_refused(void **state) {
  struct loaded *l = *state;
  assert_false(load(l, "/nonexistent/tollgate.conf", NULL, NULL));
  assert_non_null(strstr(buf_cstr(&l->error), "cannot be read"));
}

static void an_unknown_variable_of_ours_is_a_warning(void **state) {
  struct loaded *l = *state;
  assert_true(load(l, NULL, "TOLLGATE_DRAIN_SM=1", "SOMETHING_ELSE=1"));
  assert_non_null(strstr(buf_cstr(&l->warnings), "did you mean TOLLGATE_DRAIN_MS?"));
  assert_null(strstr(buf_cstr(&l->warnings), "SOMETHING_ELSE"));
}

static void the_other_database_addresses_follow_the_first(void **state) {
  struct loaded *l = *state;
  assert_true(load(l, NULL, "DATABASE_URL=postgresql:///one", "DATABASE_READ_URL=postgresql:///two"));
  assert_string_equal(config_text(&l->config, SETTING_DATABASE_DIRECT_URL), "postgresql:///one");
  assert_string_equal(config_text(&l->config, SETTING_DATABASE_READ_URL), "postgresql:///two");
}

static void what_has_no_default_can_be_required(void **state) {
  struct loaded *l = *state;
  assert_true(load(l, NULL, NULL, NULL));
  assert_false(config_require(&l->config, SETTING_DATABASE_URL, &l->error));
  assert_non_null(strstr(buf_cstr(&l->error), "DATABASE_URL is not set"));
  assert_true(config_require(&l->config, SETTING_PORT, &l->error));
}

static void secrets_are_never_shown(void **state) {
  struct loaded *l = *state;
  assert_true(load(l, NULL, "TOLLGATE_MASTER_KEY=" MASTER, "TOLLGATE_ADMIN_KEY=tlgad_live_x"));
  assert_string_equal(shown(l, SETTING_MASTER_KEY), "*** (set)");
  assert_string_equal(shown(l, SETTING_ADMIN_KEY), "*** (set)");
}

static void passwords_in_addresses_are_never_shown(void **state) {
  static const char *const pairs[][2] = {
      {"postgresql://u:hunter2@h:5432/d", "postgresql://u:***@h:5432/d"},
      {"postgresql://u:hun@ter2@h/d", "postgresql://u:***@h/d"},
      {"postgresql://u@h:5432/d", "postgresql://u@h:5432/d"},
      {"postgresql:///d?host=/run&user=u", "postgresql:///d?host=/run&user=u"},
      {"postgresql:///d?password=hunter2&user=u", "postgresql:///d?password=***&user=u"},
      {"postgresql://u:a@h/d?sslpassword=b", "postgresql://u:***@h/d?sslpassword=***"},
      {"postgresql://u:pa?ss@h/d", "postgresql://u:***@h/d"},
      {"postgresql://u:pa@ss@h/d", "postgresql://u:***@h/d"},
      {"postgresql://u@h/d?pass%77ord=hunter2&sslmode=require", "postgresql://u@h/d?pass%77ord=***&sslmode=require"},
  };
  struct loaded *l = *state;
  for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
    char variable[256];
    (void)snprintf(variable, sizeof variable, "DATABASE_URL=%s", pairs[i][0]);
    assert_true(load(l, NULL, variable, NULL));
    assert_string_equal(shown(l, SETTING_DATABASE_URL), pairs[i][1]);
    config_finish(&l->config);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nothing_given_means_the_defaults),
      TEST(every_default_and_every_example_passes_its_own_check),
      TEST(the_environment_goes_before_the_file),
      TEST(tollgate_config_names_the_file),
      TEST(an_empty_variable_counts_as_not_given),
      TEST(a_wrong_value_is_refused_with_its_name_the_problem_and_an_example),
      TEST(what_stripe_could_not_have_given_out_is_refused),
      TEST(ranges_and_schedules_are_lists),
      TEST(what_stripe_gives_out_is_taken_and_never_shown),
      TEST(all_wrong_values_are_told_at_once),
      TEST(a_refused_secret_is_not_repeated),
      TEST(a_file_with_an_unknown_name_is_refused_with_a_suggestion),
      TEST(a_file_line_without_a_value_is_refused_by_number),
      TEST(of_too_many_wrong_lines_whole_ones_are_told_and_that_there_are_more),
      TEST(a_file_that_is_not_there_is_refused),
      TEST(an_unknown_variable_of_ours_is_a_warning),
      TEST(the_other_database_addresses_follow_the_first),
      TEST(what_has_no_default_can_be_required),
      TEST(secrets_are_never_shown),
      TEST(passwords_in_addresses_are_never_shown),
  };
  return crypto_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
