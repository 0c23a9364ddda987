// A stretch goes from one customer and hour to another, the second not included, so that no sum is ever made in part. It is
// cleared and written again from what the cursors have passed, which stand still while the lock is held. A day may have more calls
// than a commit should: days go once all hours of their customer are right, and are filled in from those at the end.
#include "report/rollup_rebuild.h"
#include "base/fault.h"
#include "db/db.h"
#include "report/rollup_write.h"

#define PIECE_CALLS 50000
#define LAST_QUARTER INT32_MAX
#define FILL_ROWS 50000

struct place {
  struct uuid customer;
  int32_t hour; // its first quarter
};
struct rebuild {
  struct db *db;
  int64_t piece;
  struct place from;
  struct rollup_dense dense;
  struct rollup_fold fold;
  struct rollup_progress progress;
};

static const struct place last_place = {{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, LAST_QUARTER};

static struct place place_of(const struct db_result *rows, size_t i) {
  int32_t quarter = rollup_quarter(db_uuid(rows, i, 1));
  return (struct place){db_uuid(rows, i, 0), quarter - quarter % ROLLUP_HOUR};
}

static bool is_same(const struct place *a, const struct place *b) {
  return uuid_eq(a->customer, b->customer) && a->hour == b->hour;
}

static int calls_read(struct rebuild *b, struct uuid customer, struct uuid call, int16_t revision, struct db_result **ret) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, call);
  db_param_i16(&p, revision);
  db_param_i64(&p, b->piece);
  return db_run(b->db, STATEMENT_ROLLUP_REBUILD_CALLS, &p, ret) == 0 ? 0 : FAULT_DB;
}

// Where the stretch ends among these rows: the last change of place, or of those that follow others of its hour, the first.
static size_t cut(const struct db_result *rows, const struct place *going) {
  size_t n = db_rows(rows);
  struct place last = place_of(rows, going ? 0 : n - 1);
  if (going && !is_same(going, &last)) return 0;
  size_t i = going ? 1 : n - 1;
  for (; i > 0 && i < n; i += going ? 1 : (size_t)-1) {
    struct place at = place_of(rows, going ? i : i - 1);
    if (!is_same(&at, &last)) return i;
  }
  return n;
}

// Folds the stretch that begins at `from`; ret_end is where the next one does.
static int stretch_fold(struct rebuild *b, struct place *ret_end) {
  struct uuid customer = b->from.customer, call = uuid_floor((int64_t)b->from.hour * ROLLUP_QUARTER_US);
  int16_t revision = -1;
  struct place going;
  bool is_going = false;
  int begun = rollup_fold_begin(&b->fold, b->db);
  if (begun != 0) return begun;
  for (;;) {
    CLEANUP(db_result_finishp) struct db_result *rows = NULL;
    if (calls_read(b, customer, call, revision, &rows) != 0) return FAULT_DB;
    size_t n = db_rows(rows);
    bool is_last = (int64_t)n < b->piece;
    size_t end = is_last || n == 0 ? n : cut(rows, is_going ? &going : NULL);
    if (!rollup_rows_add(&b->fold, &b->dense, rows, 0, end)) return FAULT_CORRUPT;
    b->progress.calls += (int64_t)end;
    *ret_end = is_last ? last_place : (struct place){0};
    if (!is_last && end < n) *ret_end = place_of(rows, end);
    if (is_last || end < n) {
      rollup_fold_end(&b->fold);
      return 0;
    }
    going = place_of(rows, n - 1);
    is_going = true;
    customer = db_uuid(rows, n - 1, 0);
    call = db_uuid(rows, n - 1, 1);
    revision = (int16_t)db_i64(rows, n - 1, 7);
  }
}

