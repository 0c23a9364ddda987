// The target form of a reversal, in 128-bit integers.
#include "payment/target.h"

// amount_refunded only grows until a refund comes back, and then is no bound any more for what it had counted.
int64_t target_refunded(const struct target_facts *f) {
  int64_t by_charge = f->charged - f->back;
  return f->out > by_charge ? f->out : by_charge;
}

static amount part(amount granted, int64_t gone, int64_t paid) {
  if (gone >= paid) return granted;
  return (amount)((amount_wide)granted * gone / paid);
}

struct target target_of(amount granted, const struct target_facts *f) {
  if (f->paid <= 0) return (struct target){0};
  int64_t for_good = target_refunded(f) + f->lost, gone = for_good + f->disputed;
  struct target t = {.clamped = gone > f->paid};
  t.refunded = part(granted, for_good, f->paid);
  t.frozen = part(granted, gone, f->paid) - t.refunded;
  return t;
}
