// Between the writer of the sums and their rebuilding: rows of calls into a fold, and a fold that has ended as rows.
#pragma once
#include "report/rollup_dense.h"

struct db;
struct db_result;

// Empties the fold and tells it which meters are not summed up. 0 or a fault.
int rollup_fold_begin(struct rollup_fold *f, struct db *db);
// Adds rows [first, end) of a statement that gives calls. False: one of them is nothing that the ledger writes.
bool rollup_rows_add(struct rollup_fold *f, const struct rollup_dense *d, const struct db_result *rows, size_t first, size_t end);
// Adds the fold's rows to those that stand; inside the caller's transaction, which holds the lock. 0 or a fault: SQLSTATE 22003
// where a sum would pass 64 bits and is not `bounded` to them.
int rollup_write(struct db *db, const struct rollup_fold *f, bool bounded);
// Takes out what corrections in these quarters have brought to nothing. 0 or a fault.
int rollup_nothing_drop(struct db *db, const struct rollup_quarter_of *quarters, size_t count);
// Adds the values of the fold's calls to those that stand, and to its corrected quarters those where a call had been corrected
// before the sums had it. 0 or a fault.
int rollup_values_write(struct db *db, struct rollup_fold *f);
// Makes the values of these quarters anew, each once, from the calls that the cursors have passed. 0 or a fault.
int rollup_values_again(struct db *db, const struct rollup_quarter_of *quarters, size_t count);
