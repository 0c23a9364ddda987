// Meters that the operator has defined, as rows. A change bumps the catalogue's version in the same commit. What a meter's
// quantities are and how they are added up never changes: what was recorded under it would mean something else.
#pragma once
#include "base/arena.h"
#include "price/book.h"

#define METERS_MAX_DEFINED 500
#define METER_AGGREGATIONS "sum|max|count|last|unique" // in the order of enum book_aggregation
struct meter {
  struct str name, unit, description;
  enum book_aggregation aggregation;
  int64_t created_at; // microseconds
};

enum meter_answer {
  METER_DONE = 0,
  METER_UNKNOWN = 1,
  METER_TAKEN = 2,    // there is a meter of that name
  METER_PRICED = 3,   // a price has a rate for it
  METER_TOO_MANY = 4, // METERS_MAX_DEFINED
};
// In a transaction. Nothing is written after an answer above 0.
int meter_create(struct db *db, const struct meter *m);
int meter_update(struct db *db, const struct meter *m, bool unit, bool description); // what is said of it for people
int meter_delete(struct db *db, struct str name);
// Texts live in the arena.
int meter_read(struct db *db, struct arena *arena, struct str name, struct meter *ret);
int meter_list(struct db *db, struct arena *arena, struct meter **ret, size_t *ret_count); // by name
