// Prices as rows: versions of what a model costs at a provider, each ended by the next. A version that follows another
// takes effect PRICE_AHEAD_MS ahead or later, so that every instance has it by then; the first of a model may stand at
// once. A correction may begin in the past: an instance that does not know it yet goes by the version before, and what was
// charged by that is put right by pricing it again.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"

struct db;

#define PRICE_AHEAD_MS 2000
#define PRICE_RATES_MAX 16
struct price_rate {
  struct str meter;
  int32_t per;
  amount charge, cost;
};
struct price {
  struct uuid id, provider_id;
  struct str provider, model;                  // provider: its name, never written
  int64_t valid_from, valid_until, created_at; // microseconds. To write: valid_from 0: as early as may be
  int64_t max_input, max_output;
  bool correction; // to write
  struct price_rate rates[PRICE_RATES_MAX];
  size_t rate_count;
};

enum price_answer {
  PRICE_DONE = 0,
  PRICE_UNKNOWN = 1,
  PRICE_TOO_EARLY = 2, // valid_from is not far enough ahead
  PRICE_TAKEN = 3,     // there is a version of this instant
};
// In a transaction; the catalogue's version is bumped. Nothing is written after an answer above 0.
int price_create(struct db *db, const struct price *p);
// Texts live in the arena.
int price_read(struct db *db, struct arena *arena, struct uuid id, struct price *ret);
struct price_filter {
  struct uuid provider_id; // nil: any
  struct str model;        // ptr NULL: any
  bool current;            // only what holds now
};
// Newest first, ids below `before` (nil: from the newest).
int price_list(struct db *db, struct arena *arena, const struct price_filter *filter, struct uuid before, size_t max,
               struct price **ret, size_t *ret_count);
