// Who calls: what the cache may say by itself, and what it must ask the database for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "../wall.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "customer/customer.h"
#include "customer/keys.h"
#include "limit/limit.h"
#include "meter/principal.h"
#include <pthread.h>

static struct cluster cluster;
static struct db *db;
static struct crypto_keys keys;

static struct uuid customer(void) {
  struct customer c = {.id = uuid_v7(clock_wall_us()),
                       .time_zone = STR("UTC"),
                       .metadata = STR("{}"),
                       .short_policy = CUSTOMER_ALLOW_DEBT,
                       .abort_charge = CUSTOMER_DELIVERED,
                       .abort_upstream = CUSTOMER_DRAIN,
                       .short_debt = 77};
  assert_int_equal(customer_create(db, &c), CUSTOMER_DONE);
  return c.id;
}

struct made {
  struct uuid customer, id;
  char text[KEY_TEXT_LEN + 1];
};

static struct made key(struct uuid of, int64_t expires_at) {
  struct made m = {.customer = of, .id = keys_id(of, clock_wall_us())};
  assert_int_equal(keys_create(db, &keys, of, m.id, (struct str){0}, expires_at, m.text), 0);
  return m;
}

static int find(struct principals *c, const char *text, bool fresh) {
  struct principal *p = NULL;
  int answer = (int)principal_find(c, str_from(text), fresh, &p);
  if (answer == PRINCIPAL_FOUND) principal_unref(p);
  return answer;
}

static int load(struct principals *c, const char *text) {
  struct principal *p = NULL;
  int answer = principal_load(c, db, str_from(text), &p);
  if (answer == PRINCIPAL_FOUND) principal_unref(p);
  return answer;
}

static void a_key_is_asked_for_once_and_then_known(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct uuid of = customer();
  struct made k = key(of, 0), other = key(of, 0);
  struct limit whole = {.customer_id = of,
                        .id = uuid_v7(clock_wall_us()),
                        .measure = LIMIT_SPEND,
                        .period = LIMIT_TOTAL,
                        .amount = 1},
               one = whole, others = whole;
  one.id = uuid_v7(clock_wall_us()), one.key_id = k.id;
  others.id = uuid_v7(clock_wall_us()), others.key_id = other.id;
  assert_int_equal(limit_create(db, &whole), LIMIT_DONE);
  assert_int_equal(limit_create(db, &one), LIMIT_DONE);
  assert_int_equal(limit_create(db, &others), LIMIT_DONE);
  struct principal *p = NULL;
  assert_int_equal(find(c, k.text, false), PRINCIPAL_ASK);
  assert_int_equal(principal_load(c, db, str_from(k.text), &p), PRINCIPAL_FOUND);
  assert_true(uuid_eq(p->customer_id, of) && uuid_eq(p->key_id, k.id) && p->usable && !p->is_operator && !p->suspended);
  assert_int_equal(p->short_policy, SHORT_ALLOW_DEBT);
  assert_int_equal(p->abort_charge, ABORT_DELIVERED);
  assert_int_equal(p->abort_upstream, ABORT_DRAIN);
  assert_int_equal(p->short_debt, 77);
  assert_int_equal(p->limit_count, 2);
  assert_true(uuid_eq(p->limits[0].id, whole.id) && uuid_eq(p->limits[1].id, one.id));
  principal_unref(p);
  assert_int_equal(find(c, k.text, false), PRINCIPAL_FOUND);
  assert_int_equal(find(c, k.text, true), PRINCIPAL_FOUND);
  principals_destroy(c);
}

static void malformed_unknown_and_wrong_keys_are_one_answer(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(customer(), 0);
  char never[KEY_TEXT_LEN + 1];
  key_generate(KEY_CUSTOMER, never);
  assert_int_equal(find(c, "nonsense", true), PRINCIPAL_UNKNOWN);
  assert_int_equal(load(c, "nonsense"), PRINCIPAL_UNKNOWN);
  assert_int_equal(find(c, never, true), PRINCIPAL_ASK);
  assert_int_equal(load(c, never), PRINCIPAL_UNKNOWN);
  assert_int_equal(find(c, never, true), PRINCIPAL_UNKNOWN); // for a moment
  // The tag of another pepper: as if a row had been written by somebody who has none.
  struct crypto_keys other;
  crypto_random(&other, sizeof other);
  struct principals *d = principals_create(&other);
  assert_int_equal(load(d, k.text), PRINCIPAL_UNKNOWN);
  principals_destroy(d);
  principals_destroy(c);
}

