// The one loop that talks to the server: statements are queued without blocking, then one sync, then everything is read
// under a deadline while what is left to send is sent, so that no batch can be so big that both sides wait for the
// other. A failure is judged by the connection's own state, never by an SQLSTATE alone: a killed backend often sends
// none.
#include "base/clock.h"
#include "base/log.h"
#include "db/internal.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

// ---- failures

// Messages go into one line of a log.
static void error_set(struct db *db, const char *name, const char *message) {
  (void)snprintf(db->error, sizeof db->error, "%s%s%s", name ? name : "", name ? ": " : "", message);
  for (char *c = db->error; *c; c++)
    if (*c == '\n' || *c == '\t') *c = ' ';
  for (size_t n = strlen(db->error); n > 0 && db->error[n - 1] == ' '; n--) db->error[n - 1] = '\0';
}

void db_lose(struct db *db, const char *message) {
  if (db->lost) return;
  db->lost = true;
  if (db->error[0] == '\0') error_set(db, NULL, message);
}

// A session that a new connection would not have: the server became a standby, or forgot or outgrew a prepared
// statement.
static bool session_is_stale(const char *sqlstate, const char *name) {
  if (strcmp(sqlstate, "25006") == 0) return true;
  return name && (strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "0A000") == 0);
}

static void error_take(struct db *db, const char *name, const PGresult *failed) {
  const char *sqlstate = PQresultErrorField(failed, PG_DIAG_SQLSTATE);
  const char *message = PQresultErrorField(failed, PG_DIAG_MESSAGE_PRIMARY);
  (void)snprintf(db->sqlstate, sizeof db->sqlstate, "%s", sqlstate ? sqlstate : "");
  error_set(db, name, message ? message : PQresultErrorMessage(failed));
  if (session_is_stale(db->sqlstate, name)) db->lost = true;
}

// ---- time

int64_t db_deadline(int ms) {
  return ms > 0 ? clock_mono_us() + ms * INT64_C(1000) : DB_NO_DEADLINE;
}

int64_t db_run_deadline(const struct db *db) {
  return db->statement_ms > 0 ? db_deadline(db->statement_ms + DB_GRACE_MS) : DB_NO_DEADLINE;
}

static int poll_ms(int64_t deadline) {
  if (deadline == DB_NO_DEADLINE) return -1;
  int64_t left = (deadline - clock_mono_us() + 999) / 1000;
  return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

// ---- sending

struct wire_params {
  int count;
  const char *values[DB_PARAMS_MAX];
  int lengths[DB_PARAMS_MAX], formats[DB_PARAMS_MAX];
};

static void params_for_wire(const struct db_params *p, struct wire_params *ret) {
  ret->count = p ? p->count : 0;
  if (!p) return;
  ASSERT(!p->bytes.full && p->bytes.len <= INT_MAX);
  for (int i = 0; i < p->count; i++) {
    const char *bytes = p->at[i].len ? p->bytes.data + p->at[i].at : "";
    ret->values[i] = p->at[i].null ? NULL : bytes;
    ret->lengths[i] = (int)p->at[i].len;
    ret->formats[i] = 1;
  }
}

static void queued(struct db *db, struct sent what, int sent) {
  ASSERT(db->queued < DB_QUEUE_MAX);
  db->sent[db->queued++] = what;
  db->asked += !what.prepares;
  db->commit_queued = false;
  if (!sent) db_lose(db, PQerrorMessage(db->conn));
}

// A failure of the batch before does not speak for this one.
static bool may_send(struct db *db) {
  if (db->lost) return false;
  if (db->queued == 0) db->error[0] = db->sqlstate[0] = '\0';
  return true;
}

static bool send_prepare(struct db *db, const struct statement *s) {
  return may_send(db) && PQsendPrepare(db->conn, s->name, s->sql, 0, NULL);
}

// In the same trip as what asks for it. Whether the server has taken it is seen when it answers (sent_judge).
void db_send_prepare(struct db *db, enum statement_id statement) {
  const struct statement *s = &statement_table[statement];
  if (db->prepared[statement]) return;
  queued(db, (struct sent){.name = s->name, .prepares = true, .statement = statement}, send_prepare(db, s));
  db->prepared[statement] = true;
}

// By its name where the session is ours; a pooler's next session may not know it.
void db_send_statement(struct db *db, enum statement_id statement, const struct db_params *params) {
  const struct statement *s = &statement_table[statement];
  struct wire_params w;
  if (db->pooled) {
    db_send_sql(db, s->name, s->sql, params);
    return;
  }
  db_send_prepare(db, statement);
  params_for_wire(params, &w);
  queued(db, (struct sent){.name = s->name}, may_send(db) && PQsendQueryPrepared(db->conn, s->name, w.count, w.values, w.lengths, w.formats, 1));
}

void db_send_sql(struct db *db, const char *name, const char *sql, const struct db_params *params) {
  struct wire_params w;
  params_for_wire(params, &w);
  queued(db, (struct sent){.name = name}, may_send(db) && PQsendQueryParams(db->conn, sql, w.count, NULL, w.values, w.lengths, w.formats, 1));
}

// ---- receiving

// Waits until PQgetResult would not block. False: the connection is lost.
static bool wait_for_result(struct db *db, int64_t deadline) {
  for (;;) {
    int unsent = PQflush(db->conn);
    if (!PQisBusy(db->conn)) return true;
    struct pollfd p = {.fd = PQsocket(db->conn), .events = (short)(unsent == 1 ? POLLIN | POLLOUT : POLLIN)};
    int n = poll(&p, 1, poll_ms(deadline));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      db_lose(db, "the server did not answer in time");
      return false;
    }
    if ((p.revents & ~POLLOUT) && !PQconsumeInput(db->conn)) {
      db_lose(db, PQerrorMessage(db->conn));
      return false;
    }
  }
}

