// Customers in the database. A name of the app's own is kept in a directory beside the profile, because that is the one
// place where it can be unique; both are written together. No statement fails over what a caller gave: PostgreSQL
// would tell its log what that was.
#include "customer/customer.h"
#include "base/mem.h"
#include "db/db.h"

amount customer_available(const struct customer *c) {
  amount_wide available = (amount_wide)c->balance - c->held + c->credit_limit;
  if (available <= 0) return 0;
  return available > AMOUNT_MAX ? AMOUNT_MAX : (amount)available;
}

// ---- time zones

// Looking through all names takes PostgreSQL some 30 ms, so each thread remembers those that it met last.
#define ZONES_MET 16
#define ZONE_MAX 64
static _Thread_local char zones_met[ZONES_MET][ZONE_MAX];
static _Thread_local unsigned zones_next;

static bool zone_was_met(struct str zone) {
  for (size_t i = 0; i < ZONES_MET; i++)
    if (str_eq(zone, str_from(zones_met[i]))) return true;
  return false;
}

static void zone_remember(struct str zone) {
  if (zone.len >= ZONE_MAX) return;
  char *place = zones_met[zones_next++ % ZONES_MET];
  memcpy(place, zone.ptr, zone.len);
  place[zone.len] = '\0';
}

int customer_zone_check(struct db *db, struct str time_zone) {
  if (time_zone.len == 0) return 1;
  if (str_eq(time_zone, STR("UTC")) || zone_was_met(time_zone)) return 0;
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, time_zone);
  if (db_run(db, STATEMENT_CUSTOMER_ZONE, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  zone_remember(time_zone);
  return 0;
}

// ---- writing

static int run(struct db *db, enum statement_id statement, const struct db_params *p) {
  return db_run(db, statement, p, NULL) == 0 ? CUSTOMER_DONE : FAULT_DB;
}

static int run_id(struct db *db, enum statement_id statement, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, id);
  return run(db, statement, &p);
}

static int name_insert(struct db *db, const struct customer *c) {
  if (!c->external_id.ptr) return CUSTOMER_DONE;
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, c->external_id);
  db_param_uuid(&p, c->id);
  if (db_run(db, STATEMENT_CUSTOMER_INSERT_NAME, &p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? CUSTOMER_DONE : CUSTOMER_NAME_TAKEN;
}

static int profile_insert(struct db *db, const struct customer *c) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, c->id);
  db_param_text_or_null(&p, c->external_id);
  db_param_text(&p, c->name);
  db_param_text(&p, c->time_zone);
  db_param_i16(&p, (int16_t)c->short_policy);
  db_param_i64(&p, c->short_debt);
  db_param_json(&p, c->metadata);
  db_param_i16(&p, (int16_t)c->abort_charge);
  db_param_i16(&p, (int16_t)c->abort_upstream);
  return run(db, STATEMENT_CUSTOMER_INSERT_PROFILE, &p);
}

int customer_create(struct db *db, const struct customer *c) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, c->id);
  db_param_i64(&p, c->credit_limit);
  db_param_i64(&p, c->low_balance);
  db_param_i16(&p, (int16_t)c->event_policy);
  int r = run(db, STATEMENT_CUSTOMER_INSERT, &p);
  if (r == CUSTOMER_DONE) r = name_insert(db, c);
  if (r == CUSTOMER_DONE) r = profile_insert(db, c);
  return r;
}

static int profile_update(struct db *db, unsigned members, const struct customer *c) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, (int32_t)members);
  db_param_uuid(&p, c->id);
  db_param_text_or_null(&p, c->external_id);
  db_param_text(&p, c->name);
  db_param_text(&p, c->time_zone);
  db_param_json(&p, c->metadata.len ? c->metadata : STR("{}"));
  db_param_i16(&p, (int16_t)c->short_policy);
  db_param_i64(&p, c->short_debt);
  db_param_i16(&p, (int16_t)c->abort_charge);
  db_param_i16(&p, (int16_t)c->abort_upstream);
  return run(db, STATEMENT_CUSTOMER_UPDATE_PROFILE, &p);
}

