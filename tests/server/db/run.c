// What a failure is, and what a connection is worth after it.
#include "fixture.h"

static struct db *db;

static int begin(void **state) {
  (void)state;
  db = connect_bare();
  assert_int_equal(
      db_exec(db, "DROP TABLE IF EXISTS things CASCADE; CREATE TABLE things (n bigint PRIMARY KEY CHECK (n > 0))"), 0);
  return 0;
}

static int end(void **state) {
  (void)state;
  db_destroy(db);
  return 0;
}

static int insert(int64_t n) {
  struct db_params p;
  db_params_init(&p);
  db_param_i64(&p, n);
  int r = db_query_params(db, "INSERT INTO things VALUES ($1::bigint)", &p, NULL);
  db_params_finish(&p);
  return r;
}

static int64_t things(void) {
  struct db *other = connect_bare();
  int64_t n = number(other, "SELECT count(*) FROM things");
  db_destroy(other);
  return n;
}

static void a_constraint_is_an_answer_and_the_connection_stays_well(void **state) {
  (void)state;
  assert_int_equal(insert(1), 0);
  assert_int_equal(insert(1), 1);
  assert_string_equal(db_sqlstate(db), "23505");
  assert_non_null(strstr(db_error(db), "duplicate key"));
  assert_int_equal(insert(-1), 1);
  assert_string_equal(db_sqlstate(db), "23514");
  assert_false(db_is_transient(db));
  assert_true(db_alive(db));
  assert_int_equal(insert(2), 0);
  assert_int_equal(things(), 2);
}

static void a_failed_statement_gives_no_result(void **state) {
  (void)state;
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, "SELECT 1 / 0", &r), 1);
  assert_null(r);
  assert_int_equal(db_rows(r), 0);
}

static void a_transaction_is_there_after_its_commit_only(void **state) {
  (void)state;
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(insert(1), 0);
  assert_int_equal(things(), 0);
  assert_int_equal(db_commit(db), 0);
  assert_int_equal(things(), 1);
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(insert(2), 0);
  db_rollback(db);
  assert_int_equal(things(), 1);
}

static void a_rollback_where_nothing_is_open_is_harmless(void **state) {
  (void)state;
  db_rollback(db);
  db_rollback(db);
  assert_int_equal(insert(1), 0);
  assert_int_equal(things(), 1);
}

static void a_commit_answered_with_rollback_is_a_fault(void **state) {
  (void)state;
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(insert(1), 0);
  assert_int_equal(insert(1), 1);
  assert_int_equal(db_commit(db), FAULT_DB);
  assert_true(db_alive(db));
  assert_int_equal(things(), 0);
}

static void a_commit_that_a_constraint_refuses_is_decided(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, "ALTER TABLE things ADD COLUMN other bigint UNIQUE DEFERRABLE INITIALLY DEFERRED"), 0);
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(db_exec(db, "INSERT INTO things VALUES (1, 1); INSERT INTO things VALUES (2, 1)"), 0);
  assert_int_equal(db_commit(db), FAULT_DB);
  assert_string_equal(db_sqlstate(db), "23505");
  assert_true(db_alive(db));
  assert_int_equal(things(), 0);
}

static void a_commit_whose_answer_is_lost_is_unknown(void **state) {
  (void)state;
  static const char dies_at_commit[] =
      "CREATE OR REPLACE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
      "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$;"
      "CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE "
      "FUNCTION die()";
  assert_int_equal(db_exec(db, dies_at_commit), 0);
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(insert(1), 0);
  assert_int_equal(db_commit(db), FAULT_DB_UNKNOWN);
  assert_false(db_alive(db));
}

static void a_backend_ended_in_a_transaction_is_a_fault(void **state) {
  (void)state;
  int64_t pid = number(db, "SELECT pg_backend_pid()");
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(insert(1), 0);
  terminate(pid);
  assert_int_equal(insert(2), FAULT_DB);
  assert_false(db_alive(db));
  assert_true(db_is_transient(db));
  assert_true(strlen(db_error(db)) > 0);
  assert_int_equal(insert(3), FAULT_DB);
  assert_int_equal(db_begin(db), FAULT_DB);
  assert_int_equal(db_commit(db), FAULT_DB); // never sent: known to have done nothing
  db_rollback(db);
  assert_int_equal(db_exec(db, "SELECT 1"), FAULT_DB);
  assert_int_equal(things(), 0);
}

static void a_connection_closed_while_idle_is_noticed_before_its_use(void **state) {
  (void)state;
  int64_t pid = number(db, "SELECT pg_backend_pid()");
  assert_true(db_alive(db));
  terminate(pid);
  assert_false(db_alive(db));
}

static void a_silent_server_is_given_up_at_the_deadline(void **state) {
  (void)state;
  db_send_sql(db, "sleep", "SELECT pg_sleep(20)", NULL);
  assert_int_equal(db_collect(db, db_deadline(200), NULL), FAULT_DB);
  assert_false(db_alive(db));
  assert_non_null(strstr(db_error(db), "in time"));
}

static void a_lock_not_had_in_time_is_an_answer_worth_another_try(void **state) {
  (void)state;
  struct db *other = connect_bare();
  assert_int_equal(insert(1), 0);
  assert_int_equal(db_begin(other), 0);
  assert_int_equal(db_exec(other, "LOCK TABLE things"), 0);
  assert_int_equal(db_exec(db, "SET lock_timeout = 50"), 0);
  assert_int_equal(insert(2), 1);
  assert_string_equal(db_sqlstate(db), "55P03");
  assert_true(db_is_transient(db));
  db_destroy(other);
}

static void plain_sql_runs_several_statements_or_none(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, "INSERT INTO things VALUES (1); INSERT INTO things VALUES (2)"), 0);
  assert_int_equal(things(), 2);
  assert_int_equal(db_exec(db, "INSERT INTO things VALUES (3); INSERT INTO things VALUES (2)"), 1);
  assert_string_equal(db_sqlstate(db), "23505");
  assert_int_equal(things(), 2);
  assert_int_equal(insert(4), 0);
}

static void a_copy_is_refused_and_never_waited_for(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, "COPY things FROM STDIN"), FAULT_DB);
  assert_false(db_alive(db));
}

static void messages_are_one_line(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, "DO $$ BEGIN RAISE EXCEPTION E'one\\n\\ttwo\\n'; END $$"), 1);
  assert_null(strpbrk(db_error(db), "\n\t"));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
  const struct CMUnitTest tests[] = {
      TEST(a_constraint_is_an_answer_and_the_connection_stays_well),
      TEST(a_failed_statement_gives_no_result),
      TEST(a_transaction_is_there_after_its_commit_only),
      TEST(a_rollback_where_nothing_is_open_is_harmless),
      TEST(a_commit_answered_with_rollback_is_a_fault),
      TEST(a_commit_that_a_constraint_refuses_is_decided),
      TEST(a_commit_whose_answer_is_lost_is_unknown),
      TEST(a_backend_ended_in_a_transaction_is_a_fault),
      TEST(a_connection_closed_while_idle_is_noticed_before_its_use),
      TEST(a_silent_server_is_given_up_at_the_deadline),
      TEST(a_lock_not_had_in_time_is_an_answer_worth_another_try),
      TEST(plain_sql_runs_several_statements_or_none),
      TEST(a_copy_is_refused_and_never_waited_for),
      TEST(messages_are_one_line),
  };
  return cmocka_run_group_tests(tests, cluster_up, cluster_down);
}
