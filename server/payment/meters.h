// Reports settled usage to Stripe's billing meters, for customers that are known there. Each batch of the ledger is counted
// once: sums and how far they reach are one commit; an event is sent under its identifier until Stripe has it, for a day.
#pragma once
#include "stripe/meter_map.h"

struct db;
struct stripe;

// Sums what was settled since the last time. How many events were made, or FAULT_DB.
int meters_sum(struct db *db, const struct meter_map *map);
// Sends what is due. Blocks for as long as stripe_call does. How many were sent, or FAULT_DB.
int meters_send(struct db *db, struct stripe *stripe, const struct meter_map *map);
