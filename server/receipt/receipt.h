// A call's receipt: what it used, what that cost and by which price, and what was left, in one signed line that can be
// checked without us. It says what stands when it is issued: of a call that was corrected or undone the sum, and each
// correction.
#pragma once
#include "base/id.h"
#include "ledger/state.h"
#include "plugin/registry.h"
#include "receipt/jws.h"
#include "receipt/ring.h"

#define RECEIPT_TYP "tollgate-receipt"

enum receipt_answer {
  RECEIPT_DONE = 0,
  RECEIPT_UNKNOWN = 1,   // no such call
  RECEIPT_UNSETTLED = 2, // it was never charged: only what was settled has a receipt
  RECEIPT_UNSIGNED = 3,  // there is no key to sign with yet
};
struct receipt_call {
  struct uuid customer, call; // customer nil: whosoever
  int64_t issued_at;          // microseconds
};
// The line goes to `out`. ret_state: the call's, where it is known. RECEIPT_… or a fault.
int receipt_make(struct db *db, struct arena *arena, const struct plugin_registry *plugins, struct receipt_ring *ring,
                 const struct receipt_call *of, struct buf *out, enum call_state *ret_state);
