// See rollup.h. Over many customers each call is another row of the sums, so that few large pieces are cheaper than many small
// ones: calls are let wait, and reports read those that do from the ledger itself.
#include "report/rollup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "report/rollup_index.h"
#include "report/rollup_write.h"

#define STRETCHES_MAX 64          // writers of one piece
#define PIECE_CALLS 100000        // fewer after one that was too much, or as many as are read in
#define PIECE_US INT64_C(500000)
#define READ_CALLS 15000          // at once: aimed at
#define READ_CALLS_MAX 30000      // not more than this
#define READ_US INT64_C(500000)   // after longer, fewer are read
#define WAIT_US INT64_C(8000000)
#define SPAN_MAX (1 << 20)
#define SPAN_IDLE 256             // so many batches without a call are passed without a word: they are renewals of leases
#define SQLSTATE_OUT_OF_RANGE "22003"
#define DENSE_ROWS 12             // rows of one customer and quarter
#define DENSE_LOOKS 64            // quarters of a piece for which it is looked up whether many pieces have made so many
#define FILL_ROWS 20000           // sums that coarser ones are made from at once

struct stretch {
  int32_t writer;
  int64_t from, after, until, end; // batches; from where the piece begins and the next reading does, up to where; end: what there is
};

struct rollup {
  int64_t waiting_since; // monotonic; 0: nothing waits
  int64_t batch_calls;   // of what was read last: thousandths of a call in a batch
  int64_t span;          // batches of one writer that are read at once
  int64_t piece_calls;   // after so many a piece is written
  struct stretch stretches[STRETCHES_MAX];
  size_t stretch_count;
  struct rollup_dense dense;
  struct uuid looked; // customers up to this one have been looked at
  struct rollup_fold fold;
  struct rollup_index index;
  bool too_large; // the last piece failed because a sum would have passed 64 bits
  bool behind; // the last piece was full and more waits
  bool unfilled; // hours or days of somebody may not go back to the beginning yet
};

struct rollup *rollup_create(void) {
  struct rollup *r = mem_alloc(sizeof *r);
  r->batch_calls = 1000;
  r->span = 1024;
  r->piece_calls = PIECE_CALLS;
  r->unfilled = true;
  return r;
}

void rollup_destroy(struct rollup *r) {
  if (!r) return;
  rollup_fold_finish(&r->fold);
  rollup_index_finish(&r->index);
  rollup_dense_finish(&r->dense);
  mem_free(r);
}

// ---- what waits

static int waiting_read(struct rollup *r, struct db *db) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  db_params_init(&p);
  db_param_i64(&p, STRETCHES_MAX);
  if (db_run(db, STATEMENT_ROLLUP_WAITING, &p, &rows) != 0) return FAULT_DB;
  r->stretch_count = db_rows(rows);
  for (size_t i = 0; i < r->stretch_count; i++)
    r->stretches[i] = (struct stretch){.writer = (int32_t)db_i64(rows, i, 0), .from = db_i64(rows, i, 1), .after = db_i64(rows, i, 1), .until = db_i64(rows, i, 1), .end = db_i64(rows, i, 2)};
  return 0;
}

static int64_t batches_waiting(const struct rollup *r) {
  int64_t sum = 0;
  for (size_t i = 0; i < r->stretch_count; i++) sum += r->stretches[i].end - r->stretches[i].from;
  return sum;
}

static bool worth_it(struct rollup *r) {
  int64_t batches = batches_waiting(r), now = clock_mono_us();
  if (batches == 0) r->waiting_since = 0;
  else if (r->waiting_since == 0) r->waiting_since = now;
  return batches > 0 && (batches > PIECE_CALLS * INT64_C(1000) / r->batch_calls || now - r->waiting_since >= WAIT_US);
}

// ---- a piece

static int lock(struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *row = NULL;
  if (db_run(db, STATEMENT_ROLLUP_LOCK, NULL, &row) != 0) return FAULT_DB;
  return db_rows(row) == 1;
}

static void param_stretches(struct db_params *p, struct rollup *r, bool after) {
  db_array_begin(p, DB_I32);
  for (size_t i = 0; i < r->stretch_count; i++) db_array_i32(p, r->stretches[i].writer);
  db_array_end(p);
  db_array_begin(p, DB_I64);
  for (size_t i = 0; after && i < r->stretch_count; i++) db_array_i64(p, r->stretches[i].after);
  if (after) db_array_end(p), db_array_begin(p, DB_I64);
  for (size_t i = 0; i < r->stretch_count; i++) db_array_i64(p, r->stretches[i].until);
  db_array_end(p);
}

