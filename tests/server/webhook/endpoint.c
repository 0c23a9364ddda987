// Endpoints as rows, and what is said beside them about who listens; the log of deliveries; what is forgotten.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../cluster.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "webhook/delivery.h"
#include "webhook/endpoint.h"
#include "webhook/sender.h"
#include <pthread.h>

static struct cluster cluster;
static struct db *db;
static struct arena arena;
static struct crypto_keys keys;

static struct db *connect_db(void) {
  CLEANUP(buf_finish) struct buf error;
  buf_init(&error, 512);
  struct db *made = db_connect(cluster.url, 5000, 5000, 5000, &error);
  assert_non_null(made);
  return made;
}

static struct webhook_endpoint plain(void) {
  return (struct webhook_endpoint){.id = uuid_v7(clock_wall_us()),
                                   .url = STR("https://hooks.example.com/x"),
                                   .description = STR(""),
                                   .api_version = STR("2026-09-30.endive"),
                                   .events = ENDPOINT_ALL,
                                   .scheme = ENDPOINT_STANDARD};
}

static struct uuid create_on(struct db *on, const struct webhook_endpoint *e) {
  char secret[SIGN_TEXT_MAX];
  assert_int_equal(db_begin(on), 0);
  assert_int_equal(endpoint_create(on, &keys, e, secret), ENDPOINT_DONE);
  assert_int_equal(db_commit(on), 0);
  return e->id;
}

static struct uuid create(const struct webhook_endpoint *e) {
  return create_on(db, e);
}

static void update(unsigned members, const struct webhook_endpoint *e) {
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(endpoint_update(db, members, e), ENDPOINT_DONE);
  assert_int_equal(db_commit(db), 0);
}

static void delete_one(struct uuid id) {
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(endpoint_delete(db, id), ENDPOINT_DONE);
  assert_int_equal(db_commit(db), 0);
}

static int64_t number(const char *sql) {
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, sql, &r), 0);
  int64_t n = db_rows(r) ? db_i64(r, 0, 0) : -1;
  db_result_finish(r);
  return n;
}

static int nothing_is_there(void **state) {
  (void)state;
  return db_exec(db, "DELETE FROM webhook_endpoints; DELETE FROM webhook_queue; DELETE FROM webhook_deliveries; DELETE FROM webhook_events; "
                     "UPDATE outbox_wanted SET usage = false, anything = false, forwards = false");
}

// usage, anything, forwards as bits.
static int64_t wanted(void) {
  return number("SELECT usage::int + 2 * anything::int + 4 * forwards::int FROM outbox_wanted");
}

static void what_is_wanted_follows_every_change_of_endpoints(void **state) {
  (void)state;
  int64_t version = number("SELECT version FROM outbox_wanted");
  assert_int_equal(wanted(), 0);
  struct webhook_endpoint e = plain();
  create(&e);
  assert_int_equal(wanted(), 3);
  e.events = UINT64_C(1) << EVENT_KEY_CREATED;
  update(ENDPOINT_EVENTS, &e);
  assert_int_equal(wanted(), 2);
  e.forward_stripe = true;
  update(ENDPOINT_FORWARD, &e);
  assert_int_equal(wanted(), 6);
  e.events |= UINT64_C(1) << EVENT_USAGE_SETTLED;
  update(ENDPOINT_EVENTS, &e);
  assert_int_equal(wanted(), 7);
  e.off = ENDPOINT_BY_OPERATOR;
  update(ENDPOINT_ENABLED, &e);
  assert_int_equal(wanted(), 0);
  e.off = ENDPOINT_ON;
  update(ENDPOINT_ENABLED, &e);
  assert_int_equal(wanted(), 7);
  delete_one(e.id);
  assert_int_equal(wanted(), 0);
  assert_int_equal(number("SELECT version FROM outbox_wanted"), version + 7);
}

static void *create_besides(void *arg) {
  struct db *other = connect_db();
  struct webhook_endpoint e = plain();
  e.events = UINT64_C(1) << EVENT_KEY_CREATED;
  create_on(other, &e);
  db_destroy(other);
  return arg;
}

