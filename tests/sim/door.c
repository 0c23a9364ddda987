// db/db.h over the model database: what the product's code calls, linked in the place of libpq's door. Between the two
// ends lies a network that loses requests and replies.
#include "base/log.h"
#include "chance.h"
#include "check.h"
#include "door.h"
#include "faults.h"
#include "fiber.h"
#include <stdio.h>

#define ANSWER_US INT64_C(30000000)

struct db {
  struct backend *backend;
  bool lost, committed;
  size_t queued;
  struct note *note;
  char sqlstate[6], error[64];
};

struct note *door_note(struct db *db, struct note *note) {
  struct note *before = db->note;
  db->note = note;
  return before;
}

// ---- connections

struct db *db_connect(const char *url, int statement_ms, int lock_ms, int idle_ms, struct buf *ret_error) {
  (void)url, (void)statement_ms;
  fiber_sleep(chance_between(200, 3000));
  if (!database_up() || faults_strike(STRIKE_AWAY, 60)) {
    if (ret_error) buf_puts(ret_error, "away");
    return NULL;
  }
  struct db *db = mem_alloc(sizeof *db);
  db->backend = backend_start(fiber_home(), lock_ms, idle_ms);
  return db;
}

// A server that does not hear of it waits for its idle_in_transaction_session_timeout.
void db_destroy(struct db *db) {
  if (!db) return;
  struct backend *b = db->backend;
  bool unheard = db->lost && b->open && b->idle_ms > 0 && chance_one_in(2);
  if (!b->ended && !unheard) backend_close(b);
  mem_free(db);
}

bool db_alive(const struct db *db) {
  return !db->lost && !db->backend->ended;
}

const char *db_error(const struct db *db) {
  return db->error;
}

const char *db_sqlstate(const struct db *db) {
  return db->sqlstate;
}

bool db_is_transient(const struct db *db) {
  static const char *const lasting[] = {"23505", "23514", "22P02", "22021", "21000"};
  for (size_t i = 0; i < ARRAY_LEN(lasting); i++)
    if (!db->lost && strcmp(db->sqlstate, lasting[i]) == 0) return false;
  return true;
}

static int lose(struct db *db) {
  db->lost = true;
  db->sqlstate[0] = '\0';
  return FAULT_DB;
}

// ---- one exchange: what is queued goes, and its answer comes, or the connection is lost

static struct step *queue(struct db *db, enum step_kind kind, const struct db_params *params) {
  static struct step nowhere;
  struct request *r = &db->backend->request;
  ASSERT(db->queued < DB_PIPELINE_MAX && (db->lost || !db->backend->asked));
  struct step *s = db->lost ? &nowhere : &r->steps[db->queued];
  db->queued++;
  if (db->lost) return s;
  s->kind = kind;
  buf_clear(&s->params.bytes);
  if (s->params.bytes.max == 0) buf_init(&s->params.bytes, 1 << 24);
  if (!params) return s;
  buf_add(&s->params.bytes, params->bytes.data, params->bytes.len);
  s->params.count = params->count;
  memcpy(s->params.at, params->at, (size_t)params->count * sizeof params->at[0]);
  return s;
}

// How long the client waits where the reply will not come: its request goes on without it, sometimes much later.
static int64_t fate(struct db *db) {
  struct request *r = &db->backend->request;
  if (faults_strike(STRIKE_CUT_REQUEST, 700)) {
    r->delivered = (size_t)chance_below((int64_t)r->count);
    return chance_between(0, 3000);
  }
  if (faults_strike(STRIKE_CUT_REPLY, 700)) {
    if (chance_one_in(2)) r->delay = chance_between(0, 2500000);
    return chance_between(0, 3000);
  }
  return INT64_MAX;
}

static void commit_lost(const struct db *db) {
  const struct request *r = &db->backend->request;
  if (r->count > 0 && r->steps[r->count - 1].kind == STEP_COMMIT)
    faults_note(r->committed ? STRIKE_COMMIT_LOST_LANDED : STRIKE_COMMIT_LOST_NOT);
}

