// From operations to their answers. Between an operation and its answer stand three doubts, each resolved here and nowhere
// else:
//   a statement failed      the batch is halved until the culprit stands alone; the others go on
//   the COMMIT was lost     the batch and its answers are kept; on a new connection the writer's row, read FOR UPDATE (which
//                           waits until the old transaction is decided), tells by its seq whether it landed
//   the row is not ours     this instance was taken for dead and fenced off: it registers anew and runs the batch again;
//                           calls whose holds were swept meanwhile end by the late path
#include "ledger/writer.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include <time.h>

#define BACKOFF_LEAST_MS 20
#define BACKOFF_MOST_MS 500
#define TRIES 3
#define LOCK_NOT_HAD "55P03"
#define ROW_MOVED "22012" // the division by zero of statements that write where a row was read
#define STUCK_US INT64_C(3000000)

void writer_init(struct writer *w, const struct ledger_config *config, struct session_common *common) {
  session_init(&w->session, config, common);
  batch_init(&w->batch);
  w->backoff_ms = BACKOFF_LEAST_MS;
}

void writer_finish(struct writer *w) {
  session_end(&w->session);
  session_finish(&w->session);
  batch_finish(&w->batch);
}

static void renew_later(struct writer *w) {
  w->renew_at = clock_mono_us() + w->session.writer.lease_us / 3;
}

bool writer_open(struct writer *w, struct buf *ret_error) {
  bool ok = session_open(&w->session, ret_error);
  renew_later(w);
  return ok;
}

static void pause_ms(int ms) {
  struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
  nanosleep(&t, NULL);
}

static void back_off(struct writer *w) {
  pause_ms(w->backoff_ms);
  w->backoff_ms = w->backoff_ms * 2 > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : w->backoff_ms * 2;
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
  if (op->kind != LEDGER_SETTLE && op->kind != LEDGER_RECORD && op->kind != LEDGER_PART) return;
  if (op->state == CALL_SETTLED) metric_add(METRIC_CALLS_SETTLED, 1);
  if (op->state == CALL_RELEASED) metric_add(METRIC_CALLS_RELEASED, 1);
  if (op->flags & CALL_ESTIMATED) metric_add(METRIC_CALLS_ESTIMATED, 1);
}

static void landed(struct writer *w, struct ledger_op **ops, size_t count) {
  w->session.writer.seq++;
  w->backoff_ms = BACKOFF_LEAST_MS;
  renew_later(w);
  session_told(&w->session, w->batch.now, w->batch.asked_at, w->batch.heard_at);
  metric_add(METRIC_LEDGER_BATCHES, 1);
  metric_add(METRIC_LEDGER_OPS, (int64_t)count);
  metric_add(METRIC_LEDGER_PAST_FLOOR, w->batch.fold.past_floor);
  for (size_t i = 0; i < count; i++) count_op(ops[i]);
  answer_all(ops, count);
}

// ---- running

static void run(struct writer *w, struct ledger_op **ops, size_t count);

// The operations carry the answers of a batch whose COMMIT was lost. True: they have been answered; false: the batch did
// not land and is to be run again. Only the end of the process leaves the doubt standing, and says so.
static bool settle_doubt(struct writer *w, struct ledger_op **ops, size_t count) {
  metric_add(METRIC_LEDGER_UNKNOWN, 1);
  for (;;) {
    int r = session_ready(&w->session) ? session_landed(&w->session) : FAULT_DB;
    if (r == 1) landed(w, ops, count);
    if (r >= 0) return r == 1;
    if (atomic_load(&w->closing)) {
      answer_fault(ops, count, FAULT_DB_UNKNOWN);
      return true;
    }
    back_off(w);
  }
}

// What explains a charge comes from a provider, and the database may not take it: then the charge stands without it.
static bool evidence_drop(struct ledger_op *op) {
  static const char refused[] = "{\"lost\":\"the database refused the evidence\"}";
  bool settles = op->kind == LEDGER_SETTLE || op->kind == LEDGER_RECORD || op->kind == LEDGER_PART;
  if (!settles || op->evidence.len == 0 || op->evidence.ptr == refused) return false;
  op->evidence = str_from(refused);
  return true;
}

static void halve(struct writer *w, struct ledger_op **ops, size_t count) {
  if (count == 1 && evidence_drop(ops[0])) {
    log_error("ledger.evidence", "the database refused a settlement, it is tried without its evidence: %s", db_error(w->session.db));
    run(w, ops, 1);
    return;
  }
  if (count == 1) {
    metric_add(METRIC_LEDGER_POISONED, 1);
    log_error("ledger.poisoned", "the database refused an operation of kind %d: %s", (int)ops[0]->kind, db_error(w->session.db));
    ops[0]->result = LEDGER_REFUSED;
    answer_all(ops, 1);
    return;
  }
  metric_add(METRIC_LEDGER_HALVED, 1);
  run(w, ops, count / 2);
  run(w, ops + count / 2, count - count / 2);
}

// ---- rows that somebody does not let go of

