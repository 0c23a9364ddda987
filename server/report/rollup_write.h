// Between the writer of the sums and their rebuilding: a fold that has ended, as rows.
#pragma once
#include "report/rollup_fold.h"

struct db;
// Adds the fold's rows to those that stand; inside the caller's transaction, which holds the lock. 0 or a fault.
int rollup_write(struct db *db, const struct rollup_fold *f);
