// Housekeeping of what was told: a day is dropped whole when its time has passed.
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "webhook/sender.h"
#include <stdio.h>

#define AHEAD_SQL_MAX 512

static void hex_print(struct uuid id, char ret[33]) {
  crypto_hex(id.b, sizeof id.b, ret);
}

// Another instance may make it at the same moment: then one of the two fails, and nothing is missing.
static int day_make(struct db *db, const char *table, struct str day, int64_t from_us, int64_t until_us) {
  char sql[AHEAD_SQL_MAX], from[33], until[33];
  hex_print(uuid_floor(from_us), from);
  hex_print(uuid_floor(until_us), until);
  int n = snprintf(sql, sizeof sql, "CREATE TABLE IF NOT EXISTS %s_%.*s PARTITION OF %s FOR VALUES FROM ('%s') TO ('%s')", table, STR_ARG(day),
                   table, from, until);
  ASSERT(n > 0 && (size_t)n < sizeof sql);
  return db_exec(db, sql);
}

static int days_make(struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  int made = 0;
  if (db_run(db, STATEMENT_WEBHOOK_PARTITION_DAYS, NULL, &rows) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(rows); i++) {
    if (db_bool(rows, i, 3)) continue;
    int r = day_make(db, "webhook_events", db_text(rows, i, 0), db_i64(rows, i, 1), db_i64(rows, i, 2));
    if (r == 0) r = day_make(db, "webhook_deliveries", db_text(rows, i, 0), db_i64(rows, i, 1), db_i64(rows, i, 2));
    if (r < 0) return FAULT_DB;
    made += r == 0;
  }
  return made;
}

static int days_drop(struct db *db, int keep_days) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  int dropped = 0;
  db_params_init(&p);
  db_param_i32(&p, keep_days);
  if (db_run(db, STATEMENT_WEBHOOK_PARTITIONS_OLD, &p, &rows) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(rows); i++) {
    char sql[AHEAD_SQL_MAX];
    struct str name = db_text(rows, i, 0);
    (void)snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS \"%.*s\"", STR_ARG(name));
    int r = db_exec(db, sql);
    if (r < 0) return FAULT_DB;
    dropped += r == 0;
  }
  return dropped;
}

int webhook_partitions(struct db *db, int keep_days) {
  int made = days_make(db), dropped = made < 0 ? made : days_drop(db, keep_days);
  return dropped < 0 ? dropped : made + dropped;
}

static int forget(struct db *db, enum statement_id statement, const struct db_params *p) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  return db_run(db, statement, p, &r) == 0 ? (int)db_affected(r) : FAULT_DB;
}

int webhook_forget(struct db *db, int keep_days) {
  static const enum statement_id by_age[] = {STATEMENT_WEBHOOK_FORGET_WAITING, STATEMENT_WEBHOOK_FORGET_DELIVERIES, STATEMENT_WEBHOOK_FORGET_EVENTS};
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, uuid_floor(clock_wall_us() - (int64_t)keep_days * 86400 * 1000000));
  int total = forget(db, STATEMENT_WEBHOOK_FORGET_ORPHANS, NULL);
  for (size_t i = 0; i < ARRAY_LEN(by_age) && total >= 0; i++) {
    int gone = forget(db, by_age[i], &p);
    total = gone < 0 ? gone : total + gone;
  }
  return total;
}
