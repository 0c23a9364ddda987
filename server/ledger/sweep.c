// Housekeeping of the ledger, on a job thread: what it finds goes through the writer's queue, so that every movement has
// one door. Any number of instances may sweep at once: the customer's lock decides, and who comes second finds nothing.
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "db/db.h"
#include "ledger/ledger.h"

// In a transaction for the setting's sake.
static int find(struct db *db, enum statement_id statement, struct db_result **ret) {
  if (db_begin(db) != 0) return FAULT_DB;
  if (db_run(db, STATEMENT_LEDGER_BY_INDEX, NULL, NULL) == 0 && db_run(db, statement, NULL, ret) == 0) return db_commit(db) == 0 ? 0 : FAULT_DB;
  db_rollback(db);
  return FAULT_DB;
}

static int collect(struct ledger *l, struct db *db, enum statement_id statement, enum ledger_kind kind) {
  struct db_result *rows = NULL;
  if (find(db, statement, &rows) != 0) {
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

int ledger_forget(struct db *db) {
  struct db_result *r = NULL;
  int result = db_run(db, STATEMENT_LEDGER_FORGET, NULL, &r);
  int gone = result == 0 ? (int)db_affected(r) : FAULT_DB;
  db_result_finish(r);
  return gone;
}
