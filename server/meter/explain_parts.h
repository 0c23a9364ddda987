// Which grants paid for a call: pure. A call lies at [place, place + charge) in the legs of its batch's transfer; what
// is given back is taken off the end, last paid first, as the ledger does it.
#pragma once
#include "meter/explain.h"

struct explain_legs {
  struct explain_part *at;
  size_t count;
};
struct explain_paid {
  struct explain_part *at; // in the arena
  size_t count;
};
void explain_paid_add(struct arena *arena, struct explain_paid *paid, struct explain_legs legs, int64_t place,
                      amount charge);
void explain_paid_take(struct explain_paid *paid, amount back);
// One part for each grant, in the order of first payment. Returns their number.
size_t explain_paid_merge(struct explain_paid *paid);
