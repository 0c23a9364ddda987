// The chores, as a table of periods. A chore that fails is tried again when it is next due; its failure is logged once,
// and once more when it works again.
#include "app/keeper.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "code/redeem.h"
#include "customer/grant.h"
#include "meter/settlement.h"
#include "payment/meters.h"
#include "payment/post.h"
#include "payment/reconcile.h"
#include "payment/top_up_link.h"
#include "payment/top_up_run.h"
#include "payment/worker.h"
#include "rerate/rerate.h"
#include "report/rollup.h"
#include "webhook/sender.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define KEEPER_THREADS 6 // four chores may wait for the ledger, one writes sums for long
#define PATIENT_THREADS 2
#define KEEPER_QUEUE 32
#define EVENTS_AT_ONCE 200
#define PARTITIONS_AGAIN_MS 5000
#define ROLLUPS_US INT64_C(3000000)
#define WATCHED_MAX LIMIT_RUNNING_CALLS // each may be another customer's

static int chore_book(struct keeper *k, struct db *db);
static int chore_confirm(struct keeper *k, struct db *db);
static int chore_sweep(struct keeper *k, struct db *db);
static int chore_replay(struct keeper *k, struct db *db);
static int chore_expire(struct keeper *k, struct db *db);
static int chore_partitions(struct keeper *k, struct db *db);
static int chore_forget(struct keeper *k, struct db *db);
static int chore_payments(struct keeper *k, struct db *db);
static int chore_stripe(struct keeper *k, struct db *db);
static int chore_reconcile(struct keeper *k, struct db *db);
static int chore_expiring(struct keeper *k, struct db *db);
static int chore_meters(struct keeper *k, struct db *db);
static int chore_receipts(struct keeper *k, struct db *db);
static int chore_codes(struct keeper *k, struct db *db);
static int chore_rerates(struct keeper *k, struct db *db);
static int chore_rollups(struct keeper *k, struct db *db);
static int chore_memory(struct keeper *k, struct db *db);

//  id, name, period in milliseconds (0: by configuration), whether it may wait for Stripe, function
#define CHORES(X)                                                                                                      \
  X(BOOK, "book", 500, false, chore_book)                                                                                     \
  X(CONFIRM, "confirm", 500, false, chore_confirm)                                                                            \
  X(SWEEP, "sweep", 0, false, chore_sweep)                                                                                    \
  X(REPLAY, "replay", 500, false, chore_replay)                                                                               \
  X(EXPIRE, "expire", 1000, false, chore_expire)                                                                              \
  X(PARTITIONS, "partitions", 3600000, false, chore_partitions)                                                                 \
  X(FORGET, "forget", 60000, false, chore_forget)                                                                        \
  X(PAYMENTS, "payments", 250, false, chore_payments)                                                                    \
  X(STRIPE, "stripe", 500, true, chore_stripe)                                                                           \
  X(RECONCILE, "reconcile", 0, true, chore_reconcile)                                                               \
  X(EXPIRING, "expiring", 3600000, false, chore_expiring)                                                                \
  X(METERS, "meters", 0, true, chore_meters)                                                                         \
  X(RECEIPTS, "receipts", 10000, false, chore_receipts)                                                                  \
  X(CODES, "codes", 2000, false, chore_codes)                                                                            \
  X(RERATES, "rerates", 500, false, chore_rerates)                                                                        \
  X(ROLLUPS, "rollups", 500, false, chore_rollups)                                                                       \
  X(MEMORY, "memory", 2000, false, chore_memory)

enum chore_id {
#define X(id, name, period, patient, run) CHORE_##id,
  CHORES(X)
#undef X
      CHORE_COUNT
};
static const struct {
  const char *name;
  int period_ms;
  bool patient;
  int (*run)(struct keeper *k, struct db *db);
} chore_table[CHORE_COUNT] = {
#define X(id, name, period, patient, run) [CHORE_##id] = {name, period, patient, run},
    CHORES(X)
#undef X
};

struct chore {
  struct keeper *keeper;
  enum chore_id id;
  int64_t due_us, period_us;
  atomic_bool running;
  bool failing; // of the one that runs it
};

struct keeper {
  struct keeper_config config;
  struct db_pool *pool, *patient; // patient: of chores that may wait for Stripe
  struct rollup *rollup;
  struct chore chores[CHORE_COUNT];
  struct uuid watched[WATCHED_MAX];
  int64_t versions[WATCHED_MAX];
  int64_t memory_kept; // chore_memory's
  pthread_t thread;
  pthread_mutex_t lock; // guards due times and stopping
  pthread_cond_t wake;
  bool stopping;
};

