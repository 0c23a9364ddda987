// The writer of the usage sums: follows each ledger writer's sequence in pieces and adds what it finds to the quarter of the
// call's id, of customers that use much to longer times too. One commit advances the cursors and adds the sums, under one lock, so
// that the sums and what is behind the cursors are at every moment all that was settled, whoever writes them.
#pragma once
#include "base/fault.h"
#include <stdbool.h>
#include <stdint.h>

struct db;
struct rollup; // of one thread at a time
struct rollup *rollup_create(void);
void rollup_destroy(struct rollup *r); // NULL is fine
// Writes what waits where that is worth it: many calls, or some that have waited for seconds. `all`: in any case, unless another
// is at it. How many calls, or a fault; ret_more: call again at once.
int rollup_run(struct rollup *r, struct db *db, bool all, bool *ret_more);
