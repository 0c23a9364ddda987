// Orders of statements, enumerated on the real database. Sessions are threads whose every statement waits for its turn;
// the linker leads the door's calls through here (tests/CMakeLists.txt). One order after the other is run: at each point
// where more than one session could go on, all of them are tried, one run each. A session that waits for a lock has no
// next step until the lock is given up, as pg_blocking_pids says; so orders that cannot happen are not enumerated.
#pragma once
#include "base/clock.h"
#include "db/db.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS_SESSIONS 3
#define STEPS_MAX 96

enum steps_state { STEPS_AT_GATE, STEPS_RUNNING, STEPS_WAITING, STEPS_OVER }; // WAITING: for another's lock

struct steps_session {
  struct db *db;
  int32_t pid; // of its backend
  void (*run)(struct steps_session *s);
  void *arg;
  pthread_t thread;
  enum steps_state state;
  bool turn;        // its next step may begin
  bool inside;      // a call of the door that is made of others
  const char *next; // step, where it is at the gate; the one under way, where it is not
  // the pipeline, a statement at a time
  struct db_result *results[DB_PIPELINE_MAX];
  size_t queued;
  int failed;
};

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  struct steps_session sessions[STEPS_SESSIONS];
  size_t count;
  struct db *monitor;
  bool (*is_free)(const char *step); // meets nothing of another session: no choice is made for it
  // the order under way: the choice made at each point, of how many
  int choices[STEPS_MAX], of[STEPS_MAX];
  size_t depth, given;
  // what was done, in order
  struct {
    int session;
    const char *step;
  } done[2 * STEPS_MAX];
  size_t done_count;
} steps = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static _Thread_local struct steps_session *steps_self;

static void steps_fail(const char *why) {
  print_error("%s; the order was:\n", why);
  for (size_t i = 0; i < steps.done_count; i++) print_error("  %c %s\n", 'A' + steps.done[i].session, steps.done[i].step);
  for (size_t i = 0; i < steps.count; i++)
    if (steps.sessions[i].state != STEPS_OVER) print_error("  %c has not done %s\n", 'A' + (int)i, steps.sessions[i].next);
}

// ---- in the session's thread

static void steps_state_set(struct steps_session *s, enum steps_state state) {
  pthread_mutex_lock(&steps.mutex);
  if (s->next) {
    steps.done[steps.done_count].session = (int)(s - steps.sessions);
    steps.done[steps.done_count++].step = s->next;
  }
  s->next = NULL;
  s->state = state;
  pthread_cond_broadcast(&steps.cond);
  pthread_mutex_unlock(&steps.mutex);
}

// The gate before each step.
static void steps_enter(struct steps_session *s, const char *step) {
  steps_state_set(s, STEPS_RUNNING);
  pthread_mutex_lock(&steps.mutex);
  s->next = step;
  if (!steps.is_free(step)) {
    s->state = STEPS_AT_GATE;
    pthread_cond_broadcast(&steps.cond);
    while (!s->turn) pthread_cond_wait(&steps.cond, &steps.mutex);
    s->turn = false;
  }
  pthread_mutex_unlock(&steps.mutex);
}

static void *steps_thread(void *arg) {
  struct steps_session *s = arg;
  steps_self = s;
  s->run(s);
  steps_state_set(s, STEPS_OVER);
  return NULL;
}

// ---- the door, a step at a time

#define STEPS_INSTEAD(type, name, ...)  \
  type __real_##name(__VA_ARGS__);      \
  type __wrap_##name(__VA_ARGS__);      \
  type __wrap_##name(__VA_ARGS__)

STEPS_INSTEAD(int, db_pipe_flush, struct db *db, struct db_result *ret_results[DB_PIPELINE_MAX], size_t *ret_count);

// What is queued behind a failed statement is passed over, as in one trip.
static void steps_pipe(struct steps_session *s, struct db *db, enum statement_id statement, const struct db_params *params, const char *word);

STEPS_INSTEAD(void, db_pipe_exec, struct db *db, enum statement_id statement, const struct db_params *params) {
  if (!steps_self || steps_self->inside) __real_db_pipe_exec(db, statement, params);
  else steps_pipe(steps_self, db, statement, params, NULL);
}

