// Whether an admission would be taken as things stand: asked, and nothing done.
#pragma once
#include "ledger/ledger.h"

struct db;
// `op`, an ADMIT without an idempotency key, is answered as the writer would answer it at this moment: DONE, STALE, SHORT, LIMITED
// or UNKNOWN, with what is told beside these. A moment later it may be answered otherwise. On a job thread; returns op->result,
// or FAULT_DB.
int ledger_check(struct db *db, struct ledger_op *op);
