// Holds the reading of an event's JSON against the strict reader of json/read.h. (A file of its own: that reader's names and jansson's
// collide.)
#pragma once
#include "base/arena.h"

// Both take it and say the same of it, or both refuse it.
void values_check(struct arena *arena, struct str text);
