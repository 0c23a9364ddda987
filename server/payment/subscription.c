// Subscriptions, mirrored: what Stripe said last. What credits they bring is told by their invoices alone.
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "event/event.h"
#include "json/write.h"
#include "payment/billing.h"
#include "payment/fact.h"
#include "payment/order.h"
#include "payment/product.h"
#include "payment/subscription.h"

static int64_t period_end(struct json *subscription) {
  int64_t end = fact_int(json_at(json_path(subscription, "items.data"), 0), "current_period_end");
  return end ? end : fact_int(subscription, "current_period_end");
}

static int product_of(struct fact *f, struct uuid order_customer, struct uuid order, struct uuid *ret) {
  struct json *item = json_at(json_path(f->object, "items.data"), 0);
  struct str price = fact_id(item, "price");
  struct product plan;
  struct order o;
  *ret = UUID_NIL;
  int r = price.len ? product_by_price(f->db, f->arena, price, &plan) : PRODUCT_UNKNOWN;
  if (r == PRODUCT_DONE) *ret = plan.id;
  if (r != PRODUCT_UNKNOWN || uuid_is_nil(order)) return r < 0 ? r : 0;
  r = payment_order_read(f->db, f->arena, order_customer, order, &o);
  if (r == ORDER_DONE) *ret = o.product_id;
  return r < 0 ? r : 0;
}

static int put(struct fact *f, struct uuid customer, struct uuid product) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  int64_t quantity = fact_int(json_at(json_path(f->object, "items.data"), 0), "quantity");
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, fact_text(f->object, "id"));
  db_param_uuid_or_null(&p, product);
  db_param_text(&p, fact_text(f->object, "status"));
  db_param_i64(&p, quantity > 0 ? quantity : 1);
  db_param_time_or_null(&p, fact_int(f->object, "cancel_at") * 1000000);
  db_param_time_or_null(&p, period_end(f->object) * 1000000);
  db_param_i64(&p, f->created);
  if (db_run(f->db, STATEMENT_SUBSCRIPTION_PUT, &p, &r) != 0) return FAULT_DB;
  return db_affected(r) > 0;
}

static int tell(struct fact *f, struct uuid customer, struct uuid product) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 8192);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_str(&w, "subscription", fact_text(f->object, "id"));
  json_member_id(&w, "customer", "cus", customer);
  json_member_id(&w, "product", "prd", product);
  json_member_str(&w, "status", fact_text(f->object, "status"));
  json_member_time(&w, "current_period_end", period_end(f->object) * 1000000);
  json_member_time(&w, "cancel_at", fact_int(f->object, "cancel_at") * 1000000);
  json_object_end(&w);
  return event_add(f->db, customer, EVENT_SUBSCRIPTION_UPDATED, buf_str(&out));
}

// The order that began it: named by its Session, or by its own metadata, which may be heard of first.
static int order_of(struct fact *f, struct uuid *ret_customer, struct uuid *ret_order) {
  int r = payment_object_find(f->db, fact_text(f->object, "id"), ret_customer, ret_order);
  if (r < 0 || (r == ORDER_DONE && !uuid_is_nil(*ret_order))) return r < 0 ? r : 0;
  bool named = id_parse("ord", fact_text(f->object, "metadata.order_id"), ret_order) && id_parse("cus", fact_text(f->object, "metadata.customer_id"), ret_customer);
  if (!named) *ret_order = UUID_NIL;
  return 0;
}

// 1: another event of the same second has said something else, and which was the last cannot be told from them; 0; FAULT_DB.
static int is_doubtful(struct fact *f, struct uuid customer) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, fact_text(f->object, "id"));
  if (db_run(f->db, STATEMENT_SUBSCRIPTION_SEEN, &p, &r) != 0) return FAULT_DB;
  return db_rows(r) == 1 && db_i64(r, 0, 0) == f->created && !str_eq(db_text(r, 0, 1), fact_text(f->object, "status"));
}

static int mirror(struct fact *f, struct uuid customer) {
  struct uuid order_customer = UUID_NIL, order = UUID_NIL, product;
  int r = order_of(f, &order_customer, &order);
  if (r >= 0) r = product_of(f, order_customer, order, &product);
  if (r >= 0) r = put(f, customer, product);
  if (r <= 0) return r;
  if (payment_object_put(f->db, fact_text(f->object, "id"), customer, order) < 0 || billing_past_due_note(f->db, customer) < 0) return FAULT_DB;
  return tell(f, customer, product);
}

int fact_subscription(struct fact *f) {
  struct uuid customer;
  struct str id = fact_text(f->object, "id");
  int r = fact_customer(f, fact_id(f->object, "customer"), &customer);
  if (r < 0) return r;
  if (uuid_is_nil(customer) || id.len == 0) return fact_ignore(f, "not of a customer of this service");
  r = is_doubtful(f, customer);
  if (r < 0) return r;
  if (r == 1 && !f->fetched) return fact_want(f, "/v1/subscriptions/%.*s", STR_ARG(id));
  struct json *object = f->object;
  if (r == 1 && str_eq(fact_text(f->fetched, "id"), id)) f->object = f->fetched;
  r = mirror(f, customer);
  f->object = object;
  return r;
}

int subscription_list(struct db *db, struct arena *arena, struct uuid customer, struct subscription **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (db_run(db, STATEMENT_SUBSCRIPTION_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++)
    (*ret)[i] = (struct subscription){.id = arena_str(arena, db_text(r, i, 0)), .product_id = db_uuid(r, i, 1), .status = arena_str(arena, db_text(r, i, 2)),
                                      .quantity = db_i64(r, i, 3), .cancel_at = db_is_null(r, i, 4) ? 0 : db_time(r, i, 4),
                                      .current_period_end = db_is_null(r, i, 5) ? 0 : db_time(r, i, 5), .created_at = db_time(r, i, 6)};
  return 0;
}