STEPS_INSTEAD(void, db_pipe_begin, struct db *db) {
  if (!steps_self || steps_self->inside) __real_db_pipe_begin(db);
  else steps_pipe(steps_self, db, 0, NULL, "BEGIN");
}

STEPS_INSTEAD(void, db_pipe_commit, struct db *db) {
  if (!steps_self || steps_self->inside) __real_db_pipe_commit(db);
  else steps_pipe(steps_self, db, 0, NULL, "COMMIT");
}

static void steps_pipe(struct steps_session *s, struct db *db, enum statement_id statement, const struct db_params *params, const char *word) {
  struct db_result *one[DB_PIPELINE_MAX] = {0};
  size_t count = 0;
  if (s->failed == 0) {
    steps_enter(s, word ? word : statement_table[statement].name);
    if (!word) __real_db_pipe_exec(db, statement, params);
    else if (word[0] == 'B') __real_db_pipe_begin(db);
    else __real_db_pipe_commit(db);
    s->failed = __real_db_pipe_flush(db, one, &count);
  }
  s->results[s->queued++] = one[0];
}

int __wrap_db_pipe_flush(struct db *db, struct db_result *ret_results[DB_PIPELINE_MAX], size_t *ret_count) {
  struct steps_session *s = steps_self;
  if (!s || s->inside) return __real_db_pipe_flush(db, ret_results, ret_count);
  int failed = s->failed;
  *ret_count = s->queued;
  memcpy(ret_results, s->results, s->queued * sizeof *ret_results);
  s->queued = 0;
  s->failed = 0;
  return failed;
}

STEPS_INSTEAD(void, db_pipe_rollback, struct db *db) {
  if (steps_self && !steps_self->inside) steps_enter(steps_self, "ROLLBACK");
  __real_db_pipe_rollback(db);
}

STEPS_INSTEAD(int, db_run, struct db *db, enum statement_id statement, const struct db_params *params, struct db_result **ret_result) {
  if (steps_self) steps_enter(steps_self, statement_table[statement].name);
  return __real_db_run(db, statement, params, ret_result);
}

static int steps_whole(struct db *db, int (*call)(struct db *db), const char *word) {
  if (!steps_self) return call(db);
  steps_enter(steps_self, word);
  steps_self->inside = true;
  int r = call(db);
  steps_self->inside = false;
  return r;
}

STEPS_INSTEAD(int, db_begin, struct db *db) {
  return steps_whole(db, __real_db_begin, "BEGIN");
}

STEPS_INSTEAD(int, db_commit, struct db *db) {
  return steps_whole(db, __real_db_commit, "COMMIT");
}

// ---- who is next

static bool steps_waits_for_lock(const struct steps_session *s) {
  struct db_result *r = NULL;
  char sql[96];
  (void)snprintf(sql, sizeof sql, "SELECT cardinality(pg_blocking_pids(%d)) > 0", (int)s->pid);
  assert_int_equal(db_query(steps.monitor, sql, &r), 0);
  bool waits = db_bool(r, 0, 0);
  db_result_finish(r);
  return waits;
}

static bool steps_moved(struct steps_session *s, int64_t us) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += us * 1000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_mutex_lock(&steps.mutex);
  while (s->state == STEPS_RUNNING || s->state == STEPS_WAITING)
    if (pthread_cond_timedwait(&steps.cond, &steps.mutex, &until) != 0) break;
  bool moved = s->state == STEPS_AT_GATE || s->state == STEPS_OVER;
  pthread_mutex_unlock(&steps.mutex);
  return moved;
}

// Until it is at a gate, at its end, or seen to wait for a lock.
static void steps_come_to_rest(struct steps_session *s) {
  int64_t deadline = clock_mono_us() + 30000000;
  while (!steps_moved(s, s->state == STEPS_WAITING ? 1 : 700)) {
    if (steps_waits_for_lock(s)) {
      pthread_mutex_lock(&steps.mutex);
      if (s->state == STEPS_RUNNING) s->state = STEPS_WAITING;
      pthread_mutex_unlock(&steps.mutex);
      return;
    }
    if (clock_mono_us() < deadline) continue;
    steps_fail("a step neither ends nor waits for a lock");
    fail();
  }
}