static void what_is_not_fresh_is_asked_for_again(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(customer(), 0);
  char never[KEY_TEXT_LEN + 1];
  key_generate(KEY_CUSTOMER, never);
  assert_int_equal(load(c, k.text), PRINCIPAL_FOUND);
  assert_int_equal(load(c, never), PRINCIPAL_UNKNOWN);
  usleep((LIMIT_TRUST_MS + 50) * 1000);
  assert_int_equal(find(c, k.text, true), PRINCIPAL_ASK);
  assert_int_equal(find(c, k.text, false), PRINCIPAL_FOUND); // a paid call: its commit compares versions
  assert_int_equal(find(c, never, false), PRINCIPAL_ASK);
  principals_destroy(c);
}

static void revoked_and_expired_keys_are_unknown(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(customer(), 0), soon = key(customer(), clock_wall_us() + 1500000);
  assert_int_equal(load(c, k.text), PRINCIPAL_FOUND);
  assert_int_equal(load(c, soon.text), PRINCIPAL_FOUND);
  assert_int_equal(keys_revoke(db, k.customer, k.id), 0);
  assert_int_equal(load(c, k.text), PRINCIPAL_UNKNOWN);
  assert_int_equal(find(c, k.text, false), PRINCIPAL_UNKNOWN);
  usleep(1520000);
  assert_int_equal(find(c, soon.text, false), PRINCIPAL_UNKNOWN);
  assert_int_equal(load(c, soon.text), PRINCIPAL_UNKNOWN);
  principals_destroy(c);
}

static void an_operators_key_is_always_asked_for(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(UUID_NIL, 0);
  struct principal *p = NULL;
  assert_int_equal(principal_load(c, db, str_from(k.text), &p), PRINCIPAL_FOUND);
  assert_true(p->is_operator && uuid_is_nil(p->customer_id));
  principal_unref(p);
  assert_int_equal(find(c, k.text, false), PRINCIPAL_ASK);
  principals_destroy(c);
}

static int changed_count;
static struct uuid changed_last;
static void changed(void *arg, struct uuid who) {
  (void)arg;
  changed_count++;
  changed_last = who;
}

static int find_reporter(struct principals *c, const char *text, bool *ret_ageing) {
  struct principal *p = NULL;
  int answer = (int)principal_find_reporter(c, str_from(text), &p, ret_ageing);
  if (answer == PRINCIPAL_FOUND) principal_unref(p);
  return answer;
}

static void but_to_report_what_has_happened(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(UUID_NIL, 0), own = key(customer(), 0);
  bool ageing = true;
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_ASK);
  assert_false(ageing);
  assert_int_equal(load(c, k.text), PRINCIPAL_FOUND);
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_FOUND);
  assert_int_equal(principal_confirm(c, db, NULL, NULL, 0, changed, NULL), 0); // drops no operator
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_FOUND);
  struct made other = k;
  size_t last = strlen(other.text) - 10;
  other.text[last] = other.text[last] == 'A' ? 'B' : 'A';
  assert_int_equal(find_reporter(c, other.text, &ageing), PRINCIPAL_UNKNOWN);
  usleep(LIMIT_TRUST_MS * 1000 + 1000);
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_ASK);
  assert_int_equal(find(c, k.text, false), PRINCIPAL_ASK);
  assert_int_equal(load(c, own.text), PRINCIPAL_FOUND);
  usleep(LIMIT_TRUST_MS * 1000 + 1000);
  assert_int_equal(find_reporter(c, own.text, &ageing), PRINCIPAL_FOUND); // the commit compares its version
  assert_int_equal(keys_revoke(db, UUID_NIL, k.id), 0);
  assert_int_equal(load(c, k.text), PRINCIPAL_UNKNOWN);
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_UNKNOWN);
  principals_destroy(c);
}

