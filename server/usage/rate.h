// What an event costs: by the price of its model that held at its time.
#pragma once
#include "ledger/state.h"
#include "usage/event.h"

struct usage_rating {
  enum call_state state;     // settled, or unrated where a price or a rate is missing
  const char *unrated_meter; // unrated: the meter without a rate; NULL: the model has no price at all
  struct uuid price;         // nil: none
  amount charge, cost;
  struct str usage; // JSON {"meter": quantity}, in the arena
};
// False: it would cost more than an amount can be.
bool usage_rate(struct arena *arena, const struct usage_words *words, const struct usage_event *e, int64_t at, struct usage_rating *ret);
// A JSON object in the arena of what the call's row does not say; len 0: nothing.
struct str usage_evidence(struct arena *arena, const struct usage_event *e, const struct usage_rating *rating);
