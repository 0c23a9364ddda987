// Builds the instance. A step that fails ends with a sentence, and what was made before it is taken down again.
#include "app/service.h"
#include "app/files.h"
#include "app/keeper.h"
#include "app/payments.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "crypto/crypto.h"
#include "db/migrate.h"
#include "db/pool.h"
#include "gateway/gateway.h"
#include "rest/rest.h"
#include "stripe/client.h"
#include "webhook/sender.h"
#include <errno.h>
#include <pthread.h>
#include <time.h>

#define STATEMENT_MS 30000
#define LOCK_MS 5000
#define SETTLE_MS 3000 // of the drain's bound: left to charge what is cut off
#define LEAVE_MS 5000  // beyond it: for the database to take the last settlements
#define LOOPS_MAX 64

struct service {
  const struct config *config;
  struct crypto_keys keys;
  struct db_pool *pool, *reading;
  struct stripe *stripe;       // NULL: payments are off
  struct db_pool *stripe_pool; // likewise
  struct ledger *ledger;
  struct journal *journal; // NULL: off
  struct principals *principals;
  struct book_holder *books;
  struct receipt_ring *receipts;
  struct plugin_registry *plugins;
  struct net_loop *loops[LOOPS_MAX];
  size_t loop_count;
  struct net_ranges webhook_open;
  struct retry_schedule webhook_schedule;
  struct webhook_sender *webhooks;
  struct gateway_context gateway;
  struct rest_context rest;
  struct http_route *routes;
  size_t route_count;
  struct http_server *http;
  struct keeper *keeper;
};

// ---- the database's shape

static void step_log(void *arg, int number, const char *name) {
  (void)arg;
  log_info("migration.applied", "%04d %s", number, name);
}

static bool shape_ensure(const struct config *c, struct db *db, struct buf *ret_error) {
  struct migrate_status status;
  int r = migrate_status(db, &status);
  bool pending = r == 0 && (status.state == MIGRATE_PENDING || status.state == MIGRATE_EMPTY);
  if (pending && config_is(c, SETTING_MIGRATE, "off")) {
    buf_printf(ret_error, "%s: run `tollgate migrate`, or set TOLLGATE_MIGRATE=auto", status.detail);
    return false;
  }
  if (pending) r = migrate_run(db, step_log, NULL, &status);
  if (r < 0)
    buf_printf(ret_error, "the database's shape cannot be read: %s", db_error(db));
  else if (r > 0 || status.state == MIGRATE_CHANGED || status.state == MIGRATE_NEWER)
    buf_puts(ret_error, status.detail);
  return r == 0 && status.state != MIGRATE_CHANGED && status.state != MIGRATE_NEWER;
}

static bool database_prepare(struct service *s, struct buf *ret_error) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  struct db *db = db_connect_bare(config_text(s->config, SETTING_DATABASE_DIRECT_URL), &why);
  if (!db) buf_printf(ret_error, "the database cannot be reached: %s", buf_cstr(&why));
  bool sound = db && shape_ensure(s->config, db, ret_error);
  db_destroy(db);
  return sound;
}

#define KEEP_CALLS_LEAST 62

// Calls are kept longer than an event may be late, by a month that is whole.
static struct ledger_retention retention_of(const struct config *c) {
  struct ledger_retention r = {.events_late_days = (int)config_number(c, SETTING_EVENTS_LATE_DAYS),
                               .evidence_days = (int)config_number(c, SETTING_KEEP_EVIDENCE_DAYS),
                               .calls_days = (int)config_number(c, SETTING_KEEP_CALLS_DAYS)};
  if (r.calls_days > 0 && r.calls_days < KEEP_CALLS_LEAST) r.calls_days = KEEP_CALLS_LEAST;
  if (r.calls_days > 0 && r.calls_days < r.events_late_days + 27) r.calls_days = r.events_late_days + 27;
  return r;
}

