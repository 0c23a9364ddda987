// Subscriptions as Stripe says they are.
#pragma once
#include "base/arena.h"
#include "base/id.h"

struct db;

struct subscription {
  struct str id, status;
  struct uuid product_id; // nil: none of this service's
  int64_t quantity;
  int64_t cancel_at, current_period_end, created_at; // microseconds; 0: none
};
// Newest first, at most a hundred, in the arena. 0 or FAULT_DB.
int subscription_list(struct db *db, struct arena *arena, struct uuid customer, struct subscription **ret, size_t *ret_count);
