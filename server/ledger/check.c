// The fold over one admission and rows that nobody locked, of which nothing is written: what would be decided is decided by what
// decides.
#include "ledger/check.h"
#include "base/log.h"
#include "ledger/batch.h"

static int rows_read(struct batch *b, struct db *db, struct uuid customer) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  if (db_run(db, STATEMENT_LEDGER_CHECK_CUSTOMER, &p, &b->results[0]) != 0) return FAULT_DB;
  b->result_count = 1;
  if (db_rows(b->results[0]) == 0) return LEDGER_UNKNOWN;
  batch_take_customers(b, b->results[0]);
  b->fold.now = db_i64(b->results[0], 0, BATCH_CUSTOMER_COLUMNS);
  db_params_clear(&p);
  db_array_begin(&p, DB_UUID);
  db_array_uuid(&p, customer);
  db_array_end(&p);
  if (db_run(db, STATEMENT_LEDGER_BUCKETS, &p, &b->results[1]) != 0) return FAULT_DB;
  b->result_count = 2;
  batch_take_buckets(b, b->results[1]);
  return LEDGER_DONE;
}

int ledger_check(struct db *db, struct ledger_op *op) {
  struct batch b;
  struct ledger_op *ops[] = {op};
  ASSERT(op->kind == LEDGER_ADMIT && op->idempotency_key.len == 0);
  batch_init(&b);
  op->result = rows_read(&b, db, op->customer);
  if (op->result == LEDGER_DONE) fold_run(&b.fold, ops, 1);
  batch_finish(&b);
  return op->result;
}
