// A session of this service: bounds on what it may block, and a server that can keep the promises (new enough, not a
// standby, UTF-8, no commit answered before it is durable). Only a session that is ours alone is set up so: behind a
// pooler, settings would stay with whoever gets that session next.
#include "base/mem.h"
#include "db/internal.h"
#include <poll.h>
#include <stdio.h>

#define LEAST_SERVER 150000

static const char facts_sql[] =
    "SELECT pg_is_in_recovery(), current_setting('server_encoding'), current_setting('synchronous_commit'), pg_backend_pid()";
enum { FACT_STANDBY, FACT_ENCODING, FACT_COMMIT, FACT_PID };
// Whatever the role's defaults are. "off" would answer a COMMIT that a crash forgets; stronger settings stay.
static const char settings_sql[] =
    "SELECT set_config('TimeZone', 'UTC', false), set_config('client_connection_check_interval', '1s', false),"
    " set_config('jit', 'off', false),"
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, false)";
static const char bounds_sql[] = "SELECT set_config('statement_timeout', $1::text, $4::boolean),"
                                 " set_config('lock_timeout', $2::text, $4::boolean),"
                                 " set_config('idle_in_transaction_session_timeout', $3::text, $4::boolean)";

static bool refuse(struct buf *ret_error, const char *why) {
  if (ret_error) buf_puts(ret_error, why);
  return false;
}

static void param_ms(struct db_params *p, int ms) {
  char text[16];
  (void)snprintf(text, sizeof text, "%d", ms);
  db_param_text(p, str_from(text));
}

void db_send_bounds(struct db *db, bool of_transaction) {
  struct db_params p;
  db_params_init(&p);
  param_ms(&p, db->statement_ms);
  param_ms(&p, db->lock_ms);
  param_ms(&p, db->idle_ms);
  db_param_bool(&p, of_transaction);
  db_send_sql(db, "bounds", bounds_sql, &p);
  db_params_finish(&p);
}

static bool settings_apply(struct db *db) {
  db_send_bounds(db, false);
  db_send_sql(db, "session", settings_sql, NULL);
  return db_collect(db, db_deadline(DB_SESSION_MS), NULL) == 0;
}

static bool facts_read(struct db *db, struct db_result **ret_row) {
  db_send_sql(db, "facts", facts_sql, NULL);
  PGresult *results[DB_QUEUE_MAX] = {0};
  int r = db_collect(db, db_deadline(DB_SESSION_MS), results);
  *ret_row = db_result_create(results[0]);
  return r == 0;
}

// Poolers give their clients process ids of their own.
static bool is_pooled(const struct db *db, const struct db_result *facts) {
  return db_i64(facts, 0, FACT_PID) != PQbackendPID(db->conn);
}

static bool session_open(struct db *db, bool shared, struct buf *ret_error) {
  if (PQserverVersion(db->conn) < LEAST_SERVER)
    return refuse(ret_error, "the database server is older than PostgreSQL 15");
  if (PQsetnonblocking(db->conn, 1) != 0 || !PQenterPipelineMode(db->conn))
    return refuse(ret_error, "the database connection cannot be set up");
  CLEANUP(db_result_finishp) struct db_result *facts = NULL;
  if (!facts_read(db, &facts)) return refuse(ret_error, db->error);
  if (db_bool(facts, 0, FACT_STANDBY) && !db->standby)
    return refuse(ret_error, "the database server is a standby: it takes no writes");
  if (!str_eq(db_text(facts, 0, FACT_ENCODING), STR("UTF8")))
    return refuse(ret_error, "the database's encoding is not UTF8: create it with ENCODING 'UTF8'");
  db->pooled = shared && is_pooled(db, facts);
  if (!db->pooled) return settings_apply(db) || refuse(ret_error, db->error);
  if (str_eq(db_text(facts, 0, FACT_COMMIT), STR("off")))
    return refuse(ret_error, "synchronous_commit is off, and behind a pooler it cannot be set: ALTER ROLE … SET synchronous_commit = on");
  return true;
}

struct bounds {
  int statement_ms, lock_ms, idle_ms;
};

static struct db *connect_to(const char *url, struct bounds bounds, bool shared, struct buf *ret_error) {
  bool standby = false;
  PGconn *conn = db_url_open(url, &standby, ret_error);
  if (!conn) return NULL;
  struct db *db = mem_alloc(sizeof *db);
  *db = (struct db){.conn = conn,
                    .standby = standby,
                    .statement_ms = bounds.statement_ms,
                    .lock_ms = bounds.lock_ms,
                    .idle_ms = bounds.idle_ms};
  if (session_open(db, shared, ret_error)) return db;
  db_destroy(db);
  return NULL;
}

struct db *db_connect(const char *url, int statement_ms, int lock_ms, int idle_ms, struct buf *ret_error) {
  return connect_to(url, (struct bounds){statement_ms, lock_ms, idle_ms}, false, ret_error);
}

struct db *db_connect_shared(const char *url, int statement_ms, int lock_ms, int idle_ms, struct buf *ret_error) {
  return connect_to(url, (struct bounds){statement_ms, lock_ms, idle_ms}, true, ret_error);
}

// A step may run for long, but not stand in everybody's way for long before it starts.
struct db *db_connect_bare(const char *url, struct buf *ret_error) {
  return connect_to(url, (struct bounds){0, 10000, 60000}, false, ret_error);
}

// In pieces of a queue: libpq keeps an entry for each statement that is under way.
int db_prepare_all(struct db *db) {
  int r = 0;
  for (size_t i = 0; r == 0 && i < STATEMENT_COUNT;) {
    for (; i < STATEMENT_COUNT && db->queued < DB_QUEUE_MAX; i++) db_send_prepare(db, (enum statement_id)i);
    r = db_collect(db, db_deadline(DB_SESSION_MS), NULL);
  }
  return r;
}

void db_destroy(struct db *db) {
  if (!db) return;
  PQfinish(db->conn);
  mem_free(db);
}

// A server that went away while nothing was asked has said why and closed the socket; what it says while all is well
// (a changed setting) is read by the way.
static bool closed_meanwhile(PGconn *conn) {
  struct pollfd p = {.fd = PQsocket(conn), .events = POLLIN};
  while (poll(&p, 1, 0) > 0) {
    if (!PQconsumeInput(conn)) return true;
    (void)PQisBusy(conn);
  }
  return false;
}

bool db_alive(const struct db *db) {
  if (db->lost || PQstatus(db->conn) != CONNECTION_OK) return false;
  return db->queued > 0 || !closed_meanwhile(db->conn);
}

const char *db_error(const struct db *db) {
  return db->error;
}

const char *db_sqlstate(const struct db *db) {
  return db->sqlstate;
}

int db_socket(const struct db *db) {
  return PQsocket(db->conn);
}

// By class: connection, resources, operator intervention, system error, rollback of a lost race. Single ones: a lock
// not had in time, an idle transaction ended, a server that became a standby.
bool db_is_transient(const struct db *db) {
  static const char *const classes[] = {"08", "40", "53", "57", "58"};
  static const char *const states[] = {"55P03", "25P03", "25006", "26000"};
  if (db->lost || db->sqlstate[0] == '\0') return true;
  for (size_t i = 0; i < ARRAY_LEN(classes); i++)
    if (strncmp(db->sqlstate, classes[i], 2) == 0) return true;
  for (size_t i = 0; i < ARRAY_LEN(states); i++)
    if (strcmp(db->sqlstate, states[i]) == 0) return true;
  return false;
}
