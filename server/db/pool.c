// Job threads, each with a connection of its own that it opens before the first job needs it and opens again when the
// server comes back, on its own account: nobody's request pays for a reconnect. A thread without one leaves the jobs to
// those that have one. While there is none at all a job runs with NULL at once, for it has a caller to answer. All
// connections may die in the same instant (a server that restarts), so attempts are jittered and back off.
#include "db/pool.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define STATEMENT_MS 5000
#define LOCK_MS 2000
#define IDLE_MS 5000
#define RETRY_FIRST_US INT64_C(50000)
#define RETRY_LAST_US INT64_C(2000000)
#define LOOK_US INT64_C(1000000) // how often an idle thread looks whether its connection still stands

struct job {
  void (*fn)(struct db *db, void *arg);
  void *arg;
};

struct db_pool {
  char *url;
  pthread_t *threads;
  unsigned thread_count;
  pthread_mutex_t mutex;
  pthread_cond_t wake, end; // something to do; for a thread that does nothing without a connection, only the end
  struct job *ring;
  size_t first, count, max;
  bool closing;
  _Atomic unsigned connected; // threads
  _Atomic bool away;          // was said
};

struct worker {
  struct db_pool *pool;
  struct db *db;
  int64_t retry_at, retry_us; // not before; and the pause after the next failure
};

// ---- the connection

// Half of the pause to all of it, another for each thread.
static int64_t jittered(int64_t us, const void *seed) {
  uint64_t mix = ((uint64_t)clock_mono_us() ^ (uint64_t)(uintptr_t)seed) * UINT64_C(0x9e3779b97f4a7c15);
  return us / 2 + (int64_t)((mix >> 33) % (uint64_t)(us / 2));
}

// Nobody above this folder hears why, so it is said here: once each time the database goes or comes.
static void connect_once(struct worker *w) {
  struct db_pool *pool = w->pool;
  struct buf error;
  buf_init(&error, 512);
  w->db = db_connect_shared(pool->url, STATEMENT_MS, LOCK_MS, IDLE_MS, &error);
  if (w->db) atomic_fetch_add(&pool->connected, 1);
  if (w->db && atomic_exchange(&pool->away, false)) log_info("database.back", "the database can be reached again");
  if (atomic_load(&pool->connected) == 0 && !atomic_exchange(&pool->away, true))
    log_error("database.away", "%s", buf_cstr(&error));
  buf_finish(&error);
}

static void worker_disconnect(struct worker *w) {
  if (!w->db) return;
  db_destroy(w->db);
  w->db = NULL;
  atomic_fetch_sub(&w->pool->connected, 1);
}

static void worker_connect(struct worker *w) {
  if (w->db && db_alive(w->db)) return;
  worker_disconnect(w);
  if (clock_mono_us() < w->retry_at) return;
  connect_once(w);
  if (w->db) {
    w->retry_us = RETRY_FIRST_US;
    w->retry_at = 0;
    return;
  }
  w->retry_at = clock_mono_us() + jittered(w->retry_us, w);
  w->retry_us = w->retry_us * 2 < RETRY_LAST_US ? w->retry_us * 2 : RETRY_LAST_US;
}

// ---- the queue

static struct timespec wake_time(const struct worker *w) {
  int64_t at = w->db ? clock_mono_us() + LOOK_US : w->retry_at;
  return (struct timespec){at / 1000000, at % 1000000 * 1000};
}

// Under the pool's mutex.
static bool others_can(const struct worker *w) {
  return !w->db && atomic_load(&w->pool->connected) > 0;
}

// Whoever was woken for a job and does not take it wakes another for it. A connection may have died while its thread
// slept.
static bool job_take(struct worker *w, struct job *ret) {
  struct db_pool *pool = w->pool;
  if (pool->count == 0) return false;
  if (others_can(w) || (w->db && !db_alive(w->db))) {
    pthread_cond_signal(&pool->wake);
    return false;
  }
  *ret = pool->ring[pool->first];
  pool->first = (pool->first + 1) % pool->max;
  pool->count--;
  return true;
}