// The first price book, the coming days' partitions and a key for receipts are there before the first request.
static bool books_prepare(struct service *s, struct buf *ret_error) {
  CLEANUP(buf_finish) struct buf why;
  struct book *book = NULL;
  buf_init(&why, 4096);
  struct db *db =
      db_connect_shared(config_text(s->config, SETTING_DATABASE_URL), STATEMENT_MS, LOCK_MS, STATEMENT_MS, &why);
  if (!db) buf_printf(ret_error, "the database cannot be used: %s", buf_cstr(&why));
  struct ledger_retention retention = retention_of(s->config);
  bool sound = db && ledger_partitions(db, &retention) >= 0 && book_load(db, &book) == 0 && receipt_ring_load(s->receipts, db) == 0 &&
               webhook_partitions(db, (int)config_number(s->config, SETTING_WEBHOOK_KEEP_DAYS)) >= 0;
  if (db && !sound) buf_printf(ret_error, "the database cannot be read: %s", db_error(db));
  if (book) book_put(s->books, book);
  db_destroy(db);
  return sound;
}

// ---- the parts

static bool keys_prepare(struct service *s, struct buf *ret_error) {
  bool derived = crypto_keys_derive(str_from(config_text(s->config, SETTING_MASTER_KEY)), &s->keys);
  if (derived) s->receipts = receipt_ring_create(&s->keys);
  if (!derived) buf_puts(ret_error, "TOLLGATE_MASTER_KEY cannot be used");
  return derived;
}

static bool plugins_prepare(struct service *s, struct buf *ret_error) {
  CLEANUP(buf_finish) struct buf problems;
  buf_init(&problems, 16 * 1024);
  const char *dir = config_text(s->config, SETTING_PLUGIN_DIR);
  if (plugin_registry_load(dir, &s->plugins, &problems) < 0) {
    buf_printf(ret_error, "TOLLGATE_PLUGIN_DIR cannot be read: %s. Example: TOLLGATE_PLUGIN_DIR=%s", dir,
               setting_table[SETTING_PLUGIN_DIR].example);
    return false;
  }
  struct str rest = buf_str(&problems), line;
  while (str_split(&rest, '\n', &line)) log_warn("plugin.refused", "%.*s", STR_ARG(line));
  return true;
}

static bool ledger_prepare(struct service *s, struct buf *ret_error) {
  struct ledger_config config = {.url = config_text(s->config, SETTING_DATABASE_DIRECT_URL),
                                 .instance = config_text(s->config, SETTING_INSTANCE),
                                 .lease_ms = (int)config_number(s->config, SETTING_LEASE_MS),
                                 .writers = (int)config_number(s->config, SETTING_LEDGER_WRITERS)};
  s->ledger = ledger_create(&config, ret_error);
  return s->ledger != NULL;
}

// What was found is told once, here; what is alarming is counted too.
static void found_tell(const struct journal_found *f) {
  struct str rest = buf_str(&f->lines), line;
  bool alarming = f->flipped + f->duplicates + f->foreign > 0;
  while (str_split(&rest, '\n', &line))
    log_write(alarming ? LOG_ERROR : LOG_WARN, "journal.found", "%.*s", STR_ARG(line));
  if (f->entries > 0) log_info("journal.entries", "%zu settlements wait in the journal", f->entries);
  metric_add(METRIC_JOURNAL_TORN, (int64_t)f->torn);
  metric_add(METRIC_JOURNAL_FLIPPED, (int64_t)f->flipped);
  metric_add(METRIC_JOURNAL_DUPLICATES, (int64_t)f->duplicates);
}

static bool journal_prepare(struct service *s, struct buf *ret_error) {
  const char *folder = config_text(s->config, SETTING_JOURNAL_DIR);
  struct journal_found found;
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  if (strcmp(folder, "off") == 0) {
    log_warn("journal.off", "settlements that wait for the database are lost if this process dies");
    metric_set(METRIC_JOURNAL_OK, 1);
    return true;
  }
  if (folder_make(folder, 0700) != 0)
    buf_printf(&why, "the journal's folder %s cannot be made: %s", folder, strerror(errno));
  else {
    s->journal = journal_open(folder, &found, &why);
    found_tell(&found);
    journal_found_finish(&found);
  }
  if (!s->journal)
    buf_printf(ret_error, "TOLLGATE_JOURNAL_DIR: %s. Example: TOLLGATE_JOURNAL_DIR=%s", buf_cstr(&why),
               setting_table[SETTING_JOURNAL_DIR].example);
  return s->journal != NULL;
}

