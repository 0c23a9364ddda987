// The only source of chance in a world: the same seed, the same world.
#pragma once
#include <stdbool.h>
#include <stdint.h>

void chance_seed(uint64_t seed);
uint64_t chance_u64(void);
int64_t chance_below(int64_t n);                      // [0, n)
int64_t chance_between(int64_t least, int64_t most);  // both included
bool chance_one_in(int64_t n);                        // 0: never
