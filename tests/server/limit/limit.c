// Limits and their buckets as rows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "customer/customer.h"
#include "customer/keys.h"
#include "limit/limit.h"

static struct cluster cluster;
static struct db *db;
static struct arena arena;
static struct crypto_keys keys;

static struct uuid customer(const char *zone) {
  struct customer c = {.id = uuid_v7(clock_wall_us()),
                       .time_zone = str_from(zone),
                       .metadata = STR("{}"),
                       .short_policy = CUSTOMER_REFUSE, .abort_charge = CUSTOMER_GENERATED, .abort_upstream = CUSTOMER_CANCEL};
  assert_int_equal(customer_create(db, &c), CUSTOMER_DONE);
  return c.id;
}

static struct uuid key(struct uuid of) {
  char text[KEY_TEXT_LEN + 1];
  struct uuid id = keys_id(of, clock_wall_us());
  assert_int_equal(keys_create(db, &keys, of, id, (struct str){0}, 0, text), 0);
  return id;
}

static struct limit budget(struct uuid of, int period, int64_t most) {
  return (struct limit){
      .customer_id = of, .id = uuid_v7(clock_wall_us()), .measure = LIMIT_SPEND, .period = period, .amount = most};
}

static void a_limit_has_a_bucket_and_a_window_of_its_customers_calendar(void **state) {
  (void)state;
  struct uuid of = customer("Asia/Kathmandu"); // 5:45 east of Greenwich
  struct limit l = budget(of, LIMIT_DAY, 1000), seen;
  assert_int_equal(limit_create(db, &l), LIMIT_DONE);
  assert_int_equal(limit_read(db, of, l.id, &seen), LIMIT_DONE);
  assert_int_equal(seen.amount, 1000);
  int64_t hours = INT64_C(3600000000);
  assert_int_equal(seen.current_end - seen.current_start, 24 * hours);
  assert_int_equal((seen.current_start + 5 * hours + hours * 3 / 4) % (24 * hours), 0);
  assert_true(seen.current_start <= seen.read_at && seen.read_at < seen.current_end);
  struct limit all = budget(of, LIMIT_TOTAL, 5);
  assert_int_equal(limit_create(db, &all), LIMIT_DONE);
  assert_int_equal(limit_read(db, of, all.id, &seen), LIMIT_DONE);
  assert_int_equal(seen.window_end, INT64_MAX);
}

static void changing_and_removing_need_the_right_customer(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), other = customer("UTC");
  struct limit l = budget(of, LIMIT_MONTH, 1000), seen;
  assert_int_equal(limit_create(db, &l), LIMIT_DONE);
  assert_int_equal(limit_update(db, other, l.id, 5), LIMIT_UNKNOWN);
  assert_int_equal(limit_update(db, of, l.id, 5), LIMIT_DONE);
  assert_int_equal(limit_read(db, of, l.id, &seen), LIMIT_DONE);
  assert_int_equal(seen.amount, 5);
  assert_int_equal(limit_delete(db, other, l.id), LIMIT_UNKNOWN);
  assert_int_equal(limit_delete(db, of, l.id), LIMIT_DONE);
  assert_int_equal(limit_read(db, of, l.id, &seen), LIMIT_UNKNOWN);
  assert_int_equal(limit_delete(db, of, l.id), LIMIT_UNKNOWN);
}

static void no_more_may_bind_one_key_than_an_admission_can_draw_from(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), first = key(of), second = key(of);
  for (int i = 0; i < LIMIT_DRAWS - 2; i++) {
    struct limit l = budget(of, LIMIT_TOTAL, i);
    assert_int_equal(limit_create(db, &l), LIMIT_DONE);
  }
  struct limit of_first = budget(of, LIMIT_TOTAL, 1), of_second = budget(of, LIMIT_TOTAL, 1),
               whole = budget(of, LIMIT_TOTAL, 1);
  of_first.key_id = first;
  of_second.key_id = second;
  assert_int_equal(limit_create(db, &of_first), LIMIT_DONE);
  of_first.id = uuid_v7(clock_wall_us());
  assert_int_equal(limit_create(db, &of_first), LIMIT_DONE);
  of_first.id = uuid_v7(clock_wall_us());
  assert_int_equal(limit_create(db, &of_first), LIMIT_TOO_MANY);
  assert_int_equal(limit_create(db, &of_second), LIMIT_DONE);
  assert_int_equal(limit_create(db, &whole), LIMIT_TOO_MANY);
}

static void a_key_of_somebody_else_cannot_be_limited(void **state) {
  (void)state;
  struct uuid of = customer("UTC"), other = customer("UTC");
  struct limit l = budget(of, LIMIT_TOTAL, 1);
  l.key_id = key(other);
  assert_int_equal(limit_create(db, &l), LIMIT_NO_KEY);
}

static int start(void **state) {
  (void)state;
  struct buf error;
  buf_init(&error, 512);
  arena_init(&arena, 1 << 24);
  assert_true(crypto_start());
  crypto_random(&keys, sizeof keys);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(db);
  buf_finish(&error);
  return 0;
}

static int finish(void **state) {
  (void)state;
  db_destroy(db);
  arena_finish(&arena);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_limit_has_a_bucket_and_a_window_of_its_customers_calendar),
      cmocka_unit_test(changing_and_removing_need_the_right_customer),
      cmocka_unit_test(no_more_may_bind_one_key_than_an_admission_can_draw_from),
      cmocka_unit_test(a_key_of_somebody_else_cannot_be_limited),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