// The second waits for the first, and counts what the first has made.
static void of_two_changes_at_once_neither_is_forgotten(void **state) {
  (void)state;
  struct webhook_endpoint e = plain();
  char secret[SIGN_TEXT_MAX];
  pthread_t thread;
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(endpoint_create(db, &keys, &e, secret), ENDPOINT_DONE);
  assert_int_equal(pthread_create(&thread, NULL, create_besides, NULL), 0);
  struct db *watch = connect_db();
  int64_t waiting = 0;
  for (int i = 0; i < 500 && !waiting; i++) {
    struct db_result *r = NULL;
    assert_int_equal(db_query(watch, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", &r), 0);
    waiting = db_i64(r, 0, 0);
    db_result_finish(r);
    if (!waiting) usleep(10000);
  }
  assert_true(waiting > 0);
  db_destroy(watch);
  assert_int_equal(db_commit(db), 0);
  pthread_join(thread, NULL);
  assert_int_equal(number("SELECT count(*) FROM webhook_endpoints"), 2);
  assert_int_equal(wanted(), 3); // the usage that the first one takes
}

static void what_is_created_reads_back_and_its_secrets_open(void **state) {
  (void)state;
  struct webhook_endpoint e = plain(), seen;
  char secret[SIGN_TEXT_MAX], turned[SIGN_TEXT_MAX];
  struct sign_secret read;
  e.events = UINT64_C(1) << EVENT_KEY_CREATED | UINT64_C(1) << EVENT_ENDPOINT_DISABLED;
  e.scheme = ENDPOINT_STRIPE;
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(endpoint_create(db, &keys, &e, secret), ENDPOINT_DONE);
  assert_int_equal(endpoint_rotate(db, &keys, e.id, 3600, turned), ENDPOINT_DONE);
  assert_int_equal(db_commit(db), 0);
  assert_int_equal(endpoint_read(db, &arena, e.id, &seen), ENDPOINT_DONE);
  assert_true(str_eq(seen.url, e.url) && seen.events == e.events && seen.scheme == ENDPOINT_STRIPE && seen.off == ENDPOINT_ON);
  assert_true(seen.old_secret_until > clock_wall_us());
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, "SELECT secret, old_secret, sign_key, public_key FROM webhook_endpoints", &r), 0);
  const char *const texts[] = {turned, secret};
  for (int i = 0; i < 2; i++) {
    CLEANUP(buf_finish) struct buf open;
    buf_init(&open, 1024);
    assert_int_equal(endpoint_open(&keys, e.id, ENDPOINT_SECRET, db_text(r, 0, i), &open), 0);
    assert_true(str_eq(buf_str(&open), str_from(texts[i])) && sign_secret_read(buf_str(&open), &read));
    assert_int_not_equal(endpoint_open(&keys, UUID_NIL, ENDPOINT_SECRET, db_text(r, 0, i), &open), 0);
    assert_int_not_equal(endpoint_open(&keys, e.id, ENDPOINT_SIGN_KEY, db_text(r, 0, i), &open), 0);
  }
  CLEANUP(buf_finish) struct buf pair;
  buf_init(&pair, 1024);
  assert_int_equal(endpoint_open(&keys, e.id, ENDPOINT_SIGN_KEY, db_text(r, 0, 2), &pair), 0);
  assert_memory_equal(pair.data + 32, db_text(r, 0, 3).ptr, 32);
  assert_memory_equal(seen.public_key, db_text(r, 0, 3).ptr, 32);
  db_result_finish(r);
  assert_int_equal(endpoint_read(db, &arena, uuid_v7(clock_wall_us()), &seen), ENDPOINT_UNKNOWN);
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(endpoint_delete(db, uuid_v7(clock_wall_us())), ENDPOINT_UNKNOWN);
  db_rollback(db);
}

