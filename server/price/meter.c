// Meters in the database. The catalogue's row is locked first, so that who changes the catalogue does it one after the other.
#include "price/meter.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/db.h"

static int bump(struct db *db) {
  return db_run(db, STATEMENT_CATALOGUE_BUMP, NULL, NULL) == 0 ? METER_DONE : FAULT_DB;
}

static int rows_of(struct db *db, enum statement_id statement, struct str name, struct db_result **ret) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, name);
  return db_run(db, statement, &p, ret) == 0 ? METER_DONE : FAULT_DB;
}

// The rows that a statement with the meter's name alone finds or changes, or a fault.
static int count_of(struct db *db, enum statement_id statement, struct str name) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  int fault = rows_of(db, statement, name, &r);
  return fault != METER_DONE ? fault : (int)(db_rows(r) + db_affected(r) > 0);
}

int meter_create(struct db *db, const struct meter *m) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (bump(db) != METER_DONE) return FAULT_DB;
  int there = count_of(db, STATEMENT_METER_READ, m->name);
  if (there != 0) return there < 0 ? there : METER_TAKEN;
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, m->name);
  db_param_text(&p, m->unit);
  db_param_i16(&p, (int16_t)m->aggregation);
  db_param_text(&p, m->description);
  db_param_i64(&p, METERS_MAX_DEFINED);
  if (db_run(db, STATEMENT_METER_INSERT, &p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? METER_DONE : METER_TOO_MANY;
}

int meter_update(struct db *db, const struct meter *m, bool unit, bool description) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, m->name);
  db_param_bool(&p, unit);
  db_param_text(&p, m->unit);
  db_param_bool(&p, description);
  db_param_text(&p, m->description);
  if (bump(db) != METER_DONE || db_run(db, STATEMENT_METER_UPDATE, &p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? METER_DONE : METER_UNKNOWN;
}

int meter_delete(struct db *db, struct str name) {
  if (bump(db) != METER_DONE) return FAULT_DB;
  int priced = count_of(db, STATEMENT_METER_PRICED, name);
  if (priced != 0) return priced < 0 ? priced : METER_PRICED;
  int deleted = count_of(db, STATEMENT_METER_DELETE, name);
  return deleted < 0 ? deleted : deleted == 1 ? METER_DONE : METER_UNKNOWN;
}

static struct meter row_read(const struct db_result *r, size_t row, struct arena *arena) {
  return (struct meter){
      .name = arena_str(arena, db_text(r, row, 0)),
      .unit = arena_str(arena, db_text(r, row, 1)),
      .aggregation = (enum book_aggregation)db_i64(r, row, 2),
      .description = arena_str(arena, db_text(r, row, 3)),
      .created_at = db_time(r, row, 4),
  };
}

int meter_read(struct db *db, struct arena *arena, struct str name, struct meter *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (rows_of(db, STATEMENT_METER_READ, name, &r) != METER_DONE) return FAULT_DB;
  if (db_rows(r) == 0) return METER_UNKNOWN;
  *ret = row_read(r, 0, arena);
  return METER_DONE;
}

int meter_list(struct db *db, struct arena *arena, struct meter **ret, size_t *ret_count) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_METER_LIST, NULL, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) (*ret)[i] = row_read(r, i, arena);
  return METER_DONE;
}
