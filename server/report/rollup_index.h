// Keeps the index of calls by their writers' sequence up to the last range that is full, so that what is behind a cursor is
// found without reading what is before it. The database does that too, but not sooner than its autovacuum comes by.
#pragma once
#include "base/vec.h"
#include <stdint.h>

struct db;
struct rollup_index_part {
  int64_t index, next; // ranges before `next` are summarized
};
struct rollup_index {
  vec(struct rollup_index_part) parts;
};
// A bounded amount of it; where somebody else works on a table, nothing. 0 or a fault.
int rollup_index_keep(struct rollup_index *k, struct db *db);
void rollup_index_finish(struct rollup_index *k);
