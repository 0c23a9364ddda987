// Each step happens once, whole and in order, however many instances start and wherever one of them dies.
#include "base/clock.h"
#include "db/step.h"
#include "fixture.h"
#include <pthread.h>
#include <stdatomic.h>

#define STEP(path, sql)                                                                                                \
  { path, sql, sizeof(sql) - 1 }
static const struct embedded_file three[] = {
    STEP("migrations/0001_first.sql", "CREATE TABLE first (n bigint); INSERT INTO first VALUES (1);"),
    STEP("migrations/0002_second.sql", "ALTER TABLE first ADD COLUMN m bigint; CREATE TABLE second (n bigint)"),
    STEP("migrations/0003_third.sql", "INSERT INTO second SELECT n FROM first"),
    STEP("api/openapi.yaml", "not a step"),
    {0, 0, 0},
};
static const struct embedded_file two[] = {
    STEP("migrations/0001_first.sql", "CREATE TABLE first (n bigint); INSERT INTO first VALUES (1);"),
    STEP("migrations/0002_second.sql", "ALTER TABLE first ADD COLUMN m bigint; CREATE TABLE second (n bigint)"),
    {0, 0, 0},
};
static const struct embedded_file changed[] = {
    STEP("migrations/0001_first.sql", "CREATE TABLE first (n bigint); INSERT INTO first VALUES (2);"),
    STEP("migrations/0002_second.sql", "ALTER TABLE first ADD COLUMN m bigint; CREATE TABLE second (n bigint)"),
    {0, 0, 0},
};
static const struct embedded_file broken[] = {
    STEP("migrations/0001_first.sql", "CREATE TABLE first (n bigint); INSERT INTO first VALUES (1);"),
    STEP("migrations/0002_second.sql", "CREATE TABLE second (n bigint); SELECT no_such_thing"),
    {0, 0, 0},
};
static const struct embedded_file gap[] = {
    STEP("migrations/0001_first.sql", "CREATE TABLE first (n bigint); INSERT INTO first VALUES (1);"),
    STEP("migrations/0003_third.sql", "SELECT 1"),
    {0, 0, 0},
};

static struct db *db;
static struct migrate_status status;
static char told[256];

static void tell(void *arg, int number, const char *name) {
  (void)arg;
  size_t n = strlen(told);
  (void)snprintf(told + n, sizeof told - n, "%d:%s ", number, name);
}