static int64_t batches_of(const struct rollup *r, int64_t calls) {
  return calls * 1000 / r->batch_calls / (int64_t)r->stretch_count + 1;
}

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// What follows is as many batches as should hold READ_CALLS, though not many more than these, for there may come a rush; fewer where
// these took long.
static void learn(struct rollup *r, int64_t span, size_t calls, int64_t took_us) {
  int64_t batches = 0, most = least(4 * span, SPAN_MAX);
  for (size_t i = 0; i < r->stretch_count; i++) batches += r->stretches[i].until - r->stretches[i].after;
  r->span = most;
  if (calls == 0) return;
  r->batch_calls = (int64_t)calls * 1000 / batches + 1;
  r->span = least(batches_of(r, READ_CALLS), most);
  if (took_us > READ_US) r->span = r->span / 2 + 1;
}

// The calls of as many batches as are read at once; those of a single batch always are.
static int calls_read(struct rollup *r, struct db *db, struct db_result **ret) {
  int64_t began = clock_mono_us(), span = least(r->span, batches_of(r, r->piece_calls));
  for (;; span = span / 8 + 1) {
    CLEANUP(db_params_finish) struct db_params p;
    for (size_t i = 0; i < r->stretch_count; i++) r->stretches[i].until = least(r->stretches[i].after + span, r->stretches[i].end);
    db_params_init(&p);
    param_stretches(&p, r, true);
    db_param_i64(&p, span > 1 ? READ_CALLS_MAX : INT64_MAX);
    if (db_run(db, STATEMENT_ROLLUP_CALLS, &p, ret) != 0) return FAULT_DB;
    if (db_rows(*ret) < READ_CALLS_MAX || span == 1) break;
    db_result_finish(*ret);
    *ret = NULL;
  }
  learn(r, span, db_rows(*ret), clock_mono_us() - began);
  for (size_t i = 0; i < r->stretch_count; i++) r->stretches[i].after = r->stretches[i].until;
  return 0;
}

static bool more_waits(const struct rollup *r) {
  for (size_t i = 0; i < r->stretch_count; i++)
    if (r->stretches[i].until < r->stretches[i].end) return true;
  return false;
}

// Reads a piece into the fold. How many calls.
static int piece_read(struct rollup *r, struct db *db) {
  int64_t until = clock_mono_us() + PIECE_US;
  int64_t calls = 0;
  do {
    CLEANUP(db_result_finishp) struct db_result *rows = NULL;
    if (calls_read(r, db, &rows) != 0) return FAULT_DB;
    if (!rollup_rows_add(&r->fold, &r->dense, rows, 0, db_rows(rows))) return FAULT_CORRUPT;
    calls += (int64_t)db_rows(rows);
  } while (more_waits(r) && calls < r->piece_calls && clock_mono_us() < until);
  return (int)calls;
}

static size_t rows_of_quarter(const struct rollup_fold *f, size_t i) {
  const struct rollup_sum *first = &f->sums.at[i];
  size_t n = 1;
  for (; i + n < f->sums.count; n++) {
    const struct rollup_sum *next = &f->sums.at[i + n];
    if (next->width != first->width || next->quarter != first->quarter || !uuid_eq(next->customer, first->customer)) break;
  }
  return n;
}

// Customers that have many rows in one quarter get hours and days beside them from now on. Where this piece has made fewer, others may
// have made the rest: that is looked up for some of the customers each time.
static int dense_add(struct rollup *r, struct db *db) {
  vec(struct rollup_quarter_of) quarters = {0};
  struct uuid last = UUID_NIL;
  int looks = 0;
  for (size_t i = 0, n; i < r->fold.sums.count; i += n) {
    const struct rollup_sum *sum = &r->fold.sums.at[i];
    n = rows_of_quarter(&r->fold, i);
    if (sum->width != 1 || rollup_dense_reach(&r->dense, sum->customer).hours != INT32_MAX) continue;
    if (n < DENSE_ROWS && (looks == DENSE_LOOKS || uuid_cmp(sum->customer, r->looked) <= 0)) continue;
    if (n < DENSE_ROWS) looks++, last = sum->customer;
    *vec_add(&quarters) = (struct rollup_quarter_of){sum->customer, sum->quarter};
  }
  r->looked = looks == DENSE_LOOKS ? last : UUID_NIL;
  int added = rollup_dense_add(db, quarters.at, quarters.count, DENSE_ROWS);
  vec_finish(&quarters);
  r->unfilled |= added > 0 || !rollup_dense_is_filled(&r->dense);
  return added < 0 ? added : 0;
}

