// The door to PostgreSQL: one connection, named statements with binary parameters and results, blocking calls for job
// threads and a pipeline for the ledger's writer. A connection belongs to one thread at a time.
#pragma once
#include "base/amount.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/id.h"
#include "db/statement.h"

struct db;
struct db_result; // rows of one statement; db_result_finish it

// Connects and sets the session's bounds (statement_timeout, lock_timeout, idle_in_transaction_session_timeout, in
// milliseconds; 0: none). A statement is prepared in the trip that runs it first. NULL with a sentence in ret_error.
struct db *db_connect(const char *url, int statement_ms, int lock_ms, int idle_ms, struct buf *ret_error);
// For jobs, whose statements stand alone or in one transaction. Where a pooler turns out to stand in between, which may
// give each transaction another session, nothing of a session is relied upon: statements have no names, and the bounds
// are set for each transaction. A pooler's statements alone are bounded only by the deadline here.
struct db *db_connect_shared(const char *url, int statement_ms, int lock_ms, int idle_ms, struct buf *ret_error);
struct db *db_connect_bare(const char *url, struct buf *ret_error); // db_connect with the bounds of a migration
// Prepares what the session does not have yet, which no work needs: it says whether every statement fits the database.
// 0; 1: one does not (db_error names it); FAULT_DB.
int db_prepare_all(struct db *db);
void db_destroy(struct db *db);
bool db_alive(const struct db *db); // the last call left the connection usable
const char *db_error(const struct db *db);    // the server's message of the last failure
const char *db_sqlstate(const struct db *db); // "" where none came
int db_socket(const struct db *db);

// ---- parameters: filled one after the other, in the statement's order. Binary.
#define DB_PARAMS_MAX 24
struct db_params {
  struct buf bytes;
  int count;
  struct {
    size_t at, len;
    bool null;
  } at[DB_PARAMS_MAX];
};
void db_params_init(struct db_params *p); // db_params_finish it; db_params_clear to use again
void db_params_clear(struct db_params *p);
void db_params_finish(struct db_params *p);
void db_param_null(struct db_params *p);
void db_param_i64(struct db_params *p, int64_t v); // bigint
void db_param_i32(struct db_params *p, int32_t v);
void db_param_i16(struct db_params *p, int16_t v);
void db_param_bool(struct db_params *p, bool v);
void db_param_uuid(struct db_params *p, struct uuid v);
void db_param_uuid_or_null(struct db_params *p, struct uuid v); // nil: null
void db_param_text(struct db_params *p, struct str v);          // text
void db_param_text_or_null(struct db_params *p, struct str v);  // ptr NULL: null
void db_param_json(struct db_params *p, struct str v);          // jsonb
void db_param_bytes(struct db_params *p, struct str v);         // bytea
void db_param_time(struct db_params *p, int64_t wall_us);       // timestamptz
void db_param_time_or_null(struct db_params *p, int64_t wall_us); // <= 0: null

// ---- array parameters: begin, then one addition per element, then end.
enum db_type { DB_I64, DB_I32, DB_I16, DB_BOOL, DB_UUID, DB_TEXT, DB_JSON, DB_BYTES, DB_TIME, DB_TID };
#define DB_TID_BYTES 6 // where a row lies in its table: a ctid, good as long as a lock keeps the row as it is
void db_array_begin(struct db_params *p, enum db_type type);
void db_array_i64(struct db_params *p, int64_t v);
void db_array_i32(struct db_params *p, int32_t v);
void db_array_i16(struct db_params *p, int16_t v);
void db_array_bool(struct db_params *p, bool v);
void db_array_uuid(struct db_params *p, struct uuid v);
void db_array_text(struct db_params *p, struct str v);
void db_array_json(struct db_params *p, struct str v); // json, as it is
void db_array_bytes(struct db_params *p, struct str v);
void db_array_time(struct db_params *p, int64_t wall_us);
void db_array_tid(struct db_params *p, const unsigned char tid[DB_TID_BYTES]);
void db_array_null(struct db_params *p);
void db_array_end(struct db_params *p);

// ---- blocking: 0 with rows; FAULT_DB; or 1 for an error of the statement itself on a healthy connection (db_sqlstate
// tells: a constraint, a lost race), for callers that expect one. ret_result may be NULL where no rows are wanted.
int db_run(struct db *db, enum statement_id statement, const struct db_params *params, struct db_result **ret_result);
int db_begin(struct db *db);
// FAULT_DB_UNKNOWN where the answer to COMMIT was lost; FAULT_DB where it came back as ROLLBACK.
int db_commit(struct db *db);
void db_rollback(struct db *db); // harmless where nothing is open
// Plain SQL without parameters, possibly several statements: migrations and tests only.
int db_exec(struct db *db, const char *sql);
int db_query(struct db *db, const char *sql, struct db_result **ret_result); // text in, binary out

// ---- pipeline, for the ledger: queue statements, then one flush that waits for all. 0; 1: a statement failed and the
// transaction is lost (db_sqlstate); FAULT_DB: the connection is lost. After 1 or FAULT_DB results are NULL from the
// failed one on.
#define DB_PIPELINE_MAX 24
void db_pipe_exec(struct db *db, enum statement_id statement, const struct db_params *params);
void db_pipe_begin(struct db *db);  // BEGIN
void db_pipe_commit(struct db *db); // COMMIT
int db_pipe_flush(struct db *db, struct db_result *ret_results[DB_PIPELINE_MAX], size_t *ret_count);
// Whether the last statement of the last flush was COMMIT and answered with the tag COMMIT: only that is success.
bool db_pipe_committed(const struct db *db);
void db_pipe_rollback(struct db *db); // leaves the connection ready; on a lost one does nothing

// ---- rows; values are read as the type the statement gives. Null reads as 0, nil, "" or false.
size_t db_rows(const struct db_result *r);
bool db_is_null(const struct db_result *r, size_t row, int column);
int64_t db_i64(const struct db_result *r, size_t row, int column); // any integer type
bool db_bool(const struct db_result *r, size_t row, int column);
struct uuid db_uuid(const struct db_result *r, size_t row, int column);
struct str db_text(const struct db_result *r, size_t row, int column); // text, bytea, json, jsonb: lent by the result
int64_t db_time(const struct db_result *r, size_t row, int column);    // timestamptz, microseconds since 1970; infinity: INT64_MAX
void db_tid(const struct db_result *r, size_t row, int column, unsigned char ret[DB_TID_BYTES]);
size_t db_array(const struct db_result *r, size_t row, int column, struct str *ret_elements, size_t max); // one dimension
int64_t db_element_i64(struct str element);
struct uuid db_element_uuid(struct str element);
size_t db_affected(const struct db_result *r);
void db_result_finish(struct db_result *r);
static inline void db_result_finishp(struct db_result **r) { db_result_finish(*r); }

// Connections and statements come and go with the server's restarts: true where the message says that trying again on a
// new connection may help.
bool db_is_transient(const struct db *db);
