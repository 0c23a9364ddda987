// xoshiro256**, seeded by splitmix64 (Blackman and Vigna, public domain).
#include "chance.h"
#include "base/log.h"

static uint64_t state[4];

void chance_seed(uint64_t seed) {
  for (int i = 0; i < 4; i++) {
    uint64_t z = seed += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    state[i] = z ^ z >> 31;
  }
}

static uint64_t rotated(uint64_t x, int by) {
  return x << by | x >> (64 - by);
}

uint64_t chance_u64(void) {
  uint64_t result = rotated(state[1] * 5, 7) * 9, t = state[1] << 17;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= t;
  state[3] = rotated(state[3], 45);
  return result;
}

int64_t chance_below(int64_t n) {
  ASSERT(n > 0);
  return (int64_t)(chance_u64() % (uint64_t)n);
}

int64_t chance_between(int64_t least, int64_t most) {
  return least + chance_below(most - least + 1);
}

bool chance_one_in(int64_t n) {
  return n > 0 && chance_below(n) == 0;
}
