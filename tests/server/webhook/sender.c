// The sender against a real database and a receiver of raw sockets: what it does when others send too, when the database goes
// away under it, and when it ends.
#define WIRE_CONNECTIONS 512
#include "../net/wire.h"

#include "../cluster.h"
#include "crypto/crypto.h"
#include "db/db.h"
#include "db/pool.h"
#include "webhook/delivery.h"
#include "webhook/endpoint.h"
#include "webhook/sender.h"

#define EVENTS 300

static struct cluster cluster;
static struct db *db;
static struct crypto_keys keys;
static struct net_ranges open_ranges;
static struct retry_schedule schedule = {.ms = {50, 50, 50}, .count = 3};
static atomic_bool answering; // else the receiver takes and says nothing

static struct db *connect_db(void) {
  CLEANUP(buf_finish) struct buf error;
  buf_init(&error, 512);
  struct db *made = db_connect(cluster.url, 5000, 5000, 0, &error);
  assert_non_null(made);
  return made;
}

static int64_t number(const char *sql) {
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, sql, &r), 0);
  int64_t n = db_i64(r, 0, 0);
  db_result_finish(r);
  return n;
}

static void wait_for(const char *sql, int64_t wanted) {
  for (int i = 0; i < 6000 && number(sql) != wanted; i++) usleep(10000);
  assert_int_equal(number(sql), wanted);
}

static struct webhook_sender *sender(int timeout_ms) {
  struct webhook_config config = {.url = cluster.url, .keys = &keys, .open = &open_ranges, .schedule = &schedule, .timeout_ms = timeout_ms, .disable_hours = 120};
  return webhook_sender_create(&config);
}

static void take(struct wire_connection *c) {
  while (wire_read(c)) {
    while (!answering && !c->wire->stopping) usleep(10000);
    if (!wire_puts(c, "HTTP/1.1 204 No Content\r\n\r\n")) return;
  }
}

static void endpoint_at(int port) {
  char url[64], secret[SIGN_TEXT_MAX];
  (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
  struct webhook_endpoint e = {.id = uuid_v7(clock_wall_us()), .url = str_from(url), .description = STR(""), .api_version = STR("2026-09-30.endive"),
                               .events = ENDPOINT_ALL, .scheme = ENDPOINT_STRIPE};
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(endpoint_create(db, &keys, &e, secret), ENDPOINT_DONE);
  assert_int_equal(db_commit(db), 0);
}

static void tell(int count) {
  for (int i = 0; i < count; i++) assert_int_equal(event_add(db, UUID_NIL, EVENT_KEY_CREATED, STR("{\"a\":1}")), 0);
}

static int nothing_is_there(void **state) {
  (void)state;
  answering = true;
  return db_exec(db, "DELETE FROM outbox; DELETE FROM webhook_endpoints; DELETE FROM webhook_queue; DELETE FROM webhook_deliveries; DELETE FROM webhook_events; "
                     "DELETE FROM webhook_sequences");
}

static void two_senders_share_what_there_is(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, take);
  endpoint_at(w.port);
  struct webhook_sender *a = sender(5000), *b = sender(5000);
  tell(EVENTS);
  wait_for("SELECT count(*) FROM webhook_deliveries WHERE state = 2", EVENTS);
  webhook_sender_stop(a, 5000);
  webhook_sender_stop(b, 5000);
  webhook_sender_destroy(a);
  webhook_sender_destroy(b);
  assert_int_equal(w.requests, EVENTS);
  assert_int_equal(number("SELECT count(*) FROM webhook_queue"), 0);
  assert_int_equal(number("SELECT last FROM webhook_sequences"), EVENTS);
  assert_int_equal(number("SELECT count(DISTINCT sequence) FROM webhook_events"), EVENTS);
  wire_stop(&w);
}

static void sessions_that_are_ended_and_a_server_that_falls_lose_nothing(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, take);
  endpoint_at(w.port);
  struct webhook_sender *s = sender(1000); // a lease is 7 s: what was claimed in a lost commit comes again
  for (int i = 0; i < 10; i++) {
    tell(EVENTS / 10);
    usleep(30000);
    assert_int_equal(db_exec(db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"), 0);
  }
  db_destroy(db);
  cluster_restart(&cluster);
  db = connect_db();
  wait_for("SELECT count(*) FROM webhook_deliveries WHERE state = 2", EVENTS);
  assert_int_equal(number("SELECT count(*) FROM webhook_queue"), 0);
  assert_true(w.requests >= EVENTS);
  webhook_sender_destroy(s);
  wire_stop(&w);
}

static void what_is_cut_off_or_not_begun_at_the_end_is_as_it_was(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, take);
  endpoint_at(w.port);
  tell(8 * EVENTS);
  struct webhook_sender *s = sender(20000);
  for (int i = 0; i < 6000 && w.requests < EVENTS; i++) usleep(1000);
  answering = false; // it has much in hand by now: some wait for an answer, and others for their turn
  usleep(200000);
  webhook_sender_stop(s, 100);
  webhook_sender_destroy(s);
  int64_t delivered = number("SELECT count(*) FROM webhook_deliveries WHERE state = 2");
  assert_true(delivered < 8 * EVENTS);
  assert_int_equal(number("SELECT count(*) FROM webhook_queue WHERE leased_until > now() OR tries > 0 OR attempts <> '[]' OR due_at > now()"), 0);
  assert_int_equal(number("SELECT count(*) FROM webhook_queue") + number("SELECT count(*) FROM outbox") + delivered, 8 * EVENTS);
  answering = true;
  s = sender(20000);
  wait_for("SELECT count(*) FROM webhook_deliveries WHERE state = 2", 8 * EVENTS); // at once: no lease is waited for
  webhook_sender_destroy(s);
  wire_stop(&w);
}

