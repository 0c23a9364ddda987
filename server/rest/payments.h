// What the endpoints of selling share.
#pragma once
#include "payment/checkout.h"
#include "rest/request.h"

void order_write(struct json_writer *w, const struct order *o);
void order_answer(struct rest_request *r, int status, const struct order *o);
// A product that is there, whether archived or not. False: answered.
bool product_find(struct rest_request *r, struct db *db, struct uuid id, const char *param, struct product *ret);
// A price of its currency, as people write it: "20.00 USD".
void price_member(struct json_writer *w, const char *key, struct str currency, int64_t minor);
// Where a buyer's browser is sent: http or https, in ASCII, of at most CHECKOUT_URL_MAX characters. False: answered.
bool browser_url_check(struct rest_request *r, const char *param, struct str url);
// Stripe was asked and did not say; nothing is lost. order nil: of none.
void stripe_unavailable(struct rest_request *r, struct uuid order);
// Stripe refused, and says why.
void stripe_refused_answer(struct rest_request *r, struct uuid order, const struct checkout_said *said);
