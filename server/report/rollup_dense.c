// Days are filled first: there are fewest of them, and they are read instead of most others.
#include "report/rollup_dense.h"
#include "base/fault.h"
#include "db/db.h"

int rollup_dense_read(struct rollup_dense *d, struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  if (db_run(db, STATEMENT_ROLLUP_DENSE, NULL, &rows) != 0) return FAULT_DB;
  vec_clear(&d->at);
  for (size_t i = 0; i < db_rows(rows); i++)
    *vec_add(&d->at) = (struct rollup_dense_customer){db_uuid(rows, i, 0), {(int32_t)db_i64(rows, i, 1), (int32_t)db_i64(rows, i, 2)}};
  return 0;
}

void rollup_dense_finish(struct rollup_dense *d) {
  vec_finish(&d->at);
}

struct rollup_reach rollup_dense_reach(const struct rollup_dense *d, struct uuid customer) {
  size_t low = 0, high = d->at.count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (uuid_cmp(d->at.at[middle].customer, customer) < 0) low = middle + 1;
    else high = middle;
  }
  return low < d->at.count && uuid_eq(d->at.at[low].customer, customer) ? d->at.at[low].reach : ROLLUP_NO_REACH;
}

int rollup_dense_add(struct db *db, const struct rollup_quarter_of *quarters, size_t count, int64_t rows) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *added = NULL;
  db_params_init(&p);
  if (count == 0) return 0;
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < count; i++) db_array_uuid(&p, quarters[i].customer);
  db_array_end(&p);
  db_array_begin(&p, DB_I32);
  for (size_t i = 0; i < count; i++) db_array_i32(&p, quarters[i].quarter);
  db_array_end(&p);
  db_param_i64(&p, rows);
  return db_run(db, STATEMENT_ROLLUP_DENSE_ADD, &p, &added) == 0 ? (int)db_affected(added) : FAULT_DB;
}

// ---- back to the beginning

static bool days_are_behind(struct rollup_reach reach) {
  return reach.days - ROLLUP_DAY >= reach.hours;
}

// The next one whose hours or days do not stand from the beginning on; NULL: there is none.
static const struct rollup_dense_customer *unfilled(const struct rollup_dense *d) {
  for (size_t i = 0; i < d->at.count; i++)
    if (d->at.at[i].reach.hours > 0 || days_are_behind(d->at.at[i].reach)) return &d->at.at[i];
  return NULL;
}

bool rollup_dense_is_filled(const struct rollup_dense *d) {
  return !unfilled(d);
}

int rollup_dense_step(struct rollup_dense *d, struct db *db, int64_t rows) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  if (db_run(db, STATEMENT_ROLLUP_BY_INDEX, NULL, NULL) != 0 || rollup_dense_read(d, db) != 0) return FAULT_DB;
  const struct rollup_dense_customer *c = unfilled(d);
  if (!c) return 0;
  db_param_uuid(&p, c->customer);
  db_param_bool(&p, days_are_behind(c->reach));
  db_param_i64(&p, rows);
  return db_run(db, STATEMENT_ROLLUP_DENSE_FILL, &p, NULL) == 0 ? 1 : FAULT_DB;
}