int customer_update(struct db *db, unsigned members, const struct customer *c) {
  int r = CUSTOMER_DONE;
  if (members & CUSTOMER_EXTERNAL_ID) {
    r = run_id(db, STATEMENT_CUSTOMER_DELETE_NAME, c->id);
    if (r == CUSTOMER_DONE) r = name_insert(db, c);
  }
  if (r == CUSTOMER_DONE) r = profile_update(db, members, c);
  if (r != CUSTOMER_DONE || !(members & (CUSTOMER_STATUS | CUSTOMER_CREDIT_LIMIT | CUSTOMER_LOW_BALANCE | CUSTOMER_EVENT_POLICY))) return r;
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, (int32_t)members);
  db_param_uuid(&p, c->id);
  db_param_i16(&p, (int16_t)c->status);
  db_param_i64(&p, c->credit_limit);
  db_param_i64(&p, c->low_balance);
  db_param_i16(&p, (int16_t)c->event_policy);
  return run(db, STATEMENT_CUSTOMER_UPDATE, &p);
}

int customer_lock(struct db *db, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_CUSTOMER_LOCK, &p, &r) != 0) return FAULT_DB;
  return db_rows(r) == 1 ? CUSTOMER_DONE : CUSTOMER_UNKNOWN;
}

int customer_bump(struct db *db, struct uuid id) {
  return run_id(db, STATEMENT_CUSTOMER_BUMP, id) == CUSTOMER_DONE ? 0 : FAULT_DB;
}

// ---- reading

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct customer *ret) {
  *ret = (struct customer){
      .id = db_uuid(r, row, 0),
      .external_id = db_is_null(r, row, 1) ? (struct str){0} : arena_str(arena, db_text(r, row, 1)),
      .name = arena_str(arena, db_text(r, row, 2)),
      .time_zone = arena_str(arena, db_text(r, row, 3)),
      .metadata = arena_str(arena, db_text(r, row, 4)),
      .status = (enum customer_status)db_i64(r, row, 5),
      .short_policy = (enum customer_short)db_i64(r, row, 6),
      .short_debt = db_i64(r, row, 7),
      .balance = db_i64(r, row, 8),
      .held = db_i64(r, row, 9),
      .debt = db_i64(r, row, 10),
      .credit_limit = db_i64(r, row, 11),
      .created_at = db_time(r, row, 12),
      .updated_at = db_time(r, row, 13),
      .abort_charge = (enum customer_abort_charge)db_i64(r, row, 14),
      .abort_upstream = (enum customer_abort_upstream)db_i64(r, row, 15),
      .low_balance = db_i64(r, row, 16),
      .event_policy = (enum customer_event)db_i64(r, row, 17),
  };
}

int customer_read(struct db *db, struct arena *arena, struct uuid id, struct customer *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_CUSTOMER_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return CUSTOMER_UNKNOWN;
  row_read(r, 0, arena, ret);
  return CUSTOMER_DONE;
}

int customer_list(struct db *db, struct arena *arena, struct str external_id, struct uuid before, size_t max,
                  struct customer **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (external_id.ptr) db_param_text(&p, external_id);
  if (db_run(db, external_id.ptr ? STATEMENT_CUSTOMER_LIST_NAMED : STATEMENT_CUSTOMER_LIST, &p, &r) != 0)
    return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

int customer_resolve(struct db *db, struct str text, struct uuid *ret) {
  if (!str_starts(text, STR("ext:"))) return id_parse("cus", text, ret) ? CUSTOMER_DONE : CUSTOMER_UNKNOWN;
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_text(&p, (struct str){text.ptr + 4, text.len - 4});
  if (db_run(db, STATEMENT_CUSTOMER_RESOLVE, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return CUSTOMER_UNKNOWN;
  *ret = db_uuid(r, 0, 0);
  return CUSTOMER_DONE;
}

int customer_exists(struct db *db, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_CUSTOMER_EXISTS, &p, &r) != 0) return FAULT_DB;
  return db_rows(r) == 1 ? CUSTOMER_DONE : CUSTOMER_UNKNOWN;
}
