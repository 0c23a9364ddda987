// Stripe's events in the database. Their ids are Stripe's texts, so that a page's place in the list is a time, as the
// first eight bytes of an id, and a hash in the other eight.
#include "payment/inbox.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/db.h"
#include "event/event.h"

#define LAST_US INT64_C(253402300799999999) // of the year 9999

const char *inbox_objection(const struct envelope *e, bool live) {
  if (e->foreign) return e->foreign;
  return e->livemode == live ? NULL : "livemode";
}

int inbox_store(struct db *db, const struct envelope *e, struct str body, const char *reason) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, e->id);
  db_param_text(&p, e->type);
  db_param_text(&p, e->object_id);
  db_param_bool(&p, e->livemode);
  db_param_text(&p, e->api_version);
  db_param_i64(&p, e->created);
  db_param_bytes(&p, body);
  db_param_bool(&p, e->thin);
  db_param_i16(&p, reason ? INBOX_PARKED : INBOX_RECEIVED);
  db_param_text(&p, str_from(reason ? reason : ""));
  if (db_run(db, STATEMENT_INBOX_INSERT, &p, &r) != 0) return FAULT_DB;
  if (db_affected(r) == 0) return INBOX_KNOWN;
  return !reason && event_forward(db, UUID_NIL, e->id, e->type) != 0 ? FAULT_DB : INBOX_DONE;
}

// ---- reading

static struct uuid place(int64_t at_us, struct str hash) {
  struct uuid id = UUID_NIL;
  for (int i = 0; i < 8; i++) id.b[i] = (uint8_t)((uint64_t)at_us >> (56 - 8 * i));
  memcpy(id.b + 8, hash.ptr, hash.len < 8 ? hash.len : 8);
  return id;
}

static int64_t place_time(struct uuid id) {
  uint64_t us = 0;
  for (int i = 0; i < 8; i++) us = us << 8 | id.b[i];
  return us < (uint64_t)LAST_US ? (int64_t)us : LAST_US;
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct inbox_event *ret) {
  *ret = (struct inbox_event){
      .id = arena_str(arena, db_text(r, row, 0)),
      .type = arena_str(arena, db_text(r, row, 1)),
      .object_id = arena_str(arena, db_text(r, row, 2)),
      .api_version = arena_str(arena, db_text(r, row, 3)),
      .reason = arena_str(arena, db_text(r, row, 4)),
      .livemode = db_bool(r, row, 5),
      .thin = db_bool(r, row, 6),
      .state = (enum inbox_state)db_i64(r, row, 7),
      .created = db_i64(r, row, 8),
      .attempts = db_i64(r, row, 9),
      .due_at = db_time(r, row, 10),
      .received_at = db_time(r, row, 11),
      .done_at = db_time(r, row, 12),
      .place = place(db_time(r, row, 11), db_text(r, row, 13)),
  };
}

int inbox_read(struct db *db, struct arena *arena, struct str id, struct inbox_event *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, id);
  if (db_run(db, STATEMENT_INBOX_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return INBOX_UNKNOWN;
  row_read(r, 0, arena, ret);
  return INBOX_DONE;
}

int inbox_list(struct db *db, struct arena *arena, const struct inbox_filter *filter, size_t max,
               struct inbox_event **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_time_or_null(&p, place_time(filter->before));
  db_param_bytes(&p, (struct str){(const char *)filter->before.b + 8, 8});
  db_param_i16(&p, (int16_t)filter->state);
  db_param_text_or_null(&p, filter->type);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_INBOX_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

// ---- trying anew

int inbox_retry(struct db *db, struct str id) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *done = NULL, *there = NULL;
  db_params_init(&p);
  db_param_text(&p, id);
  if (db_run(db, STATEMENT_INBOX_RETRY, &p, &done) != 0) return FAULT_DB;
  if (db_affected(done) == 1) return INBOX_DONE;
  if (db_run(db, STATEMENT_INBOX_READ, &p, &there) != 0) return FAULT_DB;
  return db_rows(there) == 1 ? INBOX_NOT_PARKED : INBOX_UNKNOWN;
}
