// The report's one statement gives a row for each group and meter, sorted; neighbours of one group become one row.
#include "report/usage.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "db/db.h"
#include "report/rollup_fold.h"

#define METERS_MAX 64 // of one group
#define LINES_MAX (LIMIT_REPORT_ROWS * 8)

enum { COL_DAY, COL_MODEL, COL_KEY, COL_METER, COL_CALLS, COL_CHARGE, COL_COST, COL_QUANTITY, COL_OF };

// What a line is of: meters that are not summed up have lines of their own for the totals.
enum { OF_BOTH = 0, OF_ROW = 1, OF_TOTALS = 2 };

// Of calls that are kept no longer there are only sums of quarter-hours.
static bool is_split(int64_t bound, int64_t kept_from) {
  return bound < kept_from && bound % ROLLUP_QUARTER_US != 0;
}

static int bounds_read(struct db *db, struct arena *arena, struct report_bound from, struct report_bound to,
                       struct report *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, ret->customer);
  db_param_time_or_null(&p, from.at);
  db_param_text_or_null(&p, from.day);
  db_param_time_or_null(&p, to.at);
  db_param_text_or_null(&p, to.day);
  if (db_run(db, STATEMENT_REPORT_BOUNDS, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return REPORT_UNKNOWN;
  ret->time_zone = arena_str(arena, db_text(r, 0, 0));
  ret->from = db_i64(r, 0, 1);
  ret->to = db_i64(r, 0, 2);
  int64_t kept_from = db_i64(r, 0, 3);
  if (is_split(ret->from, kept_from) || is_split(ret->to, kept_from)) return REPORT_GONE;
  return ret->from < ret->to ? REPORT_DONE : REPORT_REVERSED;
}

static bool is_of_row(const struct db_result *r, size_t at) {
  return db_i64(r, at, COL_OF) != OF_TOTALS;
}

static bool same_group(const struct db_result *r, size_t a, size_t b) {
  return str_eq(db_text(r, a, COL_DAY), db_text(r, b, COL_DAY)) &&
         str_eq(db_text(r, a, COL_MODEL), db_text(r, b, COL_MODEL)) &&
         uuid_eq(db_uuid(r, a, COL_KEY), db_uuid(r, b, COL_KEY));
}

static bool meter_add(struct report_row *row, struct str name, int64_t quantity) {
  size_t i = 0;
  while (i < row->meter_count && !str_eq(row->meters[i].name, name)) i++;
  if (i == METERS_MAX) return false;
  if (i == row->meter_count) row->meters[row->meter_count++] = (struct report_meter){name, 0};
  row->meters[i].quantity = rollup_add(row->meters[i].quantity, quantity);
  return true;
}

static bool line_add(struct report_row *row, const struct report_row *line, struct str meter, int64_t quantity) {
  row->calls += line->calls;
  row->charge = rollup_add(row->charge, line->charge);
  row->cost = rollup_add(row->cost, line->cost);
  return meter.len == 0 || quantity == 0 || meter_add(row, meter, quantity);
}

static bool is_empty(const struct report_row *row) {
  return row->calls == 0 && row->charge == 0 && row->cost == 0 && row->meter_count == 0;
}

static void row_begin(struct arena *arena, const struct db_result *r, size_t at, struct report_row *ret) {
  *ret = (struct report_row){
      .day = arena_str(arena, db_text(r, at, COL_DAY)),
      .model = arena_str(arena, db_text(r, at, COL_MODEL)),
      .key = db_uuid(r, at, COL_KEY),
      .meters = arena_alloc(arena, METERS_MAX * sizeof *ret->meters),
  };
}

static size_t group_count(const struct db_result *r) {
  size_t count = 0, last = SIZE_MAX;
  for (size_t i = 0; i < db_rows(r); i++) {
    if (!is_of_row(r, i)) continue;
    count += last == SIZE_MAX || !same_group(r, last, i);
    last = i;
  }
  return count;
}

// The row that a line belongs to; an empty one is used again.
static struct report_row *row_of(struct arena *arena, const struct db_result *r, size_t last, size_t i, struct report *ret) {
  struct report_row *row = ret->row_count ? &ret->rows[ret->row_count - 1] : NULL;
  if (row && last != SIZE_MAX && same_group(r, last, i)) return row;
  if (!row || !is_empty(row)) row = &ret->rows[ret->row_count++];
  row_begin(arena, r, i, row);
  return row;
}

static int rows_read(struct arena *arena, const struct db_result *r, struct report *ret) {
  size_t groups = group_count(r), last = SIZE_MAX;
  if (groups > LIMIT_REPORT_ROWS || db_rows(r) > LINES_MAX) return REPORT_TOO_MANY;
  ret->rows = arena_alloc(arena, (groups + 1) * sizeof *ret->rows);
  ret->totals.meters = arena_alloc(arena, METERS_MAX * sizeof *ret->totals.meters);
  for (size_t i = 0; i < db_rows(r); i++) {
    struct report_row line = {
        .calls = db_i64(r, i, COL_CALLS), .charge = db_i64(r, i, COL_CHARGE), .cost = db_i64(r, i, COL_COST)};
    struct str meter = arena_str(arena, db_text(r, i, COL_METER));
    int64_t quantity = db_i64(r, i, COL_QUANTITY), of = db_i64(r, i, COL_OF);
    if (of != OF_TOTALS) {
      if (!line_add(row_of(arena, r, last, i, ret), &line, meter, quantity)) return FAULT_CORRUPT;
      last = i;
    }
    if (of != OF_ROW && !line_add(&ret->totals, &line, meter, quantity)) return FAULT_CORRUPT;
  }
  if (ret->row_count && is_empty(&ret->rows[ret->row_count - 1])) ret->row_count--;
  return REPORT_DONE;
}

// In a transaction for the setting's sake; what is read is one statement's snapshot.
static int lines_read(struct db *db, const struct db_params *p, struct db_result **ret) {
  if (db_begin(db) != 0) return FAULT_DB;
  int r = db_run(db, STATEMENT_ROLLUP_BY_INDEX, NULL, NULL);
  if (r == 0) r = db_run(db, STATEMENT_REPORT_USAGE, p, ret);
  if (r == 0) return db_commit(db);
  bool too_long = r > 0 && strcmp(db_sqlstate(db), "57014") == 0;
  db_rollback(db);
  return too_long ? REPORT_TOO_LONG : FAULT_DB;
}

int report_usage(struct db *db, struct arena *arena, struct uuid customer, struct report_bound from,
                 struct report_bound to, unsigned groups, struct report *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  *ret = (struct report){.customer = customer, .groups = groups};
  db_params_init(&p);
  int answer = bounds_read(db, arena, from, to, ret);
  if (answer != REPORT_DONE) return answer;
  db_param_uuid(&p, customer);
  db_param_time(&p, ret->from);
  db_param_time(&p, ret->to);
  db_param_text(&p, ret->time_zone);
  db_param_i32(&p, (int32_t)groups);
  db_param_uuid(&p, uuid_floor(ret->from));
  db_param_uuid(&p, uuid_floor(ret->to));
  db_param_i64(&p, LINES_MAX + 1);
  answer = lines_read(db, &p, &r);
  return answer == 0 ? rows_read(arena, r, ret) : answer;
}
