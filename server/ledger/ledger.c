// The door: one thread with one queue in front of the writer. It takes all that has gathered while the previous commit was
// under way; an idle one runs a single operation at once.
#include "ledger/ledger.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "ledger/writer.h"
#include <pthread.h>
#include <time.h>

struct ledger {
  struct writer writer; // the thread's own
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  struct ledger_op *first, *last; // the queue
  size_t queued;
};

// ---- the thread

static size_t take(struct ledger *l, struct ledger_op *ret_ops[LIMIT_LEDGER_BATCH]) {
  size_t n = 0;
  for (; l->first && n < LIMIT_LEDGER_BATCH; n++) {
    ret_ops[n] = l->first;
    l->first = l->first->next;
  }
  if (!l->first) l->last = NULL;
  l->queued -= n;
  metric_set(METRIC_LEDGER_QUEUE, (int64_t)l->queued);
  return n;
}

// Waits for operations, the lease's renewal or the end. False: the end.
static bool wait_for_work(struct ledger *l) {
  while (!l->first && !l->writer.closing) {
    int64_t at = l->writer.renew_at;
    if (at <= clock_mono_us()) return true;
    struct timespec until = {at / 1000000, at % 1000000 * 1000};
    pthread_cond_timedwait(&l->wake, &l->mutex, &until);
  }
  return l->first || !l->writer.closing;
}

static void *work(void *arg) {
  struct ledger *l = arg;
  struct ledger_op *ops[LIMIT_LEDGER_BATCH];
  pthread_mutex_lock(&l->mutex);
  while (wait_for_work(l)) {
    size_t count = take(l, ops);
    pthread_mutex_unlock(&l->mutex);
    writer_serve(&l->writer, ops, count);
    pthread_mutex_lock(&l->mutex);
  }
  pthread_mutex_unlock(&l->mutex);
  return NULL;
}

// ---- the door

static void finish(struct ledger *l) {
  writer_finish(&l->writer);
  pthread_cond_destroy(&l->wake);
  pthread_mutex_destroy(&l->mutex);
  mem_free(l);
}

struct ledger *ledger_create(const struct ledger_config *config, struct buf *ret_error) {
  struct ledger *l = mem_alloc(sizeof *l);
  pthread_condattr_t attributes;
  pthread_mutex_init(&l->mutex, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&l->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  writer_init(&l->writer, config);
  if (writer_open(&l->writer, ret_error) && pthread_create(&l->thread, NULL, work, l) == 0) return l;
  finish(l);
  return NULL;
}

void ledger_destroy(struct ledger *l) {
  if (!l) return;
  pthread_mutex_lock(&l->mutex);
  l->writer.closing = true;
  pthread_cond_signal(&l->wake);
  pthread_mutex_unlock(&l->mutex);
  pthread_join(l->thread, NULL);
  finish(l);
}

int64_t ledger_now(const struct ledger *l) {
  return clock_mono_us() + atomic_load(&l->writer.session.clock_offset);
}

int64_t ledger_lease_us(const struct ledger *l) {
  return l->writer.session.writer.lease_us;
}

bool ledger_up(const struct ledger *l) {
  return atomic_load(&l->writer.session.up);
}

struct uuid ledger_call_id(const struct ledger *l, struct uuid customer) {
  struct uuid id = uuid_v7(ledger_now(l));
  memcpy(id.b + 12, customer.b + 12, 4);
  return id;
}

struct uuid ledger_call_id_at(int64_t at, struct uuid customer) {
  struct uuid id = uuid_at(at);
  memcpy(id.b + 12, customer.b + 12, 4);
  return id;
}

int ledger_submit(struct ledger *l, struct ledger_op *op) {
  int result = 0;
  op->queued_at = clock_mono_us();
  op->next = NULL;
  op->late = false;
  op->charged = 0;
  pthread_mutex_lock(&l->mutex);
  if (l->writer.closing) result = FAULT_CLOSED;
  else if (l->queued >= LIMIT_LEDGER_QUEUE) result = FAULT_FULL;
  else {
    if (l->last) l->last->next = op;
    else l->first = op;
    l->last = op;
    l->queued++;
    pthread_cond_signal(&l->wake);
  }
  pthread_mutex_unlock(&l->mutex);
  return result;
}