static int clear(struct rebuild *b, const struct place *end) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, b->from.customer);
  db_param_i32(&p, b->from.hour);
  db_param_uuid(&p, end->customer);
  db_param_i32(&p, end->hour);
  if (db_run(b->db, STATEMENT_ROLLUP_REBUILD_CLEAR, &p, NULL) != 0) return FAULT_DB;
  return db_run(b->db, STATEMENT_ROLLUP_REBUILD_VALUES_CLEAR, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static int days_clear(struct rebuild *b, const struct place *end) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  if (uuid_eq(b->from.customer, end->customer)) return 0;
  db_param_uuid(&p, b->from.customer);
  db_param_uuid(&p, end->customer);
  return db_run(b->db, STATEMENT_ROLLUP_REBUILD_DAYS_CLEAR, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// The quarters that have values, or had some that were taken back.
static int values_write(struct rebuild *b) {
  vec(struct rollup_quarter_of) quarters = {0};
  for (size_t i = 0; b->fold.unsummed > 0 && i < b->fold.sums.count; i++) {
    const struct rollup_sum *sum = &b->fold.sums.at[i];
    struct rollup_quarter_of *last = quarters.count ? &quarters.at[quarters.count - 1] : NULL;
    if (sum->width != 1 || (last && last->quarter == sum->quarter && uuid_eq(last->customer, sum->customer))) continue;
    *vec_add(&quarters) = (struct rollup_quarter_of){sum->customer, sum->quarter};
  }
  int r = rollup_values_again(b->db, quarters.at, quarters.count);
  vec_finish(&quarters);
  return r;
}

static int stretch_write(struct rebuild *b, struct place *ret_end) {
  if (db_run(b->db, STATEMENT_ROLLUP_LOCK_WAIT, NULL, NULL) != 0 || db_run(b->db, STATEMENT_ROLLUP_IN_ORDER, NULL, NULL) != 0) return FAULT_DB;
  int r = rollup_dense_read(&b->dense, b->db);
  for (size_t i = 0; i < b->dense.at.count; i++) b->dense.at.at[i].reach.days = INT32_MAX;
  if (r == 0) r = stretch_fold(b, ret_end);
  if (r == 0) r = clear(b, ret_end);
  if (r == 0) r = rollup_write(b->db, &b->fold, false);
  if (r == 0) r = days_clear(b, ret_end);
  return r == 0 ? values_write(b) : r;
}

static int stretch_run(struct rebuild *b) {
  struct place end;
  if (db_begin(b->db) != 0) return FAULT_DB;
  int r = stretch_write(b, &end);
  if (r < 0) {
    db_rollback(b->db);
    return r;
  }
  r = db_commit(b->db);
  b->from = end;
  return r;
}

// 1: there may be more to fill.
static int fill_run(struct rebuild *b) {
  if (db_begin(b->db) != 0) return FAULT_DB;
  int step = db_run(b->db, STATEMENT_ROLLUP_LOCK_WAIT, NULL, NULL) == 0 ? rollup_dense_step(&b->dense, b->db, FILL_ROWS) : FAULT_DB;
  if (step > 0) {
    int committed = db_commit(b->db);
    return committed == 0 ? 1 : committed;
  }
  db_rollback(b->db);
  return step;
}

static int64_t size_read(struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *row = NULL;
  return db_run(db, STATEMENT_ROLLUP_REBUILD_SIZE, NULL, &row) == 0 ? db_i64(row, 0, 0) : 0;
}

int rollup_rebuild(struct db *db, int64_t piece, void (*progress)(void *arg, const struct rollup_progress *p), void *arg,
                   struct rollup_progress *ret) {
  struct rebuild b = {.db = db, .piece = piece ? piece : PIECE_CALLS, .progress.expected = size_read(db)};
  int r = 0;
  while (r == 0 && b.from.hour != LAST_QUARTER) {
    r = stretch_run(&b);
    if (r == 0 && progress) progress(arg, &b.progress);
  }
  if (r == 0)
    while ((r = fill_run(&b)) > 0) continue;
  rollup_dense_finish(&b.dense);
  rollup_fold_finish(&b.fold);
  *ret = b.progress;
  return r;
}
