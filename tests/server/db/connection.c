// Which servers this service works with, what it sets there, and what a failure to connect may say.
#include "fixture.h"

static char text[1024];

static const char *with(const char *url, const char *more) {
  (void)snprintf(text, sizeof text, "%s%s", url, more);
  return text;
}

static void assert_refused(const char *url, const char *why) {
  struct buf error;
  buf_init(&error, 512);
  assert_null(db_connect_bare(url, &error));
  if (!strstr(buf_cstr(&error), why)) print_error("%s\n", buf_cstr(&error));
  assert_non_null(strstr(buf_cstr(&error), why));
  assert_null(strstr(buf_cstr(&error), "secret"));
  assert_null(strchr(buf_cstr(&error), '\n'));
  buf_finish(&error);
}

static void setting_is(struct db *db, const char *name, const char *wanted) {
  char sql[128];
  struct db_result *r = NULL;
  (void)snprintf(sql, sizeof sql, "SELECT current_setting('%s')", name);
  assert_int_equal(db_query(db, sql, &r), 0);
  assert_text(db_text(r, 0, 0), wanted);
  db_result_finish(r);
}

static void a_failure_is_told_in_a_sentence_without_the_password(void **state) {
  (void)state;
  assert_refused("postgresql://user:secret@127.0.0.1:1/x", "Connection refused");
  assert_refused("postgresql://user:secret@[::1/x", "cannot be read");
  assert_refused("postgresql://user:secret@host:x%zz/y?secret", "cannot be read");
  assert_refused("secret", "cannot be read");
  assert_refused("postgresql:///secret?host=/nowhere", "No such file");
  assert_refused(with(cluster.url, "&password=secret&dbname=absent"), "does not exist");
}

// The whole text is the password here, so all of it goes.
static void a_message_that_repeats_the_password_loses_it(void **state) {
  (void)state;
  assert_refused("postgresql://secret:secret@127.0.0.1:1/x?application_name=secret", "refused");
}

static void the_session_gets_its_bounds(void **state) {
  (void)state;
  cluster_migrate(&cluster);
  struct db *db = db_connect(cluster.url, 4321, 1234, 2345, NULL);
  assert_non_null(db);
  setting_is(db, "statement_timeout", "4321ms");
  setting_is(db, "lock_timeout", "1234ms");
  setting_is(db, "idle_in_transaction_session_timeout", "2345ms");
  setting_is(db, "client_connection_check_interval", "1s");
  setting_is(db, "client_encoding", "UTF8");
  setting_is(db, "TimeZone", "UTC");
  setting_is(db, "application_name", "tollgate");
  assert_true(db_socket(db) >= 0);
  assert_int_equal(db_query(db, "SELECT pg_sleep(20)", NULL), 1);
  assert_string_equal(db_sqlstate(db), "57014");
  assert_true(db_is_transient(db));
  assert_true(db_alive(db));
  db_destroy(db);
}

static void no_commit_is_answered_before_it_is_durable(void **state) {
  (void)state;
  struct db *db = db_connect_bare(with(cluster.url, "&options=-csynchronous_commit%3Doff"), NULL);
  assert_non_null(db);
  setting_is(db, "synchronous_commit", "on");
  db_destroy(db);
  db = db_connect_bare(with(cluster.url, "&options=-csynchronous_commit%3Dremote_apply"), NULL);
  assert_non_null(db);
  setting_is(db, "synchronous_commit", "remote_apply");
  db_destroy(db);
}

static const char *option(struct db *db, const char *keyword) {
  static char value[64];
  PQconninfoOption *all = PQconninfo(db->conn);
  for (PQconninfoOption *o = all; o->keyword; o++)
    if (strcmp(o->keyword, keyword) == 0) (void)snprintf(value, sizeof value, "%s", o->val ? o->val : "");
  PQconninfoFree(all);
  return value;
}

static void the_url_is_asked_before_the_defaults(void **state) {
  (void)state;
  struct db *db = connect_bare();
  assert_string_equal(option(db, "connect_timeout"), "3");
  assert_string_equal(option(db, "tcp_user_timeout"), "5000");
  assert_string_equal(option(db, "keepalives_idle"), "5");
  db_destroy(db);
  db = db_connect_bare(
      with(cluster.url, "&connect_timeout=9&tcp_user_timeout=7000&application_name=mine&client_encoding=LATIN1"), NULL);
  assert_string_equal(option(db, "connect_timeout"), "9");
  assert_string_equal(option(db, "tcp_user_timeout"), "7000");
  setting_is(db, "application_name", "mine");
  setting_is(db, "client_encoding", "UTF8");
  db_destroy(db);
}

