// Sums go as arrays, in slices: what of them stands is added to, what does not is inserted. Which meters come together is told once
// a slice, as most rows have the same few.
#include "report/rollup_write.h"
#include "base/fault.h"
#include "db/db.h"

#define SLICE_SUMS 8192
#define SLICE_SETS 64 // of meters that come together: the database walks over them to a row's own

#define COLUMN_OF(list, p, type, kind, expression) \
  do {                                              \
    db_array_begin(p, type);                        \
    for (size_t i = 0; i < (list)->count; i++) {    \
      const __typeof__(*(list)->at) *e = &(list)->at[i]; \
      db_array_##kind(p, expression);               \
    }                                               \
    db_array_end(p);                                \
  } while (0)

int rollup_fold_begin(struct rollup_fold *f, struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  rollup_fold_clear(f);
  if (db_run(db, STATEMENT_ROLLUP_UNSUMMED, NULL, &rows) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(rows); i++) rollup_fold_unsummed(f, db_text(rows, i, 0), (int)db_i64(rows, i, 1));
  return 0;
}

bool rollup_rows_add(struct rollup_fold *f, const struct rollup_dense *d, const struct db_result *rows, size_t first, size_t end) {
  for (size_t i = first; i < end; i++) {
    struct rollup_call call = {.customer = db_uuid(rows, i, 0), .id = db_uuid(rows, i, 1), .key = db_uuid(rows, i, 2), .price = db_uuid(rows, i, 3),
                               .charge = db_i64(rows, i, 4), .cost = db_i64(rows, i, 5), .usage = db_text(rows, i, 6), .revision = (int)db_i64(rows, i, 7),
                               .counts = db_bool(rows, i, 8)};
    call.reach = rollup_dense_reach(d, call.customer);
    if (call.revision > 0) {
      call.before.price = db_uuid(rows, i, 9);
      call.before.counts = db_bool(rows, i, 10);
      call.before.charge = db_i64(rows, i, 11);
      call.before.cost = db_i64(rows, i, 12);
      call.before.usage = db_text(rows, i, 13);
    }
    if (!rollup_fold_add(f, &call)) return false;
  }
  return true;
}

// ---- a slice of the sums

struct slice_row {
  const struct rollup_sum *sum;
  size_t set;
};
struct slice {
  vec(struct slice_row) rows;
  const struct rollup_sum *sets[SLICE_SETS]; // one of those that have it
  int32_t first_meter[SLICE_SETS + 1];       // of all sets' meters, from 1; behind the last set, of the next
  size_t set_count;
};

static void slice_clear(struct slice *s) {
  vec_clear(&s->rows);
  s->set_count = 0;
  s->first_meter[0] = 1;
}

static bool is_same_set(const struct rollup_fold *f, const struct rollup_sum *a, const struct rollup_sum *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++)
    if (f->quantities.at[a->first + i].meter != f->quantities.at[b->first + i].meter) return false;
  return true;
}

// False: the slice is full.
static bool slice_add(struct slice *s, const struct rollup_fold *f, const struct rollup_sum *sum) {
  size_t set = 0;
  while (set < s->set_count && !is_same_set(f, s->sets[set], sum)) set++;
  if (set == SLICE_SETS || s->rows.count == SLICE_SUMS) return false;
  if (set == s->set_count) {
    s->sets[s->set_count++] = sum;
    s->first_meter[s->set_count] = s->first_meter[set] + (int32_t)sum->count;
  }
  *vec_add(&s->rows) = (struct slice_row){sum, set};
  return true;
}

static void param_meters(struct db_params *p, const struct slice *s, const struct rollup_fold *f) {
  db_array_begin(p, DB_TEXT);
  for (size_t set = 0; set < s->set_count; set++)
    for (size_t i = 0; i < s->sets[set]->count; i++) db_array_text(p, f->meters.at[f->quantities.at[s->sets[set]->first + i].meter].name);
  db_array_end(p);
  COLUMN_OF(&s->rows, p, DB_I32, i32, s->first_meter[e->set]);
  COLUMN_OF(&s->rows, p, DB_I32, i32, s->first_meter[e->set + 1] - 1);
}

static void param_quantities(struct db_params *p, const struct slice *s, const struct rollup_fold *f) {
  int32_t first = 1;
  db_array_begin(p, DB_I64);
  for (size_t row = 0; row < s->rows.count; row++)
    for (size_t i = 0; i < s->rows.at[row].sum->count; i++) db_array_i64(p, f->quantities.at[s->rows.at[row].sum->first + i].quantity);
  db_array_end(p);
  db_array_begin(p, DB_I32);
  for (size_t row = 0; row < s->rows.count; row++) {
    db_array_i32(p, first);
    first += (int32_t)s->rows.at[row].sum->count;
  }
  db_array_end(p);
}

