// The writer's thread: takes what has gathered, runs one transaction, answers. Between an operation and its answer stand
// three doubts, each resolved here and nowhere else:
//   a statement failed      the batch is halved until the culprit stands alone; the others go on
//   the COMMIT was lost     the batch and its answers are kept; on a new connection the writer's row, read FOR UPDATE (which
//                           waits until the old transaction is decided), tells by its seq whether it landed
//   the row is not ours     this instance was taken for dead and fenced off: it registers anew and runs the batch again;
//                           calls whose holds were swept meanwhile end by the late path
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "ledger/batch.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

// A peer that freezes between its trips holds customers' locks until the database ends its session; waiting for a lock
// must outlast that, so that a frozen peer delays this writer but fails nothing.
#define IDLE_MS 1500
#define LOCK_MS 4000
#define STATEMENT_MS 10000
#define BACKOFF_LEAST_MS 20
#define BACKOFF_MOST_MS 500
#define TRIES 3
#define LOCK_NOT_HAD "55P03"

// Customers whose row somebody holds: for a while their operations are answered at once instead of stalling everybody's.
#define STUCK_MAX 16
#define STUCK_US INT64_C(3000000)
struct stuck {
  struct uuid customer;
  int64_t until; // monotonic microseconds
};

struct ledger {
  char *url, *instance;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  struct ledger_op *first, *last; // the queue
  size_t queued;
  bool closing;
  _Atomic int64_t clock_offset; // the database's clock less this machine's monotonic one, which nobody steps
  _Atomic bool up;
  // the thread's own
  struct db *db;
  struct batch_writer writer;
  bool registered;
  struct batch batch;
  int backoff_ms;
  int64_t renew_at; // monotonic microseconds
  struct stuck stuck[STUCK_MAX];
  size_t stuck_next;
};

// ---- the connection and the writer's row

static void clock_set(struct ledger *l, int64_t db_now) {
  atomic_store(&l->clock_offset, db_now - clock_mono_us());
}

static bool is_up(struct ledger *l, bool up) {
  atomic_store(&l->up, up);
  metric_set(METRIC_DB_UP, up);
  return up;
}

// Every statement of a batch finds a few rows by key in tables whose sizes the planner has no good idea of (holds is empty
// to it and full of dead rows): plans are made once, over indexes, row by row.
static const char planning[] = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; "
                               "SET enable_mergejoin = off; SET enable_bitmapscan = off";

static bool connect_database(struct ledger *l, struct buf *error) {
  if (l->db && db_alive(l->db)) return true;
  db_destroy(l->db);
  l->db = db_connect(l->url, STATEMENT_MS, LOCK_MS, IDLE_MS, error);
  return l->db != NULL && db_exec(l->db, planning) == 0;
}

// This instance was fenced off but lives, and so do its calls: the holds that were not swept yet live by the new row. Where
// this fails they are swept, and end by the late path.
static void take_over(struct ledger *l, int32_t before) {
  struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, l->writer.id);
  db_param_i64(&p, l->writer.epoch);
  db_param_i32(&p, before);
  (void)db_run(l->db, STATEMENT_LEDGER_TAKE_OVER, &p, NULL);
  db_params_finish(&p);
}

static int register_writer(struct ledger *l) {
  struct db_params p;
  struct db_result *r = NULL;
  db_params_init(&p);
  db_param_i64(&p, l->writer.lease_us);
  db_param_text(&p, str_from(l->instance));
  int result = 1;
  for (int i = 0; i < 16 && result == 1; i++) result = db_run(l->db, STATEMENT_LEDGER_REGISTER, &p, &r); // 1: another took the number
  db_params_finish(&p);
  int32_t before = l->writer.id;
  if (result == 0) {
    l->writer.id = (int32_t)db_i64(r, 0, 0);
    l->writer.epoch = db_i64(r, 0, 1);
    l->writer.seq = db_i64(r, 0, 2);
    clock_set(l, db_i64(r, 0, 3));
    l->registered = true;
    if (before) take_over(l, before);
  }
  db_result_finish(r);
  return result == 1 ? FAULT_DB : result;
}

