// Waiting for the writer's answers, for job threads and tools: operations that are submitted and slept on.
#include "ledger/ledger.h"
#include <pthread.h>

struct waiter {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  bool done;
};

static void waiter_done(struct ledger_op *op) {
  struct waiter *w = op->arg;
  pthread_mutex_lock(&w->mutex);
  w->done = true;
  pthread_cond_signal(&w->cond);
  pthread_mutex_unlock(&w->mutex);
}

int ledger_run(struct ledger *l, struct ledger_op *op) {
  struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
  op->done = waiter_done;
  op->arg = &w;
  int result = ledger_submit(l, op);
  if (result < 0) return result;
  pthread_mutex_lock(&w.mutex);
  while (!w.done) pthread_cond_wait(&w.cond, &w.mutex);
  pthread_mutex_unlock(&w.mutex);
  return op->result;
}

struct round {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  size_t open, done;
  int fault;
};

static void round_done(struct ledger_op *op) {
  struct round *r = op->arg;
  pthread_mutex_lock(&r->mutex);
  if (op->result == LEDGER_DONE) r->done++;
  else if (op->result < 0) r->fault = op->result;
  if (--r->open == 0) pthread_cond_signal(&r->cond);
  pthread_mutex_unlock(&r->mutex);
}

int ledger_run_all(struct ledger *l, struct ledger_op *ops, size_t count) {
  struct round r = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, count + 1, 0, 0};
  for (size_t i = 0; i < count; i++) {
    ops[i].done = round_done;
    ops[i].arg = &r;
    int fault = ledger_submit(l, &ops[i]);
    if (fault < 0) {
      ops[i].result = fault;
      round_done(&ops[i]);
    }
  }
  pthread_mutex_lock(&r.mutex);
  r.open--;
  while (r.open > 0) pthread_cond_wait(&r.cond, &r.mutex);
  pthread_mutex_unlock(&r.mutex);
  return r.fault ? r.fault : (int)r.done;
}
