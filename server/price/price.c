// Prices in the database. All changes of the catalogue queue behind its one row, so that the versions of a model are
// put in order by one writer at a time.
#include "price/price.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"

static int run(struct db *db, enum statement_id statement, const struct db_params *params) {
  return db_run(db, statement, params, NULL) == 0 ? 0 : FAULT_DB;
}

// Where the new version stands among the others.
static int place(struct db *db, const struct price *p, int64_t *ret_from, int64_t *ret_until) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_uuid(&params, p->provider_id);
  db_param_text(&params, p->model);
  db_param_time_or_null(&params, p->valid_from);
  db_param_i64(&params, PRICE_AHEAD_MS);
  if (db_run(db, STATEMENT_PRICE_PLACE, &params, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  if (!p->correction && !db_bool(r, 0, 1)) return PRICE_TOO_EARLY;
  if (db_bool(r, 0, 3)) return PRICE_TAKEN;
  *ret_from = db_time(r, 0, 0);
  *ret_until = db_time(r, 0, 2);
  return PRICE_DONE;
}

static int end_before(struct db *db, const struct price *p, int64_t from) {
  CLEANUP(db_params_finish) struct db_params params;
  db_params_init(&params);
  db_param_uuid(&params, p->provider_id);
  db_param_text(&params, p->model);
  db_param_time(&params, from);
  return run(db, STATEMENT_PRICE_END, &params);
}

static int insert(struct db *db, const struct price *p, int64_t from, int64_t until) {
  CLEANUP(db_params_finish) struct db_params params;
  db_params_init(&params);
  db_param_uuid(&params, p->id);
  db_param_uuid(&params, p->provider_id);
  db_param_text(&params, p->model);
  db_param_time(&params, from);
  db_param_time_or_null(&params, until);
  db_param_i64(&params, p->max_input);
  db_param_i64(&params, p->max_output);
  return run(db, STATEMENT_PRICE_INSERT, &params);
}

static int insert_rates(struct db *db, const struct price *p) {
  CLEANUP(db_params_finish) struct db_params params;
  db_params_init(&params);
  db_param_uuid(&params, p->id);
  db_array_begin(&params, DB_TEXT);
  for (size_t i = 0; i < p->rate_count; i++) db_array_text(&params, p->rates[i].meter);
  db_array_end(&params);
  db_array_begin(&params, DB_I32);
  for (size_t i = 0; i < p->rate_count; i++) db_array_i32(&params, p->rates[i].per);
  db_array_end(&params);
  db_array_begin(&params, DB_I64);
  for (size_t i = 0; i < p->rate_count; i++) db_array_i64(&params, p->rates[i].charge);
  db_array_end(&params);
  db_array_begin(&params, DB_I64);
  for (size_t i = 0; i < p->rate_count; i++) db_array_i64(&params, p->rates[i].cost);
  db_array_end(&params);
  return run(db, STATEMENT_PRICE_INSERT_RATES, &params);
}

int price_create(struct db *db, const struct price *p) {
  int64_t from = 0, until = 0;
  ASSERT(p->rate_count > 0 && p->rate_count <= PRICE_RATES_MAX);
  int r = run(db, STATEMENT_CATALOGUE_BUMP, NULL);
  if (r == 0) r = place(db, p, &from, &until);
  if (r == 0) r = end_before(db, p, from);
  if (r == 0) r = insert(db, p, from, until);
  if (r == 0) r = insert_rates(db, p);
  return r;
}

// ---- reading

enum { COL_METERS = 9, COL_PERS, COL_CHARGES, COL_COSTS };

static void rates_read(const struct db_result *r, size_t row, struct arena *arena, struct price *ret) {
  struct str at[4][PRICE_RATES_MAX];
  for (int i = 0; i < 4; i++) ret->rate_count = db_array(r, row, COL_METERS + i, at[i], PRICE_RATES_MAX);
  if (ret->rate_count > PRICE_RATES_MAX) ret->rate_count = PRICE_RATES_MAX;
  for (size_t i = 0; i < ret->rate_count; i++)
    ret->rates[i] = (struct price_rate){
        .meter = arena_str(arena, at[0][i]),
        .per = (int32_t)db_element_i64(at[1][i]),
        .charge = db_element_i64(at[2][i]),
        .cost = db_element_i64(at[3][i]),
    };
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct price *ret) {
  *ret = (struct price){
      .id = db_uuid(r, row, 0),
      .provider_id = db_uuid(r, row, 1),
      .provider = arena_str(arena, db_text(r, row, 2)),
      .model = arena_str(arena, db_text(r, row, 3)),
      .valid_from = db_time(r, row, 4),
      .valid_until = db_time(r, row, 5),
      .created_at = db_time(r, row, 6),
      .max_input = db_i64(r, row, 7),
      .max_output = db_i64(r, row, 8),
  };
  rates_read(r, row, arena, ret);
}

int price_read(struct db *db, struct arena *arena, struct uuid id, struct price *ret) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_uuid(&params, id);
  if (db_run(db, STATEMENT_PRICE_READ, &params, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return PRICE_UNKNOWN;
  row_read(r, 0, arena, ret);
  return PRICE_DONE;
}

int price_list(struct db *db, struct arena *arena, const struct price_filter *filter, struct uuid before, size_t max,
               struct price **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_uuid_or_null(&params, before);
  db_param_i64(&params, (int64_t)max);
  db_param_uuid_or_null(&params, filter->provider_id);
  db_param_text_or_null(&params, filter->model);
  db_param_bool(&params, filter->current);
  if (db_run(db, STATEMENT_PRICE_LIST, &params, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}