static void pools_create(struct service *s) {
  unsigned threads = (unsigned)config_number(s->config, SETTING_JOB_THREADS);
  s->pool = db_pool_create(config_text(s->config, SETTING_DATABASE_URL), threads, LIMIT_JOB_QUEUE);
  s->reading =
      db_pool_create(config_text(s->config, SETTING_DATABASE_READ_URL), threads > 2 ? threads / 2 : 1, LIMIT_JOB_QUEUE);
}

// ---- payments

static void payments_prepare(struct service *s) {
  s->stripe = payments_client(s->config);
  if (s->stripe)
    s->stripe_pool =
        db_pool_create(config_text(s->config, SETTING_DATABASE_URL), LIMIT_STRIPE_THREADS, LIMIT_STRIPE_QUEUE);
}

static void payments_wire(struct service *s) {
  s->rest.stripe = s->stripe;
  s->rest.stripe_pool = s->stripe_pool;
  s->rest.stripe_tolerance_s = config_number(s->config, SETTING_STRIPE_TOLERANCE);
  if (s->stripe)
    ASSERT(signature_secrets_read(str_from(config_text(s->config, SETTING_STRIPE_HOOKS)), &s->rest.stripe_secrets));
}

static void loops_create(struct service *s) {
  int64_t wanted = config_number(s->config, SETTING_HTTP_THREADS);
  s->loop_count = wanted < LOOPS_MAX ? (size_t)wanted : LOOPS_MAX;
  for (size_t i = 0; i < s->loop_count; i++) s->loops[i] = net_loop_create("upstream");
}

// A deployment whose key of Stripe's is a test key moves no real money.
static bool is_live(const struct config *c) {
  return !strstr(config_text(c, SETTING_STRIPE_KEY), "_test_");
}

// What the settings say was found sound when they were read.
static void webhooks_create(struct service *s) {
  const struct config *c = s->config;
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 512);
  ASSERT(net_ranges_parse(str_from(config_text(c, SETTING_WEBHOOK_ALLOW)), &s->webhook_open, &why));
  ASSERT(retry_schedule_parse(str_from(config_text(c, SETTING_WEBHOOK_SCHEDULE)), &s->webhook_schedule, &why));
  struct webhook_config config = {.url = config_text(c, SETTING_DATABASE_URL),
                                  .keys = &s->keys,
                                  .open = &s->webhook_open,
                                  .schedule = &s->webhook_schedule,
                                  .timeout_ms = (int)config_number(c, SETTING_WEBHOOK_TIMEOUT_MS),
                                  .disable_hours = (int)config_number(c, SETTING_WEBHOOK_DISABLE_HOURS),
                                  .livemode = is_live(c)};
  if (config_is(c, SETTING_WEBHOOKS, "on")) s->webhooks = webhook_sender_create(&config);
}

// A service runs only on a database of its own shape (database_prepare).
static void ready_tell(void *arg, struct rest_ready *ret) {
  const struct service *s = arg;
  *ret = (struct rest_ready){.database = db_pool_up(s->pool),
                             .migrations = true,
                             .plugins = plugin_count(s->plugins) > 0,
                             .ledger = ledger_up(s->ledger),
                             .journal = !s->journal || journal_state(s->journal).ok};
}

static void webhooks_hint(void *arg) {
  webhook_sender_hint(arg);
}