// What still runs of a sender has time to touch its connections behind their end.
void __real_db_pool_destroy(struct db_pool *pool);
void __wrap_db_pool_destroy(struct db_pool *pool);
void __wrap_db_pool_destroy(struct db_pool *pool) {
  __real_db_pool_destroy(pool);
  usleep(20000);
}

// Also while it looks for something to do every few milliseconds.
static void one_may_end_at_any_moment(void **state) {
  (void)state;
  struct wire w;
  wire_start(&w, take);
  endpoint_at(w.port);
  for (int i = 0; i < 30; i++) {
    struct webhook_sender *s = sender(1000);
    if (i % 3 == 0) tell(1);
    if (i % 2 == 0) webhook_sender_hint(s);
    usleep((unsigned)(i % 12) * 2000);
    webhook_sender_destroy(s);
  }
  struct webhook_sender *last = sender(1000);
  wait_for("SELECT count(*) FROM webhook_deliveries WHERE state = 2", 10);
  webhook_sender_destroy(last);
  wire_stop(&w);
}

static void result_params(struct db_params *p, struct uuid endpoint, struct uuid event, int32_t claim) {
  db_params_clear(p);
  db_array_begin(p, DB_UUID), db_array_uuid(p, endpoint), db_array_end(p);
  db_array_begin(p, DB_UUID), db_array_uuid(p, event), db_array_end(p);
  db_array_begin(p, DB_I32), db_array_i32(p, claim), db_array_end(p);
}

static void retry(struct uuid endpoint, struct uuid event, int32_t claim) {
  struct db_params p;
  db_params_init(&p);
  result_params(&p, endpoint, event, claim);
  db_array_begin(&p, DB_I64), db_array_i64(&p, 1000), db_array_end(&p);
  db_array_begin(&p, DB_TEXT), db_array_text(&p, STR("{\"n\":1}")), db_array_end(&p);
  db_param_i32(&p, 3);
  assert_int_equal(db_run(db, STATEMENT_WEBHOOK_RETRY, &p, NULL), 0);
  db_params_finish(&p);
}

static void end(struct uuid endpoint, struct uuid event, int32_t claim, int16_t state) {
  struct db_params p;
  db_params_init(&p);
  result_params(&p, endpoint, event, claim);
  db_array_begin(&p, DB_I16), db_array_i16(&p, state), db_array_end(&p);
  db_array_begin(&p, DB_TEXT), db_array_text(&p, STR("{\"n\":2}")), db_array_end(&p);
  db_param_i32(&p, 3);
  assert_int_equal(db_run(db, STATEMENT_WEBHOOK_END, &p, NULL), 0);
  db_params_finish(&p);
}

// Whose lease has run out may still come with what it saw: only a success counts then.
static void a_result_counts_once_and_only_of_who_has_the_delivery(void **state) {
  (void)state;
  struct uuid endpoint = uuid_v7(clock_wall_us()), event = uuid_v7(clock_wall_us());
  char we[33], evt[33], sql[300];
  crypto_hex(endpoint.b, 16, we);
  crypto_hex(event.b, 16, evt);
  (void)snprintf(sql, sizeof sql, "INSERT INTO webhook_queue (endpoint_id, event_id, claim) VALUES ('%s', '%s', 5)", we, evt);
  assert_int_equal(db_exec(db, sql), 0);
  retry(endpoint, event, 4); // another has claimed it since
  assert_int_equal(number("SELECT tries FROM webhook_queue"), 0);
  retry(endpoint, event, 5);
  retry(endpoint, event, 5); // written again after a commit of which nothing was heard
  assert_int_equal(number("SELECT tries FROM webhook_queue"), 1);
  assert_int_equal(number("SELECT jsonb_array_length(attempts) FROM webhook_queue"), 1);
  assert_int_equal(number("SELECT claim FROM webhook_queue"), 6);
  for (int claim = 6; claim < 10; claim++) retry(endpoint, event, claim);
  assert_int_equal(number("SELECT jsonb_array_length(attempts) FROM webhook_queue"), 3); // the last ones
  end(endpoint, event, 9, DELIVERY_FAILED);
  assert_int_equal(number("SELECT count(*) FROM webhook_queue"), 1);
  end(endpoint, event, 9, DELIVERY_DELIVERED);
  assert_int_equal(number("SELECT count(*) FROM webhook_queue"), 0);
  assert_int_equal(number("SELECT state FROM webhook_deliveries"), DELIVERY_DELIVERED);
  end(endpoint, event, 10, DELIVERY_FAILED); // it has ended
  assert_int_equal(number("SELECT state FROM webhook_deliveries"), DELIVERY_DELIVERED);
}

static int open_all(void **state) {
  CLEANUP(buf_finish) struct buf error;
  (void)state;
  buf_init(&error, 512);
  assert_true(crypto_start());
  crypto_random(&keys, sizeof keys);
  assert_true(net_ranges_parse(STR("127.0.0.0/8"), &open_ranges, &error));
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = connect_db();
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
      cmocka_unit_test_setup(two_senders_share_what_there_is, nothing_is_there),
      cmocka_unit_test_setup(sessions_that_are_ended_and_a_server_that_falls_lose_nothing, nothing_is_there),
      cmocka_unit_test_setup(what_is_cut_off_or_not_begun_at_the_end_is_as_it_was, nothing_is_there),
      cmocka_unit_test_setup(one_may_end_at_any_moment, nothing_is_there),
      cmocka_unit_test_setup(a_result_counts_once_and_only_of_who_has_the_delivery, nothing_is_there),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
