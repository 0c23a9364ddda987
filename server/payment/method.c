// Customers and cards at Stripe: which card may be charged, and when none may be any more.
#include "base/fault.h"
#include "base/log.h"
#include "payment/billing.h"
#include "payment/bought.h"
#include "payment/fact.h"
#include "payment/order.h"
#include "payment/top_up.h"

#define NOT_OURS "not of a customer of this service"

static int ours(struct fact *f, struct str stripe_customer, struct uuid *ret) {
  int r = fact_customer(f, stripe_customer, ret);
  return r < 0 ? r : uuid_is_nil(*ret) ? fact_ignore(f, NOT_OURS) : FACT_DONE;
}

int fact_customer_updated(struct fact *f) {
  struct uuid customer;
  int r = ours(f, fact_text(f->object, "id"), &customer);
  struct str email = fact_text(f->object, "email");
  return r != FACT_DONE || email.len == 0 ? r : billing_email_put(f->db, customer, email);
}

int fact_customer_deleted(struct fact *f) {
  struct uuid customer;
  int r = ours(f, fact_text(f->object, "id"), &customer);
  if (r != FACT_DONE) return r;
  if (billing_customer_drop(f->db, customer) < 0) return FAULT_DB;
  return top_up_off(f->db, customer, "the customer was deleted at Stripe");
}

// A card that was saved to be charged later.
int fact_setup_succeeded(struct fact *f) {
  struct uuid customer;
  struct str method = fact_id(f->object, "payment_method");
  int r = ours(f, fact_id(f->object, "customer"), &customer);
  if (r != FACT_DONE) return r;
  if (method.len == 0 || str_eq(fact_text(f->object, "usage"), STR("on_session"))) return FACT_DONE;
  return bought_card(f, customer, json_get(f->object, "payment_method"), method);
}

int fact_setup_failed(struct fact *f) {
  struct uuid customer;
  int r = ours(f, fact_id(f->object, "customer"), &customer);
  return r < 0 || r == FACT_IGNORED ? r : FACT_DONE;
}

// Attached to a customer: the card in use is mirrored; a customer without one gets this.
int fact_method(struct fact *f) {
  struct uuid customer;
  struct billing b;
  struct str id = fact_text(f->object, "id");
  int r = ours(f, fact_id(f->object, "customer"), &customer);
  if (r != FACT_DONE) return r;
  if (billing_read(f->db, f->arena, customer, &b) < 0) return FAULT_DB;
  if (b.payment_method.ptr && !str_eq(b.payment_method, id)) return FACT_DONE;
  bool renewed = str_eq(f->type, STR("payment_method.automatically_updated"));
  bool other_brand = renewed && b.brand.len && !str_eq(b.brand, fact_text(f->object, "card.brand"));
  r = bought_card(f, customer, f->object, id);
  if (r < 0 || !renewed) return r;
  // A card of another brand is not the one that was agreed to.
  return other_brand ? top_up_off(f->db, customer, "the card's brand has changed: consent is needed again") : top_up_release(f->db, customer);
}

// Whose it was stands in what was there before; of a thin event it is known by the card.
static int former_owner(struct fact *f, struct uuid *ret) {
  struct uuid order;
  struct str former = fact_id(f->previous, "customer");
  if (former.len) return ours(f, former, ret);
  int r = payment_object_find(f->db, fact_text(f->object, "id"), ret, &order);
  return r < 0 ? r : r == ORDER_DONE ? FACT_DONE : fact_ignore(f, NOT_OURS);
}

int fact_method_detached(struct fact *f) {
  struct uuid customer;
  struct billing b;
  int r = former_owner(f, &customer);
  if (r != FACT_DONE) return r;
  if (billing_read(f->db, f->arena, customer, &b) < 0) return FAULT_DB;
  if (!b.payment_method.ptr || !str_eq(b.payment_method, fact_text(f->object, "id"))) return FACT_DONE;
  struct billing none = {.customer_id = customer, .brand = STR(""), .last4 = STR(""), .fingerprint = STR("")};
  if (billing_card_put(f->db, &none) < 0) return FAULT_DB;
  return top_up_off(f->db, customer, "the card was removed");
}

int fact_mandate(struct fact *f) {
  struct uuid customer, order;
  struct str method = fact_id(f->object, "payment_method");
  if (!str_eq(fact_text(f->object, "status"), STR("inactive"))) return FACT_DONE;
  int r = method.len ? payment_object_find(f->db, method, &customer, &order) : ORDER_UNKNOWN;
  if (r != ORDER_DONE) return r < 0 ? r : fact_ignore(f, NOT_OURS);
  return top_up_off(f->db, customer, "the mandate to charge is inactive");
}