static void one_reporter_at_a_time_is_told_that_a_key_ages(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(UUID_NIL, 0);
  bool ageing = true;
  assert_int_equal(load(c, k.text), PRINCIPAL_FOUND);
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_FOUND);
  assert_false(ageing);
  usleep(LIMIT_TRUST_MS * 500 + 20000);
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_FOUND);
  assert_true(ageing);
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_FOUND);
  assert_false(ageing);
  assert_int_equal(load(c, k.text), PRINCIPAL_FOUND);
  usleep(LIMIT_TRUST_MS * 500 + 20000);
  assert_int_equal(find_reporter(c, k.text, &ageing), PRINCIPAL_FOUND);
  assert_true(ageing);
  principals_destroy(c);
}

static void confirming_renews_trust_and_drops_what_has_moved(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made still = key(customer(), 0), moved = key(customer(), 0);
  assert_int_equal(load(c, still.text), PRINCIPAL_FOUND);
  assert_int_equal(load(c, moved.text), PRINCIPAL_FOUND);
  usleep((LIMIT_TRUST_MS + 50) * 1000);
  assert_int_equal(customer_bump(db, moved.customer), 0);
  struct uuid watched[] = {still.customer, moved.customer};
  int64_t versions[] = {1, 1};
  changed_count = 0;
  assert_int_equal(principal_confirm(c, db, watched, versions, 2, changed, NULL), 0);
  assert_int_equal(changed_count, 1);
  assert_true(uuid_eq(changed_last, moved.customer));
  assert_int_equal(find(c, still.text, true), PRINCIPAL_FOUND);
  assert_int_equal(find(c, moved.text, false), PRINCIPAL_ASK);
  principals_destroy(c);
}

static void *hammer(void *arg) {
  struct principals *c = ((void **)arg)[0];
  const char *text = ((void **)arg)[1];
  for (int i = 0; i < 20000; i++) (void)find(c, text, i % 2);
  return NULL;
}

static void threads_may_find_while_another_loads_and_confirms(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(customer(), 0);
  void *arg[] = {c, k.text};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, hammer, arg), 0);
  for (int i = 0; i < 50; i++) {
    assert_int_equal(load(c, k.text), PRINCIPAL_FOUND);
    assert_int_equal(principal_confirm(c, db, NULL, NULL, 0, changed, NULL), 0);
    assert_int_equal(customer_bump(db, k.customer), 0);
  }
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  principals_destroy(c);
}

static void a_step_of_the_wall_clock_lets_no_key_expire(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(customer(), clock_wall_us() + INT64_C(3600) * 1000000);
  assert_int_equal(load(c, k.text), PRINCIPAL_FOUND);
  wall_step_s = 86400;
  assert_int_equal(find(c, k.text, true), PRINCIPAL_FOUND);
  wall_step_s = -86400;
  assert_int_equal(find(c, k.text, true), PRINCIPAL_FOUND);
  wall_step_s = 0;
  principals_destroy(c);
}

// However early this machine's clock thinks it is.
static void nor_does_it_keep_one_alive(void **state) {
  (void)state;
  struct principals *c = principals_create(&keys);
  struct made k = key(customer(), clock_wall_us() + 1500000);
  assert_int_equal(load(c, k.text), PRINCIPAL_FOUND);
  wall_step_s = -86400;
  int answer = PRINCIPAL_FOUND;
  for (int64_t until = clock_mono_us() + 20000000; answer == PRINCIPAL_FOUND && clock_mono_us() < until;)
    answer = find(c, k.text, false);
  wall_step_s = 0;
  assert_int_equal(answer, PRINCIPAL_UNKNOWN);
  principals_destroy(c);
}

static int start(void **state) {
  (void)state;
  struct buf error;
  buf_init(&error, 512);
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
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_key_is_asked_for_once_and_then_known),
      cmocka_unit_test(malformed_unknown_and_wrong_keys_are_one_answer),
      cmocka_unit_test(what_is_not_fresh_is_asked_for_again),
      cmocka_unit_test(revoked_and_expired_keys_are_unknown),
      cmocka_unit_test(an_operators_key_is_always_asked_for),
      cmocka_unit_test(but_to_report_what_has_happened),
      cmocka_unit_test(one_reporter_at_a_time_is_told_that_a_key_ages),
      cmocka_unit_test(confirming_renews_trust_and_drops_what_has_moved),
      cmocka_unit_test(a_step_of_the_wall_clock_lets_no_key_expire),
      cmocka_unit_test(nor_does_it_keep_one_alive),
      cmocka_unit_test(threads_may_find_while_another_loads_and_confirms),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