static int exchange(struct db *db) {
  struct backend *b = db->backend;
  struct request *r = &b->request;
  size_t count = db->queued;
  struct note *note = door_note(db, NULL);
  db->queued = 0;
  db->sqlstate[0] = '\0';
  if (db->lost || b->ended) return lose(db);
  r->count = r->delivered = count;
  r->note = note;
  r->done = 0;
  r->delay = 0;
  r->failed = r->committed = r->answered = false;
  memset(r->results, 0, sizeof r->results);
  int64_t patience = fate(db), until = fiber_now() + (patience < ANSWER_US ? patience : ANSWER_US);
  b->client = fiber_self();
  backend_ask(b);
  while (!r->answered && !b->ended && fiber_now() < until) (void)fiber_wait(until - fiber_now());
  b->client = NULL;
  if (!r->answered || patience != INT64_MAX) {
    commit_lost(db);
    return lose(db);
  }
  if (!r->failed) return 0;
  memcpy(db->sqlstate, b->sqlstate, sizeof db->sqlstate);
  (void)snprintf(db->error, sizeof db->error, "refused: %s", db->sqlstate);
  return 1;
}

// ---- blocking

int db_run(struct db *db, enum statement_id statement, const struct db_params *params, struct db_result **ret_result) {
  queue(db, STEP_RUN, params)->statement = statement;
  int r = exchange(db);
  if (r < 0) return r;
  struct db_result *result = db->backend->request.results[0];
  if (r == 0 && ret_result) *ret_result = result ? result : result_create(1);
  else db_result_finish(result);
  return r;
}

int db_begin(struct db *db) {
  (void)queue(db, STEP_BEGIN, NULL);
  return exchange(db) == 0 ? 0 : FAULT_DB;
}

int db_commit(struct db *db) {
  if (db->lost || db->backend->ended) return FAULT_DB;
  (void)queue(db, STEP_COMMIT, NULL);
  int r = exchange(db);
  if (r < 0) return FAULT_DB_UNKNOWN;
  return r == 0 && db->backend->request.committed ? 0 : FAULT_DB;
}

void db_rollback(struct db *db) {
  db_pipe_rollback(db);
}

int db_exec(struct db *db, const char *sql) { // a session's settings
  (void)sql;
  fiber_sleep(chance_below(300));
  return db_alive(db) ? 0 : lose(db);
}

// ---- pipeline

void db_pipe_exec(struct db *db, enum statement_id statement, const struct db_params *params) {
  queue(db, STEP_RUN, params)->statement = statement;
}

void db_pipe_begin(struct db *db) {
  (void)queue(db, STEP_BEGIN, NULL);
}

void db_pipe_commit(struct db *db) {
  (void)queue(db, STEP_COMMIT, NULL);
}

int db_pipe_flush(struct db *db, struct db_result *ret_results[DB_PIPELINE_MAX], size_t *ret_count) {
  size_t count = db->queued;
  int r = exchange(db);
  struct request *answer = &db->backend->request;
  for (size_t i = 0; i < count; i++) ret_results[i] = r < 0 ? NULL : answer->results[i];
  for (size_t i = 0; i < count && r >= 0 && i < answer->done; i++)
    if (!ret_results[i]) ret_results[i] = result_create(1);
  db->committed = r == 0 && answer->committed;
  *ret_count = count;
  return r;
}

bool db_pipe_committed(const struct db *db) {
  return db->committed;
}

void db_pipe_rollback(struct db *db) {
  char sqlstate[sizeof db->sqlstate];
  memcpy(sqlstate, db->sqlstate, sizeof sqlstate);
  db->queued = 0;
  if (db->lost) return;
  (void)queue(db, STEP_ROLLBACK, NULL);
  (void)exchange(db);
  memcpy(db->sqlstate, sqlstate, sizeof sqlstate);
}
