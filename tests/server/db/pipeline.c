// Batches in one trip: all or nothing, in order, however big, and only the tag COMMIT is success.
#include "base/clock.h"
#include "base/mem.h"
#include "fixture.h"

static struct db *db;
static struct db_result *results[DB_PIPELINE_MAX];
static size_t count;

static int begin(void **state) {
  (void)state;
  db = connect_bare();
  assert_int_equal(db_exec(db, "DROP TABLE IF EXISTS things; CREATE TABLE things (n bigint PRIMARY KEY)"), 0);
  count = 0;
  return 0;
}

static void results_drop(void) {
  for (size_t i = 0; i < count; i++) db_result_finish(results[i]);
  count = 0;
}

static int end(void **state) {
  (void)state;
  results_drop();
  db_destroy(db);
  return 0;
}

static void queue_insert(int64_t n) {
  struct db_params p;
  db_params_init(&p);
  db_param_i64(&p, n);
  db_send_sql(db, "insert_thing", "INSERT INTO things VALUES ($1::bigint) RETURNING n", &p);
  db_params_finish(&p);
}

static int flush(void) {
  results_drop();
  return db_pipe_flush(db, results, &count);
}

static int64_t things(void) {
  return number(db, "SELECT count(*) FROM things");
}

static void results_come_in_the_order_of_the_statements(void **state) {
  (void)state;
  db_pipe_begin(db);
  for (int64_t i = 1; i <= 20; i++) queue_insert(i * 10);
  db_pipe_commit(db);
  assert_int_equal(flush(), 0);
  assert_true(db_pipe_committed(db));
  assert_int_equal(count, 22);
  for (size_t i = 1; i <= 20; i++) assert_int_equal(db_i64(results[i], 0, 0), i * 10);
  assert_int_equal(things(), 20);
}

static void a_transaction_may_take_two_trips(void **state) {
  (void)state;
  db_pipe_begin(db);
  queue_insert(1);
  assert_int_equal(flush(), 0);
  assert_false(db_pipe_committed(db));
  queue_insert(2);
  db_pipe_commit(db);
  assert_int_equal(flush(), 0);
  assert_true(db_pipe_committed(db));
  assert_int_equal(things(), 2);
}

static void a_failure_takes_what_is_behind_it_and_leaves_nothing(void **state) {
  (void)state;
  db_pipe_begin(db);
  queue_insert(1);
  queue_insert(1);
  queue_insert(2);
  db_pipe_commit(db);
  assert_int_equal(flush(), 1);
  assert_false(db_pipe_committed(db));
  assert_string_equal(db_sqlstate(db), "23505");
  assert_non_null(strstr(db_error(db), "insert_thing"));
  assert_int_equal(count, 5);
  assert_non_null(results[0]);
  assert_non_null(results[1]);
  for (size_t i = 2; i < 5; i++) assert_null(results[i]);
  db_pipe_rollback(db);
  assert_string_equal(db_sqlstate(db), "23505"); // what led here is still told
  assert_true(db_alive(db));
  assert_int_equal(things(), 0);
  db_pipe_begin(db);
  queue_insert(3);
  db_pipe_commit(db);
  assert_int_equal(flush(), 0);
  assert_true(db_pipe_committed(db));
}

static void a_commit_answered_with_rollback_did_not_commit(void **state) {
  (void)state;
  db_pipe_begin(db);
  queue_insert(1);
  queue_insert(1);
  assert_int_equal(flush(), 1);
  db_pipe_commit(db);
  assert_int_equal(flush(), 0); // no error at all
  assert_false(db_pipe_committed(db));
  assert_int_equal(things(), 0);
}

static void a_rollback_drops_what_was_queued_with_it(void **state) {
  (void)state;
  db_pipe_begin(db);
  queue_insert(1);
  db_pipe_rollback(db);
  assert_int_equal(things(), 0);
  db_pipe_rollback(db);
  assert_int_equal(things(), 0);
}

