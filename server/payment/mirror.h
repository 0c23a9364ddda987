// A product that stands for a price which was made at Stripe: whether the two say the same.
#pragma once
#include "payment/product.h"
#include "stripe/client.h"

enum mirror_answer {
  MIRROR_FITS = 0,
  MIRROR_DIFFERS = 1, // `why` says in what, as the end of a sentence
  MIRROR_UNKNOWN = 2, // Stripe did not say
};
// p: has a stripe_price. *ret_why in the arena. Or a fault.
int mirror_check(struct arena *arena, struct stripe *stripe, const struct product *p, struct str *ret_why);