static void there_may_be_so_many_and_no_more(void **state) {
  (void)state;
  char secret[SIGN_TEXT_MAX], sql[300];
  struct webhook_endpoint e = plain();
  create(&e);
  (void)snprintf(sql, sizeof sql,
                 "INSERT INTO webhook_endpoints (id, url, events, api_version, secret, sign_key, public_key) "
                 "SELECT gen_random_uuid(), url, events, api_version, secret, sign_key, public_key FROM webhook_endpoints, generate_series(1, %d)",
                 LIMIT_WEBHOOK_ENDPOINTS - 1);
  assert_int_equal(db_exec(db, sql), 0);
  e.id = uuid_v7(clock_wall_us());
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(endpoint_create(db, &keys, &e, secret), ENDPOINT_TOO_MANY);
  db_rollback(db);
}

// ---- deliveries

static struct uuid told(struct uuid endpoint, int64_t at_us, int state) {
  struct uuid id = uuid_floor(at_us); // ids of a process only grow
  crypto_random(id.b + 9, 7);
  char we[33], evt[33], sql[700];
  crypto_hex(endpoint.b, 16, we);
  crypto_hex(id.b, 16, evt);
  (void)snprintf(sql, sizeof sql,
                 "INSERT INTO webhook_events (id, customer_id, type, data, size, created_at) VALUES ('%s', '%s', 'key.created', '{}', 2, now());"
                 "INSERT INTO %s (endpoint_id, event_id, attempts%s) VALUES ('%s', '%s', '[]'%s)",
                 evt, evt, state == DELIVERY_WAITING ? "webhook_queue" : "webhook_deliveries", state == DELIVERY_WAITING ? "" : ", state", we, evt,
                 state == DELIVERY_WAITING ? "" : state == DELIVERY_DELIVERED ? ", 2" : ", 3");
  assert_int_equal(db_exec(db, sql), 0);
  return id;
}

static void the_log_is_one_whether_it_waits_or_has_ended(void **state) {
  (void)state;
  struct webhook_endpoint e = plain();
  struct webhook_delivery *list;
  size_t count;
  int64_t now = clock_wall_us();
  create(&e);
  struct uuid ids[6];
  for (int i = 0; i < 6; i++) ids[i] = told(e.id, now + i * 1000, 1 + i % 3);
  told(uuid_v7(now), now, DELIVERY_DELIVERED); // another's
  assert_int_equal(delivery_list(db, &arena, e.id, 0, UUID_NIL, 10, &list, &count), 0);
  assert_int_equal(count, 6);
  for (size_t i = 0; i < 6; i++) {
    assert_true(uuid_eq(list[i].event, ids[5 - i]));
    assert_int_equal(list[i].state, 1 + (5 - i) % 3);
  }
  assert_int_equal(delivery_list(db, &arena, e.id, 0, ids[3], 2, &list, &count), 0);
  assert_true(count == 2 && uuid_eq(list[0].event, ids[2]) && uuid_eq(list[1].event, ids[1]));
  for (int state_is = DELIVERY_WAITING; state_is <= DELIVERY_FAILED; state_is++) {
    assert_int_equal(delivery_list(db, &arena, e.id, state_is, UUID_NIL, 10, &list, &count), 0);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) assert_int_equal(list[i].state, state_is);
  }
}

static void a_replay_takes_the_oldest_up_to_its_bound(void **state) {
  (void)state;
  struct webhook_endpoint e = plain();
  int64_t count, last, begin = clock_wall_us() - INT64_C(3600) * 1000000;
  char we[33], sql[700];
  create(&e);
  crypto_hex(e.id.b, 16, we);
  (void)snprintf(sql, sizeof sql,
                 "INSERT INTO webhook_deliveries (endpoint_id, event_id, state, attempts) "
                 "SELECT '%s', (lpad(to_hex(%lld + n / 10), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid, 3, '[]' FROM generate_series(0, %d) n",
                 we, (long long)begin / 1000, LIMIT_WEBHOOK_REPLAY + 5);
  assert_int_equal(db_exec(db, sql), 0);
  assert_int_equal(delivery_replay(db, e.id, begin, clock_wall_us(), false, &count, &last), 0);
  assert_int_equal(count, LIMIT_WEBHOOK_REPLAY);
  assert_int_equal(last / 1000, begin / 1000 + (LIMIT_WEBHOOK_REPLAY - 1) / 10);
  assert_int_equal(delivery_replay(db, e.id, last, clock_wall_us(), false, &count, &last), 0);
  assert_int_equal(count, 6);
  assert_int_equal(last, 0);
  assert_int_equal(number("SELECT count(*) FROM webhook_deliveries"), 0);
  assert_int_equal(number("SELECT count(*) FROM webhook_queue"), LIMIT_WEBHOOK_REPLAY + 6);
}