static bool is_stuck(const struct writer *w, struct uuid customer) {
  for (size_t i = 0; i < STUCK_MAX; i++)
    if (w->stuck[i].until && uuid_eq(w->stuck[i].customer, customer) && w->stuck[i].until > clock_mono_us()) return true;
  return false;
}

static void stuck_add(struct writer *w, struct uuid customer) {
  if (is_stuck(w, customer)) return;
  w->stuck[w->stuck_next++ % STUCK_MAX] = (struct stuck){customer, clock_mono_us() + STUCK_US};
  log_warn("ledger.locked", "a session holds a customer's row for over %d ms; that customer waits, the others go on", SESSION_LOCK_MS);
}

static bool is_listed(const struct db_result *ids, struct uuid id) {
  for (size_t i = 0; i < db_rows(ids); i++)
    if (uuid_eq(db_uuid(ids, i, 0), id)) return true;
  return false;
}

// Answers the operations of the customers whose rows are locked, and says how many are left.
static size_t set_apart(struct writer *w, struct ledger_op **ops, size_t count) {
  struct db_params p;
  struct db_result *free_ones = NULL;
  db_params_init(&p);
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < count; i++) db_array_uuid(&p, ops[i]->customer);
  db_array_end(&p);
  size_t kept = 0;
  if (db_run(w->session.db, STATEMENT_LEDGER_LOCKABLE, &p, &free_ones) == 0) {
    for (size_t i = 0; i < count; i++) {
      if (is_listed(free_ones, ops[i]->customer)) {
        ops[kept++] = ops[i];
        continue;
      }
      stuck_add(w, ops[i]->customer);
      answer_fault(&ops[i], 1, FAULT_DB);
    }
  } else kept = count;
  db_result_finish(free_ones);
  db_params_finish(&p);
  return kept;
}

// A batch that failed has not renewed the lease: one that waited for a lock must not make this instance look dead.
static void renew(struct writer *w, struct ledger_op **ops) {
  int r = session_ready(&w->session) ? batch_run(&w->batch, w->session.db, &w->session.writer, ops, 0) : FAULT_DB;
  if (r == BATCH_DONE) landed(w, ops, 0);
  if (r == FAULT_DB_UNKNOWN) (void)settle_doubt(w, ops, 0);
}

static bool may_pass(const struct db *db) {
  return db_is_transient(db) || strcmp(db_sqlstate(db), ROW_MOVED) == 0;
}

// Runs one batch until each of its operations has its answer. Who holds a lock for longer than SESSION_LOCK_MS is no frozen peer:
// waiting again helps nobody, what does not need that lock goes on.
static void run(struct writer *w, struct ledger_op **ops, size_t count) {
  for (int failed = 0;;) {
    if (!session_ready(&w->session)) {
      answer_fault(ops, count, FAULT_DB);
      back_off(w);
      return;
    }
    int r = batch_run(&w->batch, w->session.db, &w->session.writer, ops, count);
    if (r == BATCH_DONE) {
      landed(w, ops, count);
      return;
    }
    if (r == BATCH_AGAIN) continue;
    if (r == FAULT_DB_UNKNOWN) {
      if (settle_doubt(w, ops, count)) return;
    } else if (r == BATCH_FENCED) {
      metric_add(METRIC_LEDGER_FENCED, 1);
      log_warn("ledger.fenced", "writer %d was taken for dead by another instance; registering anew", (int)w->session.writer.id);
      w->session.registered = false;
    } else if (r == BATCH_BAD && !may_pass(w->session.db)) {
      if (count > 0) halve(w, ops, count);
      return;
    } else {
      bool locked_out = r == BATCH_BAD && strcmp(db_sqlstate(w->session.db), LOCK_NOT_HAD) == 0;
      if (r == BATCH_BAD) renew(w, ops);
      if (!locked_out && ++failed < TRIES) {
        back_off(w);
        continue;
      }
      size_t left = locked_out && session_ready(&w->session) ? set_apart(w, ops, count) : count;
      if (left > 0 && left < count) {
        count = left;
        continue;
      }
      if (left > 0 && r == BATCH_BAD && count > 1) halve(w, ops, count);
      else answer_fault(ops, left, FAULT_DB);
      return;
    }
  }
}

// What has waited too long, or would wait for a row that does not come, is answered now: nothing of it was written.
static size_t drop_overdue(const struct writer *w, struct ledger_op **ops, size_t count) {
  int64_t oldest = clock_mono_us() - LIMIT_LEDGER_WAIT_MS * INT64_C(1000);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (ops[i]->queued_at >= oldest && !is_stuck(w, ops[i]->customer)) ops[kept++] = ops[i];
    else answer_fault(&ops[i], 1, FAULT_DB);
  }
  return kept;
}

void writer_serve(struct writer *w, struct ledger_op **ops, size_t count) {
  size_t kept = drop_overdue(w, ops, count);
  if (kept || !count) run(w, ops, kept);
  if (!count) renew_later(w);
}
