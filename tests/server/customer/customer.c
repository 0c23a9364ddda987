// Customers and their keys against a real database.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/clock.h"
#include "base/mem.h"
#include "customer/customer.h"
#include "customer/keys.h"

static struct cluster cluster;
static struct db *db;
static struct arena arena;
static struct crypto_keys keys;

static struct customer make(const char *external_id) {
  struct customer c = {
      .id = uuid_v7(clock_wall_us()),
      .external_id = str_from(external_id),
      .name = STR("Acme"),
      .time_zone = STR("UTC"),
      .metadata = STR("{\"a\": \"1\", \"b\": \"2\"}"),
      .short_policy = CUSTOMER_REFUSE, .abort_charge = CUSTOMER_GENERATED, .abort_upstream = CUSTOMER_CANCEL,
      .credit_limit = 5,
  };
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(customer_create(db, &c), CUSTOMER_DONE);
  assert_int_equal(db_commit(db), 0);
  return c;
}

static int64_t version_of(struct uuid id) {
  struct db_result *r = NULL;
  char sql[200], hex[33];
  crypto_hex(id.b, 16, hex);
  (void)snprintf(sql, sizeof sql, "SELECT config_version FROM customers WHERE id = '%s'", hex);
  assert_int_equal(db_query(db, sql, &r), 0);
  int64_t version = db_i64(r, 0, 0);
  db_result_finish(r);
  return version;
}

static void what_is_created_reads_back(void **state) {
  (void)state;
  struct customer c = make("reads-back"), seen;
  assert_int_equal(customer_read(db, &arena, c.id, &seen), CUSTOMER_DONE);
  assert_true(str_eq(seen.external_id, STR("reads-back")) && str_eq(seen.name, STR("Acme")));
  assert_int_equal(seen.status, CUSTOMER_ACTIVE);
  assert_int_equal(seen.credit_limit, 5);
  assert_int_equal(customer_available(&seen), 5);
  assert_int_equal(customer_read(db, &arena, uuid_v7(clock_wall_us()), &seen), CUSTOMER_UNKNOWN);
}

static void a_name_belongs_to_one_customer(void **state) {
  (void)state;
  struct customer first = make("taken"), second = {.id = uuid_v7(clock_wall_us()),
                                                   .external_id = STR("taken"),
                                                   .time_zone = STR("UTC"),
                                                   .metadata = STR("{}"),
                                                   .short_policy = CUSTOMER_REFUSE, .abort_charge = CUSTOMER_GENERATED, .abort_upstream = CUSTOMER_CANCEL};
  struct uuid found;
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(customer_create(db, &second), CUSTOMER_NAME_TAKEN);
  db_rollback(db);
  assert_int_equal(customer_resolve(db, STR("ext:taken"), &found), CUSTOMER_DONE);
  assert_true(uuid_eq(found, first.id));
  assert_int_equal(customer_resolve(db, STR("ext:nobody"), &found), CUSTOMER_UNKNOWN);
  assert_int_equal(customer_resolve(db, STR("cus_nonsense"), &found), CUSTOMER_UNKNOWN);
}

static void an_update_changes_what_it_names_and_nothing_else(void **state) {
  (void)state;
  struct customer c = make("before"), seen;
  struct uuid found;
  struct customer change = {.id = c.id,
                            .external_id = STR("after"),
                            .metadata = STR("{\"a\": null, \"c\": \"3\"}"),
                            .status = CUSTOMER_SUSPENDED};
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(customer_lock(db, c.id), CUSTOMER_DONE);
  assert_int_equal(customer_update(db, CUSTOMER_EXTERNAL_ID | CUSTOMER_METADATA | CUSTOMER_STATUS, &change),
                   CUSTOMER_DONE);
  assert_int_equal(db_commit(db), 0);
  assert_int_equal(customer_read(db, &arena, c.id, &seen), CUSTOMER_DONE);
  assert_true(str_eq(seen.external_id, STR("after")) && str_eq(seen.name, STR("Acme")));
  assert_true(str_eq(seen.metadata, STR("{\"b\": \"2\", \"c\": \"3\"}")));
  assert_int_equal(seen.status, CUSTOMER_SUSPENDED);
  assert_int_equal(seen.credit_limit, 5);
  assert_int_equal(customer_resolve(db, STR("ext:before"), &found), CUSTOMER_UNKNOWN);
  assert_int_equal(customer_resolve(db, STR("ext:after"), &found), CUSTOMER_DONE);
}

static void a_bump_moves_the_version_by_one(void **state) {
  (void)state;
  struct customer c = make("bumped");
  int64_t before = version_of(c.id);
  assert_int_equal(customer_bump(db, c.id), 0);
  assert_int_equal(version_of(c.id), before + 1);
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(customer_lock(db, uuid_v7(clock_wall_us())), CUSTOMER_UNKNOWN);
  db_rollback(db);
}

static void time_zones_are_names_of_places(void **state) {
  (void)state;
  assert_int_equal(customer_zone_check(db, STR("UTC")), 0);
  assert_int_equal(customer_zone_check(db, STR("Europe/Berlin")), 0);
  assert_int_equal(customer_zone_check(db, STR("Etc/GMT+5")), 0);
  assert_int_equal(customer_zone_check(db, STR("Mars/Olympus")), 1);
  assert_int_equal(customer_zone_check(db, STR("X5")), 1);
  assert_int_equal(customer_zone_check(db, STR("CEST")), 1);
  assert_int_equal(customer_zone_check(db, STR("Europe/Berlin")), 0); // remembered
  assert_int_equal(customer_zone_check(db, STR("")), 1);
}

