// One session as the database sees it: a fiber that takes requests, runs their statements one after the other, and
// answers. It goes on without its client, which is what makes a COMMIT ambiguous.
#pragma once
#include "db/db.h"
#include "store.h"

struct note; // what the client hopes to commit (check.c)

enum step_kind { STEP_BEGIN, STEP_RUN, STEP_COMMIT, STEP_ROLLBACK };
struct step {
  enum step_kind kind;
  enum statement_id statement;
  struct db_params params;
};
struct request {
  struct step steps[DB_PIPELINE_MAX];
  size_t count;
  size_t delivered; // how many of them reach the server
  int64_t delay;    // before they do
  struct note *note;
  // the answer: results of the steps before the failed one
  struct db_result *results[DB_PIPELINE_MAX];
  size_t done;
  bool failed, committed, answered;
};
struct backend {
  int home; // of its client
  struct fiber *fiber, *client;
  struct request request;
  bool asked;             // the request is under way
  bool gone, terminated;  // the client has closed; somebody ends this session
  bool ended;
  int lock_ms, idle_ms;
  char sqlstate[6];
  // the transaction
  bool open, failed;
  int64_t begun_at, fenced_at; // the database's clock
  bool told, told_usage;       // as the fence read it
  bool looked;                 // for events' identities in all weeks
  int64_t truly_begun_at;
  vec(struct change) changes;
  vec(struct row_lock *) locks;
  struct row_lock *waiting_for;
};

struct backend *backend_start(int home, int lock_ms, int idle_ms);
void backend_ask(struct backend *b); // its request is filled; the client is woken when it is answered or never
void backend_close(struct backend *b);
void backend_terminate(struct backend *b);
struct backend *backend_any(void);      // one at random, NULL: none
void backends_of_home_close(int home);  // the process died
void backends_restart(void);            // the database crashes and is started again
bool database_up(void);
void backends_forget(void);

// ---- for the statements
void backend_pause(void); // a moment, in which others may run
bool backend_fail(struct backend *b, const char *sqlstate); // false
// Waits until the row is this transaction's. False: lock_timeout, a deadlock or the session's end, as b->sqlstate says.
bool backend_lock(struct backend *b, struct row_lock *lock);
struct change *backend_change(struct backend *b, enum change_kind kind, struct row_customer *c);
