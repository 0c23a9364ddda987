// What the files of the sender share. Everything here belongs to the loop's thread, but for the turn while the clerk has it.
//
// A turn is one visit to the database: the loop gives it what has ended and how much room there is, the clerk (a thread with
// a connection) writes that down, hands out the outbox, claims what is due, and gives it back. There is one turn at a time,
// so that what ends meanwhile gathers: the busier, the larger the batches.
#pragma once
#include "base/buf.h"
#include "base/id.h"
#include "base/vec.h"
#include "db/pool.h"
#include "net/client.h"
#include "webhook/sender.h"
#include "webhook/sign.h"
#include <pthread.h>

#define EVENT_NAME_MAX 256 // Stripe's ids have at most 255 characters

// An enabled endpoint, as it is sent to.
struct target {
  struct uuid id;
  char *url;
  bool stripe; // signed for Stripe's libraries too
  struct sign_keys keys;
  int64_t old_until_us; // of the second secret, wall clock
};
struct targets {
  int64_t version;
  size_t count;
  struct target at[];
};

// A delivery that this instance has claimed.
struct job {
  struct job *next, *prev; // in its lane's queue (forward only), or among those that run
  struct lane *lane; // NULL until it is in one
  struct webhook_sender *sender;
  struct uuid endpoint, event;
  int32_t claim;
  size_t tries;
  bool forwarded, lost; // lost: what is to be sent is not kept any more
  int64_t begin_by_us; // monotonic: later than that its lease could end before it does
  char name[EVENT_NAME_MAX];
  char *body;
  size_t body_len;

  // ---- of the attempt
  struct net_exchange *x;
  int64_t at_us, started_us;
  int status; // 0: no answer's head came
  int64_t asked_ms;
  struct buf excerpt;
};

enum result_kind { RESULT_DELIVERED, RESULT_FAILED, RESULT_RETRY, RESULT_RELEASED };
struct result {
  struct uuid endpoint, event;
  int32_t claim;
  enum result_kind kind;
  int64_t delay_ms; // of a retry
  bool gone;        // 410
  bool blameless;   // of the endpoint: it was sent nothing
  char *attempt;    // JSON, owned; NULL: there was none
};

struct room {
  struct uuid endpoint;
  int32_t rows;
  int64_t bytes;
};

struct turn {
  vec(struct result) results;
  vec(struct room) rooms;
  int64_t version;  // of the targets that the loop has; 0: none
  bool apart;       // the last one failed: its parts are done one by one, so that one that cannot be does not stop the others
  bool look_at_age;
  int64_t lease_ms, begun_us;

  // ---- what came of it
  int fault;
  struct targets *targets; // new ones, or NULL
  struct job *jobs;
  size_t job_count, told; // claimed; events handed out
};

// What is sent to one endpoint.
struct lane {
  struct uuid id;
  const struct target *target; // of the sender's targets; NULL: disabled or deleted
  struct job *head, *tail;     // claimed and not begun
  size_t queued, running;
  int64_t bytes;               // of the events of both
  size_t width;                // how many may run: halved by a failure, doubled by a success
  unsigned streak;             // of failures
  int64_t next_us;             // not before, where it only fails
  size_t ended, rate;          // since the turn before; how many a turn takes
};

struct webhook_sender {
  struct webhook_config config;
  struct net_loop *loop;
  struct db_pool *pool;
  struct targets *targets;
  vec(struct lane *) lanes; // by id
  vec(struct result) results;
  struct job *attempts; // those that run
  size_t running;
  struct turn turn;
  bool turning, again, polling, failing;
  int64_t age_due_us, poll_us;
  int quiet_ms; // between two looks where nothing comes
  bool stopping;

  pthread_mutex_t lock; // guards what follows
  pthread_cond_t idle;
  bool stopped; // nothing runs, and all that has ended is written
  bool ended;   // no turn begins any more: its pool may go
};

// ---- clerk.c
void clerk_run(struct webhook_sender *s, struct turn *t, struct db *db); // db NULL: it cannot be reached

// ---- target.c
int targets_load(const struct webhook_sender *s, struct turn *t, struct db *db, int64_t version); // 0 or FAULT_DB
void targets_destroy(struct targets *targets);

// ---- result.c
// In a transaction. 0, 1 as of db_run, or a fault.
int results_write(const struct webhook_sender *s, struct turn *t, struct db *db);
void results_clear(struct turn *t);

// ---- lane.c
struct lane *lane_find(struct webhook_sender *s, struct uuid id);
void lanes_aim(struct webhook_sender *s, struct targets *targets); // takes them
void lanes_room(struct webhook_sender *s, struct turn *t);
void lane_take(struct webhook_sender *s, struct job *job); // claimed just now
void lane_advance(struct webhook_sender *s, struct lane *lane);
void lane_ended(struct webhook_sender *s, struct job *job, bool well);
void lanes_give_back(struct webhook_sender *s); // what is not begun
void lanes_cut(struct webhook_sender *s);       // what runs
void lanes_finish(struct webhook_sender *s);
void job_destroy(struct job *job);
void job_release(struct webhook_sender *s, struct job *job); // back to the queue as it was; destroys it

// ---- attempt.c
void attempt_begin(struct webhook_sender *s, const struct target *target, struct job *job);
void attempt_lost(struct webhook_sender *s, struct job *job); // there is nothing to send any more; destroys it

// ---- sender.c
void sender_result(struct webhook_sender *s, const struct result *result);
