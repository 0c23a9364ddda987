// See delivery.h.
#include "webhook/delivery.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "db/db.h"
#include "event/event.h"
#include "webhook/envelope.h"

static struct str text_or_none(const struct db_result *r, size_t row, int column, struct arena *arena) {
  return db_is_null(r, row, column) ? (struct str){0} : arena_str(arena, db_text(r, row, column));
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct webhook_delivery *ret) {
  *ret = (struct webhook_delivery){
      .event = db_uuid(r, row, 0),
      .customer = db_uuid(r, row, 1),
      .type = arena_str(arena, db_text(r, row, 2)),
      .attempts = arena_str(arena, db_text(r, row, 3)),
      .stripe_event = text_or_none(r, row, 4, arena),
      .state = (enum delivery_state)db_i64(r, row, 5),
      .due_at = db_time(r, row, 6),
      .ended_at = db_time(r, row, 7),
      .created_at = db_time(r, row, 8),
  };
}

int delivery_list(struct db *db, struct arena *arena, struct uuid endpoint, int state, struct uuid before, size_t max,
                  struct webhook_delivery **ret, size_t *ret_count) {
  static const enum statement_id statements[] = {STATEMENT_WEBHOOK_DELIVERY_LIST, STATEMENT_WEBHOOK_DELIVERY_LIST_WAITING,
                                                 STATEMENT_WEBHOOK_DELIVERY_LIST_DELIVERED, STATEMENT_WEBHOOK_DELIVERY_LIST_FAILED};
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, endpoint);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, statements[state], &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

int delivery_read(struct db *db, struct arena *arena, struct uuid endpoint, struct uuid event, struct webhook_delivery *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, endpoint);
  db_param_uuid(&p, event);
  if (db_run(db, STATEMENT_WEBHOOK_DELIVERY_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return DELIVERY_UNKNOWN;
  row_read(r, 0, arena, ret);
  return DELIVERY_DONE;
}

int delivery_event(struct db *db, struct arena *arena, struct uuid event, struct webhook_event *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, event);
  if (db_run(db, STATEMENT_WEBHOOK_EVENT_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return DELIVERY_UNKNOWN;
  *ret = (struct webhook_event){
      .id = db_uuid(r, 0, 0),
      .customer = db_uuid(r, 0, 1),
      .sequence = db_i64(r, 0, 2),
      .type = arena_str(arena, db_text(r, 0, 3)),
      .data = arena_str(arena, db_text(r, 0, 4)),
      .request_id = arena_str(arena, db_text(r, 0, 5)),
      .idempotency_key = arena_str(arena, db_text(r, 0, 6)),
      .stripe_event = text_or_none(r, 0, 7, arena),
      .stripe_body = text_or_none(r, 0, 8, arena),
      .created_at = db_time(r, 0, 9),
  };
  return DELIVERY_DONE;
}

bool delivery_body(const struct webhook_event *event, struct str api_version, bool livemode, struct buf *out) {
  if (event->stripe_event.ptr) {
    if (event->stripe_body.ptr) buf_add_str(out, event->stripe_body);
    return event->stripe_body.ptr != NULL;
  }
  struct envelope e = {.id = event->id,
                       .customer = event->customer,
                       .sequence = event->sequence,
                       .type = event->type,
                       .data = event->data,
                       .request_id = event->request_id,
                       .idempotency_key = event->idempotency_key,
                       .created_at = event->created_at,
                       .api_version = api_version,
                       .livemode = livemode};
  envelope_write(&e, out);
  return true;
}

static int changed(struct db *db, enum statement_id statement, struct uuid endpoint, struct uuid event) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, endpoint);
  db_param_uuid(&p, event);
  return db_run(db, statement, &p, &r) == 0 ? (int)db_affected(r) : FAULT_DB;
}

int delivery_resend(struct db *db, struct uuid endpoint, struct uuid event) {
  int r = changed(db, STATEMENT_WEBHOOK_RESEND, endpoint, event);
  if (r == 0) r = changed(db, STATEMENT_WEBHOOK_HASTEN, endpoint, event);
  return r < 0 ? r : 0;
}

int delivery_replay(struct db *db, struct uuid endpoint, int64_t from_us, int64_t until_us, bool all, int64_t *ret_count, int64_t *ret_last) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, endpoint);
  db_param_uuid(&p, uuid_floor(from_us));
  db_param_uuid(&p, uuid_floor(until_us));
  db_param_i64(&p, LIMIT_WEBHOOK_REPLAY);
  if (db_run(db, all ? STATEMENT_WEBHOOK_REPLAY_ALL : STATEMENT_WEBHOOK_REPLAY_FAILED, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_i64(r, 0, 0);
  *ret_last = *ret_count == LIMIT_WEBHOOK_REPLAY ? uuid_time_us(db_uuid(r, 0, 1)) : 0;
  return 0;
}

int delivery_test(struct db *db, struct uuid endpoint, struct uuid event, struct str data_json) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, endpoint);
  db_param_uuid(&p, event);
  db_param_text(&p, str_from(event_name(EVENT_ENDPOINT_TEST)));
  db_param_text(&p, data_json);
  return db_run(db, STATEMENT_WEBHOOK_TEST, &p, NULL) == 0 ? 0 : FAULT_DB;
}
