// Partitions are made before anything needs them. What is made or dropped locks its whole table for a moment; a writer must not
// wait behind that for long, so that housekeeping gives up soon and comes again.
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "ledger/ledger.h"
#include "ledger/partition.h"
#include <stdio.h>

int partition_change(struct db *db, const char *sql) {
  if (db_begin(db) != 0) return FAULT_DB;
  int r = db_run(db, STATEMENT_PARTITION_PATIENCE, NULL, NULL);
  if (r == 0) r = db_exec(db, sql);
  if (r == 0) return db_commit(db);
  db_rollback(db);
  return r < 0 ? FAULT_DB : PARTITION_BUSY;
}

static enum statement_id busy_statement(struct str parent) {
  if (str_eq(parent, STR("calls"))) return STATEMENT_PARTITION_BUSY_CALLS;
  if (str_eq(parent, STR("hold_parts"))) return STATEMENT_PARTITION_BUSY_PARTS;
  return str_eq(parent, STR("call_evidence")) ? STATEMENT_PARTITION_BUSY_EVIDENCE : STATEMENT_PARTITION_BUSY_IDENTITIES;
}

// Whether the default partition has rows that belong to it; 1 too where that takes too long to find out.
static int is_taken(struct db *db, struct str parent, struct str from, struct str until) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *row = NULL;
  db_params_init(&p);
  db_param_text(&p, from);
  db_param_text(&p, until);
  int r = db_run(db, busy_statement(parent), &p, &row);
  return r < 0 ? FAULT_DB : r > 0 || db_bool(row, 0, 0);
}

static void say_taken(struct ledger_retention *r, struct str name) {
  if (!r->said)
    log_warn("partition.default", "%.*s is not made: the default partition has rows of its time. They are kept there, and found as before", STR_ARG(name));
  r->said = true;
}

// Another instance may make it at the same moment: then one of the two fails, and nothing is missing.
static int make(struct db *db, struct ledger_retention *r, const struct db_result *rows, size_t i) {
  char sql[512];
  struct str name = db_text(rows, i, 0), parent = db_text(rows, i, 1), from = db_text(rows, i, 2), until = db_text(rows, i, 3);
  int taken = is_taken(db, parent, from, until);
  if (taken > 0) say_taken(r, name);
  if (taken != 0) return taken;
  int n = snprintf(sql, sizeof sql, "CREATE TABLE IF NOT EXISTS %.*s PARTITION OF %.*s FOR VALUES FROM ('%.*s') TO ('%.*s')", STR_ARG(name), STR_ARG(parent),
                   STR_ARG(from), STR_ARG(until));
  ASSERT(n > 0 && (size_t)n < sizeof sql);
  int made = partition_change(db, sql);
  r->again |= made == PARTITION_BUSY;
  return made;
}

int ledger_partitions(struct db *db, struct ledger_retention *r) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  int made = 0;
  db_params_init(&p);
  db_param_i32(&p, r->events_late_days);
  if (db_run(db, STATEMENT_PARTITION_MISSING, &p, &rows) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(rows); i++) {
    int one = make(db, r, rows, i);
    if (one < 0) return one;
    made += one == 0;
  }
  return made;
}
