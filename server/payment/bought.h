// What the facts about Sessions, PaymentIntents and invoices do alike: a payment is written down, an order ends, a card and a
// customer are remembered, and the event that tells it is written with it. Each 0 (FACT_DONE) or FAULT_DB.
#pragma once
#include "payment/fact.h"
#include "payment/order.h"
#include "payment/payment.h"

struct bought {
  struct str intent; // "": none
  int64_t paid, net; // minor units
  bool nothing;      // a discount took all of it: the credits are promotional
};
int bought_order(struct fact *f, const struct order *o, struct str reference, struct bought b);
// Of a plan's period.
int bought_period(struct fact *f, struct payment *p); // its id is given here
int bought_failed(struct fact *f, const struct order *o, const char *reason);
int bought_customer(struct fact *f, struct uuid customer, struct str stripe_customer);
// method: a PaymentMethod as an object, or only its id.
int bought_card(struct fact *f, struct uuid customer, struct json *method, struct str id);
int64_t bought_in_days(struct fact *f, int32_t days); // 0 days: 0, never
