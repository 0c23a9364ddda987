// Invoices of plans: each line that is a plan's period brings that plan's credits, once; prorations bring nothing. Where
// invoices keep what is needed has moved between versions of Stripe's API; both places are read.
#include "base/fault.h"
#include "payment/billing.h"
#include "payment/bought.h"
#include "payment/fact.h"
#include "payment/product.h"

#define DAY_S INT64_C(86400)

static struct str first_of(struct str a, struct str b) {
  return a.len ? a : b;
}

static bool is_period(struct json *line) {
  struct str parent = fact_text(line, "parent.type"), old = fact_text(line, "type");
  bool proration = fact_bool(line, "parent.subscription_item_details.proration") || fact_bool(line, "proration");
  return !proration && (str_eq(parent, STR("subscription_item_details")) || (parent.len == 0 && str_eq(old, STR("subscription"))));
}

static struct str price_of(struct json *line) {
  return first_of(fact_id(line, "pricing.price_details.price"), fact_id(line, "price"));
}

// The plan by its mirrored price, else by the order that began the subscription.
static int plan_of(struct fact *f, struct json *line, struct product *ret) {
  struct str price = price_of(line), subscription = first_of(fact_id(f->object, "parent.subscription_details.subscription"), fact_id(f->object, "subscription"));
  int r = price.len ? product_by_price(f->db, f->arena, price, ret) : PRODUCT_UNKNOWN;
  struct uuid customer, id;
  if (r != PRODUCT_UNKNOWN || subscription.len == 0) return r;
  r = payment_object_find(f->db, subscription, &customer, &id);
  if (r != ORDER_DONE || uuid_is_nil(id)) {
    bool named = id_parse("ord", fact_text(f->object, "parent.subscription_details.metadata.order_id"), &id) &&
                 id_parse("cus", fact_text(f->object, "parent.subscription_details.metadata.customer_id"), &customer);
    if (r < 0 || !named) return r < 0 ? r : PRODUCT_UNKNOWN;
  }
  struct order o;
  r = payment_order_read(f->db, f->arena, customer, id, &o);
  if (r != ORDER_DONE) return r < 0 ? r : PRODUCT_UNKNOWN;
  return product_read(f->db, f->arena, o.product_id, ret);
}

static int customer_of(struct fact *f, struct uuid *ret) {
  int r = fact_customer(f, fact_id(f->object, "customer"), ret);
  if (r < 0 || !uuid_is_nil(*ret)) return r;
  (void)id_parse("cus", fact_text(f->object, "parent.subscription_details.metadata.customer_id"), ret);
  return r;
}

// A month more, or a year, by the calendar's mean: what rolls over has one more period.
static int64_t ends_at(const struct product *plan, int64_t period_end) {
  int64_t one_more = plan->period == PRODUCT_YEAR ? 366 * DAY_S : 31 * DAY_S;
  if (plan->rollover == PRODUCT_STAYS || period_end <= 0) return 0;
  return (period_end + (plan->rollover == PRODUCT_ONE_MORE ? one_more : 0)) * 1000000;
}

static struct str paid_by(struct fact *f) {
  struct json *payment = json_at(json_path(f->object, "payments.data"), 0);
  return first_of(fact_id(payment, "payment.payment_intent"), fact_id(f->object, "payment_intent"));
}

static int line_paid(struct fact *f, struct json *line, struct uuid customer, const struct product *plan) {
  int64_t paid = fact_minor(f->object, "amount_paid"), net = fact_minor(line, "amount"), quantity = fact_int(line, "quantity");
  if (quantity < 1 || quantity > 1000000) quantity = 1;
  struct payment p = {.customer_id = customer, .product_id = plan->id, .kind = PAYMENT_PLAN, .currency = fact_text(f->object, "currency"),
                      .paid = paid < 0 ? 0 : paid, .net = net < 0 ? 0 : net, .invoice = fact_text(f->object, "id"), .payment_intent = paid_by(f),
                      .expires_at = ends_at(plan, fact_int(line, "period.end")), .problem = STR("")};
  p.bonus_expires_at = bought_in_days(f, plan->bonus_expires_after_days);
  if (__builtin_mul_overflow(plan->credits, quantity, &p.credits) || __builtin_mul_overflow(plan->bonus, quantity, &p.bonus))
    return fact_park(f, "brings more credits than can be counted");
  if (!str_eq(p.currency, plan->currency)) return fact_park(f, "is in %.*s, its plan in %.*s", STR_ARG(p.currency), STR_ARG(plan->currency));
  p.reference = str_from(arena_printf(f->arena, "%.*s:%.*s", STR_ARG(p.invoice), STR_ARG(fact_text(line, "id"))));
  int r = payment_invoice_intent(f->db, f->arena, p.invoice, p.payment_intent, &p.payment_intent);
  if (r == 0) r = payment_object_put(f->db, p.invoice, customer, UUID_NIL);
  return r == 0 ? bought_period(f, &p) : r;
}

static int line_take(struct fact *f, struct json *line, struct uuid customer, int *found) {
  struct product plan;
  if (!is_period(line)) return FACT_DONE;
  int r = plan_of(f, line, &plan);
  if (r != PRODUCT_DONE || plan.kind != PRODUCT_PLAN) return r < 0 ? r : FACT_DONE;
  (*found)++;
  int64_t cost = fact_int(line, "amount");
  bool free_of_charge = cost <= 0 || fact_minor(f->object, "amount_paid") <= 0;
  if (free_of_charge && !plan.trial_credits) return FACT_DONE;
  if (uuid_is_nil(customer)) return fact_park(f, "pays for a plan of a customer who is not here");
  return line_paid(f, line, customer, &plan);
}

int fact_invoice_paid(struct fact *f) {
  struct json *lines = json_path(f->object, "lines.data");
  if (fact_bool(f->object, "lines.has_more")) {
    if (!f->fetched) return fact_want(f, "/v1/invoices/%.*s/lines?limit=100", STR_ARG(fact_text(f->object, "id")));
    lines = json_get(f->fetched, "data");
    if (!lines) return fact_park(f, "has lines that Stripe does not show");
    if (fact_bool(f->fetched, "has_more")) return fact_park(f, "has more than a hundred lines");
  }
  struct uuid customer;
  int found = 0, r = customer_of(f, &customer);
  for (size_t i = 0; r == FACT_DONE && i < json_count(lines); i++) r = line_take(f, json_at(lines, i), customer, &found);
  if (r != FACT_DONE) return r;
  return found ? FACT_DONE : fact_ignore(f, "no line of it is a plan of this service");
}

// Since 2025 only this says which PaymentIntent paid an invoice.
int fact_invoice_payment(struct fact *f) {
  struct str invoice = fact_id(f->object, "invoice"), intent = fact_id(f->object, "payment.payment_intent");
  if (invoice.len == 0 || intent.len == 0) return fact_ignore(f, "an invoice paid without a PaymentIntent");
  // The invoice first, as where its lines are read.
  int r = payment_invoice_intent(f->db, f->arena, invoice, intent, &intent);
  return r == 0 ? payment_lock(f->db, intent) : r;
}