static void single_statements_go_between_batches(void **state) {
  (void)state;
  db_pipe_begin(db);
  queue_insert(1);
  assert_int_equal(flush(), 0);
  assert_int_equal(things(), 1); // in the same transaction
  assert_int_equal(db_exec(db, "INSERT INTO things VALUES (2); INSERT INTO things VALUES (3)"), 0);
  db_pipe_commit(db);
  assert_int_equal(flush(), 0);
  assert_true(db_pipe_committed(db));
  assert_int_equal(things(), 3);
}

// ---- statements that the session does not have yet: prepared in the trip that runs them

#define CATALOGUE "CREATE TABLE catalogue (version bigint); INSERT INTO catalogue VALUES (7)"

static int end_with_catalogue(void **state) {
  assert_int_equal(db_exec(db, "DROP TABLE IF EXISTS catalogue"), 0);
  return end(state);
}

static void what_prepares_has_no_place_among_the_results(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, CATALOGUE), 0);
  for (int i = 0; i < 2; i++) { // new, then known
    db_pipe_begin(db);
    db_pipe_exec(db, STATEMENT_BOOK_VERSION, NULL);
    queue_insert(i);
    db_pipe_exec(db, STATEMENT_CATALOGUE_BUMP, NULL);
    db_pipe_exec(db, STATEMENT_BOOK_VERSION, NULL);
    db_pipe_commit(db);
    assert_int_equal(flush(), 0);
    assert_true(db_pipe_committed(db));
    assert_int_equal(count, 6);
    assert_int_equal(db_i64(results[1], 0, 0), 7 + i);
    assert_int_equal(db_i64(results[2], 0, 0), i);
    assert_int_equal(db_affected(results[3]), 1);
    assert_int_equal(db_i64(results[4], 0, 0), 8 + i);
  }
  assert_int_equal(number(db, "SELECT count(*) FROM pg_prepared_statements"), 2);
}

static void a_full_pipeline_of_new_statements_is_one_trip(void **state) {
  (void)state;
  for (int i = 0; i < DB_PIPELINE_MAX; i++) db_pipe_exec(db, (enum statement_id)i, NULL);
  assert_int_equal(flush(), 1); // of tables that are not there
  assert_int_equal(count, DB_PIPELINE_MAX);
  for (int i = 0; i < DB_PIPELINE_MAX; i++) assert_null(results[i]);
  assert_true(db_alive(db));
}

static void what_a_failure_kept_from_being_prepared_is_prepared_when_it_runs_again(void **state) {
  (void)state;
  assert_int_equal(db_exec(db, CATALOGUE), 0);
  db_pipe_begin(db);
  db_pipe_exec(db, STATEMENT_BOOK_VERSION, NULL);
  queue_insert(1);
  queue_insert(1);
  db_pipe_exec(db, STATEMENT_CATALOGUE_BUMP, NULL);
  assert_int_equal(flush(), 1);
  db_pipe_rollback(db); // takes with it no statement that is there
  db_pipe_exec(db, STATEMENT_BOOK_VERSION, NULL);
  db_pipe_exec(db, STATEMENT_CATALOGUE_BUMP, NULL);
  assert_int_equal(flush(), 0);
  assert_int_equal(db_i64(results[0], 0, 0), 7);
}

static void a_statement_that_cannot_be_prepared_is_an_answer_until_it_can(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(db_run(db, STATEMENT_BOOK_VERSION, NULL, NULL), 1);
    assert_string_equal(db_sqlstate(db), "42P01");
    assert_non_null(strstr(db_error(db), "book_version"));
    assert_true(db_alive(db));
  }
  assert_int_equal(db_exec(db, CATALOGUE), 0);
  assert_int_equal(db_run(db, STATEMENT_BOOK_VERSION, NULL, NULL), 0);
}