// ---- what there is to do

static void keeper_soon(struct keeper *k, enum chore_id id, int ms) {
  pthread_mutex_lock(&k->lock);
  k->chores[id].due_us = clock_mono_us() + (int64_t)ms * 1000;
  pthread_cond_signal(&k->wake);
  pthread_mutex_unlock(&k->lock);
}

static int chore_book(struct keeper *k, struct db *db) {
  int64_t newest;
  if (book_version(db, &newest) != 0) return FAULT_DB;
  struct book *book = book_take(k->config.books);
  bool fresh = book && book_version_of(book) == newest;
  book_unref(book);
  if (fresh) return 0;
  int r = book_load(db, &book);
  if (r == 0) book_put(k->config.books, book);
  return r;
}

static void customer_changed(void *arg, struct uuid customer) {
  struct keeper *k = arg;
  gateway_revisit(k->config.gateway, customer);
}

static int chore_confirm(struct keeper *k, struct db *db) {
  size_t count = gateway_watched(k->config.gateway, k->watched, k->versions, WATCHED_MAX);
  return principal_confirm(k->config.principals, db, k->watched, k->versions, count, customer_changed, k);
}

static int chore_sweep(struct keeper *k, struct db *db) {
  return ledger_sweep(k->config.ledger, db);
}

static int chore_replay(struct keeper *k, struct db *db) {
  (void)db;
  return k->config.journal && ledger_up(k->config.ledger) ? settlements_replay(k->config.journal, k->config.ledger) : 0;
}

static int chore_expire(struct keeper *k, struct db *db) {
  return ledger_expire(k->config.ledger, db);
}

static int chore_partitions(struct keeper *k, struct db *db) {
  k->config.retention.again = false;
  int ledger = ledger_partitions(db, &k->config.retention), webhooks = webhook_partitions(db, k->config.webhook_keep_days);
  if (ledger >= 0) ledger = ledger_retire(db, &k->config.retention);
  if (k->config.retention.again) keeper_soon(k, CHORE_PARTITIONS, PARTITIONS_AGAIN_MS);
  return ledger < 0 ? ledger : webhooks;
}

static int chore_forget(struct keeper *k, struct db *db) {
  int ledger = ledger_forget(db), webhooks = webhook_forget(db, k->config.webhook_keep_days);
  return ledger < 0 ? ledger : webhooks;
}

// What Stripe sent becomes facts, and what has moved by them is told to the ledger.
static int chore_payments(struct keeper *k, struct db *db) {
  int r = worker_run(db, EVENTS_AT_ONCE);
  if (r >= 0 && ledger_up(k->config.ledger)) r = payment_post(db, k->config.ledger, EVENTS_AT_ONCE);
  return r;
}

static int chore_stripe(struct keeper *k, struct db *db) {
  if (!k->config.stripe) return 0;
  if (reconcile_is_elsewhere(db)) keeper_soon(k, CHORE_RECONCILE, 0);
  int r = worker_ask(db, k->config.stripe, EVENTS_AT_ONCE);
  if (r >= 0) r = top_up_run(db, k->config.stripe);
  return r < 0 ? r : top_up_links(db, k->config.stripe);
}

// Tried again soon where Stripe could not be asked.
static int chore_reconcile(struct keeper *k, struct db *db) {
  if (!k->config.stripe) return 0;
  int r = reconcile_run(db, k->config.stripe);
  if (r == 1) keeper_soon(k, CHORE_RECONCILE, 30000);
  return r;
}

static int chore_meters(struct keeper *k, struct db *db) {
  const struct meter_map *map = &k->config.meters;
  if (!k->config.stripe || map->count == 0) return 0;
  int made = meters_sum(db, map), sent = 1;
  while (made >= 0 && sent > 0) sent = meters_send(db, k->config.stripe, map);
  return made < 0 ? made : sent;
}

static int chore_expiring(struct keeper *k, struct db *db) {
  (void)k;
  return grants_tell_expiring(db);
}

// Another instance, or the command, may have made a key.
static int chore_receipts(struct keeper *k, struct db *db) {
  return receipt_ring_load(k->config.receipts, db);
}

static int chore_codes(struct keeper *k, struct db *db) {
  return codes_finish(db, k->config.ledger);
}

