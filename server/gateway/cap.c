// How far an output cap must come down: by halving over a hold that only grows with the cap.
#include "gateway/call.h"

int64_t cap_lower(int64_t below, amount available, amount (*hold_of)(void *arg, int64_t cap), void *arg) {
  int64_t fits = 0, fails = below;
  while (fails - fits > 1) {
    int64_t cap = fits + (fails - fits) / 2;
    amount hold = hold_of(arg, cap);
    if (hold >= 0 && hold <= available)
      fits = cap;
    else
      fails = cap;
  }
  return fits;
}