static int slice_run(struct db *db, enum statement_id statement, const struct slice *s, const struct rollup_fold *f, struct db_result **ret) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  COLUMN_OF(&s->rows, &p, DB_UUID, uuid, e->sum->customer);
  COLUMN_OF(&s->rows, &p, DB_UUID, uuid, e->sum->key);
  COLUMN_OF(&s->rows, &p, DB_UUID, uuid, e->sum->price);
  COLUMN_OF(&s->rows, &p, DB_I32, i32, e->sum->quarter);
  COLUMN_OF(&s->rows, &p, DB_I16, i16, (int16_t)e->sum->width);
  COLUMN_OF(&s->rows, &p, DB_I64, i64, e->sum->calls);
  COLUMN_OF(&s->rows, &p, DB_I64, i64, e->sum->charge);
  COLUMN_OF(&s->rows, &p, DB_I64, i64, e->sum->cost);
  param_meters(&p, s, f);
  param_quantities(&p, s, f);
  return db_run(db, statement, &p, ret) == 0 ? 0 : FAULT_DB;
}

// Leaves the rows that are not among those that a statement has told.
static void slice_drop(struct slice *s, const struct db_result *told) {
  size_t kept = 0;
  for (size_t i = 0; i < db_rows(told); i++) s->rows.at[db_i64(told, i, 0)].sum = NULL;
  for (size_t i = 0; i < s->rows.count; i++)
    if (s->rows.at[i].sum) s->rows.at[kept++] = s->rows.at[i];
  s->rows.count = kept;
}

static int slice_write(struct db *db, struct slice *s, const struct rollup_fold *f, bool bounded) {
  CLEANUP(db_result_finishp) struct db_result *stand = NULL;
  if (s->rows.count == 0) return 0;
  if (slice_run(db, bounded ? STATEMENT_ROLLUP_ADD_BOUNDED : STATEMENT_ROLLUP_ADD, s, f, &stand) != 0) return FAULT_DB;
  slice_drop(s, stand);
  return s->rows.count ? slice_run(db, STATEMENT_ROLLUP_NEW, s, f, NULL) : 0;
}

// What adds nothing is no row.
static bool is_nothing(const struct rollup_sum *sum) {
  return sum->calls == 0 && sum->charge == 0 && sum->cost == 0 && sum->count == 0;
}

int rollup_write(struct db *db, const struct rollup_fold *f, bool bounded) {
  struct slice s = {0};
  int r = 0;
  slice_clear(&s);
  for (size_t i = 0; i < f->sums.count && r == 0; i++) {
    const struct rollup_sum *sum = &f->sums.at[i];
    if (is_nothing(sum) || slice_add(&s, f, sum)) continue;
    r = slice_write(db, &s, f, bounded);
    slice_clear(&s);
    (void)slice_add(&s, f, sum);
  }
  if (r == 0) r = slice_write(db, &s, f, bounded);
  vec_finish(&s.rows);
  return r;
}

static int values_corrected(struct db *db, struct rollup_fold *f) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  db_params_init(&p);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, e->customer);
  COLUMN_OF(&f->values, &p, DB_I32, i32, e->quarter);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, e->call);
  if (db_run(db, STATEMENT_ROLLUP_VALUES_CORRECTED, &p, &rows) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(rows); i++)
    *vec_add(&f->corrected) = (struct rollup_quarter_of){db_uuid(rows, i, 0), (int32_t)db_i64(rows, i, 1)};
  return 0;
}

int rollup_values_write(struct db *db, struct rollup_fold *f) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  if (f->values.count == 0) return 0;
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, e->customer);
  COLUMN_OF(&f->values, &p, DB_I32, i32, e->quarter);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, e->key);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, e->price);
  COLUMN_OF(&f->values, &p, DB_TEXT, text, f->meters.at[e->meter].name);
  COLUMN_OF(&f->values, &p, DB_I16, i16, (int16_t)f->meters.at[e->meter].aggregation);
  COLUMN_OF(&f->values, &p, DB_I64, i64, e->value);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, e->call);
  return db_run(db, STATEMENT_ROLLUP_VALUES_ADD, &p, NULL) == 0 ? values_corrected(db, f) : FAULT_DB;
}

static void param_quarters(struct db_params *p, const struct rollup_quarter_of *quarters, size_t count) {
  db_array_begin(p, DB_UUID);
  for (size_t i = 0; i < count; i++) db_array_uuid(p, quarters[i].customer);
  db_array_end(p);
  db_array_begin(p, DB_I32);
  for (size_t i = 0; i < count; i++) db_array_i32(p, quarters[i].quarter);
  db_array_end(p);
}

int rollup_nothing_drop(struct db *db, const struct rollup_quarter_of *quarters, size_t count) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  if (count == 0) return 0;
  param_quarters(&p, quarters, count);
  if (db_run(db, STATEMENT_ROLLUP_NOTHING, &p, NULL) != 0) return FAULT_DB;
  return db_run(db, STATEMENT_ROLLUP_NO_METERS, &p, NULL) == 0 ? 0 : FAULT_DB;
}

int rollup_values_again(struct db *db, const struct rollup_quarter_of *quarters, size_t count) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  if (count == 0) return 0;
  param_quarters(&p, quarters, count);
  if (db_run(db, STATEMENT_ROLLUP_VALUES_CLEAR, &p, NULL) != 0) return FAULT_DB;
  return db_run(db, STATEMENT_ROLLUP_VALUES_AGAIN, &p, NULL) == 0 ? 0 : FAULT_DB;
}
