// PaymentIntents of ours: those that carry an order in their metadata. The ones of invoices carry none and grant nothing.
#include "base/fault.h"
#include "base/log.h"
#include "payment/billing.h"
#include "payment/bought.h"
#include "payment/fact.h"
#include "payment/top_up.h"

static bool is_ours(struct fact *f) {
  struct str kind = fact_text(f->object, "metadata.kind");
  return str_eq(kind, STR("credit_purchase")) || str_eq(kind, STR("auto_topup"));
}

static int order_of(struct fact *f, struct order *ret) {
  if (!is_ours(f)) return fact_ignore(f, "this payment is not for credits of this service");
  return fact_order(f, fact_text(f->object, "id"), ret);
}

// Tax and discounts are told by the Session only: with them the amount is the order's by chance at most, and what of it the
// credits cost is not known here.
static bool is_plain(const struct order *o, int64_t received) {
  struct str form = o->request, field;
  while (str_split(&form, '&', &field))
    if (str_starts(field, STR("automatic_tax[")) || str_starts(field, STR("allow_promotion_codes="))) return false;
  return received == o->price;
}

static int needs_session(struct fact *f, const struct order *o) {
  if (!f->fetched) return fact_want(f, "/v1/checkout/sessions?payment_intent=%.*s", STR_ARG(fact_text(f->object, "id")));
  struct json *session = json_at(json_get(f->fetched, "data"), 0), *intent = f->object;
  if (!session || o->kind != ORDER_PURCHASE)
    return fact_park(f, "was paid %lld, its order is about %lld", (long long)fact_minor(intent, "amount_received"), (long long)o->price);
  f->object = session;
  int r = fact_session_completed(f);
  f->object = intent;
  return r;
}

// A card that the buyer let us keep is the one to charge from then on.
static int card_kept(struct fact *f, const struct order *o) {
  struct str method = fact_id(f->object, "payment_method");
  struct billing b;
  if (method.len == 0 || !str_eq(fact_text(f->object, "setup_future_usage"), STR("off_session"))) return FACT_DONE;
  if (billing_read(f->db, f->arena, o->customer_id, &b) < 0) return FAULT_DB;
  if (b.payment_method.ptr && str_eq(b.payment_method, method)) return FACT_DONE;
  return bought_card(f, o->customer_id, json_get(f->object, "payment_method"), method);
}

int fact_intent_succeeded(struct fact *f) {
  struct order o;
  int r = order_of(f, &o);
  if (r != FACT_DONE) return r;
  struct str id = fact_text(f->object, "id"), charge = fact_id(f->object, "latest_charge");
  int64_t received = fact_minor(f->object, "amount_received");
  if (payment_lock(f->db, id) < 0) return FAULT_DB; // before whatever is its customer's
  if (charge.len && (r = payment_charge_put(f->db, charge, id, 0)) < 0) return r;
  if (o.kind != ORDER_PURCHASE && o.kind != ORDER_TOP_UP) return fact_park(f, "was paid for an order that is no purchase");
  if ((r = card_kept(f, &o)) != FACT_DONE) return r;
  if (!is_plain(&o, received)) return needs_session(f, &o);
  return bought_order(f, &o, id, (struct bought){.intent = id, .paid = received, .net = received});
}

int fact_intent_processing(struct fact *f) {
  struct order o;
  int r = order_of(f, &o);
  if (r != FACT_DONE) return r;
  r = payment_order_raise(f->db, o.customer_id, o.id, ORDER_AWAITING, STR(""));
  return r < 0 ? r : FACT_DONE;
}

// In Checkout the buyer may try again: only a top-up has failed by it.
int fact_intent_failed(struct fact *f) {
  struct order o;
  int r = order_of(f, &o);
  if (r != FACT_DONE) return r;
  if (o.kind != ORDER_TOP_UP) return FACT_DONE;
  struct json *error = json_get(f->object, "last_payment_error");
  return top_up_failed(f->db, &o, fact_text(f->object, "id"), &(struct top_up_error){.code = fact_text(error, "code"), .decline_code = fact_text(error, "decline_code"),
                                                           .advice_code = fact_text(error, "advice_code")});
}

int fact_intent_action(struct fact *f) {
  struct order o;
  int r = order_of(f, &o);
  if (r != FACT_DONE || o.kind != ORDER_TOP_UP) return r;
  return top_up_failed(f->db, &o, fact_text(f->object, "id"), &(struct top_up_error){.code = STR("authentication_required"), .decline_code = STR(""), .advice_code = STR("")});
}

int fact_intent_canceled(struct fact *f) {
  struct order o;
  int r = order_of(f, &o);
  if (r != FACT_DONE) return r;
  r = payment_order_raise(f->db, o.customer_id, o.id, ORDER_CANCELLED, STR("the payment was cancelled"));
  return r < 0 ? r : FACT_DONE;
}
