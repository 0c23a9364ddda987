// The row that tells an event: written with the fact, for those who listen, with an id of the database's time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/clock.h"
#include "base/mem.h"
#include "event/event.h"

static struct cluster cluster;
static struct db *db;
static const struct uuid customer = {{1, 2, 3}};

static void wanted(const char *columns) {
  char sql[200];
  (void)snprintf(sql, sizeof sql, "DELETE FROM outbox; UPDATE outbox_wanted SET %s", columns);
  assert_int_equal(db_exec(db, sql), 0);
}

static int64_t count(const char *where) {
  char sql[300];
  struct db_result *r = NULL;
  (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM outbox WHERE %s", where);
  assert_int_equal(db_query(db, sql, &r), 0);
  int64_t n = db_i64(r, 0, 0);
  db_result_finish(r);
  return n;
}

static void every_type_has_one_name_and_is_found_by_it(void **state) {
  (void)state;
  enum event_type found;
  for (size_t i = 0; i < EVENT_TYPE_COUNT; i++) {
    assert_true(event_find(str_from(event_name((enum event_type)i)), &found));
    assert_int_equal(found, i);
  }
  assert_false(event_find(STR("key.create"), &found));
  assert_false(event_find(STR(""), &found));
}

static void nothing_is_written_where_nobody_listens(void **state) {
  (void)state;
  wanted("anything = false, usage = false, forwards = false");
  assert_int_equal(event_wanted(db), 0);
  assert_int_equal(event_add(db, customer, EVENT_KEY_CREATED, STR("{}")), 0);
  assert_int_equal(event_forward(db, customer, STR("evt_1"), STR("charge.refunded")), 0);
  assert_int_equal(count("true"), 0);
}

static void usage_is_told_only_where_somebody_takes_usage(void **state) {
  (void)state;
  wanted("anything = true, usage = false, forwards = false");
  assert_int_equal(event_wanted(db), 1);
  assert_int_equal(event_add(db, customer, EVENT_USAGE_SETTLED, STR("{}")), 0);
  assert_int_equal(event_add(db, customer, EVENT_GRANT_CREATED, STR("{}")), 0);
  assert_int_equal(count("type = 'grant.created'"), 1);
  assert_int_equal(count("true"), 1);
  wanted("usage = true");
  assert_int_equal(event_add(db, customer, EVENT_USAGE_SETTLED, STR("{}")), 0);
  assert_int_equal(count("type = 'usage.settled'"), 1);
}

static void a_forwarded_event_names_what_stripe_sent(void **state) {
  (void)state;
  wanted("anything = true, usage = false, forwards = true");
  assert_int_equal(event_forward(db, UUID_NIL, STR("evt_1Pgc"), STR("charge.refunded")), 0);
  assert_int_equal(count("stripe_event = 'evt_1Pgc' AND type = 'charge.refunded' AND customer_id = '00000000-0000-0000-0000-000000000000'"), 1);
}

static void an_id_is_a_uuidv7_of_the_databases_time(void **state) {
  (void)state;
  wanted("anything = true, usage = true, forwards = false");
  int64_t before = clock_wall_us() / 1000;
  for (int i = 0; i < 50; i++) assert_int_equal(event_add(db, customer, EVENT_KEY_CREATED, STR("{\"n\": 1}")), 0);
  int64_t after = clock_wall_us() / 1000;
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, "SELECT id, data FROM outbox", &r), 0);
  assert_int_equal(db_rows(r), 50);
  for (size_t i = 0; i < 50; i++) {
    struct uuid id = db_uuid(r, i, 0);
    assert_in_range(uuid_time_us(id) / 1000, before, after);
    assert_int_equal(id.b[6] >> 4, 7);
    assert_int_equal(id.b[8] >> 6, 2);
    assert_true(str_eq(db_text(r, i, 1), STR("{\"n\": 1}"))); // as it was given
  }
  db_result_finish(r);
  assert_int_equal(count("true"), 50);
}

static void an_event_names_the_request_that_caused_it(void **state) {
  (void)state;
  wanted("anything = true, usage = true, forwards = false");
  event_cause(STR("req_1"), STR("again"));
  assert_int_equal(event_add(db, customer, EVENT_KEY_CREATED, STR("{}")), 0);
  event_cause(STR("req_2"), (struct str){0});
  assert_int_equal(event_add(db, customer, EVENT_KEY_REVOKED, STR("{}")), 0);
  event_cause((struct str){0}, (struct str){0});
  assert_int_equal(event_add(db, customer, EVENT_GRANT_EXPIRED, STR("{}")), 0);
  assert_int_equal(count("request_id = 'req_1' AND idempotency_key = 'again'"), 1);
  assert_int_equal(count("request_id = 'req_2' AND idempotency_key IS NULL"), 1);
  assert_int_equal(count("request_id IS NULL AND idempotency_key IS NULL"), 1);
}

static void what_is_rolled_back_is_not_told(void **state) {
  (void)state;
  wanted("anything = true, usage = true, forwards = false");
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(event_add(db, customer, EVENT_KEY_CREATED, STR("{}")), 0);
  db_rollback(db);
  assert_int_equal(count("true"), 0);
}

static int open_all(void **state) {
  (void)state;
  struct buf error;
  buf_init(&error, 512);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(db);
  buf_finish(&error);
  return 0;
}

static int close_all(void **state) {
  (void)state;
  db_destroy(db);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_has_one_name_and_is_found_by_it),
      cmocka_unit_test(nothing_is_written_where_nobody_listens),
      cmocka_unit_test(usage_is_told_only_where_somebody_takes_usage),
      cmocka_unit_test(a_forwarded_event_names_what_stripe_sent),
      cmocka_unit_test(an_id_is_a_uuidv7_of_the_databases_time),
      cmocka_unit_test(an_event_names_the_request_that_caused_it),
      cmocka_unit_test(what_is_rolled_back_is_not_told),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
