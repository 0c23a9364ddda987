// Finds what never arrived: Stripe's own list of events is read from where it was read last, and orders that wait are asked
// after. So a lost delivery, a server that was away for days, and a database that was restored from a backup come to know
// what has happened; until a server has done it once it buys nothing by itself.
#pragma once

#include <stdbool.h>

struct db;
struct stripe;

// Blocks for as long as stripe_call does. 0; 1: Stripe could not be asked, nothing is lost and it is tried again; FAULT_DB.
int reconcile_run(struct db *db, struct stripe *stripe);
// Whether this process has read the list to its end within the last hour, what the list brought has been acted on, and the
// database is the one that it was read into: one that was restored since may lack what came before it, whenever its backup
// was made, and one that was only started again cannot be told from it.
bool reconcile_caught_up(struct db *db);
// Whether this is another database than the one for which the list was read last, or is being read: it is to be read at once,
// not when it is due.
bool reconcile_is_elsewhere(struct db *db);
