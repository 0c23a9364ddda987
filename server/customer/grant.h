// Grants, to be looked at: what was given to a customer and what became of it. Giving is the ledger's.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"

struct db;

#define GRANT_SOURCES "purchase|promotion|subscription|adjustment" // from 1, in this order
struct grant {
  struct uuid customer_id, id;
  int source, priority;
  amount granted, left, consumed, expired, refunded, frozen;
  struct str reason;
  int64_t expires_at, created_at; // microseconds; expires_at 0: never
};

// 0, 1: unknown, or FAULT_DB. Texts live in the arena.
int grant_read(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct grant *ret);
// Newest first, ids below `before` (nil: from the newest).
int grant_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max,
               struct grant **ret, size_t *ret_count);
// Tells what expires in a month, and in a week: once each, in transactions of its own. How many were told, or FAULT_DB.
int grants_tell_expiring(struct db *db);