// A connection with a registered writer, or false. Says why once, when it goes away and when it is back.
static bool ready(struct ledger *l) {
  struct buf error;
  buf_init(&error, 512);
  bool was = atomic_load(&l->up);
  bool ok = connect_database(l, &error) && (l->registered || register_writer(l) == 0);
  if (!ok && was) log_error("ledger.away", "the database cannot be reached: %s", buf_cstr(&error));
  if (ok && !was) log_info("ledger.up", "writer %d", (int)l->writer.id);
  buf_finish(&error);
  return is_up(l, ok);
}

// Whether batch seq + 1 landed: waits until the lost transaction is decided. 1 yes, 0 no, or FAULT_DB. A database that came
// back without what it had acknowledged has an older row or none: the next batch is fenced off there.
static int resolve(struct ledger *l) {
  struct db_params p;
  struct db_result *r = NULL;
  db_params_init(&p);
  db_param_i32(&p, l->writer.id);
  int result = db_begin(l->db);
  if (result == 0) result = db_run(l->db, STATEMENT_LEDGER_WRITER_LOOK, &p, &r);
  bool landed = false;
  if (result == 0 && db_rows(r) == 1) {
    int64_t seq = db_i64(r, 0, 1);
    ASSERT(seq <= l->writer.seq + 1);
    landed = seq == l->writer.seq + 1;
  }
  db_rollback(l->db);
  db_result_finish(r);
  db_params_finish(&p);
  if (result != 0) return FAULT_DB;
  return landed;
}

// ---- waiting

static void pause_ms(int ms) {
  struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
  nanosleep(&t, NULL);
}

static void back_off(struct ledger *l) {
  pause_ms(l->backoff_ms);
  l->backoff_ms = l->backoff_ms * 2 > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : l->backoff_ms * 2;
}

static bool is_closing(struct ledger *l) {
  pthread_mutex_lock(&l->mutex);
  bool closing = l->closing;
  pthread_mutex_unlock(&l->mutex);
  return closing;
}

// ---- answering

static void answer_all(struct ledger_op **ops, size_t count) {
  for (size_t i = 0; i < count; i++) ops[i]->done(ops[i]);
}

static void answer_fault(struct ledger_op **ops, size_t count, int fault) {
  for (size_t i = 0; i < count; i++) ops[i]->result = fault;
  answer_all(ops, count);
}

static void count_op(const struct ledger_op *op) {
  if (op->result == LEDGER_STALE) metric_add(METRIC_LEDGER_STALE, 1);
  if (op->result == LEDGER_SHORT) metric_add(METRIC_DENIED_CREDITS, 1);
  if (op->result == LEDGER_LIMITED) metric_add(METRIC_DENIED_LIMIT, 1);
  if (op->result != LEDGER_DONE) return;
  if (op->kind == LEDGER_ADMIT) metric_add(METRIC_CALLS_ADMITTED, 1);
  if (op->kind == LEDGER_SWEEP) metric_add(METRIC_LEDGER_SWEPT, 1);
  if (op->kind != LEDGER_SETTLE) return;
  if (op->state == CALL_SETTLED) metric_add(METRIC_CALLS_SETTLED, 1);
  if (op->state == CALL_RELEASED) metric_add(METRIC_CALLS_RELEASED, 1);
  if (op->flags & CALL_ESTIMATED) metric_add(METRIC_CALLS_ESTIMATED, 1);
}

