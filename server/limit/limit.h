// Limits as rules: what a customer or one of its keys may use in a period. Each has one bucket, made and ended with it;
// the ledger alone draws from it. All changes are made inside the caller's transaction, between customer_lock and
// customer_bump.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"

struct db;

#define LIMIT_MEASURES "requests|spend"        // from 1, in this order
#define LIMIT_PERIODS "minute|day|month|total" // from 1, in this order
enum { LIMIT_REQUESTS = 1, LIMIT_SPEND = 2 };
enum { LIMIT_MINUTE = 1, LIMIT_DAY = 2, LIMIT_MONTH = 3, LIMIT_TOTAL = 4 };

struct limit {
  struct uuid customer_id, id, key_id; // key_id nil: binds the customer
  int measure, period;
  int64_t amount; // requests, or nanocredits
  int64_t created_at;
  // its bucket as stored, and the window that now falls in; never written from here
  int64_t level, drawn_at, window_start, window_end, used, held, current_start, current_end;
  int64_t read_at; // the database's clock at the reading
};

enum limit_answer {
  LIMIT_DONE = 0,
  LIMIT_UNKNOWN = 1,
  LIMIT_NO_KEY = 2,   // the customer has no such key
  LIMIT_TOO_MANY = 3, // one call would have to draw from more than LIMIT_DRAWS buckets
};
int limit_create(struct db *db, const struct limit *l);
int limit_update(struct db *db, struct uuid customer, struct uuid id, int64_t most);
int limit_delete(struct db *db, struct uuid customer, struct uuid id);
int limit_read(struct db *db, struct uuid customer, struct uuid id, struct limit *ret);
// Newest first, ids below `before` (nil: from the newest). *ret lives in the arena.
int limit_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max,
               struct limit **ret, size_t *ret_count);
