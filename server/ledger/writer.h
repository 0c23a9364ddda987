// The writer without its thread and queue: what turns a batch of operations into answers, whatever the database does. One
// thread at a time; only `closing` may be set by others.
#pragma once
#include "ledger/session.h"

// Customers whose row somebody holds: for a while their operations are answered at once instead of stalling everybody's.
#define STUCK_MAX 16
struct stuck {
  struct uuid customer;
  int64_t until; // monotonic microseconds
};

struct writer {
  struct session session;
  struct batch batch;
  int backoff_ms;
  int64_t renew_at;     // monotonic microseconds: writer_serve is called by then, with or without operations
  _Atomic bool closing; // the process ends: a doubt that cannot be resolved is left standing
  struct stuck stuck[STUCK_MAX];
  size_t stuck_next;
};

void writer_init(struct writer *w, const struct ledger_config *config, struct session_common *common); // the instance's, lent
void writer_finish(struct writer *w); // ends the lease
bool writer_open(struct writer *w, struct buf *ret_error); // connects and registers; false with a sentence
// Answers each of the operations, at most LIMIT_LEDGER_BATCH in their order of arrival, and reorders the array. Without any
// it renews the lease.
void writer_serve(struct writer *w, struct ledger_op **ops, size_t count);
