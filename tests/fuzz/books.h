// Fakes of what stands below the endpoints: a database that answers every statement with the same row or with none,
// fails where it is told to, and keeps what it was given; a ledger that does at once what it is asked; an operator or a
// customer behind every key. They take the places of db/run.c, db/result.c, db/pool.c, ledger/run.c and
// meter/principal.c.
#pragma once
#include "base/buf.h"
#include "ledger/ledger.h"

struct books {
  uint8_t mood;           // 0: all goes well; else which statements fail, conflict or find nothing
  bool customer;          // who asks is a customer, not an operator
  unsigned statements;    // run so far
  struct buf written;     // the bytes of all parameters
  struct ledger_op given; // the last operation of the ledger
  bool rolled_back, open; // a transaction
};
extern struct books books;

void books_clear(uint8_t mood, bool customer);