enum received { RECEIVED_ROWS, RECEIVED_FAILURE, RECEIVED_SKIPPED, RECEIVED_SYNC, RECEIVED_NONSENSE };
static enum received kind_of(const PGresult *result) {
  ExecStatusType status = PQresultStatus(result);
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return RECEIVED_ROWS;
  if (status == PGRES_FATAL_ERROR) return RECEIVED_FAILURE;
  if (status == PGRES_PIPELINE_ABORTED) return RECEIVED_SKIPPED;
  return status == PGRES_PIPELINE_SYNC ? RECEIVED_SYNC : RECEIVED_NONSENSE;
}

// Reads up to the sync; how many statements were answered with rows is their place in results. False: one failed.
static bool read_to_sync(struct db *db, int64_t deadline, PGresult *results[DB_QUEUE_MAX]) {
  bool well = true, ended = true; // ended: the NULL behind a statement's results was read
  size_t at = 0;
  while (wait_for_result(db, deadline)) {
    PGresult *result = PQgetResult(db->conn);
    if (!result && ended) db_lose(db, "the server's answers do not match what was asked");
    if (!result && !ended && at < db->queued) at++;
    ended = !result;
    enum received kind = result ? kind_of(result) : RECEIVED_SKIPPED;
    if (kind == RECEIVED_ROWS && well && at < db->queued && !results[at]) {
      results[at] = result;
      continue;
    }
    if (kind == RECEIVED_FAILURE) {
      error_take(db, at < db->queued ? db->sent[at].name : NULL, result);
      well = false;
    }
    if (kind == RECEIVED_NONSENSE) db_lose(db, "a statement would copy data");
    PQclear(result);
    if (kind == RECEIVED_SYNC) return well;
    if (db->lost || PQstatus(db->conn) != CONNECTION_OK) break;
  }
  db->lost = true;
  return false;
}

// Leaves the answers to what was asked for. What was to be prepared and has no answer is to be prepared again: what is in
// the session outlives the transaction in which it came there.
static void sent_judge(struct db *db, PGresult *results[DB_QUEUE_MAX]) {
  size_t kept = 0;
  for (size_t i = 0; i < db->queued; i++) {
    const struct sent *s = &db->sent[i];
    PGresult *result = results[i];
    results[i] = NULL;
    if (!s->prepares) {
      results[kept++] = result;
      continue;
    }
    db->prepared[s->statement] = result != NULL;
    PQclear(result);
  }
}

static void results_clear(PGresult *results[], size_t count) {
  for (size_t i = 0; i < count; i++) PQclear(results[i]);
}

int db_collect(struct db *db, int64_t deadline, PGresult *ret_results[DB_QUEUE_MAX]) {
  PGresult *results[DB_QUEUE_MAX] = {0};
  bool well = false;
  if (!db->lost && !PQpipelineSync(db->conn)) db_lose(db, PQerrorMessage(db->conn));
  if (!db->lost) well = read_to_sync(db, deadline, results);
  if (db->lost && db->error[0] == '\0') error_set(db, NULL, "the connection is lost");
  sent_judge(db, results);
  if (ret_results)
    memcpy(ret_results, results, db->asked * sizeof *results);
  else
    results_clear(results, db->asked);
  db->queued = db->asked = 0;
  return db->lost ? FAULT_DB : well ? 0 : 1;
}

int db_collect_simple(struct db *db, const char *sql, int64_t deadline) {
  ASSERT(db->queued == 0);
  if (!may_send(db)) return FAULT_DB;
  if (!PQexitPipelineMode(db->conn) || !PQsendQuery(db->conn, sql)) db_lose(db, PQerrorMessage(db->conn));
  bool well = true;
  while (!db->lost && wait_for_result(db, deadline)) {
    PGresult *result = PQgetResult(db->conn);
    if (!result) break;
    enum received kind = kind_of(result);
    if (kind == RECEIVED_FAILURE) error_take(db, NULL, result);
    if (kind == RECEIVED_NONSENSE) db_lose(db, "a statement would copy data");
    well = well && kind == RECEIVED_ROWS;
    PQclear(result);
  }
  if (PQstatus(db->conn) != CONNECTION_OK || db->lost || !PQenterPipelineMode(db->conn))
    db_lose(db, PQerrorMessage(db->conn));
  return db->lost ? FAULT_DB : well ? 0 : 1;
}
