// Tells the ledger what is to stand of payments whose facts have moved: the grant and its bonus, once each, and how much of
// them is refunded and frozen. A payment stays `pending` until the ledger has said that it stands; telling it again changes
// nothing, so that a crash anywhere between costs nothing but that.
#pragma once
#include <stddef.h>

struct db;
struct ledger;

// At most `max` payments. How many were told, or a fault: FAULT_DB, or the ledger's.
int payment_post(struct db *db, struct ledger *ledger, size_t max);
