// Works off the events that Stripe sent: each in one transaction with what it says, at least once, on any number of
// instances. What Stripe has to be asked first waits for worker_ask, so that a slow Stripe delays nothing else.
#pragma once
#include "base/arena.h"
#include <stddef.h>

struct db;
struct stripe;

// At most `max` events that need nothing but the database. How many were worked off, or FAULT_DB.
int worker_run(struct db *db, size_t max);
// At most `max` of those that wait for Stripe's answer. Blocks for as long as stripe_call does.
int worker_ask(struct db *db, struct stripe *stripe, size_t max);
