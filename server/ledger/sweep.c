// Housekeeping of the ledger, on a job thread: what it finds goes through the writer's queue, so that every movement has
// one door. Any number of instances may sweep at once: the customer's lock decides, and who comes second finds nothing.
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "db/db.h"
#include "ledger/ledger.h"
#include <stdio.h>

static int collect(struct ledger *l, struct db *db, enum statement_id statement, enum ledger_kind kind) {
  struct db_result *rows = NULL;
  int result = db_run(db, statement, NULL, &rows);
  if (result != 0) {
    db_result_finish(rows);
    return FAULT_DB;
  }
  size_t count = db_rows(rows);
  struct ledger_op *ops = mem_alloc((count + 1) * sizeof *ops);
  for (size_t i = 0; i < count; i++) {
    ops[i].kind = kind;
    ops[i].customer = db_uuid(rows, i, 0);
    ops[i].id = db_uuid(rows, i, 1);
    if (kind == LEDGER_SWEEP) {
      ops[i].writer = (int32_t)db_i64(rows, i, 2);
      ops[i].evidence = ops[i].writer ? STR("{\"ending\":\"its instance died\"}") : STR("{\"ending\":\"its time ran out\"}");
    }
  }
  db_result_finish(rows);
  int done = count ? ledger_run_all(l, ops, count) : 0;
  mem_free(ops);
  return done;
}

int ledger_sweep(struct ledger *l, struct db *db) {
  // A writer that is frozen between its trips holds its row: the update waits until the database has ended that session.
  struct db_params p;
  db_params_init(&p);
  db_param_i64(&p, ledger_lease_us(l));
  int result = db_run(db, STATEMENT_LEDGER_FENCE_DEAD, &p, NULL);
  db_params_finish(&p);
  if (result != 0) return FAULT_DB;
  int total = 0, done = 0;
  while ((done = collect(l, db, STATEMENT_LEDGER_ORPHANS, LEDGER_SWEEP)) > 0) total += done;
  return done < 0 ? done : total;
}

int ledger_expire(struct ledger *l, struct db *db) {
  return collect(l, db, STATEMENT_LEDGER_EXPIRED_GRANTS, LEDGER_EXPIRE);
}

// A month's partitions are made one and two months ahead; ids are UUIDv7, so a bound is the smallest id of its instant.
static int partition_make(struct db *db, const char *table, struct str month, int64_t from_us, int64_t until_us) {
  char sql[512], from[33], until[33];
  struct uuid low = uuid_floor(from_us), high = uuid_floor(until_us);
  for (int i = 0; i < 16; i++) {
    (void)snprintf(from + 2 * i, 3, "%02x", low.b[i]);
    (void)snprintf(until + 2 * i, 3, "%02x", high.b[i]);
  }
  int n = snprintf(sql, sizeof sql, "CREATE TABLE IF NOT EXISTS %s_%.*s PARTITION OF %s FOR VALUES FROM ('%s') TO ('%s')", table,
                   STR_ARG(month), table, from, until);
  ASSERT(n > 0 && (size_t)n < sizeof sql);
  return db_exec(db, sql);
}

int ledger_partitions(struct db *db) {
  struct db_result *rows = NULL;
  int made = 0;
  if (db_run(db, STATEMENT_LEDGER_PARTITION_BOUNDS, NULL, &rows) != 0) {
    db_result_finish(rows);
    return FAULT_DB;
  }
  for (size_t i = 0; i < db_rows(rows); i++) {
    if (db_bool(rows, i, 3)) continue;
    struct str month = db_text(rows, i, 4);
    int64_t from = db_i64(rows, i, 1), until = db_i64(rows, i, 2);
    // Another instance may make them at the same moment: then one of the two fails, and nothing is missing.
    int r = partition_make(db, "calls", month, from, until);
    if (r == 0) r = partition_make(db, "call_evidence", month, from, until);
    if (r == 0) r = partition_make(db, "hold_parts", month, from, until);
    if (r < 0) {
      made = FAULT_DB;
      break;
    }
    made += r == 0;
  }
  db_result_finish(rows);
  return made;
}

int ledger_forget(struct db *db) {
  struct db_result *r = NULL;
  int result = db_run(db, STATEMENT_LEDGER_FORGET, NULL, &r);
  int gone = result == 0 ? (int)db_affected(r) : FAULT_DB;
  db_result_finish(r);
  return gone;
}
