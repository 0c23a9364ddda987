// What Stripe is sent for an order. The same order and the same wish make the same bytes.
#include "base/log.h"
#include "payment/checkout.h"
#include "stripe/form.h"
#include "stripe/money.h"
#include <stdio.h>

// ---- what is ordered

static bool times(int64_t each, int64_t quantity, int64_t *ret) {
  return !__builtin_mul_overflow(each, quantity, ret);
}

bool checkout_order(const struct checkout_wish *wish, struct uuid customer, struct uuid id, bool livemode,
                    struct order *ret) {
  const struct product *p = wish->product;
  struct order o = {.customer_id = customer, .id = id, .livemode = livemode, .attempt = 1, .currency = wish->currency};
  ASSERT((wish->mode == CHECKOUT_SETUP) == (p == NULL));
  o.kind = wish->mode == CHECKOUT_SETUP          ? ORDER_SETUP
           : wish->mode == CHECKOUT_SUBSCRIPTION ? ORDER_SUBSCRIPTION
                                                 : ORDER_PURCHASE;
  if (p) {
    o.product_id = p->id;
    o.currency = p->currency;
    o.expires_after_days = p->expires_after_days;
    o.bonus_expires_after_days = p->bonus_expires_after_days;
    if (!times(p->price, wish->quantity, &o.price) || o.price > MONEY_MAX) return false;
    if (!times(p->credits, wish->quantity, &o.credits) || !times(p->bonus, wish->quantity, &o.bonus)) return false;
  }
  *ret = o;
  return true;
}

// ---- the form

// The names by which events are brought home: on the Session, and on what it makes, for metadata do not travel.
// With the pack and how many, a database that was restored from before the order knows what it was.
static void metadata(struct buf *form, const char *of, const struct order *o, int64_t quantity) {
  char path[96];
  const char *open = *of ? "[" : "", *close = *of ? "]" : "";
  (void)snprintf(path, sizeof path, "%s%smetadata%s[order_id]", of, open, close);
  form_id(form, path, "ord", o->id);
  (void)snprintf(path, sizeof path, "%s%smetadata%s[customer_id]", of, open, close);
  form_id(form, path, "cus", o->customer_id);
  if (o->kind != ORDER_PURCHASE) return; // invoices of a plan pay for themselves, and are known by their lines
  (void)snprintf(path, sizeof path, "%s%smetadata%s[kind]", of, open, close);
  form_text(form, path, STR("credit_purchase"));
  (void)snprintf(path, sizeof path, "%s%smetadata%s[product_id]", of, open, close);
  form_id(form, path, "prd", o->product_id);
  (void)snprintf(path, sizeof path, "%s%smetadata%s[quantity]", of, open, close);
  form_int(form, path, quantity);
}

static void price_data(struct buf *form, const struct product *p, bool taxed) {
  form_text(form, "line_items[0][price_data][currency]", p->currency);
  form_int(form, "line_items[0][price_data][unit_amount]", p->price);
  form_text(form, "line_items[0][price_data][product_data][name]", p->name);
  if (p->description.len > 0) form_text(form, "line_items[0][price_data][product_data][description]", p->description);
  if (p->tax_code.ptr) form_text(form, "line_items[0][price_data][product_data][tax_code]", p->tax_code);
  if (taxed) form_text(form, "line_items[0][price_data][tax_behavior]", STR("exclusive"));
  if (p->kind == PRODUCT_PLAN)
    form_text(form, "line_items[0][price_data][recurring][interval]",
              p->period == PRODUCT_YEAR ? STR("year") : STR("month"));
}

static void bought(struct buf *form, const struct checkout_wish *wish) {
  form_int(form, "line_items[0][quantity]", wish->quantity);
  if (wish->product->stripe_price.ptr)
    form_text(form, "line_items[0][price]", wish->product->stripe_price);
  else
    price_data(form, wish->product, wish->automatic_tax);
  if (wish->allow_promotion_codes) form_bool(form, "allow_promotion_codes", true);
  if (!wish->automatic_tax) return;
  form_bool(form, "automatic_tax[enabled]", true);
  form_text(form, "billing_address_collection", STR("required"));
  form_text(form, "customer_update[address]", STR("auto"));
}

void checkout_form(const struct checkout_wish *wish, const struct order *order, struct str stripe_customer,
                   int64_t expires_at_s, struct buf *form) {
  static const char *const makes[] = {[CHECKOUT_PAYMENT] = "payment_intent_data",
                                      [CHECKOUT_SUBSCRIPTION] = "subscription_data",
                                      [CHECKOUT_SETUP] = "setup_intent_data"};
  static const char *const names[] = {
      [CHECKOUT_PAYMENT] = "payment", [CHECKOUT_SUBSCRIPTION] = "subscription", [CHECKOUT_SETUP] = "setup"};
  form_text(form, "mode", str_from(names[wish->mode]));
  form_text(form, "customer", stripe_customer);
  form_id(form, "client_reference_id", "ord", order->id);
  form_text(form, "success_url", wish->success_url);
  if (wish->cancel_url.ptr) form_text(form, "cancel_url", wish->cancel_url);
  form_int(form, "expires_at", expires_at_s);
  if (wish->product)
    bought(form, wish);
  else
    form_text(form, "currency", wish->currency);
  metadata(form, "", order, wish->quantity);
  metadata(form, makes[wish->mode], order, wish->quantity);
  if (wish->mode == CHECKOUT_PAYMENT && wish->save_payment_method)
    form_text(form, "payment_intent_data[setup_future_usage]", STR("off_session"));
}
