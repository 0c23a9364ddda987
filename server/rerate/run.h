// Between the files that bring work on.
#pragma once
#include "ledger/ledger.h"
#include "rerate/again.h"

enum run_answer {
  RUN_LOST = 100,      // somebody else is at work on it, or it was ended
  RUN_TOO_LARGE = 101, // a sum left int64
};
// The correction that brings the call to what is to stand.
void rerate_op_fill(struct ledger_op *op, struct arena *arena, const struct piece_call *call, const struct again_result *to, struct str evidence);
