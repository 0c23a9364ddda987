// Rows of top-ups, and what becomes of their orders.
#include "payment/top_up.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "event/event.h"
#include "json/write.h"
#include "payment/order.h"

#define FAILURES_MAX 3
static const int64_t waits_us[FAILURES_MAX] = {INT64_C(3600000000), INT64_C(86400000000), INT64_C(259200000000)};

static int run_of(struct db *db, enum statement_id s, struct uuid customer) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  return db_run(db, s, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// threshold below zero: none.
static int mark(struct db *db, struct uuid customer, amount threshold) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (threshold < 0) db_param_null(&p);
  else db_param_i64(&p, threshold);
  return db_run(db, STATEMENT_TOP_UP_MARK, &p, NULL) == 0 ? 0 : FAULT_DB;
}

int top_up_put(struct db *db, const struct top_up *t) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, t->customer_id);
  db_param_bool(&p, t->enabled);
  db_param_i64(&p, t->threshold);
  db_param_uuid(&p, t->product_id);
  db_param_i64(&p, t->target);
  db_param_i32(&p, t->most);
  db_param_i32(&p, t->daily_count);
  db_param_i64(&p, t->monthly_cap);
  db_param_text(&p, t->return_url);
  db_param_text(&p, t->consent_by);
  db_param_text(&p, t->consent_text);
  db_param_json(&p, t->consent_terms);
  if (db_run(db, STATEMENT_TOP_UP_PUT, &p, NULL) != 0) return FAULT_DB;
  return mark(db, t->customer_id, t->enabled ? t->threshold : -1);
}

int top_up_drop(struct db *db, struct uuid customer) {
  int r = run_of(db, STATEMENT_TOP_UP_DROP, customer);
  return r == 0 ? mark(db, customer, -1) : r;
}

int top_up_read(struct db *db, struct arena *arena, struct uuid customer, struct top_up *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (db_run(db, STATEMENT_TOP_UP_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return TOP_UP_UNKNOWN;
  *ret = (struct top_up){.customer_id = db_uuid(r, 0, 0),
                         .enabled = db_bool(r, 0, 1),
                         .threshold = db_i64(r, 0, 2),
                         .product_id = db_uuid(r, 0, 3),
                         .target = db_i64(r, 0, 4),
                         .most = (int32_t)db_i64(r, 0, 5),
                         .daily_count = (int32_t)db_i64(r, 0, 6),
                         .monthly_cap = db_i64(r, 0, 7),
                         .return_url = arena_str(arena, db_text(r, 0, 8)),
                         .state = (enum top_up_state)db_i64(r, 0, 9),
                         .problem = arena_str(arena, db_text(r, 0, 10)),
                         .link = db_is_null(r, 0, 11) ? (struct str){0} : arena_str(arena, db_text(r, 0, 11)),
                         .failures = (int32_t)db_i64(r, 0, 12),
                         .retry_at = db_is_null(r, 0, 13) ? 0 : db_time(r, 0, 13),
                         .consent_at = db_time(r, 0, 14),
                         .consent_by = arena_str(arena, db_text(r, 0, 15)),
                         .consent_text = arena_str(arena, db_text(r, 0, 16)),
                         .consent_terms = arena_str(arena, db_text(r, 0, 17)),
                         .updated_at = db_time(r, 0, 18)};
  return TOP_UP_DONE;
}

int top_up_release(struct db *db, struct uuid customer) {
  return run_of(db, STATEMENT_TOP_UP_RELEASE, customer);
}

int top_up_off(struct db *db, struct uuid customer, const char *problem) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, str_from(problem));
  if (mark(db, customer, -1) != 0) return FAULT_DB; // the customer's row first, as whoever buys has it
  return db_run(db, STATEMENT_TOP_UP_OFF, &p, NULL) == 0 ? 0 : FAULT_DB;
}

int top_up_link(struct db *db, struct uuid customer, struct str link) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_text(&p, link);
  if (db_run(db, STATEMENT_TOP_UP_LINK, &p, NULL) != 0) return FAULT_DB;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 8192);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "customer", "cus", customer);
  json_member_text(&w, "reason", "the bank wants the customer to confirm");
  json_member_str(&w, "link", link);
  json_object_end(&w);
  return event_add(db, customer, EVENT_TOP_UP_ACTION_REQUIRED, buf_str(&out));
}

