// Blocking calls, each one trip: a statement or a step of a transaction.
#include "base/log.h"
#include "db/internal.h"

// The one result of one queued statement.
static int collect_one(struct db *db, struct db_result **ret_result) {
  PGresult *results[DB_QUEUE_MAX] = {0};
  int r = db_collect(db, db_run_deadline(db), results);
  struct db_result *result = db_result_create(results[0]);
  if (r == 0 && ret_result)
    *ret_result = result;
  else
    db_result_finish(result);
  return r;
}

int db_run(struct db *db, enum statement_id statement, const struct db_params *params, struct db_result **ret_result) {
  ASSERT(db->queued == 0);
  db_send_statement(db, statement, params);
  return collect_one(db, ret_result);
}

int db_query_params(struct db *db, const char *sql, const struct db_params *params, struct db_result **ret_result) {
  ASSERT(db->queued == 0);
  db_send_sql(db, NULL, sql, params);
  return collect_one(db, ret_result);
}

int db_query(struct db *db, const char *sql, struct db_result **ret_result) {
  return db_query_params(db, sql, NULL, ret_result);
}

int db_exec(struct db *db, const char *sql) {
  return db_collect_simple(db, sql, db_run_deadline(db));
}

int db_begin(struct db *db) {
  db_pipe_begin(db);
  if (db->pooled) db_send_bounds(db, true);
  return db_collect(db, db_run_deadline(db), NULL) == 0 ? 0 : FAULT_DB;
}

// A connection known to be lost has carried no COMMIT. One that is lost from here on may have. A COMMIT refused on a
// connection that stands is decided: nothing was written.
int db_commit(struct db *db) {
  if (db->lost || PQstatus(db->conn) != CONNECTION_OK) return FAULT_DB;
  ASSERT(db->queued == 0);
  db_pipe_commit(db);
  struct db_result *results[DB_PIPELINE_MAX];
  size_t count = 0;
  int r = db_pipe_flush(db, results, &count);
  for (size_t i = 0; i < count; i++) db_result_finish(results[i]);
  if (r < 0) return FAULT_DB_UNKNOWN;
  return r == 0 && db_pipe_committed(db) ? 0 : FAULT_DB;
}

void db_rollback(struct db *db) {
  db_pipe_rollback(db);
}