static void edges_prepare(struct service *s) {
  const struct config *c = s->config;
  s->gateway = (struct gateway_context){.loops = s->loops,
                                        .loop_count = s->loop_count,
                                        .pool = s->pool,
                                        .ledger = s->ledger,
                                        .journal = s->journal,
                                        .principals = s->principals,
                                        .books = s->books,
                                        .plugins = s->plugins,
                                        .keys = &s->keys,
                                        .first_byte_ms = (int)config_number(c, SETTING_FIRST_BYTE_MS),
                                        .between_ms = (int)config_number(c, SETTING_BETWEEN_CHUNKS_MS),
                                        .total_ms = (int)config_number(c, SETTING_UPSTREAM_TOTAL_MS)};
  s->rest = (struct rest_context){.pool = s->pool,
                                  .read_pool = s->reading,
                                  .ledger = s->ledger,
                                  .principals = s->principals,
                                  .books = s->books,
                                  .plugins = s->plugins,
                                  .keys = &s->keys,
                                  .webhook_hint = webhooks_hint,
                                  .webhook_arg = s->webhooks,
                                  .webhook_open = &s->webhook_open,
                                  .stripe_version = config_text(c, SETTING_STRIPE_VERSION),
                                  .livemode = is_live(c),
                                  .receipts = s->receipts,
                                  .open_holds_max = config_number(c, SETTING_OPEN_HOLDS_MAX),
                                  .events_batch_max = (size_t)config_number(c, SETTING_EVENTS_BATCH_MAX),
                                  .events_late_us = config_number(c, SETTING_EVENTS_LATE_DAYS) * INT64_C(86400000000),
                                  .events_refuse_unpriced = config_is(c, SETTING_EVENTS_UNPRICED, "refuse"),
                                  .metrics_open = config_is(c, SETTING_METRICS, "open"),
                                  .ready = ready_tell,
                                  .ready_arg = s};
  payments_wire(s);
}

static void routes_join(struct service *s) {
  size_t rest_count, gateway_count;
  const struct http_route *rest = rest_routes(&s->rest, &rest_count);
  const struct http_route *gateway = gateway_routes(&s->gateway, &gateway_count);
  s->route_count = rest_count + gateway_count;
  s->routes = mem_alloc(s->route_count * sizeof *s->routes);
  memcpy(s->routes, rest, rest_count * sizeof *rest);
  memcpy(s->routes + rest_count, gateway, gateway_count * sizeof *gateway);
}

static bool http_prepare(struct service *s, struct buf *ret_error) {
  const struct config *c = s->config;
  routes_join(s);
  struct http_config config = {.host = config_text(c, SETTING_HOST),
                               .port = (uint16_t)config_number(c, SETTING_PORT),
                               .threads = (unsigned)config_number(c, SETTING_HTTP_THREADS),
                               .connections_max = (unsigned)config_number(c, SETTING_MAX_CONNECTIONS),
                               .connections_per_ip = (unsigned)config_number(c, SETTING_MAX_CONNECTIONS_PER_IP),
                               .routes = s->routes,
                               .route_count = s->route_count,
                               .body_bound = rest_body_bound,
                               .body_ask = rest_body_ask,
                               .memory_max = (size_t)config_number(c, SETTING_EVENTS_MEMORY) << 20};
  s->http = http_server_create(&config, ret_error);
  return s->http != NULL;
}

static void keeper_prepare(struct service *s) {
  struct keeper_config config = {.url = config_text(s->config, SETTING_DATABASE_URL),
                                 .lease_ms = (int)config_number(s->config, SETTING_LEASE_MS),
                                 .ledger = s->ledger,
                                 .journal = s->journal,
                                 .principals = s->principals,
                                 .books = s->books,
                                 .plugins = s->plugins,
                                 .receipts = s->receipts,
                                 .gateway = &s->gateway,
                                 .stripe = s->stripe,
                                 .meters_ms = (int)config_number(s->config, SETTING_STRIPE_METERS_S) * 1000,
                                 .reconcile_ms = (int)config_number(s->config, SETTING_STRIPE_READ_S) * 1000,
                                 .webhook_keep_days = (int)config_number(s->config, SETTING_WEBHOOK_KEEP_DAYS),
                                 .retention = retention_of(s->config)};
  ASSERT(meter_map_read(str_from(config_text(s->config, SETTING_STRIPE_METERS)), &config.meters));
  s->keeper = keeper_create(&config);
}

struct service *service_create(const struct config *config, struct buf *ret_error) {
  struct service *s = mem_alloc(sizeof *s);
  s->config = config;
  s->books = book_holder_create();
  bool sound = keys_prepare(s, ret_error) && plugins_prepare(s, ret_error) && database_prepare(s, ret_error) &&
               books_prepare(s, ret_error) && journal_prepare(s, ret_error) && ledger_prepare(s, ret_error);
  if (sound) {
    s->principals = principals_create(&s->keys);
    pools_create(s);
    payments_prepare(s);
    loops_create(s);
    webhooks_create(s);
    edges_prepare(s);
    sound = http_prepare(s, ret_error);
  }
  if (!sound) {
    service_destroy(s);
    return NULL;
  }
  keeper_prepare(s);
  return s;
}