static int64_t prepared(struct db *db) {
  return number(db, "SELECT count(*) FROM pg_prepared_statements");
}

static void a_session_prepares_a_statement_when_it_first_runs_it(void **state) {
  (void)state;
  cluster_migrate(&cluster);
  struct db *db = db_connect(cluster.url, 1000, 1000, 1000, NULL);
  assert_non_null(db);
  assert_int_equal(prepared(db), 0);
  for (int i = 0; i < 2; i++) assert_int_equal(db_run(db, STATEMENT_BOOK_VERSION, NULL, NULL), 0);
  assert_int_equal(prepared(db), 1);
  assert_int_equal(db_prepare_all(db), 0); // what is there already is no fault
  assert_int_equal(prepared(db), STATEMENT_COUNT);
  assert_int_equal(db_prepare_all(db), 0);
  assert_int_equal(db_run(db, STATEMENT_BOOK_VERSION, NULL, NULL), 0);
  db_destroy(db);
}

static void a_statement_that_does_not_fit_the_database_is_named(void **state) {
  (void)state;
  struct db *db = connect_bare();
  assert_int_equal(db_exec(db, "CREATE DATABASE empty"), 0);
  db_destroy(db);
  db = db_connect_bare(with(cluster.url, "&dbname=empty"), NULL);
  assert_non_null(db);
  assert_int_equal(db_prepare_all(db), 1);
  assert_non_null(strstr(db_error(db), statement_table[0].name));
  assert_non_null(strstr(db_error(db), "does not exist"));
  db_destroy(db);
}

static void a_database_of_another_encoding_is_refused(void **state) {
  (void)state;
  struct db *db = connect_bare();
  assert_int_equal(db_exec(db, "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"), 0);
  db_destroy(db);
  assert_refused(with(cluster.url, "&dbname=ascii"), "encoding is not UTF8");
}

static void a_standby_is_refused_unless_the_url_asks_for_one(void **state) {
  (void)state;
  char path[128], url[128];
  (void)snprintf(url, sizeof url, "%.127s", cluster.url);
  (void)snprintf(path, sizeof path, "%s/data/standby.signal", cluster.folder);
  cluster_stop(&cluster, SIGINT);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_int_equal(fclose(f), 0);
  (void)snprintf(cluster.url, sizeof cluster.url, "%s&target_session_attrs=prefer-standby", url);
  cluster_launch(&cluster); // waits until it answers, as a standby
  assert_refused(url, "read-only");
  assert_refused(with(url, "&target_session_attrs=any"), "standby");
  cluster_stop(&cluster, SIGINT);
  assert_int_equal(remove(path), 0);
  (void)snprintf(cluster.url, sizeof cluster.url, "%s", url);
  cluster_launch(&cluster);
}

static void nothing_is_printed_for_a_notice(void **state) {
  (void)state;
  struct db *db = connect_bare();
  int before = dup(STDERR_FILENO), ends[2];
  char byte;
  assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
  assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
  int answer = db_exec(db, "DO $$ BEGIN RAISE WARNING 'heard by nobody'; END $$");
  assert_true(dup2(before, STDERR_FILENO) >= 0);
  assert_int_equal(answer, 0);
  assert_int_equal(read(ends[0], &byte, 1), -1);
  (void)close(before), (void)close(ends[0]), (void)close(ends[1]);
  db_destroy(db);
}

static void nothing_can_be_destroyed_too(void **state) {
  (void)state;
  db_destroy(NULL);
  db_result_finish(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_failure_is_told_in_a_sentence_without_the_password),
      cmocka_unit_test(a_message_that_repeats_the_password_loses_it),
      cmocka_unit_test(the_session_gets_its_bounds),
      cmocka_unit_test(no_commit_is_answered_before_it_is_durable),
      cmocka_unit_test(the_url_is_asked_before_the_defaults),
      cmocka_unit_test(a_session_prepares_a_statement_when_it_first_runs_it),
      cmocka_unit_test(a_statement_that_does_not_fit_the_database_is_named),
      cmocka_unit_test(a_database_of_another_encoding_is_refused),
      cmocka_unit_test(a_standby_is_refused_unless_the_url_asks_for_one),
      cmocka_unit_test(nothing_is_printed_for_a_notice),
      cmocka_unit_test(nothing_can_be_destroyed_too),
  };
  return cmocka_run_group_tests(tests, cluster_up, cluster_down);
}
