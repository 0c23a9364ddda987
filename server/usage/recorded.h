// What is on record under the call that an event was answered with: told where it came again.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"
#include "ledger/state.h"

struct db;
struct usage_recorded {
  struct uuid customer, call; // asked for
  bool found;                 // its rows are there: old ones are dropped
  enum call_state state;
  amount charge;
  struct str usage, model, more; // usage: a JSON object; more: one of what else it said, where that is kept
};
// All of them in one statement. 0 or FAULT_DB. Texts live in the arena.
int usage_recorded_read(struct db *db, struct arena *arena, struct usage_recorded *calls, size_t count);
