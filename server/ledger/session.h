// A writer's session: its connection, its row in `writers`, and what both tell: the database's clock, whether the lease
// stands, whether a batch landed. It belongs to the writer's thread; `up` is read by any.
#pragma once
#include "ledger/batch.h"
#include <pthread.h>
#include <stdatomic.h>

// A peer that freezes between its trips holds customers' locks until the database ends its session (after 1.5 s); waiting
// for a lock must outlast that, so that a frozen peer delays this writer but fails nothing.
#define SESSION_LOCK_MS 4000

// What an instance's writers know together. Of the database's clock what was asked last counts, since what a batch was told may be
// old by the time at which it lands.
struct session_common {
  pthread_mutex_t mutex;
  int sessions, up; // mutex; the database counts as up while all are
  int64_t asked_at; // mutex
  _Atomic int64_t offset; // the database's clock less this machine's monotonic one, which nobody steps; read by any thread
};

struct session {
  char *url, *instance;
  struct db *db; // NULL: not connected
  struct batch_writer writer;
  bool registered;
  struct session_common *common; // the instance's, lent
  _Atomic bool up;
};

void session_init(struct session *s, const struct ledger_config *config, struct session_common *common);
void session_finish(struct session *s);
// A connection with a registered writer, or false. Says why once, when it goes away and when it is back. A writer that was
// fenced off (registered is false) gets a new row, and the holds that were not swept yet.
bool session_ready(struct session *s);
bool session_open(struct session *s, struct buf *ret_error); // the first time: false with a sentence
// Whether batch seq + 1 landed: waits until the lost transaction is decided. 1 yes, 0 no, or FAULT_DB.
int session_landed(struct session *s);
// The database's clock was so when this was asked for and told, both in monotonic microseconds.
void session_told(struct session *s, int64_t db_now, int64_t asked_at, int64_t heard_at);
void session_end(struct session *s);                   // ends the lease, where the database can be reached
