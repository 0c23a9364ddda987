// A page at Stripe for customers whose bank wants them to confirm: they pay a pack there and save the card anew.
#pragma once

struct db;
struct stripe;

// Blocks for as long as stripe_call does. How many were looked at, or FAULT_DB.
int top_up_links(struct db *db, struct stripe *stripe);
