// What is old goes by whole partitions. Evidence and events' identities just go. A month of calls is closed first: none of it is
// changed any more. Then what its calls have in batches that stay is noted, for the audit to hold those batches to; and when the
// sums of usage have all of it, it is dropped in the commit that says so.
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "ledger/ledger.h"
#include "ledger/partition.h"
#include <stdio.h>

#define WALK_CALLS 20000
#define WALK_PIECES 20 // of one turn

static int drop_sql(char *sql, size_t size, struct str name) {
  int n = snprintf(sql, size, "DROP TABLE IF EXISTS %.*s", STR_ARG(name));
  ASSERT(n > 0 && (size_t)n < size);
  return n;
}

static int old_drop(struct db *db, struct ledger_retention *r) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  int dropped = 0;
  db_params_init(&p);
  db_param_i32(&p, r->events_late_days);
  db_param_i32(&p, r->evidence_days);
  if (db_run(db, STATEMENT_PARTITION_OLD, &p, &rows) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(rows); i++) {
    char sql[256];
    (void)drop_sql(sql, sizeof sql, db_text(rows, i, 0));
    int one = partition_change(db, sql);
    if (one < 0) return one;
    r->again |= one == PARTITION_BUSY;
    if (one != 0) continue;
    log_info("partition.dropped", "%.*s: its time has passed", STR_ARG(db_text(rows, i, 0)));
    dropped++;
  }
  return dropped;
}

// ---- calls

static void say_kept(struct ledger_retention *r, struct str name, const char *why) {
  if (!r->said) log_warn("partition.kept", "%.*s and what is younger are kept: %s", STR_ARG(name), why);
  r->said = true;
}

// Closes the oldest month that is old enough. 1: it did.
static int close_next(struct db *db, struct ledger_retention *r) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *next = NULL;
  db_params_init(&p);
  db_param_i32(&p, r->calls_days);
  int r_next = db_run(db, STATEMENT_RETIRE_NEXT, &p, &next);
  if (r_next > 0) say_kept(r, STR("the oldest month"), "it takes too long to see whether the default partition has calls of that time");
  if (r_next != 0 || db_rows(next) == 0) return r_next < 0 ? FAULT_DB : 0;
  if (db_bool(next, 0, 2)) say_kept(r, db_text(next, 0, 1), "the default partition has calls of that time or of before it");
  if (db_bool(next, 0, 3)) say_kept(r, db_text(next, 0, 1), "there are open holds of that time");
  if (db_bool(next, 0, 2) || db_bool(next, 0, 3)) return 0;
  db_params_clear(&p);
  db_param_text(&p, db_text(next, 0, 0));
  return db_run(db, STATEMENT_RETIRE_CLOSE, &p, NULL) == 0 ? 1 : FAULT_DB;
}

static int walk(struct db *db) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_i64(&p, WALK_CALLS);
  if (db_run(db, STATEMENT_RETIRE_IN_ORDER, NULL, NULL) != 0) return FAULT_DB;
  return db_run(db, STATEMENT_RETIRE_WALK, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// Inside the transaction that has the row locked. 0: not now; else that it is done.
static int closed_drop(struct db *db, struct ledger_retention *r) {
  CLEANUP(db_result_finishp) struct db_result *summed = NULL;
  CLEANUP(db_result_finishp) struct db_result *names = NULL;
  if (db_run(db, STATEMENT_RETIRE_SUMMED, NULL, &summed) != 0 || db_run(db, STATEMENT_RETIRE_NAMES, NULL, &names) != 0) return FAULT_DB;
  r->again |= !db_bool(summed, 0, 0);
  if (!db_bool(summed, 0, 0)) return 0;
  if (db_run(db, STATEMENT_PARTITION_PATIENCE, NULL, NULL) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(names); i++) {
    char sql[256];
    (void)drop_sql(sql, sizeof sql, db_text(names, i, 0));
    int one = db_exec(db, sql);
    if (one < 0) return FAULT_DB;
    r->again |= one > 0;
    if (one > 0) return 0;
    log_info("partition.dropped", "%.*s: its calls are in the sums of usage and in the transfers", STR_ARG(db_text(names, i, 0)));
  }
  return db_run(db, STATEMENT_RETIRE_DROPPED, NULL, NULL) == 0 ? (int)db_rows(names) + 1 : FAULT_DB;
}

// One step of a closed month's end, in a transaction of its own. ret_more: there is another that can be done now.
static int step(struct db *db, struct ledger_retention *r, bool *ret_more) {
  CLEANUP(db_result_finishp) struct db_result *row = NULL;
  int done = 0;
  *ret_more = false;
  if (db_begin(db) != 0) return FAULT_DB;
  if (db_run(db, STATEMENT_RETIRE_LOCK, NULL, &row) != 0) done = FAULT_DB;
  bool mine = done == 0 && db_rows(row) == 1, closed = mine && db_bool(row, 0, 3), walked = mine && db_bool(row, 0, 2);
  if (mine && !closed) {
    done = close_next(db, r);
    r->again |= done > 0;
    if (done > 0) done = 0;
  } else if (closed && !db_bool(row, 0, 4)) {
    r->again = true; // what the ledger had begun before it was closed may still end
  } else if (closed && !walked) {
    done = walk(db);
    *ret_more = done == 0;
  } else if (closed) {
    done = closed_drop(db, r);
  }
  if (done < 0 || (done == 0 && closed && walked)) {
    db_rollback(db);
    return done;
  }
  int committed = db_commit(db);
  return committed != 0 ? committed : done;
}

int ledger_retire(struct db *db, struct ledger_retention *r) {
  int dropped = old_drop(db, r);
  bool more = r->calls_days > 0;
  for (int i = 0; more && dropped >= 0 && i < WALK_PIECES; i++) {
    int one = step(db, r, &more);
    dropped = one < 0 ? one : dropped + one;
  }
  r->again |= more;
  return dropped;
}
