// The door: a queue and a thread in front of each writer. It takes all that has gathered while the previous commit was under way; an
// idle one runs a single operation at once. Each customer has one writer of an instance's, so that its operations keep their order
// and two writers wait for each other's locks no more than two instances do: while one's commit is on its way to disk, the other works.
#include "ledger/ledger.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "ledger/writer.h"
#include <pthread.h>
#include <time.h>

struct lane {
  struct ledger *ledger;
  struct writer writer; // the thread's own
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  struct ledger_op *first, *last; // the queue
  bool started;
};

struct ledger {
  size_t count;
  _Atomic int64_t queued; // in all lanes
  struct session_common common;
  struct lane lanes[];
};

// ---- a lane's thread

static size_t take(struct lane *lane, struct ledger_op *ret_ops[LIMIT_LEDGER_BATCH]) {
  size_t n = 0;
  for (; lane->first && n < LIMIT_LEDGER_BATCH; n++) {
    ret_ops[n] = lane->first;
    lane->first = lane->first->next;
  }
  if (!lane->first) lane->last = NULL;
  metric_set(METRIC_LEDGER_QUEUE, atomic_fetch_sub(&lane->ledger->queued, (int64_t)n) - (int64_t)n);
  return n;
}

// Waits for operations, the lease's renewal or the end. False: the end.
static bool wait_for_work(struct lane *lane) {
  while (!lane->first && !lane->writer.closing) {
    int64_t at = lane->writer.renew_at;
    if (at <= clock_mono_us()) return true;
    struct timespec until = {at / 1000000, at % 1000000 * 1000};
    pthread_cond_timedwait(&lane->wake, &lane->mutex, &until);
  }
  return lane->first || !lane->writer.closing;
}

static void *work(void *arg) {
  struct lane *lane = arg;
  struct ledger_op *ops[LIMIT_LEDGER_BATCH];
  pthread_mutex_lock(&lane->mutex);
  while (wait_for_work(lane)) {
    size_t count = take(lane, ops);
    pthread_mutex_unlock(&lane->mutex);
    writer_serve(&lane->writer, ops, count);
    pthread_mutex_lock(&lane->mutex);
  }
  pthread_mutex_unlock(&lane->mutex);
  return NULL;
}

// ---- the door

static bool lane_start(struct lane *lane, struct ledger *l, const struct ledger_config *config, struct buf *ret_error) {
  pthread_condattr_t attributes;
  lane->ledger = l;
  pthread_mutex_init(&lane->mutex, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&lane->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  writer_init(&lane->writer, config, &l->common);
  lane->started = writer_open(&lane->writer, ret_error) && pthread_create(&lane->thread, NULL, work, lane) == 0;
  return lane->started;
}

// What is queued is done first.
static void lane_stop(struct lane *lane) {
  if (lane->started) {
    pthread_mutex_lock(&lane->mutex);
    lane->writer.closing = true;
    pthread_cond_signal(&lane->wake);
    pthread_mutex_unlock(&lane->mutex);
    pthread_join(lane->thread, NULL);
  }
  writer_finish(&lane->writer);
  pthread_cond_destroy(&lane->wake);
  pthread_mutex_destroy(&lane->mutex);
}

struct ledger *ledger_create(const struct ledger_config *config, struct buf *ret_error) {
  size_t wanted = config->writers ? (size_t)config->writers : 1;
  struct ledger *l = mem_alloc(sizeof *l + wanted * sizeof *l->lanes);
  pthread_mutex_init(&l->common.mutex, NULL);
  while (l->count < wanted)
    if (!lane_start(&l->lanes[l->count++], l, config, ret_error)) {
      ledger_destroy(l);
      return NULL;
    }
  return l;
}

void ledger_destroy(struct ledger *l) {
  if (!l) return;
  for (size_t i = 0; i < l->count; i++) lane_stop(&l->lanes[i]);
  pthread_mutex_destroy(&l->common.mutex);
  mem_free(l);
}

int64_t ledger_now(const struct ledger *l) {
  return clock_mono_us() + atomic_load(&l->common.offset);
}

int64_t ledger_lease_us(const struct ledger *l) {
  return l->lanes[0].writer.session.writer.lease_us;
}

bool ledger_up(const struct ledger *l) {
  for (size_t i = 0; i < l->count; i++)
    if (!atomic_load(&l->lanes[i].writer.session.up)) return false;
  return true;
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
  struct lane *lane = &l->lanes[uuid_hash(op->customer) % l->count];
  int result = 0;
  op->queued_at = clock_mono_us();
  op->next = NULL;
  op->late = false;
  op->charged = 0;
  pthread_mutex_lock(&lane->mutex);
  if (lane->writer.closing) result = FAULT_CLOSED;
  else if (atomic_fetch_add(&l->queued, 1) >= LIMIT_LEDGER_QUEUE) {
    atomic_fetch_sub(&l->queued, 1);
    result = FAULT_FULL;
  } else {
    bool idle = !lane->first;
    if (lane->last) lane->last->next = op;
    else lane->first = op;
    lane->last = op;
    if (idle) pthread_cond_signal(&lane->wake);
  }
  pthread_mutex_unlock(&lane->mutex);
  return result;
}
