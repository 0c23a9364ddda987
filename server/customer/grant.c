// Reads what the ledger keeps of a grant.
#include "customer/grant.h"
#include "base/mem.h"
#include "db/db.h"
#include "event/event.h"
#include "json/write.h"

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct grant *ret) {
  *ret = (struct grant){
      .customer_id = db_uuid(r, row, 0),
      .id = db_uuid(r, row, 1),
      .source = (int)db_i64(r, row, 2),
      .priority = (int)db_i64(r, row, 3),
      .granted = db_i64(r, row, 4),
      .left = db_i64(r, row, 5),
      .consumed = db_i64(r, row, 6),
      .expired = db_i64(r, row, 7),
      .refunded = db_i64(r, row, 8),
      .frozen = db_i64(r, row, 9),
      .reason = arena_str(arena, db_text(r, row, 10)),
      .expires_at = db_time(r, row, 11),
      .created_at = db_time(r, row, 12),
  };
}

int grant_read(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct grant *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_GRANT_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  row_read(r, 0, arena, ret);
  return 0;
}

int grant_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max,
               struct grant **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_GRANT_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

static int expiring_tell(struct db *db, const struct db_result *r, size_t row) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 4096);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "grant", "grt", db_uuid(r, row, 1));
  json_member_id(&w, "customer", "cus", db_uuid(r, row, 0));
  json_member_amount(&w, "left", db_i64(r, row, 2));
  json_member_time(&w, "expires_at", db_time(r, row, 3));
  json_object_end(&w);
  return event_add(db, db_uuid(r, row, 0), EVENT_GRANT_EXPIRING, buf_str(&out));
}

static int expiring_some(struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_begin(db) != 0) return FAULT_DB;
  int fault = db_run(db, STATEMENT_GRANT_EXPIRING, NULL, &r) == 0 ? 0 : FAULT_DB;
  for (size_t i = 0; fault == 0 && i < db_rows(r); i++) fault = expiring_tell(db, r, i);
  if (fault == 0 && db_commit(db) == 0) return (int)db_rows(r);
  db_rollback(db);
  return FAULT_DB;
}

int grants_tell_expiring(struct db *db) {
  int told = 0, some;
  while ((some = expiring_some(db)) > 0) told += some;
  return some < 0 ? some : told;
}
