// Several statements in one trip. What fails takes with it what was queued behind it; the transaction around it is then
// for db_pipe_rollback to end. Only the tag COMMIT says that something was committed: a COMMIT in a failed transaction
// is answered without an error, by the tag ROLLBACK.
#include "base/log.h"
#include "db/internal.h"

void db_pipe_exec(struct db *db, enum statement_id statement, const struct db_params *params) {
  ASSERT(db->asked < DB_PIPELINE_MAX);
  db_send_statement(db, statement, params);
}

// The rules count on reading what is fresh after a lock, whatever the role's default is.
void db_pipe_begin(struct db *db) {
  ASSERT(db->asked < DB_PIPELINE_MAX);
  db_send_sql(db, "begin", "BEGIN ISOLATION LEVEL READ COMMITTED", NULL);
}

void db_pipe_commit(struct db *db) {
  ASSERT(db->asked < DB_PIPELINE_MAX);
  db_send_sql(db, "commit", "COMMIT", NULL);
  db->commit_queued = true;
}

static bool says_commit(PGresult *answer) {
  return answer && PQresultStatus(answer) == PGRES_COMMAND_OK && strcmp(PQcmdStatus(answer), "COMMIT") == 0;
}

int db_pipe_flush(struct db *db, struct db_result *ret_results[DB_PIPELINE_MAX], size_t *ret_count) {
  PGresult *results[DB_QUEUE_MAX] = {0};
  size_t count = db->asked;
  bool commit = db->commit_queued;
  ASSERT(count > 0 && count <= DB_PIPELINE_MAX);
  int r = db_collect(db, db_deadline(DB_FLUSH_MS), results);
  db->commit_queued = false;
  db->committed = commit && says_commit(results[count - 1]);
  for (size_t i = 0; i < count; i++) ret_results[i] = db_result_create(results[i]);
  *ret_count = count;
  return r;
}

bool db_pipe_committed(const struct db *db) {
  return db->committed;
}

// The failure that led here is what db_error goes on telling.
void db_pipe_rollback(struct db *db) {
  ASSERT(!db->commit_queued);
  char sqlstate[sizeof db->sqlstate], error[sizeof db->error];
  memcpy(sqlstate, db->sqlstate, sizeof sqlstate);
  memcpy(error, db->error, sizeof error);
  int r = db->queued > 0 ? db_collect(db, db_deadline(DB_FLUSH_MS), NULL) : 0;
  if (r >= 0 && !db->lost && PQtransactionStatus(db->conn) != PQTRANS_IDLE) {
    db_send_sql(db, "rollback", "ROLLBACK", NULL);
    (void)db_collect(db, db_deadline(DB_FLUSH_MS), NULL);
  }
  if (error[0] == '\0') return;
  memcpy(db->sqlstate, sqlstate, sizeof sqlstate);
  memcpy(db->error, error, sizeof error);
}
