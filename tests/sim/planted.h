// Faults that are planted in the product's code, to see that the simulation finds them (planted.c); the ordinary one has
// none (unplanted.c).
#pragma once
#include <stdbool.h>

bool planted_choose(const char *name); // false: there is no such
const char *planted_option(void);      // for the command line that runs it again
const char *planted_usage(void);
