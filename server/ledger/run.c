// Waiting for the writer's answer, for job threads and tools: an operation that is submitted and slept on.
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
