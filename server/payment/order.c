// Orders in the database.
#include "payment/order.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/db.h"

int payment_order_create(struct db *db, const struct order *o) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, o->customer_id);
  db_param_uuid(&p, o->id);
  db_param_i16(&p, (int16_t)o->kind);
  db_param_uuid_or_null(&p, o->product_id);
  db_param_text(&p, o->currency);
  db_param_i64(&p, o->price);
  db_param_i64(&p, o->credits);
  db_param_i64(&p, o->bonus);
  db_param_i32(&p, o->expires_after_days);
  db_param_i32(&p, o->bonus_expires_after_days);
  db_param_bool(&p, o->livemode);
  return db_run(db, STATEMENT_ORDER_INSERT, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// ---- reading

static struct str text_or_none(const struct db_result *r, size_t row, int column, struct arena *arena) {
  return db_is_null(r, row, column) ? (struct str){0} : arena_str(arena, db_text(r, row, column));
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct order *ret) {
  *ret = (struct order){
      .customer_id = db_uuid(r, row, 0),
      .id = db_uuid(r, row, 1),
      .kind = (enum order_kind)db_i64(r, row, 2),
      .state = (enum order_state)db_i64(r, row, 3),
      .product_id = db_uuid(r, row, 4),
      .currency = arena_str(arena, db_text(r, row, 5)),
      .price = db_i64(r, row, 6),
      .credits = db_i64(r, row, 7),
      .bonus = db_i64(r, row, 8),
      .expires_after_days = (int32_t)db_i64(r, row, 9),
      .bonus_expires_after_days = (int32_t)db_i64(r, row, 10),
      .livemode = db_bool(r, row, 11),
      .attempt = (int32_t)db_i64(r, row, 12),
      .request = arena_str(arena, db_text(r, row, 13)),
      .stripe_id = text_or_none(r, row, 14, arena),
      .url = text_or_none(r, row, 15, arena),
      .problem = arena_str(arena, db_text(r, row, 16)),
      .url_expires_at = db_time(r, row, 17),
      .created_at = db_time(r, row, 18),
      .updated_at = db_time(r, row, 19),
      .paid_at = db_time(r, row, 20),
  };
}

int payment_order_read(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct order *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_ORDER_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return ORDER_UNKNOWN;
  row_read(r, 0, arena, ret);
  return ORDER_DONE;
}

int payment_order_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max,
                       struct order **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_ORDER_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

int payment_order_open_count(struct db *db, struct uuid customer, int64_t since_us, size_t max, size_t *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, uuid_floor(since_us));
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_ORDER_OPEN_COUNT, &p, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  *ret = (size_t)db_i64(r, 0, 0);
  return 0;
}

// ---- changing

static int exists(struct db *db, struct uuid customer, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_ORDER_READ, &p, &r) != 0) return FAULT_DB;
  return db_rows(r) == 1 ? ORDER_STAYS : ORDER_UNKNOWN;
}

int payment_order_raise(struct db *db, struct uuid customer, struct uuid id, enum order_state to, struct str problem) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  db_param_i16(&p, (int16_t)to);
  db_param_text(&p, problem);
  if (db_run(db, STATEMENT_ORDER_RAISE, &p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? ORDER_DONE : exists(db, customer, id);
}

int payment_order_freeze(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct str form,
                         struct str *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  db_param_text(&p, form);
  if (db_run(db, STATEMENT_ORDER_FREEZE, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return ORDER_UNKNOWN;
  *ret = arena_str(arena, db_text(r, 0, 0));
  return ORDER_DONE;
}

int payment_order_link(struct db *db, struct uuid customer, struct uuid id, struct str stripe_id, struct str url,
                       int64_t url_expires_at) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  db_param_text(&p, stripe_id);
  db_param_text_or_null(&p, url);
  db_param_time_or_null(&p, url_expires_at);
  if (db_run(db, STATEMENT_ORDER_LINK, &p, &r) != 0) return FAULT_DB;
  if (db_affected(r) == 0) return ORDER_UNKNOWN;
  return payment_object_put(db, stripe_id, customer, id);
}

// ---- whose a thing at Stripe is

int payment_object_put(struct db *db, struct str stripe_id, struct uuid customer, struct uuid order) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, stripe_id);
  db_param_uuid(&p, customer);
  db_param_uuid_or_null(&p, order);
  return db_run(db, STATEMENT_OBJECT_INSERT, &p, NULL) == 0 ? 0 : FAULT_DB;
}

int payment_object_find(struct db *db, struct str stripe_id, struct uuid *ret_customer, struct uuid *ret_order) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, stripe_id);
  if (db_run(db, STATEMENT_OBJECT_FIND, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return ORDER_UNKNOWN;
  *ret_customer = db_uuid(r, 0, 0);
  *ret_order = db_uuid(r, 0, 1);
  return ORDER_DONE;
}