// Both come to their turn, whatever becomes of the other.
static int chore_rerates(struct keeper *k, struct db *db) {
  struct rerate_tools tools = {.ledger = k->config.ledger, .books = k->config.books, .plugins = k->config.plugins};
  int jobs = rerates_run(db, &tools), parked = parked_run(db, &tools);
  return jobs < 0 ? jobs : parked;
}

// Piece after piece while they are full, but not for so long that an end would have to wait.
static int chore_rollups(struct keeper *k, struct db *db) {
  int64_t until = clock_mono_us() + ROLLUPS_US;
  bool more = true;
  int r = 0;
  while (r >= 0 && more && clock_mono_us() < until) r = rollup_run(k->rollup, db, false, &more);
  return r;
}

// After a load, and after a piece of the sums, for which megabytes are read.
static int chore_memory(struct keeper *k, struct db *db) {
  (void)db;
  mem_give_back(&k->memory_kept);
  return 0;
}

// ---- when

static void chore_run(struct db *db, void *arg) {
  struct chore *c = arg;
  int r = db ? chore_table[c->id].run(c->keeper, db) : FAULT_DB;
  bool failed = r < 0;
  if (failed != c->failing) {
    if (failed)
      log_warn("housekeeping.failed", "%s: %s", chore_table[c->id].name, db ? db_error(db) : fault_name(r));
    else
      log_info("housekeeping.recovered", "%s", chore_table[c->id].name);
  }
  c->failing = failed;
  atomic_store(&c->running, false);
}

static void chore_begin(struct keeper *k, struct chore *c) {
  if (atomic_exchange(&c->running, true)) return;
  struct db_pool *pool = chore_table[c->id].patient ? k->patient : k->pool;
  if (db_submit(pool, chore_run, c) != 0) atomic_store(&c->running, false);
}

// Starts what is due; returns when the next one is. Called with the lock held.
static int64_t chores_begin(struct keeper *k, int64_t now) {
  int64_t next = INT64_MAX;
  for (size_t i = 0; i < CHORE_COUNT; i++) {
    struct chore *c = &k->chores[i];
    if (c->due_us <= now) {
      c->due_us = now + c->period_us;
      chore_begin(k, c);
    }
    if (c->due_us < next) next = c->due_us;
  }
  return next;
}

static void *keeper_main(void *arg) {
  struct keeper *k = arg;
  pthread_mutex_lock(&k->lock);
  while (!k->stopping) {
    int64_t next = chores_begin(k, clock_mono_us());
    struct timespec until = {next / 1000000, (long)(next % 1000000) * 1000};
    (void)pthread_cond_timedwait(&k->wake, &k->lock, &until);
  }
  pthread_mutex_unlock(&k->lock);
  return NULL;
}

static int period_of(const struct keeper_config *config, enum chore_id id) {
  return id == CHORE_RECONCILE ? config->reconcile_ms : id == CHORE_METERS ? config->meters_ms : config->lease_ms / 2;
}

struct keeper *keeper_create(const struct keeper_config *config) {
  struct keeper *k = mem_alloc(sizeof *k);
  pthread_condattr_t monotonic;
  k->config = *config;
  k->rollup = rollup_create();
  k->pool = db_pool_create(config->url, KEEPER_THREADS, KEEPER_QUEUE);
  k->patient = db_pool_create(config->url, PATIENT_THREADS, KEEPER_QUEUE);
  for (size_t i = 0; i < CHORE_COUNT; i++) {
    int period = chore_table[i].period_ms ? chore_table[i].period_ms : period_of(config, (enum chore_id)i);
    k->chores[i].keeper = k;
    k->chores[i].id = (enum chore_id)i;
    k->chores[i].period_us = (int64_t)period * 1000;
  }
  pthread_mutex_init(&k->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&k->wake, &monotonic);
  pthread_condattr_destroy(&monotonic);
  ASSERT(pthread_create(&k->thread, NULL, keeper_main, k) == 0);
  return k;
}

void keeper_destroy(struct keeper *k) {
  if (!k) return;
  pthread_mutex_lock(&k->lock);
  k->stopping = true;
  pthread_cond_signal(&k->wake);
  pthread_mutex_unlock(&k->lock);
  pthread_join(k->thread, NULL);
  db_pool_destroy(k->pool);
  db_pool_destroy(k->patient);
  rollup_destroy(k->rollup);
  pthread_cond_destroy(&k->wake);
  pthread_mutex_destroy(&k->lock);
  mem_free(k);
}
