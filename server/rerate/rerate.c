// Jobs as rows. See rerate.h.
#include "rerate/rerate.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/db.h"

const char *rerate_state_name(enum rerate_state state) {
  switch (state) {
#define X(id, number, name) \
  case RERATE_##id: return name;
    RERATE_STATES(X)
#undef X
  }
  return NULL;
}

static int on_id(struct db *db, enum statement_id statement, struct uuid id, struct db_result **ret) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, id);
  return db_run(db, statement, &p, ret) == 0 ? 0 : FAULT_DB;
}

int rerate_create(struct db *db, const struct rerate *r) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, r->id);
  db_param_time(&p, r->from);
  db_param_time(&p, r->to);
  db_param_uuid_or_null(&p, r->customer);
  db_param_uuid_or_null(&p, r->key);
  db_param_text_or_null(&p, r->model.len ? r->model : (struct str){0});
  db_param_uuid_or_null(&p, r->provider);
  db_param_bool(&p, r->current);
  db_param_bool(&p, r->unrated);
  db_param_text(&p, r->reason);
  db_param_uuid(&p, r->by);
  int fault = db_run(db, STATEMENT_RERATE_CATALOGUE, NULL, NULL) == 0 ? 0 : FAULT_DB;
  if (fault == 0) fault = db_run(db, STATEMENT_RERATE_INSERT, &p, NULL) == 0 ? 0 : FAULT_DB;
  return fault == 0 ? on_id(db, STATEMENT_RERATE_PIN, r->id, NULL) : fault;
}

// ---- reading

enum { COL_STATE = 1, COL_FROM, COL_TO, COL_CUSTOMER, COL_KEY, COL_MODEL, COL_PROVIDER, COL_PRICED_AT, COL_UNRATED, COL_REASON, COL_BY, COL_VERSION, COL_SEEN,
       COL_UNPRICED, COL_CUSTOMERS, COL_PROBLEM, COL_CREATED, COL_SIMULATED, COL_POST_ASKED, COL_ENDED, COL_SUMS };

static struct rerate_sums sums_read(const struct db_result *r, size_t row, int column) {
  return (struct rerate_sums){.calls = db_i64(r, row, column),
                              .charge_before = db_i64(r, row, column + 1),
                              .charge_after = db_i64(r, row, column + 2),
                              .cost_before = db_i64(r, row, column + 3),
                              .cost_after = db_i64(r, row, column + 4),
                              .posted = db_i64(r, row, column + 5),
                              .skipped = db_i64(r, row, column + 6),
                              .posted_difference = db_i64(r, row, column + 7)};
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct rerate *ret) {
  *ret = (struct rerate){
      .id = db_uuid(r, row, 0),
      .state = (enum rerate_state)db_i64(r, row, COL_STATE),
      .from = db_time(r, row, COL_FROM),
      .to = db_time(r, row, COL_TO),
      .customer = db_uuid(r, row, COL_CUSTOMER),
      .key = db_uuid(r, row, COL_KEY),
      .model = arena_str(arena, db_text(r, row, COL_MODEL)),
      .provider = db_uuid(r, row, COL_PROVIDER),
      .priced_at = db_time(r, row, COL_PRICED_AT),
      .current = !db_is_null(r, row, COL_PRICED_AT),
      .unrated = db_bool(r, row, COL_UNRATED),
      .reason = arena_str(arena, db_text(r, row, COL_REASON)),
      .by = db_uuid(r, row, COL_BY),
      .book_version = db_i64(r, row, COL_VERSION),
      .seen = db_i64(r, row, COL_SEEN),
      .unpriced = db_i64(r, row, COL_UNPRICED),
      .customers = db_i64(r, row, COL_CUSTOMERS),
      .problem = arena_str(arena, db_text(r, row, COL_PROBLEM)),
      .created_at = db_time(r, row, COL_CREATED),
      .simulated_at = db_time(r, row, COL_SIMULATED),
      .post_asked_at = db_time(r, row, COL_POST_ASKED),
      .ended_at = db_time(r, row, COL_ENDED),
      .sums = sums_read(r, row, COL_SUMS),
  };
}

int rerate_read(struct db *db, struct arena *arena, struct uuid id, struct rerate *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (on_id(db, STATEMENT_RERATE_READ, id, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  row_read(r, 0, arena, ret);
  return 0;
}

int rerate_list(struct db *db, struct arena *arena, struct uuid before, size_t max, struct rerate **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_RERATE_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

int rerate_customers(struct db *db, struct arena *arena, struct uuid id, struct uuid before, size_t max, struct rerate_customer **ret,
                     size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_RERATE_CUSTOMER_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) (*ret)[i] = (struct rerate_customer){db_uuid(r, i, 0), sums_read(r, i, 1)};
  return 0;
}

// ---- moving on

// What was asked for before is so already.
static int move(struct db *db, enum statement_id statement, struct uuid id, enum rerate_state one, enum rerate_state other) {
  CLEANUP(db_result_finishp) struct db_result *moved = NULL, *now = NULL;
  if (on_id(db, statement, id, &moved) != 0) return FAULT_DB;
  if (db_affected(moved) == 1) return 0;
  if (on_id(db, STATEMENT_RERATE_STATE, id, &now) != 0) return FAULT_DB;
  int64_t state = db_rows(now) == 1 ? db_i64(now, 0, 0) : 0;
  return state == (int64_t)one || state == (int64_t)other ? 0 : 1;
}

int rerate_post(struct db *db, struct uuid id) {
  return move(db, STATEMENT_RERATE_POST, id, RERATE_POSTING, RERATE_POSTED);
}

int rerate_cancel(struct db *db, struct uuid id) {
  return move(db, STATEMENT_RERATE_CANCEL, id, RERATE_CANCELLED, RERATE_CANCELLED);
}
