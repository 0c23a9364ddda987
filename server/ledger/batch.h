// One ledger transaction in two trips: fence, lock and read; fold; write and commit. What is known only behind the locks to be needed
// is read by a trip of its own: the grants of customers that take more than the one that burns covers.
#pragma once
#include "db/db.h"
#include "ledger/fold.h"

// Which writer this is, and the batch it is at.
struct batch_writer {
  int32_t id;
  int64_t epoch, seq; // seq: of the last committed batch
  int64_t lease_us;
};

enum batch_answer {
  BATCH_DONE = 0,
  BATCH_FENCED = 1, // the writer's row is not ours any more; nothing was written
  BATCH_BAD = 2,    // a statement failed on a healthy connection; nothing was written
  BATCH_AGAIN = 3,  // some operations are late, or events may be known: what was not read is read when it is run again. Nothing was written
  // FAULT_DB: nothing was written; FAULT_DB_UNKNOWN: the COMMIT was lost on the way
};

struct batch {
  struct fold fold;
  struct arena arena;
  struct db_params params;
  struct ledger_op **ops; // sorted by customer, then order of arrival
  size_t count;
  int64_t now;            // out: the database's clock in this transaction
  int64_t asked_at, heard_at; // and when it was asked and answered, in monotonic microseconds
  int64_t unsound_said_at;    // when a customer's contradictions were last told, so
  bool looks;                 // whether this batch looks for its events in this week too, before it writes them
  unsigned looks_for;         // and so many to come
  struct db_result *results[DB_PIPELINE_MAX]; // of trip one: what the fold read points into them
  size_t result_count;
};

void batch_init(struct batch *b);
void batch_finish(struct batch *b);
// Runs batch seq + 1. An empty one (count 0) renews the lease. On BATCH_DONE and FAULT_DB_UNKNOWN the operations carry
// their answers.
int batch_run(struct batch *b, struct db *db, const struct batch_writer *w, struct ledger_op **ops, size_t count);

// ---- between the batch's own files
#define BATCH_LOOKS_FOR 64
bool batch_may_know(const struct batch *b); // an event was refused that was not looked for everywhere: it may be known
int batch_order(const void *a, const void *b); // of pointers to operations: how the fold is to have them
int batch_read(struct batch *b, struct db *db, const struct batch_writer *w);  // trip one: BEGIN, fence, lock, read
#define BATCH_CUSTOMER_COLUMNS 16
void batch_take_customers(struct batch *b, const struct db_result *r); // rows of ledger_customers
void batch_take_buckets(struct batch *b, const struct db_result *r);   // rows of ledger_buckets
int batch_write(struct batch *b, struct db *db, const struct batch_writer *w); // trip two: arrays, COMMIT
