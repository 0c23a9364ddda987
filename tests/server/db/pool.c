// Jobs run, whatever the database does; they hear of its absence as NULL, and the pool finds back by itself.
#include "db/pool.h"
#include "base/clock.h"
#include "fixture.h"
#include <pthread.h>
#include <stdatomic.h>

#define OTHERS "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"

static atomic_int with_db, without_db, failed;

static int begin(void **state) {
  (void)state;
  with_db = without_db = failed = 0;
  return 0;
}

static void count_job(struct db *db, void *arg) {
  (void)arg;
  if (!db)
    without_db++;
  else if (db_query(db, "SELECT 1", NULL) == 0)
    with_db++;
  else
    failed++;
}

static bool wait_until(bool (*done)(const void *arg), const void *arg, int ms) {
  for (int64_t end = clock_mono_us() + ms * INT64_C(1000); clock_mono_us() < end; usleep(2000))
    if (done(arg)) return true;
  return done(arg);
}

static bool is_up(const void *pool) {
  return db_pool_up(pool);
}
static bool is_away(const void *pool) {
  return !db_pool_up(pool);
}
static bool all_done(const void *count) {
  return with_db + without_db + failed == *(const int *)count;
}

static void every_job_runs_once_with_a_connection(void **state) {
  (void)state;
  struct db_pool *pool = db_pool_create(cluster.url, 4, 1000);
  for (int i = 0; i < 1000; i++) assert_int_equal(db_submit(pool, count_job, NULL), 0);
  db_pool_destroy(pool); // finishes what is queued
  assert_int_equal(with_db, 1000);
}

