// Checkout Sessions: what was bought with one, and what became of it. Credits come from the order; of the Session only is
// checked that it is the order's.
#include "base/fault.h"
#include "base/log.h"
#include "event/event.h"
#include "payment/bought.h"
#include "payment/fact.h"
#include "payment/order.h"
#include "payment/payment.h"

static int link(struct fact *f, const struct order *o) {
  struct str customer = fact_id(f->object, "customer"), subscription = fact_id(f->object, "subscription");
  int r = payment_object_put(f->db, fact_text(f->object, "id"), o->customer_id, o->id);
  if (r == 0 && customer.len) r = bought_customer(f, o->customer_id, customer);
  if (r == 0 && subscription.len) r = payment_object_put(f->db, subscription, o->customer_id, o->id);
  return r;
}

static int raise(struct fact *f, const struct order *o, enum order_state to, const char *problem) {
  int r = payment_order_raise(f->db, o->customer_id, o->id, to, str_from(problem));
  return r < 0 ? r : FACT_DONE;
}

// The amounts of a Session: before tax and discounts it must be what the order says.
static int paid(struct fact *f, const struct order *o, bool nothing) {
  int64_t subtotal = fact_minor(f->object, "amount_subtotal"), total = fact_minor(f->object, "amount_total");
  int64_t tax = fact_minor(f->object, "total_details.amount_tax"), off = fact_minor(f->object, "total_details.amount_discount");
  if (o->kind != ORDER_PURCHASE) return fact_park(f, "was paid for an order that is no purchase");
  if (subtotal != o->price) return fact_park(f, "is about %lld, its order about %lld", (long long)subtotal, (long long)o->price);
  if (total < 0 || (nothing && (total != 0 || off <= 0))) return fact_park(f, "says what cannot be: nothing to pay without a discount");
  struct str intent = fact_id(f->object, "payment_intent");
  if (!nothing && intent.len == 0) return fact_park(f, "was paid without a PaymentIntent");
  struct str reference = intent.len ? intent : fact_text(f->object, "id");
  return bought_order(f, o, reference, (struct bought){.intent = intent, .paid = total, .net = tax > 0 && tax <= total ? total - tax : total, .nothing = nothing});
}

// The card that was saved comes with the SetupIntent.
static int setup_completed(struct fact *f, const struct order *o) {
  struct str setup = fact_id(f->object, "setup_intent");
  if (setup.len == 0) return fact_park(f, "saved a card without a SetupIntent");
  if (!f->fetched) return fact_want(f, "/v1/setup_intents/%.*s?expand[0]=payment_method", STR_ARG(setup));
  struct json *method = json_get(f->fetched, "payment_method");
  int r = bought_card(f, o->customer_id, method, fact_id(f->fetched, "payment_method"));
  return r < 0 ? r : raise(f, o, ORDER_PAID, "");
}

int fact_session_completed(struct fact *f) {
  struct order o;
  int r = fact_order(f, fact_text(f->object, "id"), &o);
  if (r != FACT_DONE) return r;
  struct str mode = fact_text(f->object, "mode"), status = fact_text(f->object, "payment_status"), intent = fact_id(f->object, "payment_intent");
  if (intent.len && payment_lock(f->db, intent) < 0) return FAULT_DB; // before whatever is its customer's
  if ((r = link(f, &o)) < 0) return r;
  if (str_eq(mode, STR("setup"))) return o.kind == ORDER_SETUP ? setup_completed(f, &o) : fact_park(f, "saves a card, its order does not");
  if (str_eq(mode, STR("subscription")))
    return o.kind == ORDER_SUBSCRIPTION ? raise(f, &o, ORDER_PAID, "") : fact_park(f, "is a subscription, its order is not");
  if (!str_eq(mode, STR("payment"))) return fact_park(f, "has the mode \"%.*s\", which is not known", STR_ARG(mode));
  if (str_eq(status, STR("paid"))) return paid(f, &o, false);
  if (str_eq(status, STR("no_payment_required"))) return paid(f, &o, true);
  return raise(f, &o, ORDER_AWAITING, "");
}

int fact_session_failed(struct fact *f) {
  struct order o;
  int r = fact_order(f, fact_text(f->object, "id"), &o);
  if (r != FACT_DONE) return r;
  r = payment_order_raise(f->db, o.customer_id, o.id, ORDER_FAILED, STR("the payment failed; a new checkout session is needed"));
  return r == ORDER_DONE ? bought_failed(f, &o, "async_payment_failed") : r < 0 ? r : FACT_DONE;
}

int fact_session_expired(struct fact *f) {
  struct order o;
  int r = fact_order(f, fact_text(f->object, "id"), &o);
  return r == FACT_DONE ? raise(f, &o, ORDER_EXPIRED, "") : r;
}
