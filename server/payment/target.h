// How much of what a payment brought its refunds and disputes take back. Pure arithmetic, in target form: it says what is
// to stand, not what changes.
#pragma once
#include "base/amount.h"

// Minor units of the payment's currency.
struct target_facts {
  int64_t paid;     // tax and all
  int64_t out;      // of refunds that are out
  int64_t back;     // of refunds that came back
  int64_t charged;  // the largest amount_refunded seen on its charges
  int64_t lost;     // of disputes that are lost
  int64_t disputed; // of disputes whose money is withdrawn and not lost
};
struct target {
  amount refunded, frozen; // nanocredits of the grant; together at most `granted`
  bool clamped;            // the facts claim more than was paid: somebody should look
};
// granted times the part of the payment that is gone, rounded down; all of it where all is gone. Each sum of facts must
// fit 62 bits; paid 0: nothing can be taken back.
struct target target_of(amount granted, const struct target_facts *facts);
int64_t target_refunded(const struct target_facts *facts); // minor units
