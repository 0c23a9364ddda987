// A settlement on its way through the journal: from the ledger's operation to a text, and back again after whatever has
// happened. A text is JSON; members that are not known are passed over, so that a later version may add some.
#pragma once
#include "base/arena.h"
#include "journal/journal.h"
#include "ledger/ledger.h"

// Writes a SETTLE as an entry of at most LIMIT_JOURNAL_ENTRY bytes: evidence that does not fit is left out, and says so.
void settlement_write(const struct ledger_op *op, struct buf *out);
// 0; 1: it is no settlement. The operation's texts live in the arena.
int settlement_read(struct str text, struct arena *arena, struct ledger_op *ret);

// Brings what nobody owns to the ledger, in pieces, and waits for it: on a job thread. How many are in the ledger now, or
// the fault of the ledger's that ended it.
int settlements_replay(struct journal *j, struct ledger *l);