uint16_t service_port(const struct service *s) {
  return http_server_port(s->http);
}

// ---- the end

struct cutter {
  struct service *s;
  int after_ms;
  pthread_mutex_t lock;
  pthread_cond_t drained;
  bool done;
};

// Cuts what still runs a little before the drain's bound, so that it can be charged within it.
static void *cutter_main(void *arg) {
  struct cutter *c = arg;
  int64_t at = clock_mono_us() + (int64_t)c->after_ms * 1000;
  struct timespec until = {at / 1000000, (long)(at % 1000000) * 1000};
  pthread_mutex_lock(&c->lock);
  int r = 0;
  while (!c->done && r == 0) r = pthread_cond_timedwait(&c->drained, &c->lock, &until);
  bool cut = !c->done;
  pthread_mutex_unlock(&c->lock);
  if (cut) gateway_stop(&c->s->gateway);
  return NULL;
}

static void http_drain(struct service *s, int bound_ms) {
  struct cutter c = {.s = s, .after_ms = bound_ms > 2 * SETTLE_MS ? bound_ms - SETTLE_MS : bound_ms / 2};
  pthread_condattr_t monotonic;
  pthread_t thread;
  pthread_mutex_init(&c.lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&c.drained, &monotonic);
  pthread_condattr_destroy(&monotonic);
  ASSERT(pthread_create(&thread, NULL, cutter_main, &c) == 0);
  int cut = http_server_drain(s->http, bound_ms);
  pthread_mutex_lock(&c.lock);
  c.done = true;
  pthread_cond_signal(&c.drained);
  pthread_mutex_unlock(&c.lock);
  pthread_join(thread, NULL);
  pthread_cond_destroy(&c.drained);
  pthread_mutex_destroy(&c.lock);
  if (cut > 0) log_warn("server.cut", "%d requests were cut off at the end of TOLLGATE_DRAIN_MS", cut);
}

// What is told until the last request has ended is sent, as far as the drain's bound and that of an attempt allow.
static void webhooks_drain(struct service *s, int64_t until_us) {
  int64_t attempt_ms = config_number(s->config, SETTING_WEBHOOK_TIMEOUT_MS), left_ms = (until_us - clock_mono_us()) / 1000;
  int64_t bound_ms = left_ms < 0 ? 0 : left_ms < attempt_ms ? left_ms : attempt_ms;
  webhook_sender_stop(s->webhooks, (int)bound_ms);
}

static int running(const struct service *s) {
  return gateway_running(&s->gateway) + rest_running(&s->rest);
}

int service_drain(struct service *s) {
  int bound_ms = (int)config_number(s->config, SETTING_DRAIN_MS);
  int64_t until_us = clock_mono_us() + INT64_C(1000) * bound_ms;
  http_drain(s, bound_ms);
  gateway_stop(&s->gateway);
  const struct timespec pause = {0, 2000000};
  for (int64_t until = clock_mono_us() + LEAVE_MS * 1000; running(s) > 0 && clock_mono_us() < until;)
    (void)nanosleep(&pause, NULL);
  webhooks_drain(s, until_us);
  return running(s);
}

void service_destroy(struct service *s) {
  if (!s) return;
  stripe_stop(s->stripe); // a chore may wait for it
  keeper_destroy(s->keeper);
  db_pool_destroy(s->pool); // queued jobs answer their requests, so the door outlives them; some hand on to `reading`
  db_pool_destroy(s->reading);
  db_pool_destroy(s->stripe_pool);
  webhook_sender_destroy(s->webhooks); // jobs tell it that there is something to send
  http_server_destroy(s->http);
  stripe_destroy(s->stripe);
  for (size_t i = 0; i < s->loop_count; i++) net_loop_destroy(s->loops[i]);
  if (s->loop_count > 0) gateway_finish(&s->gateway);
  rest_finish(&s->rest);
  ledger_destroy(s->ledger);
  journal_close(s->journal);
  principals_destroy(s->principals);
  plugin_registry_destroy(s->plugins);
  book_holder_destroy(s->books);
  receipt_ring_destroy(s->receipts);
  crypto_wipe(&s->keys, sizeof s->keys);
  mem_free(s->routes);
  mem_free(s);
}