static int cursors_write(struct rollup *r, struct db *db) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  param_stretches(&p, r, false);
  return db_run(db, STATEMENT_ROLLUP_REACHED, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// Inside the transaction, with the lock. How many calls.
static int piece_write(struct rollup *r, struct db *db, bool bounded, bool *ret_worth) {
  int calls = 0, answer = waiting_read(r, db);
  *ret_worth = false;
  if (answer != 0 || r->stretch_count == 0) return answer;
  if ((answer = rollup_dense_read(&r->dense, db)) != 0 || (answer = rollup_fold_begin(&r->fold, db)) != 0) return answer;
  if ((calls = piece_read(r, db)) < 0) return calls;
  *ret_worth = calls > 0 || batches_waiting(r) > SPAN_IDLE;
  if (!*ret_worth) return 0;
  rollup_fold_end(&r->fold);
  if ((answer = rollup_write(db, &r->fold, bounded)) != 0 || (answer = dense_add(r, db)) != 0 || (answer = cursors_write(r, db)) != 0) return answer;
  if ((answer = rollup_nothing_drop(db, r->fold.corrected.at, r->fold.corrected.count)) != 0) return answer;
  if ((answer = rollup_values_write(db, &r->fold)) != 0) return answer;
  if (r->fold.unsummed > 0) answer = rollup_values_again(db, r->fold.corrected.at, r->fold.corrected.count);
  return answer != 0 ? answer : calls;
}

// A statement that ran into its time-out asked for too much at once.
static void learn_failed(struct rollup *r, const struct db *db) {
  r->too_large = strcmp(db_sqlstate(db), SQLSTATE_OUT_OF_RANGE) == 0;
  if (strcmp(db_sqlstate(db), "57014") != 0) return;
  r->span = r->span / 4 + 1;
  r->piece_calls = r->piece_calls / 4 + 1;
}

// `bounded`: sums that would pass 64 bits stay at their end, which takes longer to add.
static int piece_run(struct rollup *r, struct db *db, bool bounded) {
  bool worth = false;
  if (db_begin(db) != 0) return FAULT_DB;
  int done = lock(db);
  if (done > 0 && db_run(db, STATEMENT_ROLLUP_BY_INDEX, NULL, NULL) != 0) done = FAULT_DB;
  if (done > 0) done = piece_write(r, db, bounded, &worth);
  rollup_fold_clear(&r->fold);
  if (done < 0) learn_failed(r, db);
  if (done < 0 || !worth) {
    db_rollback(db);
    r->stretch_count = 0;
    return done;
  }
  int committed = db_commit(db);
  if (committed != 0) return committed;
  r->piece_calls = least(2 * r->piece_calls, PIECE_CALLS);
  return done;
}

static int pieces_run(struct rollup *r, struct db *db, bool *ret_more) {
  r->waiting_since = 0;
  int kept = rollup_index_keep(&r->index, db);
  int done = kept == 0 ? piece_run(r, db, false) : kept;
  if (done < 0 && r->too_large) {
    log_warn("rollup.bounded", "a sum of usage has passed what can be counted, and stays at that");
    done = piece_run(r, db, true);
  }
  if (done < 0) return done;
  *ret_more |= more_waits(r) || r->stretch_count == STRETCHES_MAX;
  r->behind = *ret_more;
  return done;
}

// One step back towards the beginning, unless another is at the sums. What failed is tried again.
static int fill_run(struct rollup *r, struct db *db, bool *ret_more) {
  if (db_begin(db) != 0) return FAULT_DB;
  int locked = lock(db), step = locked > 0 ? rollup_dense_step(&r->dense, db, FILL_ROWS) : locked;
  if (step > 0) {
    *ret_more = true;
    return db_commit(db);
  }
  db_rollback(db);
  if (locked > 0 && step == 0) r->unfilled = false;
  return step;
}

int rollup_run(struct rollup *r, struct db *db, bool all, bool *ret_more) {
  int done = 0, filled = 0;
  *ret_more = false;
  if (waiting_read(r, db) != 0) return FAULT_DB;
  if (worth_it(r) || ((all || r->behind) && r->stretch_count)) done = pieces_run(r, db, ret_more);
  if (done >= 0 && r->unfilled) filled = fill_run(r, db, ret_more);
  return filled < 0 ? filled : done;
}