// ---- housekeeping

static void days_are_made_ahead_and_dropped_when_their_time_has_passed(void **state) {
  (void)state;
  assert_true(webhook_partitions(db, 14) >= 0);
  assert_int_equal(number("SELECT count(*) FROM pg_inherits WHERE inhparent IN ('webhook_events'::regclass, 'webhook_deliveries'::regclass)"), 2 * (1 + 4));
  assert_int_equal(webhook_partitions(db, 14), 0); // nothing more to do
  char sql[400], from[33], until[33];
  for (int days = 13; days <= 16; days++) {
    int64_t day = (clock_wall_us() / INT64_C(86400000000) - days) * INT64_C(86400000000);
    char name[CLOCK_TEXT_MAX];
    clock_print(day, name);
    struct uuid low = uuid_floor(day), high = uuid_floor(day + INT64_C(86400000000));
    crypto_hex(low.b, 16, from);
    crypto_hex(high.b, 16, until);
    (void)snprintf(sql, sizeof sql, "CREATE TABLE webhook_events_%.4s%.2s%.2s PARTITION OF webhook_events FOR VALUES FROM ('%s') TO ('%s')", name, name + 5, name + 8, from, until);
    assert_int_equal(db_exec(db, sql), 0);
  }
  assert_int_equal(webhook_partitions(db, 14), 2); // of fifteen and sixteen days ago
  assert_int_equal(number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'webhook_events'::regclass"), 1 + 4 + 2);
}

static void what_is_old_or_nobodys_is_forgotten_in_pieces(void **state) {
  (void)state;
  struct webhook_endpoint e = plain();
  int64_t now = clock_wall_us(), day = INT64_C(86400000000);
  create(&e);
  told(e.id, now, DELIVERY_WAITING);
  told(e.id, now - 20 * day, DELIVERY_WAITING);
  told(e.id, now - 20 * day, DELIVERY_FAILED);
  told(uuid_v7(now), now, DELIVERY_WAITING); // of an endpoint that was deleted
  assert_int_equal(webhook_forget(db, 14), 1 + 1 + 1 + 2); // the other's, the old one's, the ended one, the events of both
  assert_int_equal(number("SELECT count(*) FROM webhook_queue"), 1);
  assert_int_equal(number("SELECT count(*) FROM webhook_deliveries"), 0);
  assert_int_equal(webhook_forget(db, 14), 0);
}

static int open_all(void **state) {
  (void)state;
  arena_init(&arena, 1 << 26);
  assert_true(crypto_start());
  crypto_random(&keys, sizeof keys);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = connect_db();
  return 0;
}

static int close_all(void **state) {
  (void)state;
  db_destroy(db);
  arena_finish(&arena);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(what_is_wanted_follows_every_change_of_endpoints, nothing_is_there),
      cmocka_unit_test_setup(of_two_changes_at_once_neither_is_forgotten, nothing_is_there),
      cmocka_unit_test_setup(what_is_created_reads_back_and_its_secrets_open, nothing_is_there),
      cmocka_unit_test_setup(there_may_be_so_many_and_no_more, nothing_is_there),
      cmocka_unit_test_setup(the_log_is_one_whether_it_waits_or_has_ended, nothing_is_there),
      cmocka_unit_test_setup(a_replay_takes_the_oldest_up_to_its_bound, nothing_is_there),
      cmocka_unit_test_setup(days_are_made_ahead_and_dropped_when_their_time_has_passed, nothing_is_there),
      cmocka_unit_test_setup(what_is_old_or_nobodys_is_forgotten_in_pieces, nothing_is_there),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
