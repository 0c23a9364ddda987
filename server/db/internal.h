// Between the files of this folder: what a connection is. It stays in pipeline mode and non-blocking all its life, so
// that one loop (wire.c) carries every statement, single or in batches, under a deadline. Only plain SQL of several
// statements leaves pipeline mode for its duration.
#pragma once
#include "db/db.h"
#include <libpq-fe.h>

#define DB_QUEUE_MAX 64     // messages between two syncs; libpq keeps something for each on both sides
#define DB_CONNECT_S "3"    // seconds to connect to one host
#define DB_SESSION_MS 10000 // for the session's settings
#define DB_FLUSH_MS 30000   // a pipeline not answered by then counts as lost
#define DB_GRACE_MS 10000   // beyond statement_timeout, until a silent server counts as lost
#define DB_NO_DEADLINE INT64_MAX

_Static_assert(2 * DB_PIPELINE_MAX <= DB_QUEUE_MAX, "each statement of a pipeline may have to be prepared first");

struct sent {
  const char *name; // for messages
  bool prepares;    // `statement`, so that what follows can run it: nobody asked for its answer
  enum statement_id statement;
};

struct db {
  PGconn *conn;
  bool lost;                       // nothing more can be had from this connection
  bool standby;                    // the URL asks for one, so being in recovery is no fault
  bool pooled;                     // the session may be another one for each transaction
  int statement_ms;                // the session's statement_timeout; 0: none
  int lock_ms, idle_ms;            // the same of its other bounds
  size_t queued, asked;            // what was sent and not collected; and how much of that has an answer that is wanted
  struct sent sent[DB_QUEUE_MAX];  // the same
  bool prepared[STATEMENT_COUNT];  // in this session, or will be by what is queued
  bool commit_queued, committed;   // the pipeline's last is COMMIT; its answer said COMMIT
  char sqlstate[6];
  char error[512];
};

struct db_result {
  PGresult *rows;
};

// ---- wire.c
// Remembers a failure that did not come as an answer of the server, and gives the connection up.
void db_lose(struct db *db, const char *message);
int64_t db_deadline(int ms);                  // from now; 0: none
int64_t db_run_deadline(const struct db *db); // of one statement
// Queue one statement. A connection that cannot take it is lost, which the next collect tells. `name` is for messages
// and must outlive the collect.
void db_send_statement(struct db *db, enum statement_id statement, const struct db_params *params);
void db_send_sql(struct db *db, const char *name, const char *sql, const struct db_params *params);
void db_send_prepare(struct db *db, enum statement_id statement); // unless this session has it
// Sends one sync and waits for all that is queued. 0; 1: one failed, those after it were not run, the connection is
// well; FAULT_DB: it is lost. ret_results (may be NULL) gets a result for each that was asked for up to the failed one, NULL
// from there.
int db_collect(struct db *db, int64_t deadline, PGresult *ret_results[DB_QUEUE_MAX]);
// One text of several statements by the simple protocol; the connection must have nothing queued.
int db_collect_simple(struct db *db, const char *sql, int64_t deadline);

// ---- connection.c
void db_send_bounds(struct db *db, bool of_transaction); // statement_timeout and its like, for the session or for what is open

// ---- run.c
// A statement that is not in statement_table, with parameters: for what must run on databases not migrated yet.
int db_query_params(struct db *db, const char *sql, const struct db_params *params, struct db_result **ret_result);

// ---- result.c
struct db_result *db_result_create(PGresult *rows); // takes it; NULL of NULL

// ---- url.c
// Opens the connection that the URL describes, with this service's bounds where the URL says nothing. NULL with a
// sentence that holds no secret.
PGconn *db_url_open(const char *url, bool *ret_standby, struct buf *ret_error);
