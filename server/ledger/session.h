// A writer's session: its connection, its row in `writers`, and what both tell: the database's clock, whether the lease
// stands, whether a batch landed. It belongs to the writer's thread; `clock_offset` and `up` are read by any.
#pragma once
#include "ledger/batch.h"
#include <stdatomic.h>

// A peer that freezes between its trips holds customers' locks until the database ends its session (after 1.5 s); waiting
// for a lock must outlast that, so that a frozen peer delays this writer but fails nothing.
#define SESSION_LOCK_MS 4000

struct session {
  char *url, *instance;
  struct db *db; // NULL: not connected
  struct batch_writer writer;
  bool registered;
  _Atomic int64_t *clock_offset; // the instance's: the database's clock less this machine's monotonic one, which nobody steps
  _Atomic bool up;
};

void session_init(struct session *s, const struct ledger_config *config, _Atomic int64_t *clock_offset); // lent
void session_finish(struct session *s);
// A connection with a registered writer, or false. Says why once, when it goes away and when it is back. A writer that was
// fenced off (registered is false) gets a new row, and the holds that were not swept yet.
bool session_ready(struct session *s);
bool session_open(struct session *s, struct buf *ret_error); // the first time: false with a sentence
// Whether batch seq + 1 landed: waits until the lost transaction is decided. 1 yes, 0 no, or FAULT_DB.
int session_landed(struct session *s);
void session_clock(struct session *s, int64_t db_now); // what the last commit told
void session_end(struct session *s);                   // ends the lease, where the database can be reached
