// Apps' own ids of customers: looked up in one statement, remembered for a moment, and no longer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/clock.h"
#include "base/limits.h"
#include "crypto/crypto.h"
#include "usage/names.h"
#include "usage/recorded.h"

static struct cluster cluster;
static struct db *db;

static struct uuid named(const char *name) {
  struct uuid id = uuid_v7(clock_wall_us());
  char sql[256], hex[33];
  crypto_hex(id.b, sizeof id.b, hex);
  (void)snprintf(sql, sizeof sql, "INSERT INTO customer_names (external_id, customer_id) VALUES ('%s', '%s')", name, hex);
  assert_int_equal(db_exec(db, sql), 0);
  return id;
}

static void names_are_read_at_once_and_in_their_order(void **state) {
  (void)state;
  struct usage_names *n = usage_names_create();
  struct uuid a = named("a"), b = named("b"), got[4];
  const struct str asked[] = {STR("b"), STR("nobody"), STR("a"), STR("b")};
  assert_false(usage_names_find(n, STR("a"), got));
  assert_int_equal(usage_names_read(n, db, asked, 4, got), 0);
  assert_true(uuid_eq(got[0], b) && uuid_is_nil(got[1]) && uuid_eq(got[2], a) && uuid_eq(got[3], b));
  assert_true(usage_names_find(n, STR("a"), got) && uuid_eq(got[0], a));
  assert_false(usage_names_find(n, STR("nobody"), got));
  usage_names_destroy(n);
}

static void what_was_read_is_believed_for_a_moment(void **state) {
  (void)state;
  struct usage_names *n = usage_names_create();
  struct uuid c = named("c"), got;
  assert_int_equal(usage_names_read(n, db, &STR("c"), 1, &got), 0);
  assert_true(usage_names_find(n, STR("c"), &got) && uuid_eq(got, c));
  usleep((LIMIT_TRUST_MS + 50) * 1000);
  assert_false(usage_names_find(n, STR("c"), &got));
  usage_names_destroy(n);
}

static void of_a_call_that_is_not_there_nothing_is_on_record(void **state) {
  (void)state;
  struct arena arena;
  arena_init(&arena, 1 << 16);
  struct usage_recorded calls[2] = {{.customer = uuid_v7(1), .call = uuid_v7(2), .found = true}, {.customer = uuid_v7(3), .call = uuid_v7(4), .found = true}};
  assert_int_equal(usage_recorded_read(db, &arena, calls, 2), 0);
  assert_false(calls[0].found || calls[1].found);
  arena_finish(&arena);
}

static int start(void **state) {
  (void)state;
  struct buf error;
  buf_init(&error, 512);
  assert_true(crypto_start());
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = db_connect(cluster_url(&cluster), 10000, 5000, 10000, &error);
  buf_finish(&error);
  return db ? 0 : 1;
}

static int finish(void **state) {
  (void)state;
  db_destroy(db);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_read_at_once_and_in_their_order),
      cmocka_unit_test(what_was_read_is_believed_for_a_moment),
      cmocka_unit_test(of_a_call_that_is_not_there_nothing_is_on_record),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
