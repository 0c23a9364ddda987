// POST /webhooks/stripe: events of Stripe's. What is signed is kept, byte for byte, and answered once it is; nothing is
// done about it here. What is not is answered in one way, whatever is wrong with it: why is counted, not told.
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "payment/inbox.h"
#include "rest/endpoints.h"

static void refuse(struct rest_request *r, enum metric reason) {
  metric_add(reason, 1);
  rest_reply_as(r, 400, "application/json", STR("{\"received\":false}"));
}

static void receive(struct rest_request *r) {
  rest_reply_as(r, 200, "application/json", STR("{\"received\":true}"));
}

// ---- whether it is Stripe's, on the event thread

// A second header of that name never comes so far: the HTTP guard refuses it.
bool hook_is_signed(struct rest_request *r) {
  static const enum metric reasons[] = {[SIGNATURE_MALFORMED] = METRIC_STRIPE_REFUSED_HEADER,
                                        [SIGNATURE_WRONG] = METRIC_STRIPE_REFUSED_SIGNATURE,
                                        [SIGNATURE_STALE] = METRIC_STRIPE_REFUSED_TIME};
  const struct rest_context *c = r->context;
  if (!c->stripe) {
    rest_payments_off(r);
    return false;
  }
  enum signature_verdict verdict =
      signature_check(http_header(r->http, "Stripe-Signature"), http_body(r->http), &c->stripe_secrets,
                      clock_wall_us() / 1000000, c->stripe_tolerance_s);
  if (verdict != SIGNATURE_SOUND) refuse(r, reasons[verdict]);
  return verdict == SIGNATURE_SOUND;
}

// ---- keeping it

static void count(const struct envelope *e, const char *reason, bool known) {
  metric_add(known ? METRIC_STRIPE_EVENTS_KNOWN : METRIC_STRIPE_EVENTS_STORED, 1);
  if (known || !reason) return;
  metric_add(strcmp(reason, "livemode") == 0  ? METRIC_STRIPE_PARKED_LIVEMODE
             : strcmp(reason, "account") == 0 ? METRIC_STRIPE_PARKED_ACCOUNT
                                              : METRIC_STRIPE_PARKED_CONTEXT,
             1);
  log_warn("stripe.parked", "%.*s (%.*s) is not for this deployment: %s", STR_ARG(e->id), STR_ARG(e->type), reason);
}

static int store(struct rest_request *r, struct db *db, const struct envelope *e, const char *reason) {
  int result = db_begin(db);
  if (result == 0) result = inbox_store(db, e, http_body(r->http), reason);
  if (result == INBOX_DONE) result = db_commit(db);
  return result;
}

static void event_post(struct rest_request *r, struct db *db) {
  struct json_error error;
  struct envelope e;
  if (json_parse(http_body(r->http), &r->body, &error) != 0 || !envelope_read(r->body, &e)) {
    refuse(r, METRIC_STRIPE_REFUSED_BODY);
    return;
  }
  const char *reason = inbox_objection(&e, stripe_is_live(r->context->stripe));
  int result = store(r, db, &e, reason);
  if (result < 0) {
    rest_fault(r, result);
    return;
  }
  count(&e, reason, result == INBOX_KNOWN);
  receive(r);
}

const struct rest_endpoint rest_stripe_hook[] = {
    {"POST", "/webhooks/stripe", REST_SIGNED, REST_PRIMARY, NULL, event_post},
    {0},
};