static void landed(struct ledger *l, struct ledger_op **ops, size_t count) {
  l->writer.seq++;
  l->backoff_ms = BACKOFF_LEAST_MS;
  l->renew_at = clock_mono_us() + l->writer.lease_us / 3;
  clock_set(l, l->batch.now);
  metric_add(METRIC_LEDGER_BATCHES, 1);
  metric_add(METRIC_LEDGER_OPS, (int64_t)count);
  metric_add(METRIC_LEDGER_PAST_FLOOR, l->batch.fold.past_floor);
  for (size_t i = 0; i < count; i++) count_op(ops[i]);
  answer_all(ops, count);
}

// ---- running

static void run(struct ledger *l, struct ledger_op **ops, size_t count);

// The operations carry the answers of a batch whose COMMIT was lost. True: they have been answered; false: the batch did
// not land and is to be run again. Only the end of the process leaves the doubt standing, and says so.
static bool settle_doubt(struct ledger *l, struct ledger_op **ops, size_t count) {
  metric_add(METRIC_LEDGER_UNKNOWN, 1);
  for (;;) {
    int r = ready(l) ? resolve(l) : FAULT_DB;
    if (r == 1) landed(l, ops, count);
    if (r >= 0) return r == 1;
    if (is_closing(l)) {
      answer_fault(ops, count, FAULT_DB_UNKNOWN);
      return true;
    }
    back_off(l);
  }
}

// What explains a charge comes from a provider, and the database may not take it: then the charge stands without it.
static bool evidence_drop(struct ledger_op *op) {
  static const char refused[] = "{\"lost\":\"the database refused the evidence\"}";
  if (op->kind != LEDGER_SETTLE || op->evidence.len == 0 || op->evidence.ptr == refused) return false;
  op->evidence = str_from(refused);
  return true;
}

static void halve(struct ledger *l, struct ledger_op **ops, size_t count) {
  if (count == 1 && evidence_drop(ops[0])) {
    log_error("ledger.evidence", "the database refused a settlement, it is tried without its evidence: %s", db_error(l->db));
    run(l, ops, 1);
    return;
  }
  if (count == 1) {
    metric_add(METRIC_LEDGER_POISONED, 1);
    log_error("ledger.poisoned", "the database refused an operation of kind %d: %s", (int)ops[0]->kind, db_error(l->db));
    ops[0]->result = LEDGER_REFUSED;
    answer_all(ops, 1);
    return;
  }
  metric_add(METRIC_LEDGER_HALVED, 1);
  run(l, ops, count / 2);
  run(l, ops + count / 2, count - count / 2);
}

// ---- rows that somebody does not let go of

static bool is_stuck(const struct ledger *l, struct uuid customer) {
  for (size_t i = 0; i < STUCK_MAX; i++)
    if (l->stuck[i].until && uuid_eq(l->stuck[i].customer, customer) && l->stuck[i].until > clock_mono_us()) return true;
  return false;
}

static void stuck_add(struct ledger *l, struct uuid customer) {
  if (is_stuck(l, customer)) return;
  l->stuck[l->stuck_next++ % STUCK_MAX] = (struct stuck){customer, clock_mono_us() + STUCK_US};
  log_warn("ledger.locked", "a session holds a customer's row for over %d ms; that customer waits, the others go on", LOCK_MS);
}

static bool is_listed(const struct db_result *ids, struct uuid id) {
  for (size_t i = 0; i < db_rows(ids); i++)
    if (uuid_eq(db_uuid(ids, i, 0), id)) return true;
  return false;
}

// Answers the operations of the customers whose rows are locked, and says how many are left.
static size_t set_apart(struct ledger *l, struct ledger_op **ops, size_t count) {
  struct db_params p;
  struct db_result *free_ones = NULL;
  db_params_init(&p);
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < count; i++) db_array_uuid(&p, ops[i]->customer);
  db_array_end(&p);
  size_t kept = 0;
  if (db_run(l->db, STATEMENT_LEDGER_LOCKABLE, &p, &free_ones) == 0) {
    for (size_t i = 0; i < count; i++) {
      if (is_listed(free_ones, ops[i]->customer)) {
        ops[kept++] = ops[i];
        continue;
      }
      stuck_add(l, ops[i]->customer);
      answer_fault(&ops[i], 1, FAULT_DB);
    }
  } else kept = count;
  db_result_finish(free_ones);
  db_params_finish(&p);
  return kept;
}

