// Explicit holds as they stand: open ones from their rows, ended ones from their calls' rows and what was kept of the hold. What was
// charged of one is the sum of its parts and of its end, corrections included.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"
#include "ledger/state.h"
#include "meter/quantities.h"

#define HELD_PARTS_TOLD 100 // the newest; all are counted and in `charged`

struct held_part {
  struct uuid id;
  amount charge;
  enum call_state state;
  unsigned flags;
};
struct held {
  struct uuid customer, id, key, price; // key nil: an operator's; price nil: held by amount
  enum call_state state;
  unsigned flags;     // of its end, enum call_flag
  amount amount;      // held now
  amount charged;     // in all
  int64_t expires_at; // microseconds; 0: it has ended
  struct str model;   // as it was asked for; len 0: held by amount
  struct str metadata; // a JSON object
  struct meter_quantities usage; // of its end, corrections included
  struct str unpriced_model; // whose price was looked for when it was settled and found none; len 0: it was found
  struct held_part *parts; // newest first; only of one that was read alone
  size_t part_count, parts_told;
};

struct db;
// customer nil: whosoever. 0; 1: there is no such explicit hold; or a fault. Texts live in the arena.
int held_read(struct db *db, struct arena *arena, struct uuid customer, struct uuid id, struct held *ret);
// The parts of the hold ret->customer and ret->id: they are counted, added to `charged`, and the newest told. 0 or FAULT_DB.
int held_parts_read(struct db *db, struct arena *arena, struct held *ret);
// Open ones of a customer, newest first; before nil: from the newest. 0 or FAULT_DB.
int held_list(struct db *db, struct arena *arena, struct uuid customer, struct uuid before, size_t max, struct held **ret, size_t *ret_count);
// What the text that is kept with a hold says of it: model and metadata. False: it is no explicit one's.
bool held_about_read(struct arena *arena, struct str about, struct held *ret);

struct held_about {
  amount hold;
  struct str model, provider, bound, metadata; // bound and metadata: JSON objects; len 0: none
  const char *request_id;
};
// That text, in the arena.
struct str held_about_write(struct arena *arena, const struct held_about *a);