// ---- outcomes

static int state_put(struct db *db, struct uuid customer, enum top_up_state state, const char *problem, int failures, int64_t retry_at) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_i16(&p, (int16_t)state);
  db_param_text(&p, str_from(problem));
  db_param_i32(&p, failures);
  db_param_time_or_null(&p, retry_at);
  return db_run(db, STATEMENT_TOP_UP_STATE, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static int tell(struct db *db, const struct order *o, enum event_type type, const char *problem, int64_t retry_at) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 8192);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "customer", "cus", o->customer_id);
  json_member_id(&w, "order", "ord", o->id);
  json_member_int(&w, "amount", o->price);
  json_member_str(&w, "currency", o->currency);
  json_member_amount(&w, "credits", o->credits);
  if (problem) json_member_text(&w, "reason", problem);
  if (retry_at) json_member_time(&w, "retry_at", retry_at);
  json_object_end(&w);
  return event_add(db, o->customer_id, type, buf_str(&out));
}

int top_up_succeeded(struct db *db, const struct order *o) {
  int r = state_put(db, o->customer_id, TOP_UP_READY, "", 0, 0);
  return r == 0 ? tell(db, o, EVENT_TOP_UP_SUCCEEDED, NULL, 0) : r;
}

static int failures_of(struct db *db, struct uuid customer) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (db_run(db, STATEMENT_TOP_UP_READ, &p, &r) != 0) return FAULT_DB;
  return db_rows(r) ? (int)db_i64(r, 0, 12) : 0;
}

static int soft(struct db *db, const struct order *o, int failures) {
  if (failures >= FAILURES_MAX) {
    int r = state_put(db, o->customer_id, TOP_UP_SUSPENDED, "three payments in a row have failed", failures, 0);
    return r == 0 ? tell(db, o, EVENT_TOP_UP_SUSPENDED, "three payments in a row have failed", 0) : r;
  }
  int64_t retry_at = clock_wall_us() + waits_us[failures - 1];
  int r = state_put(db, o->customer_id, TOP_UP_READY, "the card was declined for now", failures, retry_at);
  return r == 0 ? tell(db, o, EVENT_TOP_UP_FAILED, "the card was declined for now", retry_at) : r;
}

static int hard(struct db *db, const struct order *o, int failures) {
  int r = state_put(db, o->customer_id, TOP_UP_SUSPENDED, "the card was declined for good: another one is needed", failures, 0);
  return r == 0 ? tell(db, o, EVENT_TOP_UP_SUSPENDED, "the card was declined for good: another one is needed", 0) : r;
}

static int gone(struct db *db, const struct order *o) {
  int r = top_up_off(db, o->customer_id, "the customer or its card is gone at Stripe");
  return r == 0 ? tell(db, o, EVENT_TOP_UP_SUSPENDED, "the customer or its card is gone at Stripe", 0) : r;
}

int top_up_failed(struct db *db, const struct order *o, struct str intent, const struct top_up_error *e) {
  struct str words = e->decline_code.len ? e->decline_code : e->code;
  int r = payment_order_raise(db, o->customer_id, o->id, ORDER_FAILED, words.len ? words : STR("declined"));
  if (r != ORDER_DONE) return r < 0 ? r : 0;
  if (intent.len && (r = payment_object_put(db, intent, o->customer_id, o->id)) < 0) return r;
  int failures = failures_of(db, o->customer_id);
  if (failures < 0) return failures;
  failures++;
  switch (top_up_judge(e)) {
  case TOP_UP_ASKS_CUSTOMER: return state_put(db, o->customer_id, TOP_UP_NEEDS_CUSTOMER, "the bank wants the customer to confirm", failures, 0);
  case TOP_UP_HARD: return hard(db, o, failures);
  case TOP_UP_GONE: return gone(db, o);
  case TOP_UP_SOFT: return soft(db, o, failures);
  }
  return 0;
}
