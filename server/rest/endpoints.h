// Every group of endpoints; each ends with a row without a path.
#pragma once
#include "rest/request.h"

extern const struct rest_endpoint rest_customers[], rest_keys[], rest_grants[], rest_limits[], rest_providers[],
    rest_prices[], rest_calls[], rest_receipts[], rest_reports[], rest_health[], rest_codes[], rest_redeem[],
    rest_books[], rest_rerates[];

// ---- usage events
extern const struct rest_endpoint rest_events[], rest_usage_meters[];
// Takes the request over, on the event thread. The bound of its body by what it is said to be; whether a longer one is taken, which
// its key decides.
void events_enter(struct rest_request *r);
size_t events_body_bound(const struct http_request *request);
bool events_body_ask(struct rest_context *context, struct http_request *request);
// The key that an Authorization header carries; empty: none.
struct str rest_bearer(struct str value);
#define REST_UNKNOWN_KEY "No valid API key was given. Send it as \"Authorization: Bearer <key>\"."
void rest_unknown_key(struct rest_request *r);
bool rest_parameters_check(struct rest_request *r); // false: answered
bool rest_media_check(struct rest_request *r);      // likewise

// ---- explicit holds
extern const struct rest_endpoint rest_holds[];

// ---- payments
extern const struct rest_endpoint rest_products[], rest_orders[], rest_checkout[], rest_stripe_events[],
    rest_stripe_hook[], rest_payments[], rest_top_ups[];
// Whether a body is signed by Stripe: judged on the event thread, before anything else is done about it. False: answered.
bool hook_is_signed(struct rest_request *r);

// ---- told to the outside
extern const struct rest_endpoint rest_webhooks[], rest_deliveries[];
