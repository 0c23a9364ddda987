// What a batch tells the outside, in its own commit: against what the reference says that it should.
#pragma once
#include "backend.h"

void told_check(const struct backend *b); // of the batch that the reference has just decided
extern uint64_t told_counts; // events, over all worlds
