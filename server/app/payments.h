// Payments as they are set up: through Stripe, or off.
#pragma once
#include "app/config.h"

struct stripe;

// Whether the settings of Stripe go together. False with lines that name them, as config_require's.
bool payments_check(const struct config *c, struct buf *ret_error);
struct stripe *payments_client(const struct config *c); // after payments_check; NULL: off
