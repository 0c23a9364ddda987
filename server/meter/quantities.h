// What a call's rows say was used, added up: each row is a JSON object {"meter": quantity}, of corrections the differences.
#pragma once
#include "base/arena.h"
#include "meter/call.h"

struct meter_quantities {
  struct meter_quantity at[METER_LINES_MAX]; // in the order in which meters came; names live in the arena
  size_t count;
};
// 0, or FAULT_CORRUPT: no object of integers, a sum that leaves int64, or more meters than a bill has lines.
int quantities_add(struct meter_quantities *q, struct arena *arena, struct str json);
// Whether both are of the same; zero is as if it were not there.
bool quantities_equal(const struct meter_quantities *a, const struct meter_quantities *b);
// The same object back; what came to zero is left out.
struct str quantities_json(const struct meter_quantities *q, struct arena *arena);
