// Buys what the ledger saw go below its mark, and follows each order to its end. The order and the form that is sent for it
// stand before Stripe is asked; while nothing is known of it, it is asked for again under the same key.
#pragma once
#include <stddef.h>

struct db;
struct stripe;

// Blocks for as long as stripe_call does. How much was done, or FAULT_DB.
int top_up_run(struct db *db, struct stripe *stripe);