// Of two that wait for one row the database may take either; where only one waits, the same choices lead the same way.
static void steps_lost(void) {
  steps_fail("the same choices lead elsewhere");
  fail();
}

static struct steps_session *steps_choose(struct steps_session *ready[STEPS_SESSIONS], int count) {
  int choice = 0;
  if (count > 1) {
    assert_true(steps.depth < STEPS_MAX);
    if (steps.depth >= steps.given) steps.choices[steps.depth] = 0;
    else if (steps.of[steps.depth] != count && steps.count == 2) steps_lost();
    steps.of[steps.depth] = count;
    choice = steps.choices[steps.depth++];
  }
  return ready[choice];
}

static bool steps_is_under_way(const struct steps_session *s) {
  pthread_mutex_lock(&steps.mutex);
  bool under_way = s->state == STEPS_RUNNING || s->state == STEPS_WAITING;
  pthread_mutex_unlock(&steps.mutex);
  return under_way;
}

// First who was told to go, then who waited: what the one did may have let the other go, and that one yet another.
static void steps_all_come_to_rest(struct steps_session *told) {
  if (told) steps_come_to_rest(told);
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t i = 0; i < steps.count; i++) {
      struct steps_session *s = &steps.sessions[i];
      if (!steps_is_under_way(s)) continue;
      steps_come_to_rest(s);
      moved |= !steps_is_under_way(s);
    }
  }
}

static void steps_begin(void) {
  steps.depth = steps.done_count = 0;
  for (size_t i = 0; i < steps.count; i++) {
    struct steps_session *s = &steps.sessions[i];
    s->state = STEPS_RUNNING;
    s->turn = s->inside = false;
    s->next = NULL;
    s->queued = 0;
    s->failed = 0;
    assert_int_equal(pthread_create(&s->thread, NULL, steps_thread, s), 0);
    steps_come_to_rest(s);
  }
}

// Runs the sessions in the order that the choices say, as far as they go, and the first way from there.
static void steps_run(void) {
  struct steps_session *told = NULL;
  steps_begin();
  for (;;) {
    struct steps_session *ready[STEPS_SESSIONS];
    int count = 0;
    bool over = true;
    steps_all_come_to_rest(told);
    for (size_t i = 0; i < steps.count; i++) {
      struct steps_session *s = &steps.sessions[i];
      over &= s->state == STEPS_OVER;
      if (s->state == STEPS_AT_GATE) ready[count++] = s;
    }
    if (over) break;
    if (count == 0) continue; // all wait: the database will end one of them
    told = steps_choose(ready, count);
    pthread_mutex_lock(&steps.mutex);
    told->state = STEPS_RUNNING;
    told->turn = true;
    pthread_cond_broadcast(&steps.cond);
    pthread_mutex_unlock(&steps.mutex);
  }
  for (size_t i = 0; i < steps.count; i++) pthread_join(steps.sessions[i].thread, NULL);
}

// The next order that was not run yet. False: that was the last.
static bool steps_next(void) {
  while (steps.depth > 0 && steps.choices[steps.depth - 1] + 1 >= steps.of[steps.depth - 1]) steps.depth--;
  steps.given = steps.depth;
  if (steps.depth == 0) return false;
  steps.choices[steps.depth - 1]++;
  return true;
}

// When a session last did a step: its place in what was done; -1: it never did.
static int steps_when(int session, const char *step) {
  int when = -1;
  for (size_t i = 0; i < steps.done_count; i++)
    if (steps.done[i].session == session && strcmp(steps.done[i].step, step) == 0) when = (int)i;
  return when;
}

static void steps_session_open(struct steps_session *s, const char *url) {
  struct buf error;
  struct db_result *r = NULL;
  buf_init(&error, 512);
  s->db = db_connect(url, 20000, 15000, 20000, &error);
  if (!s->db) print_error("%s\n", buf_cstr(&error));
  buf_finish(&error);
  assert_non_null(s->db);
  assert_int_equal(db_query(s->db, "SELECT pg_backend_pid()", &r), 0);
  s->pid = (int32_t)db_i64(r, 0, 0);
  db_result_finish(r);
}