enum next { NEXT_JOB, NEXT_LOOK, NEXT_END };
static enum next job_wait(struct worker *w, struct job *ret) {
  struct db_pool *pool = w->pool;
  struct timespec until = wake_time(w);
  pthread_mutex_lock(&pool->mutex);
  int timed_out = 0;
  while ((pool->count == 0 || others_can(w)) && !pool->closing && !timed_out) {
    if (pool->count > 0) pthread_cond_signal(&pool->wake);
    timed_out = pthread_cond_timedwait(others_can(w) ? &pool->end : &pool->wake, &pool->mutex, &until);
  }
  bool over = pool->closing && (pool->count == 0 || others_can(w));
  enum next next = job_take(w, ret) ? NEXT_JOB : over ? NEXT_END : NEXT_LOOK;
  pthread_mutex_unlock(&pool->mutex);
  return next;
}

static void *work(void *arg) {
  struct worker w = {.pool = arg, .retry_us = RETRY_FIRST_US};
  for (;;) {
    struct job job;
    worker_connect(&w);
    enum next next = job_wait(&w, &job);
    if (next == NEXT_END) break;
    if (next == NEXT_LOOK) continue;
    job.fn(w.db, job.arg);
    if (w.db) db_rollback(w.db); // what a job leaves open has failed
  }
  worker_disconnect(&w);
  return NULL;
}

int db_submit(struct db_pool *pool, void (*fn)(struct db *db, void *arg), void *arg) {
  pthread_mutex_lock(&pool->mutex);
  bool closing = pool->closing, full = pool->count == pool->max;
  if (!closing && !full) {
    pool->ring[(pool->first + pool->count) % pool->max] = (struct job){fn, arg};
    pool->count++;
    pthread_cond_signal(&pool->wake);
  }
  pthread_mutex_unlock(&pool->mutex);
  if (closing) return FAULT_CLOSED;
  if (full) metric_add(METRIC_DB_JOBS_REFUSED, 1);
  return full ? FAULT_FULL : 0;
}

bool db_pool_up(const struct db_pool *pool) {
  return atomic_load(&pool->connected) > 0;
}

// ---- life

static void condition_init(pthread_cond_t *cond) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &attr);
  pthread_condattr_destroy(&attr);
}

// Signals are for the main thread.
static void threads_start(struct db_pool *pool, unsigned count) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (; pool->thread_count < count; pool->thread_count++) {
    int failed = pthread_create(&pool->threads[pool->thread_count], NULL, work, pool);
    ASSERT(!failed);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct db_pool *db_pool_create(const char *url, unsigned threads, size_t queue_max) {
  ASSERT(threads > 0 && queue_max > 0);
  struct db_pool *pool = mem_alloc(sizeof *pool);
  pool->url = mem_strdup(url);
  pool->threads = mem_alloc(threads * sizeof *pool->threads);
  pool->ring = mem_alloc(queue_max * sizeof *pool->ring);
  pool->max = queue_max;
  pthread_mutex_init(&pool->mutex, NULL);
  condition_init(&pool->wake);
  condition_init(&pool->end);
  threads_start(pool, threads);
  return pool;
}

void db_pool_destroy(struct db_pool *pool) {
  if (!pool) return;
  pthread_mutex_lock(&pool->mutex);
  pool->closing = true;
  pthread_cond_broadcast(&pool->wake);
  pthread_cond_broadcast(&pool->end);
  pthread_mutex_unlock(&pool->mutex);
  for (unsigned i = 0; i < pool->thread_count; i++) pthread_join(pool->threads[i], NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_cond_destroy(&pool->end);
  pthread_mutex_destroy(&pool->mutex);
  mem_free(pool->ring);
  mem_free(pool->threads);
  mem_free(pool->url);
  mem_free(pool);
}
