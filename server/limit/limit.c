// Limits in the database.
#include "limit/limit.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "db/db.h"

// Whether one more fits, so that whatever binds a key can be drawn from in one admission.
static int room(struct db *db, const struct limit *l) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, l->customer_id);
  db_param_uuid_or_null(&p, l->key_id);
  if (db_run(db, STATEMENT_LIMIT_ROOM, &p, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  if (!db_bool(r, 0, 1)) return LIMIT_NO_KEY;
  return db_i64(r, 0, 0) < LIMIT_DRAWS ? LIMIT_DONE : LIMIT_TOO_MANY;
}

static int insert_bucket(struct db *db, const struct limit *l) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, l->customer_id);
  db_param_uuid(&p, l->id);
  db_param_i16(&p, (int16_t)l->period);
  return db_run(db, STATEMENT_LIMIT_INSERT_BUCKET, &p, NULL) == 0 ? LIMIT_DONE : FAULT_DB;
}

int limit_create(struct db *db, const struct limit *l) {
  int r = room(db, l);
  if (r != LIMIT_DONE) return r;
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, l->customer_id);
  db_param_uuid(&p, l->id);
  db_param_uuid_or_null(&p, l->key_id);
  db_param_i16(&p, (int16_t)l->measure);
  db_param_i16(&p, (int16_t)l->period);
  db_param_i64(&p, l->amount);
  if (db_run(db, STATEMENT_LIMIT_INSERT, &p, NULL) != 0) return FAULT_DB;
  return insert_bucket(db, l);
}

static int run_one(struct db *db, enum statement_id statement, const struct db_params *p) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, statement, p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? LIMIT_DONE : LIMIT_UNKNOWN;
}

int limit_update(struct db *db, struct uuid customer, struct uuid id, int64_t most) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  db_param_i64(&p, most);
  return run_one(db, STATEMENT_LIMIT_UPDATE, &p);
}

int limit_delete(struct db *db, struct uuid customer, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  int r = run_one(db, STATEMENT_LIMIT_DELETE, &p);
  return r == LIMIT_DONE ? run_one(db, STATEMENT_LIMIT_DELETE_BUCKET, &p) : r;
}

static void row_read(const struct db_result *r, size_t row, struct limit *ret) {
  *ret = (struct limit){
      .customer_id = db_uuid(r, row, 0),
      .id = db_uuid(r, row, 1),
      .key_id = db_uuid(r, row, 2),
      .measure = (int)db_i64(r, row, 3),
      .period = (int)db_i64(r, row, 4),
      .amount = db_i64(r, row, 5),
      .created_at = db_time(r, row, 6),
      .level = db_i64(r, row, 7),
      .drawn_at = db_i64(r, row, 8),
      .window_start = db_i64(r, row, 9),
      .window_end = db_i64(r, row, 10),
      .used = db_i64(r, row, 11),
      .held = db_i64(r, row, 12),
      .current_start = db_i64(r, row, 13),
      .current_end = db_i64(r, row, 14),
      .read_at = db_i64(r, row, 15),
  };
}

static int list_run(struct db *db, struct uuid customer, struct uuid before, size_t max, struct uuid id,
                    struct db_result **ret) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  db_param_uuid_or_null(&p, id);
  return db_run(db, STATEMENT_LIMIT_LIST, &p, ret) == 0 ? 0 : FAULT_DB;
}

int limit_read(struct db *db, struct uuid customer, struct uuid id, struct limit *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (list_run(db, customer, UUID_NIL, 1, id, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return LIMIT_UNKNOWN;
  row_read(r, 0, ret);
  return LIMIT_DONE;
}

int limit_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max,
               struct limit **ret, size_t *ret_count) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (list_run(db, customer, before, max, UUID_NIL, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, &(*ret)[i]);
  return 0;
}