static int64_t told(const char *type) {
  struct db_result *r = NULL;
  char sql[200];
  (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM outbox WHERE type = '%s'", type);
  assert_int_equal(db_query(db, sql, &r), 0);
  int64_t count = db_i64(r, 0, 0);
  db_result_finish(r);
  return count;
}

static void what_happens_to_a_key_is_told_without_its_secret(void **state) {
  (void)state;
  struct customer c = make("told");
  struct uuid id = keys_id(c.id, clock_wall_us());
  char text[KEY_TEXT_LEN + 1];
  assert_int_equal(keys_create(db, &keys, c.id, id, STR("server"), 0, text), 0);
  assert_int_equal(keys_tell(db, id, EVENT_KEY_CREATED), 0);
  assert_int_equal(told("key.created"), 0); // nobody listens
  assert_int_equal(db_exec(db, "UPDATE outbox_wanted SET anything = true"), 0);
  assert_int_equal(keys_tell(db, id, EVENT_KEY_CREATED), 0);
  assert_int_equal(keys_lock(db, c.id, id), 1);
  assert_int_equal(keys_revoke(db, c.id, id), 0);
  assert_int_equal(keys_lock(db, c.id, id), 0);
  assert_int_equal(keys_tell(db, id, EVENT_KEY_REVOKED), 0);
  assert_int_equal(told("key.created"), 1);
  assert_int_equal(told("key.revoked"), 1);
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, "SELECT customer_id, data ->> 'id', data::text LIKE '%secret%' FROM outbox", &r), 0);
  char shown[ID_TEXT_MAX];
  id_print("key", id, shown);
  assert_true(uuid_eq(db_uuid(r, 0, 0), c.id));
  assert_true(str_eq(db_text(r, 0, 1), str_from(shown)));
  assert_false(db_bool(r, 0, 2));
  db_result_finish(r);
  assert_int_equal(db_exec(db, "UPDATE outbox_wanted SET anything = false; DELETE FROM outbox"), 0);
}

static void lists_come_newest_first_in_pages(void **state) {
  (void)state;
  struct customer one = make("list-1"), two = make("list-2"), *list = NULL;
  size_t count = 0;
  assert_int_equal(customer_list(db, &arena, (struct str){0}, UUID_NIL, 1, &list, &count), 0);
  assert_int_equal(count, 1);
  assert_true(uuid_eq(list[0].id, two.id));
  assert_int_equal(customer_list(db, &arena, (struct str){0}, two.id, 1, &list, &count), 0);
  assert_true(uuid_eq(list[0].id, one.id));
  assert_int_equal(customer_list(db, &arena, STR("list-1"), UUID_NIL, 10, &list, &count), 0);
  assert_int_equal(count, 1);
  assert_int_equal(customer_list(db, &arena, STR("nobody"), UUID_NIL, 10, &list, &count), 0);
  assert_int_equal(count, 0);
}

static void a_key_is_found_by_its_id_alone_and_revoked_once(void **state) {
  (void)state;
  struct customer c = make("has-keys");
  struct uuid id = keys_id(c.id, clock_wall_us()), admin = keys_id(UUID_NIL, clock_wall_us());
  char text[KEY_TEXT_LEN + 1];
  struct key_row row;
  assert_int_equal(keys_create(db, &keys, c.id, id, STR("server"), 0, text), 0);
  assert_memory_equal(text, "tlgsk_", 6);
  assert_int_equal(keys_read(db, &arena, id, &row), 0);
  assert_true(uuid_eq(row.customer_id, c.id) && str_eq(row.name, STR("server")));
  assert_memory_equal(row.last4.ptr, text + KEY_TEXT_LEN - 10, 4);
  assert_int_equal(row.revoked_at, 0);
  assert_int_equal(keys_revoke(db, c.id, id), 0);
  assert_int_equal(keys_read(db, &arena, id, &row), 0);
  int64_t revoked_at = row.revoked_at;
  assert_true(revoked_at > 0);
  assert_int_equal(keys_revoke(db, c.id, id), 0);
  assert_int_equal(keys_read(db, &arena, id, &row), 0);
  assert_int_equal(row.revoked_at, revoked_at);
  assert_int_equal(keys_create(db, &keys, UUID_NIL, admin, (struct str){0}, 0, text), 0);
  assert_memory_equal(text, "tlgad_", 6);
  assert_int_equal(keys_read(db, &arena, admin, &row), 0);
  assert_int_equal(row.kind, KEY_OPERATOR);
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
      cmocka_unit_test(what_is_created_reads_back),
      cmocka_unit_test(a_name_belongs_to_one_customer),
      cmocka_unit_test(an_update_changes_what_it_names_and_nothing_else),
      cmocka_unit_test(a_bump_moves_the_version_by_one),
      cmocka_unit_test(time_zones_are_names_of_places),
      cmocka_unit_test(what_happens_to_a_key_is_told_without_its_secret),
      cmocka_unit_test(lists_come_newest_first_in_pages),
      cmocka_unit_test(a_key_is_found_by_its_id_alone_and_revoked_once),
  };
  return cmocka_run_group_tests(tests, start, finish);
}