static void the_connection_is_opened_before_the_first_job(void **state) {
  (void)state;
  struct db_pool *pool = db_pool_create(cluster.url, 1, 10);
  assert_true(wait_until(is_up, pool, 20000));
  db_pool_destroy(pool);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void wait_job(struct db *db, void *arg) {
  (void)db;
  atomic_fetch_add((atomic_int *)arg, 1);
  pthread_mutex_lock(&gate);
  pthread_mutex_unlock(&gate);
}

static void a_full_queue_is_an_answer(void **state) {
  (void)state;
  atomic_int started = 0;
  struct db_pool *pool = db_pool_create(cluster.url, 1, 2);
  pthread_mutex_lock(&gate);
  assert_int_equal(db_submit(pool, wait_job, &started), 0);
  while (!started) usleep(1000);
  assert_int_equal(db_submit(pool, count_job, NULL), 0);
  assert_int_equal(db_submit(pool, count_job, NULL), 0);
  assert_int_equal(db_submit(pool, count_job, NULL), FAULT_FULL);
  pthread_mutex_unlock(&gate);
  db_pool_destroy(pool);
  assert_int_equal(with_db, 2);
}

static void leave_open_job(struct db *db, void *arg) {
  (void)arg;
  assert_int_equal(db_begin(db), 0);
}

static void what_a_job_leaves_open_is_rolled_back(void **state) {
  (void)state;
  struct db_pool *pool = db_pool_create(cluster.url, 1, 10);
  for (int i = 0; i < 3; i++) assert_int_equal(db_submit(pool, leave_open_job, NULL), 0);
  int one = 1;
  assert_int_equal(db_submit(pool, count_job, NULL), 0);
  assert_true(wait_until(all_done, &one, 20000));
  struct db *db = connect_bare();
  assert_int_equal(number(db, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"), 0);
  db_destroy(db);
  db_pool_destroy(pool);
  assert_int_equal(with_db, 1);
}

static void jobs_hear_of_an_absence_at_once_and_the_pool_comes_back(void **state) {
  (void)state;
  struct db_pool *pool = db_pool_create(cluster.url, 3, 100);
  assert_true(wait_until(is_up, pool, 20000));
  cluster_stop_immediate(&cluster);
  assert_true(wait_until(is_away, pool, 20000)); // no job asked for it
  int64_t start = clock_mono_us();
  int twenty = 20, forty = 40;
  for (int i = 0; i < 20; i++) assert_int_equal(db_submit(pool, count_job, NULL), 0);
  assert_true(wait_until(all_done, &twenty, 20000));
  assert_true(clock_mono_us() - start < 8000000); // each of them trying for itself would take longer
  assert_int_equal(without_db, 20);
  cluster_launch(&cluster);
  assert_true(wait_until(is_up, pool, 20000)); // nor for this
  for (int i = 0; i < 20; i++) assert_int_equal(db_submit(pool, count_job, NULL), 0);
  assert_true(wait_until(all_done, &forty, 20000));
  assert_int_equal(with_db, 20);
  db_pool_destroy(pool);
}

static void a_restart_between_two_jobs_costs_no_job(void **state) {
  (void)state;
  struct db_pool *pool = db_pool_create(cluster.url, 1, 10);
  assert_int_equal(db_submit(pool, count_job, NULL), 0);
  int one = 1, two = 2;
  assert_true(wait_until(all_done, &one, 20000));
  struct db *db = connect_bare();
  assert_int_equal(db_query(db, "SELECT pg_terminate_backend(pid, 5000) " OTHERS, NULL), 0);
  db_destroy(db);
  assert_int_equal(db_submit(pool, count_job, NULL), 0);
  assert_true(wait_until(all_done, &two, 20000));
  assert_int_equal(with_db, 2);
  db_pool_destroy(pool);
}

static bool three_run(const void *running) {
  return atomic_load((const atomic_int *)running) == 3;
}

// A thread without a connection takes no job while others have one: three at once have three.
static void wait_for_three(struct db_pool *pool) {
  atomic_int running = 0;
  assert_true(wait_until(is_up, pool, 20000));
  pthread_mutex_lock(&gate);
  for (int i = 0; i < 3; i++) assert_int_equal(db_submit(pool, wait_job, &running), 0);
  bool met = wait_until(three_run, &running, 20000);
  pthread_mutex_unlock(&gate);
  assert_true(met);
}

// With no database to be had for a new connection, one of three is ended.
static void who_has_lost_its_connection_leaves_the_jobs_to_others(void **state) {
  (void)state;
  struct db *db = connect_bare();
  struct db_pool *pool = db_pool_create(cluster.url, 3, 100);
  wait_for_three(pool);
  assert_int_equal(db_query(db, "UPDATE pg_database SET datallowconn = false WHERE datname = current_database()", NULL), 0);
  assert_int_equal(db_query(db, "SELECT pg_terminate_backend(min(pid), 5000) " OTHERS, NULL), 0);
  for (int i = 1; i <= 50; i++) {
    assert_int_equal(db_submit(pool, count_job, NULL), 0);
    if (i % 10 == 0) assert_true(wait_until(all_done, &i, 20000));
  }
  assert_int_equal(with_db, 50);
  assert_true(db_pool_up(pool));
  assert_int_equal(db_query(db, "UPDATE pg_database SET datallowconn = true WHERE datname = current_database()", NULL), 0);
  wait_for_three(pool);
  db_destroy(db);
  db_pool_destroy(pool);
}

static void a_pool_without_a_database_ends_in_time(void **state) {
  (void)state;
  struct db_pool *pool = db_pool_create("postgresql:///x?host=/nowhere", 4, 100);
  for (int i = 0; i < 50; i++) assert_int_equal(db_submit(pool, count_job, NULL), 0);
  int64_t start = clock_mono_us();
  db_pool_destroy(pool);
  assert_true(clock_mono_us() - start < 20000000); // each with a time limit of its own would take minutes
  assert_int_equal(without_db, 50);
  db_pool_destroy(NULL);
}

static int group_up(void **state) {
  cluster_up(state);
  cluster_migrate(&cluster);
  log_open(LOG_ERROR + 1, true);
  return 0;
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, begin)
  const struct CMUnitTest tests[] = {
      TEST(every_job_runs_once_with_a_connection),
      TEST(the_connection_is_opened_before_the_first_job),
      TEST(a_full_queue_is_an_answer),
      TEST(what_a_job_leaves_open_is_rolled_back),
      TEST(jobs_hear_of_an_absence_at_once_and_the_pool_comes_back),
      TEST(a_restart_between_two_jobs_costs_no_job),
      TEST(who_has_lost_its_connection_leaves_the_jobs_to_others),
      TEST(a_pool_without_a_database_ends_in_time),
  };
  return cmocka_run_group_tests(tests, group_up, cluster_down);
}
