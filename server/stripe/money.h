// Money as Stripe counts it: whole minor units of a currency in three lower-case letters. Which currencies have none, or
// three decimals, is Stripe's own table, which is not ISO 4217's.
#pragma once
#include "base/buf.h"

#define MONEY_MAX INT64_C(999999999999) // twelve digits; many cards take less, which Stripe says itself

bool money_is_currency(struct str code); // three letters, a to z
int money_decimals(struct str code);     // 0, 2 or 3: of what is sent
// NULL where Stripe takes this much of it, else why not, as the end of a sentence: "must be …".
const char *money_wrong(struct str code, int64_t minor);
void money_print(struct str code, int64_t minor, struct buf *out); // "20.00 USD", "2000 JPY", "1.230 KWD", "5 ISK"
