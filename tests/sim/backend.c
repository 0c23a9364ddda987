// Sessions, their transactions and their locks.
#include "backend.h"
#include "base/log.h"
#include "chance.h"
#include "check.h"
#include "faults.h"
#include "fiber.h"
#include "sql.h"

#define BACKENDS_MAX 128
static struct backend *backends[BACKENDS_MAX];
static size_t backend_count;
static int64_t down_until; // true time

bool database_up(void) {
  return fiber_now() >= down_until;
}

void backends_forget(void) {
  backend_count = 0;
  down_until = 0;
}

// ---- locks

bool backend_fail(struct backend *b, const char *sqlstate) {
  memcpy(b->sqlstate, sqlstate, sizeof b->sqlstate);
  return false;
}

static bool ends_in_circle(const struct backend *b, const struct row_lock *lock) {
  const struct backend *owner = lock->owner;
  for (int i = 0; owner && owner->waiting_for && i < BACKENDS_MAX; i++) {
    owner = owner->waiting_for->owner;
    if (owner == b) return true;
  }
  return false;
}

bool backend_lock(struct backend *b, struct row_lock *lock) {
  int64_t until = fiber_now() + b->lock_ms * INT64_C(1000);
  while (lock->owner && lock->owner != b) {
    if (ends_in_circle(b, lock)) return backend_fail(b, "40P01");
    b->waiting_for = lock;
    (void)fiber_wait(until - fiber_now());
    b->waiting_for = NULL;
    if (b->terminated) return backend_fail(b, "57P01");
    if (lock->owner && lock->owner != b && fiber_now() >= until) return backend_fail(b, "55P03");
  }
  if (lock->owner) return true;
  lock->owner = b;
  *vec_add(&b->locks) = lock;
  return true;
}

static void unlock_all(struct backend *b) {
  for (size_t i = 0; i < b->locks.count; i++) {
    b->locks.at[i]->owner = NULL;
    for (size_t k = 0; k < backend_count; k++)
      if (backends[k]->waiting_for == b->locks.at[i]) fiber_wake(backends[k]->fiber);
  }
  vec_clear(&b->locks);
}

// ---- transactions

struct change *backend_change(struct backend *b, enum change_kind kind, struct row_customer *c) {
  struct change *change = vec_add(&b->changes);
  change->kind = kind;
  change->customer = c;
  return change;
}

static void transaction_end(struct backend *b) {
  vec_clear(&b->changes);
  b->open = b->failed = false;
  unlock_all(b);
}

static void transaction_begin(struct backend *b) {
  b->begun_at = store_clock();
  b->truly_begun_at = fiber_now();
  b->looked = false;
}

static void apply(struct backend *b) {
  for (size_t i = 0; i < b->changes.count; i++) change_apply(&b->changes.at[i]);
  check_commit(b, b->request.note);
  b->request.note = NULL;
  transaction_end(b);
}

void backend_pause(void) {
  if (!chance_one_in(3)) fiber_sleep(chance_below(120));
}

// ---- steps. False: the session or the transaction has failed

static bool run_statement(struct backend *b, const struct step *s, struct db_result **ret) {
  bool alone = !b->open;
  if (alone) transaction_begin(b);
  if (faults_refuse()) return backend_fail(b, faults_sqlstate());
  if (!statement_run(b, s->statement, &s->params, ret)) return false;
  if (alone) apply(b);
  return true;
}

// A session that is ended while its COMMIT is under way may have committed.
static bool run_commit(struct backend *b) {
  if (!b->open || b->failed) {
    transaction_end(b);
    return true;
  }
  fiber_sleep(chance_below(chance_one_in(8) ? 6000 : 800));
  if (b->terminated && chance_one_in(2)) return backend_fail(b, "57P01");
  apply(b);
  b->request.committed = true;
  backend_pause();
  return true;
}

static bool run_step(struct backend *b, const struct step *s, struct db_result **ret) {
  switch (s->kind) {
  case STEP_BEGIN:
    b->open = true;
    transaction_begin(b);
    return true;
  case STEP_RUN:
    if (b->failed) return backend_fail(b, "25P02");
    return run_statement(b, s, ret);
  case STEP_COMMIT: return run_commit(b);
  case STEP_ROLLBACK: transaction_end(b); return true;
  }
  return false;
}

static void run_request(struct backend *b) {
  struct request *r = &b->request;
  for (; r->done < r->delivered && !b->terminated; r->done++) {
    if (!run_step(b, &r->steps[r->done], &r->results[r->done])) {
      r->failed = true;
      b->failed = b->open;
      if (!b->open) transaction_end(b);
      break;
    }
    backend_pause();
  }
}

// ---- the session

// Waits for a request. False: the session is over.
static bool await(struct backend *b) {
  int64_t idle = b->open && b->idle_ms > 0 ? b->idle_ms * INT64_C(1000) : INT64_MAX;
  while (!b->asked) {
    if (b->gone || b->terminated) return false;
    if (!fiber_wait(idle) && !b->asked && b->open && idle != INT64_MAX) return false; // idle_in_transaction_session_timeout
  }
  return !b->terminated;
}

static void session(void *arg) {
  struct backend *b = arg;
  while (await(b)) {
    if (b->request.delay > 0) fiber_sleep(b->request.delay);
    run_request(b);
    b->asked = false;
    if (b->terminated || b->request.delivered < b->request.count) break;
    b->request.answered = true;
    if (b->client) fiber_wake(b->client);
  }
  // Of a client that vanished the server may hear by its timeout only.
  bool unheard = b->request.delivered < b->request.count && b->open && b->idle_ms > 0 && chance_one_in(2);
  if (unheard && !b->terminated) (void)fiber_wait(b->idle_ms * INT64_C(1000));
  transaction_end(b);
  b->ended = true;
  if (b->client) fiber_wake(b->client);
  for (size_t i = 0; i < backend_count; i++)
    if (backends[i] == b) backends[i] = backends[--backend_count];
}

struct backend *backend_start(int home, int lock_ms, int idle_ms) {
  ASSERT(backend_count < BACKENDS_MAX);
  struct backend *b = mem_alloc(sizeof *b);
  b->home = home;
  b->lock_ms = lock_ms > 0 ? lock_ms : 60000;
  b->idle_ms = idle_ms;
  backends[backend_count++] = b;
  b->fiber = fiber_start(HOME_DATABASE, session, b);
  return b;
}

void backend_ask(struct backend *b) {
  b->asked = true;
  fiber_wake(b->fiber);
}

void backend_close(struct backend *b) {
  b->gone = true;
  b->client = NULL;
  fiber_wake(b->fiber);
}

void backend_terminate(struct backend *b) {
  b->terminated = true;
  fiber_wake(b->fiber);
}

struct backend *backend_any(void) {
  return backend_count > 0 ? backends[chance_below((int64_t)backend_count)] : NULL;
}

void backends_of_home_close(int home) {
  for (size_t i = 0; i < backend_count; i++)
    if (backends[i]->home == home) backend_close(backends[i]);
}

void backends_restart(void) {
  for (size_t i = 0; i < backend_count; i++) backend_terminate(backends[i]);
  down_until = fiber_now() + chance_between(1000, 3000000);
  store.started_at = store_clock() + (down_until - fiber_now());
}