// A batch that failed has not renewed the lease: one that waited for a lock must not make this instance look dead.
static void renew(struct ledger *l, struct ledger_op **ops) {
  int r = ready(l) ? batch_run(&l->batch, l->db, &l->writer, ops, 0) : FAULT_DB;
  if (r == BATCH_DONE) landed(l, ops, 0);
  if (r == FAULT_DB_UNKNOWN) (void)settle_doubt(l, ops, 0);
}

// Runs one batch until each of its operations has its answer. Who holds a lock for longer than LOCK_MS is no frozen peer:
// waiting again helps nobody, what does not need that lock goes on.
static void run(struct ledger *l, struct ledger_op **ops, size_t count) {
  for (int failed = 0;;) {
    if (!ready(l)) {
      answer_fault(ops, count, FAULT_DB);
      back_off(l);
      return;
    }
    int r = batch_run(&l->batch, l->db, &l->writer, ops, count);
    if (r == BATCH_DONE) {
      landed(l, ops, count);
      return;
    }
    if (r == BATCH_AGAIN) continue;
    if (r == FAULT_DB_UNKNOWN) {
      if (settle_doubt(l, ops, count)) return;
    } else if (r == BATCH_FENCED) {
      metric_add(METRIC_LEDGER_FENCED, 1);
      log_warn("ledger.fenced", "writer %d was taken for dead by another instance; registering anew", (int)l->writer.id);
      l->registered = false;
    } else if (r == BATCH_BAD && !db_is_transient(l->db)) {
      if (count > 0) halve(l, ops, count);
      return;
    } else {
      bool locked_out = r == BATCH_BAD && strcmp(db_sqlstate(l->db), LOCK_NOT_HAD) == 0;
      if (r == BATCH_BAD) renew(l, ops);
      if (!locked_out && ++failed < TRIES) {
        back_off(l);
        continue;
      }
      size_t left = locked_out && ready(l) ? set_apart(l, ops, count) : count;
      if (left > 0 && left < count) {
        count = left;
        continue;
      }
      if (left > 0 && r == BATCH_BAD && count > 1) halve(l, ops, count);
      else answer_fault(ops, left, FAULT_DB);
      return;
    }
  }
}

// ---- the thread

static size_t take(struct ledger *l, struct ledger_op *ret_ops[LIMIT_LEDGER_BATCH]) {
  size_t n = 0;
  for (; l->first && n < LIMIT_LEDGER_BATCH; n++) {
    ret_ops[n] = l->first;
    l->first = l->first->next;
  }
  if (!l->first) l->last = NULL;
  l->queued -= n;
  metric_set(METRIC_LEDGER_QUEUE, (int64_t)l->queued);
  return n;
}

// What has waited too long, or would wait for a row that does not come, is answered now: nothing of it was written.
static size_t drop_overdue(const struct ledger *l, struct ledger_op **ops, size_t count) {
  int64_t oldest = clock_mono_us() - LIMIT_LEDGER_WAIT_MS * INT64_C(1000);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (ops[i]->queued_at >= oldest && !is_stuck(l, ops[i]->customer)) ops[kept++] = ops[i];
    else answer_fault(&ops[i], 1, FAULT_DB);
  }
  return kept;
}

// Waits for operations, the lease's renewal or the end. False: the end.
static bool wait_for_work(struct ledger *l) {
  while (!l->first && !l->closing) {
    int64_t wait_us = l->renew_at - clock_mono_us();
    if (wait_us <= 0) return true;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_us / 1000000;
    until.tv_nsec += wait_us % 1000000 * 1000;
    if (until.tv_nsec >= 1000000000) {
      until.tv_sec++;
      until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&l->wake, &l->mutex, &until);
  }
  return l->first || !l->closing;
}

