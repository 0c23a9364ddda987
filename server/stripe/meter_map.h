// Which meters are reported to Stripe, under which names: "output_tokens=tokens_out,charge=credits". "charge" is what was
// charged, in credits; every other name is a meter of this service, in its own units.
#pragma once
#include "base/str.h"

#define METER_MAP_MAX 32
struct meter_map {
  struct {
    struct str meter, event_name; // lent by the text
  } at[METER_MAP_MAX];
  size_t count;
};
// False where it is none. An empty text is an empty map.
bool meter_map_read(struct str text, struct meter_map *ret);
// Empty where the meter is not reported.
struct str meter_map_find(const struct meter_map *map, struct str meter);
