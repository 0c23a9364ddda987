// Products in the database.
#include "payment/product.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/db.h"

int product_create(struct db *db, const struct product *p) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_uuid(&params, p->id);
  db_param_i16(&params, (int16_t)p->kind);
  db_param_text(&params, p->name);
  db_param_text(&params, p->description);
  db_param_text(&params, p->currency);
  db_param_i64(&params, p->price);
  db_param_i64(&params, p->credits);
  db_param_i64(&params, p->bonus);
  db_param_i32(&params, p->expires_after_days);
  db_param_i32(&params, p->bonus_expires_after_days);
  db_param_i16(&params, (int16_t)p->period);
  db_param_i16(&params, (int16_t)p->rollover);
  db_param_bool(&params, p->trial_credits);
  db_param_text_or_null(&params, p->stripe_price);
  db_param_text_or_null(&params, p->tax_code);
  db_param_bool(&params, p->enabled);
  if (db_run(db, STATEMENT_PRODUCT_INSERT, &params, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? PRODUCT_DONE : PRODUCT_PRICE_TAKEN;
}

static int price_check(struct db *db, const struct product *p) {
  if (!p->stripe_price.ptr) return PRODUCT_DONE;
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_text(&params, p->stripe_price);
  db_param_uuid(&params, p->id);
  if (db_run(db, STATEMENT_PRODUCT_LOCK_PRICES, NULL, NULL) != 0) return FAULT_DB;
  if (db_run(db, STATEMENT_PRODUCT_PRICE_TAKEN, &params, &r) != 0) return FAULT_DB;
  return db_rows(r) == 0 ? PRODUCT_DONE : PRODUCT_PRICE_TAKEN;
}

static int update(struct db *db, unsigned members, const struct product *p) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_i32(&params, (int32_t)members);
  db_param_uuid(&params, p->id);
  db_param_text(&params, p->name);
  db_param_text(&params, p->description);
  db_param_i64(&params, p->price);
  db_param_i64(&params, p->credits);
  db_param_i64(&params, p->bonus);
  db_param_i32(&params, p->expires_after_days);
  db_param_i32(&params, p->bonus_expires_after_days);
  db_param_i16(&params, (int16_t)p->rollover);
  db_param_bool(&params, p->trial_credits);
  db_param_text_or_null(&params, p->stripe_price);
  db_param_text_or_null(&params, p->tax_code);
  db_param_bool(&params, p->enabled);
  if (db_run(db, STATEMENT_PRODUCT_UPDATE, &params, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? PRODUCT_DONE : PRODUCT_UNKNOWN;
}

int product_update(struct db *db, unsigned members, const struct product *p) {
  int r = members & PRODUCT_STRIPE_PRICE ? price_check(db, p) : PRODUCT_DONE;
  return r == PRODUCT_DONE ? update(db, members, p) : r;
}

// ---- reading

static struct str text_or_none(const struct db_result *r, size_t row, int column, struct arena *arena) {
  return db_is_null(r, row, column) ? (struct str){0} : arena_str(arena, db_text(r, row, column));
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct product *ret) {
  *ret = (struct product){
      .id = db_uuid(r, row, 0),
      .kind = (enum product_kind)db_i64(r, row, 1),
      .name = arena_str(arena, db_text(r, row, 2)),
      .description = arena_str(arena, db_text(r, row, 3)),
      .currency = arena_str(arena, db_text(r, row, 4)),
      .price = db_i64(r, row, 5),
      .credits = db_i64(r, row, 6),
      .bonus = db_i64(r, row, 7),
      .expires_after_days = (int32_t)db_i64(r, row, 8),
      .bonus_expires_after_days = (int32_t)db_i64(r, row, 9),
      .period = (int)db_i64(r, row, 10),
      .rollover = (enum product_rollover)db_i64(r, row, 11),
      .trial_credits = db_bool(r, row, 12),
      .stripe_price = text_or_none(r, row, 13, arena),
      .tax_code = text_or_none(r, row, 14, arena),
      .enabled = db_bool(r, row, 15),
      .created_at = db_time(r, row, 16),
      .updated_at = db_time(r, row, 17),
  };
}

static int read_one(struct db *db, struct arena *arena, enum statement_id statement, const struct db_params *params,
                    struct product *ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, statement, params, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return PRODUCT_UNKNOWN;
  row_read(r, 0, arena, ret);
  return PRODUCT_DONE;
}

int product_read(struct db *db, struct arena *arena, struct uuid id, struct product *ret) {
  CLEANUP(db_params_finish) struct db_params params;
  db_params_init(&params);
  db_param_uuid(&params, id);
  return read_one(db, arena, STATEMENT_PRODUCT_READ, &params, ret);
}

int product_by_price(struct db *db, struct arena *arena, struct str stripe_price, struct product *ret) {
  CLEANUP(db_params_finish) struct db_params params;
  db_params_init(&params);
  db_param_text(&params, stripe_price);
  return read_one(db, arena, STATEMENT_PRODUCT_BY_PRICE, &params, ret);
}

int product_list(struct db *db, struct arena *arena, bool enabled_only, struct uuid before, size_t max,
                 struct product **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_uuid_or_null(&params, before);
  db_param_i64(&params, (int64_t)max);
  db_param_bool(&params, enabled_only);
  if (db_run(db, STATEMENT_PRODUCT_LIST, &params, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}