static void *work(void *arg) {
  struct ledger *l = arg;
  struct ledger_op *ops[LIMIT_LEDGER_BATCH];
  pthread_mutex_lock(&l->mutex);
  while (wait_for_work(l)) {
    size_t count = take(l, ops);
    pthread_mutex_unlock(&l->mutex);
    size_t kept = drop_overdue(l, ops, count);
    if (kept || !count) run(l, ops, kept);
    if (!count) l->renew_at = clock_mono_us() + l->writer.lease_us / 3;
    pthread_mutex_lock(&l->mutex);
  }
  pthread_mutex_unlock(&l->mutex);
  return NULL;
}

// ---- the door

struct ledger *ledger_create(const struct ledger_config *config, struct buf *ret_error) {
  struct ledger *l = mem_alloc(sizeof *l);
  pthread_condattr_t attributes;
  l->url = mem_strdup(config->url);
  l->instance = mem_strdup(config->instance);
  l->writer.lease_us = config->lease_ms * INT64_C(1000);
  l->backoff_ms = BACKOFF_LEAST_MS;
  pthread_mutex_init(&l->mutex, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&l->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  batch_init(&l->batch);
  bool ok = connect_database(l, ret_error) && register_writer(l) == 0;
  is_up(l, ok);
  l->renew_at = clock_mono_us() + l->writer.lease_us / 3;
  if (ok && pthread_create(&l->thread, NULL, work, l) == 0) return l;
  if (l->db && ret_error->len == 0) buf_puts(ret_error, db_error(l->db));
  l->closing = true;
  db_destroy(l->db);
  batch_finish(&l->batch);
  mem_free(l->url);
  mem_free(l->instance);
  mem_free(l);
  return NULL;
}

static void lease_end(struct ledger *l) {
  if (!l->db || !db_alive(l->db) || !l->registered) return;
  struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, l->writer.id);
  db_param_i64(&p, l->writer.epoch);
  (void)db_run(l->db, STATEMENT_LEDGER_LEASE_END, &p, NULL); // else it runs out by itself
  db_params_finish(&p);
}

void ledger_destroy(struct ledger *l) {
  if (!l) return;
  pthread_mutex_lock(&l->mutex);
  l->closing = true;
  pthread_cond_signal(&l->wake);
  pthread_mutex_unlock(&l->mutex);
  pthread_join(l->thread, NULL);
  lease_end(l);
  db_destroy(l->db);
  batch_finish(&l->batch);
  pthread_cond_destroy(&l->wake);
  pthread_mutex_destroy(&l->mutex);
  mem_free(l->url);
  mem_free(l->instance);
  mem_free(l);
}

int64_t ledger_now(const struct ledger *l) {
  return clock_mono_us() + atomic_load(&l->clock_offset);
}

int64_t ledger_lease_us(const struct ledger *l) {
  return l->writer.lease_us;
}

bool ledger_up(const struct ledger *l) {
  return atomic_load(&l->up);
}

struct uuid ledger_call_id(const struct ledger *l, struct uuid customer) {
  struct uuid id = uuid_v7(ledger_now(l));
  memcpy(id.b + 12, customer.b + 12, 4);
  return id;
}

int ledger_submit(struct ledger *l, struct ledger_op *op) {
  int result = 0;
  op->queued_at = clock_mono_us();
  op->next = NULL;
  op->late = false;
  op->charged = 0;
  pthread_mutex_lock(&l->mutex);
  if (l->closing) result = FAULT_CLOSED;
  else if (l->queued >= LIMIT_LEDGER_QUEUE) result = FAULT_FULL;
  else {
    if (l->last) l->last->next = op;
    else l->first = op;
    l->last = op;
    l->queued++;
    pthread_cond_signal(&l->wake);
  }
  pthread_mutex_unlock(&l->mutex);
  return result;
}
