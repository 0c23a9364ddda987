// Sums by the ledger's own order, one writer's stretch after the other.
#include "payment/meters.h"
#include "base/amount.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "db/db.h"
#include "payment/fact.h"
#include "stripe/client.h"
#include "stripe/form.h"
#include <stdio.h>

#define STRETCH 20000
#define SEND_MAX 200

// ---- sums

// A writer that is met for the first time: of the first round of all its past is left out, of a later one it is new.
static int begin(struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_METERS_BEGUN, NULL, &r) != 0) return FAULT_DB;
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_bool(&p, !db_bool(r, 0, 0));
  return db_run(db, STATEMENT_METERS_BEGIN, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static int stretch_sum(struct db *db, const struct meter_map *map, int32_t writer, int64_t from, int64_t to) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_i32(&p, writer);
  db_param_i64(&p, from);
  db_param_i64(&p, to);
  db_array_begin(&p, DB_TEXT);
  for (size_t i = 0; i < map->count; i++) db_array_text(&p, map->at[i].meter);
  db_array_end(&p);
  if (db_run(db, STATEMENT_METERS_SUM, &p, &r) != 0) return FAULT_DB;
  db_params_clear(&p);
  db_param_i32(&p, writer);
  db_param_i64(&p, to);
  return db_run(db, STATEMENT_METERS_REACHED, &p, NULL) == 0 ? (int)db_affected(r) : FAULT_DB;
}

// 1 where there was a stretch, 0 where not.
static int stretch_one(struct db *db, const struct meter_map *map, int *made) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_i64(&p, STRETCH);
  if (db_begin(db) != 0) return FAULT_DB;
  int fault = db_run(db, STATEMENT_METERS_STRETCH, &p, &r) == 0 ? 0 : FAULT_DB;
  bool some = fault == 0 && db_rows(r) == 1;
  if (some) fault = stretch_sum(db, map, (int32_t)db_i64(r, 0, 0), db_i64(r, 0, 1), db_i64(r, 0, 2));
  if (fault >= 0 && db_commit(db) == 0) {
    *made += fault;
    return some;
  }
  db_rollback(db);
  return FAULT_DB;
}

int meters_sum(struct db *db, const struct meter_map *map) {
  int made = 0, r = begin(db) == 0 ? 1 : FAULT_DB;
  while (r == 1) r = stretch_one(db, map, &made);
  return r < 0 ? r : made;
}

// ---- sending

static int again(struct db *db, struct str identifier) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, identifier);
  return db_run(db, STATEMENT_METERS_AGAIN, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static int ended(struct db *db, struct str identifier, struct str problem) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, identifier);
  if (problem.len == 0) return db_run(db, STATEMENT_METERS_SENT, &p, NULL) == 0 ? 0 : FAULT_DB;
  db_param_text(&p, problem);
  log_error("meter.given_up", "%.*s: %.*s", STR_ARG(identifier), STR_ARG(problem));
  metric_add(METRIC_PAYMENT_PROBLEMS, 1);
  return db_run(db, STATEMENT_METERS_GIVEN_UP, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static void value_print(struct str meter, int64_t value, char ret[AMOUNT_TEXT_MAX]) {
  if (str_eq(meter, STR("charge"))) amount_print(value, ret);
  else (void)snprintf(ret, AMOUNT_TEXT_MAX, "%lld", (long long)value);
}

static void form_make(const struct db_result *r, size_t row, struct str event_name, struct buf *form) {
  char value[AMOUNT_TEXT_MAX];
  value_print(db_text(r, row, 1), db_i64(r, row, 2), value);
  form_text(form, "event_name", event_name);
  form_text(form, "payload[stripe_customer_id]", db_text(r, row, 3));
  form_text(form, "payload[value]", str_from(value));
  form_text(form, "identifier", db_text(r, row, 0));
  form_int(form, "timestamp", db_time(r, row, 4) / 1000000);
}

// 1 sent, 0 not now, or FAULT_DB. An identifier that Stripe has already is as good as sent.
static int send(struct db *db, struct stripe *stripe, const struct meter_map *map, const struct db_result *r, size_t row) {
  struct str identifier = db_text(r, row, 0), event_name = meter_map_find(map, db_text(r, row, 1));
  if (event_name.len == 0 || db_text(r, row, 3).len == 0) return ended(db, identifier, STR("its meter or its customer is not reported any more"));
  if (db_bool(r, row, 5)) return ended(db, identifier, STR("not taken for a day: compare with Stripe's own sums"));
  CLEANUP(buf_finish) struct buf form;
  buf_init(&form, 4096);
  form_make(r, row, event_name, &form);
  struct stripe_answer a;
  // No Idempotency-Key: under one Stripe would repeat a failure for a day, and the identifier counts it once as it is.
  if (stripe_call(stripe, "POST", "/v1/billing/meter_events", buf_str(&form), NULL, &a) < 0) return 0;
  bool known = stripe_refused(&a) && str_eq(fact_text(a.body, "error.param"), STR("identifier")); // it has it already
  bool done = stripe_done(&a) || known;
  int fault = done ? ended(db, identifier, STR("")) : stripe_refused(&a) ? ended(db, identifier, a.message) : again(db, identifier);
  stripe_answer_finish(&a);
  return fault < 0 ? fault : done;
}

int meters_send(struct db *db, struct stripe *stripe, const struct meter_map *map) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  int sent = 0;
  db_params_init(&p);
  db_param_i64(&p, SEND_MAX);
  if (db_run(db, STATEMENT_METERS_DUE, &p, &r) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(r); i++) {
    int one = send(db, stripe, map, r, i);
    if (one < 0) return one;
    sent += one;
  }
  return sent;
}
