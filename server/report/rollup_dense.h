// Customers with so many rows a quarter that hours and UTC days are summed beside them: where each customer's begin, and how they are
// brought back, a bounded piece at a time, to where its quarters do.
#pragma once
#include "report/rollup_fold.h"

struct db;
struct rollup_dense_customer {
  struct uuid customer;
  struct rollup_reach reach;
};
struct rollup_dense {
  vec(struct rollup_dense_customer) at; // in order of their ids
};
int rollup_dense_read(struct rollup_dense *d, struct db *db); // 0 or a fault
void rollup_dense_finish(struct rollup_dense *d);
struct rollup_reach rollup_dense_reach(const struct rollup_dense *d, struct uuid customer); // INT32_MAX: none
// Those of these quarters' customers that have so many rows in one of them get hours and days from the next ones on. How many, or a fault.
int rollup_dense_add(struct db *db, const struct rollup_quarter_of *quarters, size_t count, int64_t rows);
bool rollup_dense_is_filled(const struct rollup_dense *d); // the hours and days of all stand from the beginning on
// Reads them, and makes some of one's sums that do not stand yet from about so many finer ones. Inside the caller's transaction, which
// holds the lock. 1; 0: all stand; or a fault.
int rollup_dense_step(struct rollup_dense *d, struct db *db, int64_t rows);