static void a_way_back_out_of_a_failed_transaction_may_be_new(void **state) {
  (void)state;
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(db_run(db, STATEMENT_WORKER_SAVE, NULL, NULL), 0);
  assert_int_equal(db_query(db, "SELECT 1 / 0", NULL), 1);
  assert_int_equal(db_run(db, STATEMENT_WORKER_BACK, NULL, NULL), 0);
  assert_int_equal(things(), 0);
  assert_int_equal(db_commit(db), 0);
}

// ---- how much, and how it ends

// More in both directions than any socket holds: whoever only writes or only reads would wait for ever.
static void a_batch_of_any_size_goes_through(void **state) {
  (void)state;
  size_t size = 512 * 1024;
  char *big = mem_alloc(size);
  memset(big, 'x', size);
  struct db_params p;
  db_params_init(&p);
  db_param_text(&p, (struct str){big, size});
  for (int i = 0; i < DB_PIPELINE_MAX; i++) db_send_sql(db, "echo", "SELECT $1::text", &p);
  assert_int_equal(flush(), 0);
  for (size_t i = 0; i < DB_PIPELINE_MAX; i++) assert_int_equal(db_text(results[i], 0, 0).len, size);
  db_params_finish(&p);
  mem_free(big);
}

static void a_backend_that_is_gone_is_a_fault(void **state) {
  (void)state;
  int64_t pid = number(db, "SELECT pg_backend_pid()");
  db_pipe_begin(db);
  queue_insert(1);
  assert_int_equal(flush(), 0);
  terminate(pid);
  queue_insert(2);
  db_pipe_commit(db);
  assert_int_equal(flush(), FAULT_DB);
  assert_false(db_pipe_committed(db));
  assert_false(db_alive(db));
  db_pipe_rollback(db);
  db_pipe_begin(db);
  assert_int_equal(flush(), FAULT_DB);
}

static void a_backend_that_dies_in_the_batch_is_a_fault(void **state) {
  (void)state;
  db_pipe_begin(db);
  queue_insert(1);
  db_send_sql(db, "die", "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)", NULL);
  queue_insert(2);
  db_pipe_commit(db);
  assert_int_equal(flush(), FAULT_DB);
  assert_false(db_alive(db));
  assert_true(db_is_transient(db));
  assert_non_null(results[1]);
  for (size_t i = 2; i < count; i++) assert_null(results[i]);
}

static void a_single_client_waits_for_no_timer(void **state) {
  (void)state;
  int64_t best = INT64_MAX;
  for (int64_t i = 0; i < 50; i++) {
    int64_t start = clock_mono_us();
    db_pipe_begin(db);
    queue_insert(i);
    db_pipe_commit(db);
    assert_int_equal(flush(), 0);
    int64_t took = clock_mono_us() - start;
    if (took < best) best = took;
  }
  assert_true(best < 20000);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define WITH_CATALOGUE(f) cmocka_unit_test_setup_teardown(f, begin, end_with_catalogue)
  const struct CMUnitTest tests[] = {
      TEST(results_come_in_the_order_of_the_statements),
      TEST(a_transaction_may_take_two_trips),
      TEST(a_failure_takes_what_is_behind_it_and_leaves_nothing),
      TEST(a_commit_answered_with_rollback_did_not_commit),
      TEST(a_rollback_drops_what_was_queued_with_it),
      TEST(single_statements_go_between_batches),
      WITH_CATALOGUE(what_prepares_has_no_place_among_the_results),
      TEST(a_full_pipeline_of_new_statements_is_one_trip),
      WITH_CATALOGUE(what_a_failure_kept_from_being_prepared_is_prepared_when_it_runs_again),
      WITH_CATALOGUE(a_statement_that_cannot_be_prepared_is_an_answer_until_it_can),
      TEST(a_way_back_out_of_a_failed_transaction_may_be_new),
      TEST(a_batch_of_any_size_goes_through),
      TEST(a_backend_that_is_gone_is_a_fault),
      TEST(a_backend_that_dies_in_the_batch_is_a_fault),
      TEST(a_single_client_waits_for_no_timer),
  };
  return cmocka_run_group_tests(tests, cluster_up, cluster_down);
}