static int emptied(void) {
  return db_exec(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}

static int begin(void **state) {
  (void)state;
  db = connect_bare();
  told[0] = '\0';
  return emptied();
}

static int end(void **state) {
  (void)state;
  db_destroy(db);
  return 0;
}

static int run(const struct embedded_file *files) {
  told[0] = '\0';
  return migrate_files(db, files, tell, NULL, &status);
}

static void a_fresh_database_gets_every_step_in_order(void **state) {
  (void)state;
  assert_int_equal(run(three), 0);
  assert_string_equal(told, "1:first 2:second 3:third ");
  assert_int_equal(status.state, MIGRATE_CURRENT);
  assert_int_equal(status.applied, 3);
  assert_int_equal(status.known, 3);
  assert_int_equal(number(db, "SELECT n FROM second"), 1);
  assert_int_equal(number(db, "SELECT count(*) FROM schema_migrations WHERE checksum ~ '^[0-9a-f]{64}$'"), 3);
}

static void the_second_time_there_is_nothing_to_do(void **state) {
  (void)state;
  assert_int_equal(run(three), 0);
  assert_int_equal(run(three), 0);
  assert_string_equal(told, "");
  assert_int_equal(number(db, "SELECT count(*) FROM second"), 1);
}

static void later_steps_follow_on_earlier_ones(void **state) {
  (void)state;
  assert_int_equal(run(two), 0);
  assert_int_equal(status.applied, 2);
  assert_int_equal(run(three), 0);
  assert_string_equal(told, "3:third ");
}

static void a_changed_old_step_is_refused(void **state) {
  (void)state;
  assert_int_equal(run(two), 0);
  assert_int_equal(run(changed), 1);
  assert_int_equal(status.state, MIGRATE_CHANGED);
  assert_non_null(strstr(status.detail, "0001_first"));
  assert_string_equal(told, "");
}

static void a_database_that_knows_more_is_refused(void **state) {
  (void)state;
  assert_int_equal(run(three), 0);
  assert_int_equal(run(two), 1);
  assert_int_equal(status.state, MIGRATE_NEWER);
  assert_int_equal(status.applied, 3);
  assert_int_equal(status.known, 2);
}

static void a_step_put_in_or_taken_out_below_is_refused(void **state) {
  (void)state;
  assert_int_equal(run(gap), 0);
  assert_int_equal(run(three), 1);
  assert_int_equal(status.state, MIGRATE_CHANGED);
  assert_non_null(strstr(status.detail, "0002_second"));
  assert_int_equal(emptied(), 0);
  assert_int_equal(run(three), 0);
  assert_int_equal(run(gap), 1);
  assert_int_equal(status.state, MIGRATE_CHANGED);
}

static void a_failed_step_leaves_nothing_and_those_before_it_stay(void **state) {
  (void)state;
  assert_int_equal(run(broken), 1);
  assert_non_null(strstr(status.detail, "0002_second"));
  assert_non_null(strstr(status.detail, "no_such_thing"));
  assert_int_equal(number(db, "SELECT count(*) FROM schema_migrations"), 1);
  assert_int_equal(number(db, "SELECT count(*) FROM pg_class WHERE relname = 'second'"), 0);
  assert_int_equal(run(three), 0); // the lease was given back: no waiting
  assert_string_equal(told, "2:second 3:third ");
}

// ---- more than one

struct instance {
  pthread_t thread;
  int result;
  atomic_int *steps;
};

static void count_step(void *arg, int number, const char *name) {
  (void)number, (void)name;
  atomic_fetch_add((atomic_int *)arg, 1);
  usleep(20000);
}

static void *instance_run(void *arg) {
  struct instance *i = arg;
  struct migrate_status mine;
  struct db *own = db_connect_bare(cluster.url, NULL);
  i->result = own ? migrate_files(own, three, count_step, i->steps, &mine) : FAULT_DB;
  db_destroy(own);
  return NULL;
}

static void many_at_once_apply_each_step_once(void **state) {
  (void)state;
  enum { MANY = 6 };
  atomic_int steps = 0;
  struct instance all[MANY];
  for (int i = 0; i < MANY; i++) {
    all[i].steps = &steps;
    assert_int_equal(pthread_create(&all[i].thread, NULL, instance_run, &all[i]), 0);
  }
  for (int i = 0; i < MANY; i++) {
    pthread_join(all[i].thread, NULL);
    assert_int_equal(all[i].result, 0);
  }
  assert_int_equal(steps, 3);
  assert_int_equal(number(db, "SELECT count(*) FROM second"), 1);
}

static void die_at_second(void *arg, int number, const char *name) {
  (void)name;
  if (number == 2) terminate(*(int64_t *)arg);
}

static void a_crash_between_steps_is_carried_on_from(void **state) {
  (void)state;
  struct db *dying = connect_bare();
  int64_t pid = number(dying, "SELECT pg_backend_pid()");
  assert_int_equal(migrate_files(dying, three, die_at_second, &pid, &status), FAULT_DB);
  db_destroy(dying);
  assert_int_equal(number(db, "SELECT count(*) FROM schema_migrations"), 1);
  assert_int_equal(db_exec(db, "UPDATE migration_lease SET until = clock_timestamp() + interval '1 second'"), 0);
  int64_t start = clock_mono_us();
  assert_int_equal(run(three), 0); // waits until the dead one's lease has run out
  assert_true(clock_mono_us() - start > 500000);
  assert_string_equal(told, "2:second 3:third ");
}

static void steal_at_first(void *arg, int number, const char *name) {
  (void)arg, (void)name;
  if (number != 1) return;
  struct db *thief = connect_bare();
  assert_int_equal(db_exec(thief, "SET lock_timeout = 200"), 0);
  assert_int_equal(db_exec(thief, "UPDATE migration_lease SET holder = 'thief'"), 1); // held by the step's transaction
  assert_string_equal(db_sqlstate(thief), "55P03");
  db_destroy(thief);
}

static void nobody_takes_the_lease_while_a_step_is_under_way(void **state) {
  (void)state;
  assert_int_equal(migrate_files(db, three, steal_at_first, NULL, &status), 0);
  assert_int_equal(status.state, MIGRATE_CURRENT);
}

// ---- this binary's own

static void row(void *arg, int number, const char *name, const char *checksum, int64_t applied_at) {
  (void)arg;
  assert_int_equal(strlen(checksum), 64);
  size_t n = strlen(told);
  (void)snprintf(told + n, sizeof told - n, "%d:%s:%d ", number, name, applied_at > 0);
}

static void the_binarys_own_steps_apply_and_are_listed(void **state) {
  (void)state;
  assert_int_equal(migrate_status(db, &status), 0);
  assert_int_equal(status.state, MIGRATE_EMPTY);
  assert_int_equal(migrate_list(db, row, NULL), 0);
  assert_non_null(strstr(told, "1:ledger:0"));
  assert_int_equal(migrate_run(db, NULL, NULL, &status), 0);
  assert_int_equal(status.state, MIGRATE_CURRENT);
  told[0] = '\0';
  assert_int_equal(migrate_list(db, row, NULL), 0);
  assert_non_null(strstr(told, "1:ledger:1"));
  assert_int_equal(db_exec(db, "DELETE FROM schema_migrations"), 0);
  assert_int_equal(migrate_status(db, &status), 0);
  assert_int_equal(status.state, MIGRATE_EMPTY);
}

static void every_statement_fits_the_migrated_database(void **state) {
  (void)state;
  assert_int_equal(migrate_run(db, NULL, NULL, &status), 0);
  int r = db_prepare_all(db);
  if (r != 0) print_error("%s\n", db_error(db));
  assert_int_equal(r, 0);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
  const struct CMUnitTest tests[] = {
      TEST(a_fresh_database_gets_every_step_in_order),
      TEST(the_second_time_there_is_nothing_to_do),
      TEST(later_steps_follow_on_earlier_ones),
      TEST(a_changed_old_step_is_refused),
      TEST(a_database_that_knows_more_is_refused),
      TEST(a_step_put_in_or_taken_out_below_is_refused),
      TEST(a_failed_step_leaves_nothing_and_those_before_it_stay),
      TEST(many_at_once_apply_each_step_once),
      TEST(a_crash_between_steps_is_carried_on_from),
      TEST(nobody_takes_the_lease_while_a_step_is_under_way),
      TEST(the_binarys_own_steps_apply_and_are_listed),
      TEST(every_statement_fits_the_migrated_database),
  };
  return cmocka_run_group_tests(tests, cluster_up, cluster_down);
}
