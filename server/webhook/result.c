// What has ended is written, in arrays: deliveries leave the queue or go back into it, and endpoints are known to work or to
// fail. One that is gone, or has only failed for long, is disabled, and the others are told.
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "db/db.h"
#include "json/write.h"
#include "webhook/delivery.h"
#include "webhook/endpoint.h"
#include "webhook/internal.h"

#define TOLD_MAX (64 * 1024)

// ---- deliveries

typedef bool result_filter(const struct result *r);
static bool has_ended(const struct result *r) {
  return r->kind == RESULT_DELIVERED || r->kind == RESULT_FAILED;
}
static bool is_retry(const struct result *r) {
  return r->kind == RESULT_RETRY;
}
static bool is_released(const struct result *r) {
  return r->kind == RESULT_RELEASED;
}

enum part { PART_ENDPOINT, PART_EVENT, PART_CLAIM, PART_STATE, PART_DELAY, PART_ATTEMPT };
static void part_param(struct db_params *p, const struct turn *t, result_filter *filter, enum part part, enum db_type type) {
  db_array_begin(p, type);
  for (size_t i = 0; i < t->results.count; i++) {
    const struct result *r = &t->results.at[i];
    if (!filter(r)) continue;
    switch (part) {
    case PART_ENDPOINT:
      db_array_uuid(p, r->endpoint);
      break;
    case PART_EVENT:
      db_array_uuid(p, r->event);
      break;
    case PART_CLAIM:
      db_array_i32(p, r->claim);
      break;
    case PART_STATE:
      db_array_i16(p, r->kind == RESULT_DELIVERED ? DELIVERY_DELIVERED : DELIVERY_FAILED);
      break;
    case PART_DELAY:
      db_array_i64(p, r->delay_ms);
      break;
    case PART_ATTEMPT:
      db_array_text(p, str_from(r->attempt));
      break;
    }
  }
  db_array_end(p);
}

static size_t count_of(const struct turn *t, result_filter *filter) {
  size_t count = 0;
  for (size_t i = 0; i < t->results.count; i++) count += filter(&t->results.at[i]);
  return count;
}

static int results_run(struct turn *t, struct db *db, enum statement_id statement, result_filter *filter, enum part fourth, enum db_type type) {
  if (count_of(t, filter) == 0) return 0;
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  part_param(&p, t, filter, PART_ENDPOINT, DB_UUID);
  part_param(&p, t, filter, PART_EVENT, DB_UUID);
  part_param(&p, t, filter, PART_CLAIM, DB_I32);
  if (fourth != PART_CLAIM) {
    part_param(&p, t, filter, fourth, type);
    part_param(&p, t, filter, PART_ATTEMPT, DB_TEXT);
    db_param_i32(&p, LIMIT_WEBHOOK_ATTEMPTS);
  }
  return db_run(db, statement, &p, NULL);
}

static int deliveries_write(struct turn *t, struct db *db) {
  int r = results_run(t, db, STATEMENT_WEBHOOK_END, has_ended, PART_STATE, DB_I16);
  if (r == 0) r = results_run(t, db, STATEMENT_WEBHOOK_RETRY, is_retry, PART_DELAY, DB_I64);
  if (r == 0) r = results_run(t, db, STATEMENT_WEBHOOK_RELEASE, is_released, PART_CLAIM, DB_I32);
  return r;
}

// ---- endpoints

struct health {
  struct uuid endpoint;
  bool well, gone;
  int32_t failures;
};
typedef vec(struct health) healths;

static struct health *health_of(healths *list, struct uuid endpoint) {
  for (size_t i = 0; i < list->count; i++)
    if (uuid_eq(list->at[i].endpoint, endpoint)) return &list->at[i];
  struct health *h = vec_add(list);
  h->endpoint = endpoint;
  return h;
}

