// Sums go as arrays, their meters and quantities as array literals: most rows have the same few.
#include "report/rollup_write.h"
#include "base/fault.h"
#include "db/db.h"
#include <inttypes.h>

#define LITERAL_MAX (256 * 1024)

#define COLUMN_OF(list, p, type, kind, condition, expression) \
  do {                                              \
    db_array_begin(p, type);                        \
    for (size_t i = 0; i < (list)->count; i++) {    \
      const __typeof__(*(list)->at) *e = &(list)->at[i]; \
      if (condition) db_array_##kind(p, expression); \
    }                                               \
    db_array_end(p);                                \
  } while (0)
#define COLUMN(p, type, kind, expression) COLUMN_OF(&f->sums, p, type, kind, !is_nothing(e), expression)

// What adds nothing is no row.
static bool is_nothing(const struct rollup_sum *sum) {
  return sum->calls == 0 && sum->charge == 0 && sum->cost == 0 && sum->count == 0;
}

static void name_write(struct buf *out, struct str name) {
  buf_putc(out, '"');
  for (size_t i = 0; i < name.len; i++) {
    if (name.ptr[i] == '"' || name.ptr[i] == '\\') buf_putc(out, '\\');
    buf_putc(out, name.ptr[i]);
  }
  buf_putc(out, '"');
}

static struct str meters_literal(struct buf *out, const struct rollup_fold *f, const struct rollup_sum *sum) {
  buf_clear(out);
  buf_putc(out, '{');
  for (size_t i = 0; i < sum->count; i++) {
    if (i) buf_putc(out, ',');
    name_write(out, f->meters.at[f->quantities.at[sum->first + i].meter].name);
  }
  buf_putc(out, '}');
  return buf_str(out);
}

static struct str quantities_literal(struct buf *out, const struct rollup_fold *f, const struct rollup_sum *sum) {
  buf_clear(out);
  buf_putc(out, '{');
  for (size_t i = 0; i < sum->count; i++)
    buf_printf(out, i ? ",%" PRId64 : "%" PRId64, f->quantities.at[sum->first + i].quantity);
  buf_putc(out, '}');
  return buf_str(out);
}

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

int rollup_write(struct db *db, const struct rollup_fold *f, bool bounded) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(buf_finish) struct buf literal;
  db_params_init(&p);
  buf_init(&literal, LITERAL_MAX);
  if (f->sums.count == 0) return 0;
  COLUMN(&p, DB_UUID, uuid, e->customer);
  COLUMN(&p, DB_UUID, uuid, e->key);
  COLUMN(&p, DB_UUID, uuid, e->price);
  COLUMN(&p, DB_I32, i32, e->quarter);
  COLUMN(&p, DB_I16, i16, (int16_t)e->width);
  COLUMN(&p, DB_I64, i64, e->calls);
  COLUMN(&p, DB_I64, i64, e->charge);
  COLUMN(&p, DB_I64, i64, e->cost);
  COLUMN(&p, DB_TEXT, text, meters_literal(&literal, f, e));
  COLUMN(&p, DB_TEXT, text, quantities_literal(&literal, f, e));
  if (literal.full) return FAULT_CORRUPT;
  return db_run(db, bounded ? STATEMENT_ROLLUP_ADD_BOUNDED : STATEMENT_ROLLUP_ADD, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static int values_corrected(struct db *db, struct rollup_fold *f) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  db_params_init(&p);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, true, e->customer);
  COLUMN_OF(&f->values, &p, DB_I32, i32, true, e->quarter);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, true, e->call);
  if (db_run(db, STATEMENT_ROLLUP_VALUES_CORRECTED, &p, &rows) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(rows); i++)
    *vec_add(&f->corrected) = (struct rollup_quarter_of){db_uuid(rows, i, 0), (int32_t)db_i64(rows, i, 1)};
  return 0;
}

int rollup_values_write(struct db *db, struct rollup_fold *f) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  if (f->values.count == 0) return 0;
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, true, e->customer);
  COLUMN_OF(&f->values, &p, DB_I32, i32, true, e->quarter);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, true, e->key);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, true, e->price);
  COLUMN_OF(&f->values, &p, DB_TEXT, text, true, f->meters.at[e->meter].name);
  COLUMN_OF(&f->values, &p, DB_I16, i16, true, (int16_t)f->meters.at[e->meter].aggregation);
  COLUMN_OF(&f->values, &p, DB_I64, i64, true, e->value);
  COLUMN_OF(&f->values, &p, DB_UUID, uuid, true, e->call);
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
