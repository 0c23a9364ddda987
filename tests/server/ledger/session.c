// What the sessions of an instance's writers know together: the database counts as up while each of them has it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/metric.h"
#include "ledger/session.h"
#include "../cluster.h"

static struct cluster cluster;

static void the_database_is_up_while_each_writer_has_it(void **state) {
  (void)state;
  const struct ledger_config config = {.url = cluster.url, .instance = "test", .lease_ms = 10000};
  struct session_common common = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  struct session sessions[2] = {0}, *a = &sessions[0], *b = &sessions[1];
  struct buf error;
  buf_init(&error, 512);
  session_init(a, &config, &common);
  session_init(b, &config, &common);
  assert_true(session_open(a, &error));
  assert_int_equal(metric_get(METRIC_DB_UP), 0);
  assert_true(session_open(b, &error));
  assert_int_equal(metric_get(METRIC_DB_UP), 1);
  char *there = b->url;
  b->url = mem_strdup("postgresql://127.0.0.1:1/nowhere");
  db_destroy(b->db);
  b->db = NULL;
  assert_false(session_ready(b));
  assert_int_equal(metric_get(METRIC_DB_UP), 0);
  assert_true(session_ready(a)); // which says nothing for the other
  assert_int_equal(metric_get(METRIC_DB_UP), 0);
  assert_false(session_ready(b));
  mem_free(b->url);
  b->url = there;
  assert_true(session_ready(b));
  assert_int_equal(metric_get(METRIC_DB_UP), 1);
  for (size_t i = 0; i < 2; i++) {
    session_end(&sessions[i]);
    session_finish(&sessions[i]);
  }
  buf_finish(&error);
}

static int setup(void **state) {
  (void)state;
  log_open(LOG_ERROR + 1, false);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_database_is_up_while_each_writer_has_it)};
  return cmocka_run_group_tests_name("writers' sessions", tests, setup, teardown);
}