static void healths_gather(const struct turn *t, healths *list) {
  for (size_t i = 0; i < t->results.count; i++) {
    const struct result *r = &t->results.at[i];
    if (r->kind == RESULT_RELEASED || r->blameless) continue;
    struct health *h = health_of(list, r->endpoint);
    h->well = h->well || r->kind == RESULT_DELIVERED;
    h->gone = h->gone || r->gone;
    h->failures += r->kind != RESULT_DELIVERED;
  }
}

static int healths_write(const healths *list, struct db *db) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < list->count; i++) db_array_uuid(&p, list->at[i].endpoint);
  db_array_end(&p);
  db_array_begin(&p, DB_BOOL);
  for (size_t i = 0; i < list->count; i++) db_array_bool(&p, list->at[i].well);
  db_array_end(&p);
  db_array_begin(&p, DB_I32);
  for (size_t i = 0; i < list->count; i++) db_array_i32(&p, list->at[i].failures);
  db_array_end(&p);
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < list->count; i++)
    if (list->at[i].failures > 0) db_array_uuid(&p, list->at[i].endpoint);
  db_array_end(&p);
  return db_run(db, STATEMENT_WEBHOOK_HEALTH, &p, NULL);
}

static int disabled_tell(struct db *db, const struct db_result *rows, size_t row) {
  CLEANUP(buf_finish) struct buf data;
  char id[ID_TEXT_MAX];
  bool gone = db_i64(rows, row, 3) == ENDPOINT_GONE;
  buf_init(&data, TOLD_MAX);
  id_print("we", db_uuid(rows, row, 0), id);
  struct json_writer w = json_writer(&data);
  json_object_begin(&w);
  json_member_text(&w, "id", id);
  json_member_text(&w, "object", "webhook_endpoint");
  json_member_str(&w, "url", db_text(rows, row, 1));
  json_member_str(&w, "description", db_text(rows, row, 2));
  json_member_bool(&w, "enabled", false);
  json_member_text(&w, "disabled_reason", gone ? "gone" : "failing");
  json_member_time(&w, "failing_since", db_time(rows, row, 4));
  json_member_int(&w, "failures", db_i64(rows, row, 5));
  json_object_end(&w);
  log_warn("webhook.disabled", "%s is disabled: %s", id, gone ? "it answered that it is gone" : "it has only failed for too long");
  metric_add(METRIC_WEBHOOK_DISABLED, 1);
  return event_add(db, UUID_NIL, EVENT_ENDPOINT_DISABLED, buf_str(&data));
}

// Those that are disabled listen no more when the others are told.
static int disable(const struct webhook_sender *s, const healths *list, struct db *db) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  db_params_init(&p);
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < list->count; i++)
    if (list->at[i].gone) db_array_uuid(&p, list->at[i].endpoint);
  db_array_end(&p);
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < list->count; i++)
    if (list->at[i].failures > 0 && !list->at[i].well) db_array_uuid(&p, list->at[i].endpoint);
  db_array_end(&p);
  db_param_i64(&p, s->config.disable_hours);
  int r = db_run(db, STATEMENT_WEBHOOK_DISABLE, &p, &rows);
  if (r != 0 || db_rows(rows) == 0) return r;
  r = endpoints_listen(db);
  for (size_t i = 0; i < db_rows(rows) && r == 0; i++) r = disabled_tell(db, rows, i);
  return r;
}

int results_write(const struct webhook_sender *s, struct turn *t, struct db *db) {
  healths list = {0};
  bool failures = false;
  healths_gather(t, &list);
  for (size_t i = 0; i < list.count; i++) failures = failures || list.at[i].failures > 0;
  int r = deliveries_write(t, db);
  if (r == 0 && list.count > 0) r = healths_write(&list, db);
  if (r == 0 && failures) r = disable(s, &list, db);
  vec_finish(&list);
  return r;
}

void results_clear(struct turn *t) {
  for (size_t i = 0; i < t->results.count; i++) mem_free(t->results.at[i].attempt);
  vec_clear(&t->results);
}
