// Which function an event's type has, and how the functions read what Stripe sends: members that may be ids or objects,
// old places and new ones, values that nobody has seen before.
#include "payment/fact.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "customer/customer.h"
#include "payment/order.h"
#include "payment/payment.h"
#include "payment/product.h"
#include <stdarg.h>

#define MINOR_MAX INT64_C(1000000000000000)

static const struct {
  const char *type;
  int (*apply)(struct fact *f);
} table[] = {
    {"checkout.session.completed", fact_session_completed},
    {"checkout.session.async_payment_succeeded", fact_session_completed},
    {"checkout.session.async_payment_failed", fact_session_failed},
    {"checkout.session.expired", fact_session_expired},
    {"payment_intent.succeeded", fact_intent_succeeded},
    {"payment_intent.processing", fact_intent_processing},
    {"payment_intent.payment_failed", fact_intent_failed},
    {"payment_intent.requires_action", fact_intent_action},
    {"payment_intent.canceled", fact_intent_canceled},
    {"payment_intent.partially_funded", fact_kept},
    {"payment_intent.amount_capturable_updated", fact_kept},
    {"refund.created", fact_refund},
    {"refund.updated", fact_refund},
    {"refund.failed", fact_refund},
    {"charge.refund.updated", fact_refund},
    {"charge.refunded", fact_charge_refunded},
    {"charge.succeeded", fact_charge},
    {"charge.failed", fact_charge},
    {"charge.updated", fact_charge},
    {"charge.dispute.created", fact_dispute},
    {"charge.dispute.funds_withdrawn", fact_dispute},
    {"charge.dispute.updated", fact_dispute},
    {"charge.dispute.funds_reinstated", fact_dispute},
    {"charge.dispute.closed", fact_dispute},
    {"radar.early_fraud_warning.created", fact_warning},
    {"review.opened", fact_kept},
    {"review.closed", fact_kept},
    {"invoice.paid", fact_invoice_paid},
    {"invoice.payment_succeeded", fact_invoice_paid},
    {"invoice.payment_failed", fact_kept}, // that it is owed is told by its subscription
    {"invoice.payment_action_required", fact_kept},
    {"invoice.voided", fact_kept},
    {"invoice.marked_uncollectible", fact_kept},
    {"invoice_payment.paid", fact_invoice_payment},
    {"credit_note.created", fact_kept},
    {"customer.subscription.created", fact_subscription},
    {"customer.subscription.updated", fact_subscription},
    {"customer.subscription.deleted", fact_subscription},
    {"customer.created", fact_kept},
    {"customer.updated", fact_customer_updated},
    {"customer.deleted", fact_customer_deleted},
    {"setup_intent.succeeded", fact_setup_succeeded},
    {"setup_intent.setup_failed", fact_setup_failed},
    {"payment_method.attached", fact_method},
    {"payment_method.updated", fact_method},
    {"payment_method.automatically_updated", fact_method},
    {"payment_method.detached", fact_method_detached},
    {"mandate.updated", fact_mandate},
};

static int (*find(struct str type))(struct fact *f) {
  for (size_t i = 0; i < ARRAY_LEN(table); i++)
    if (str_eq(type, str_from(table[i].type))) return table[i].apply;
  return NULL;
}

bool fact_known(struct str type) {
  return find(type) != NULL;
}

int fact_apply(struct fact *f) {
  int (*apply)(struct fact *f) = find(f->type);
  return apply ? apply(f) : fact_ignore(f, "nothing is done for this type of event");
}

int fact_kept(struct fact *f) {
  (void)f;
  return FACT_DONE;
}

// ---- answers

static struct str said(struct fact *f, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static struct str said(struct fact *f, const char *format, va_list args) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 1024);
  (void)buf_vprintf(&text, format, args);
  return arena_str(f->arena, buf_str(&text));
}

int fact_park(struct fact *f, const char *format, ...) {
  va_list args;
  va_start(args, format);
  f->reason = said(f, format, args);
  va_end(args);
  return FACT_PARKED;
}

int fact_want(struct fact *f, const char *format, ...) {
  va_list args;
  va_start(args, format);
  f->want = said(f, format, args);
  va_end(args);
  return FACT_FETCH;
}

int fact_ignore(struct fact *f, const char *reason) {
  f->reason = str_from(reason);
  return FACT_IGNORED;
}

// ---- reading

struct str fact_text(struct json *object, const char *path) {
  struct str text = {0};
  return json_text(json_path(object, path), &text) ? text : STR("");
}

struct str fact_id(struct json *object, const char *path) {
  struct json *value = json_path(object, path);
  struct str text = {0};
  if (json_text(value, &text)) return text;
  return value ? fact_text(value, "id") : STR("");
}

bool fact_bool(struct json *object, const char *path) {
  bool value = false;
  return json_bool(json_path(object, path), &value) && value;
}

int64_t fact_int(struct json *object, const char *path) {
  int64_t value = 0;
  return json_int(json_path(object, path), &value) ? value : 0;
}

int64_t fact_minor(struct json *object, const char *path) {
  int64_t value = 0;
  bool fits = json_int(json_path(object, path), &value) && value >= 0 && value <= MINOR_MAX;
  return fits ? value : -1;
}

// ---- whose it is

static bool id_of(struct json *object, const char *path, const char *prefix, struct uuid *ret) {
  struct str text = fact_text(object, path);
  return text.len > 0 && id_parse(prefix, text, ret);
}

static int order_known(struct fact *f, struct str object_id, struct uuid *ret_customer, struct uuid *ret_order) {
  int r = payment_object_find(f->db, object_id, ret_customer, ret_order);
  if (r < 0) return r;
  return r == ORDER_DONE && !uuid_is_nil(*ret_order) ? FACT_DONE : FACT_IGNORED;
}

// An order that was made after the backup that this database was restored from: what Stripe was told of it says which pack
// and how many, and only this service's key can have told it. What it brings is the product's to say.
static int order_recover(struct fact *f, struct uuid customer, struct uuid id, struct order *ret) {
  struct product pack;
  struct uuid product;
  int64_t packs = 0;
  struct str currency = fact_text(f->object, "currency");
  if (!id_of(f->object, "metadata.product_id", "prd", &product) || !str_to_i64(fact_text(f->object, "metadata.quantity"), &packs) || packs < 1) return ORDER_UNKNOWN;
  int r = customer_exists(f->db, customer);
  if (r != CUSTOMER_DONE) return r < 0 ? r : ORDER_UNKNOWN;
  r = product_read(f->db, f->arena, product, &pack);
  if (r != PRODUCT_DONE || pack.kind != PRODUCT_PACK || !str_eq(pack.currency, currency)) return r < 0 ? r : ORDER_UNKNOWN;
  bool top_up = str_eq(fact_text(f->object, "metadata.kind"), STR("auto_topup"));
  *ret = (struct order){.customer_id = customer, .id = id, .kind = top_up ? ORDER_TOP_UP : ORDER_PURCHASE, .product_id = product,
                        .currency = pack.currency, .expires_after_days = pack.expires_after_days,
                        .bonus_expires_after_days = pack.bonus_expires_after_days, .livemode = f->livemode};
  bool counts = !__builtin_mul_overflow(pack.price, packs, &ret->price) && !__builtin_mul_overflow(pack.credits, packs, &ret->credits) &&
                !__builtin_mul_overflow(pack.bonus, packs, &ret->bonus);
  if (!counts) return ORDER_UNKNOWN;
  log_warn("order.recovered", "%.*s names an order that is not here; it is made again from what Stripe was told", STR_ARG(f->event_id));
  r = payment_order_create(f->db, ret);
  return r < 0 ? r : payment_order_read(f->db, f->arena, customer, id, ret);
}

int fact_order(struct fact *f, struct str object_id, struct order *ret) {
  struct uuid customer, id;
  struct str named = fact_text(f->object, "metadata.order_id");
  int r = FACT_DONE;
  if (!id_of(f->object, "metadata.order_id", "ord", &id) || !id_of(f->object, "metadata.customer_id", "cus", &customer))
    r = order_known(f, object_id, &customer, &id);
  if (r < 0) return r;
  if (r != FACT_DONE)
    return named.len ? fact_park(f, "names the order \"%.*s\", which is none of this service", STR_ARG(named))
                     : fact_ignore(f, "it names no order of this service");
  r = payment_order_read(f->db, f->arena, customer, id, ret);
  if (r == ORDER_UNKNOWN) r = order_recover(f, customer, id, ret);
  if (r < 0) return r;
  struct str currency = fact_text(f->object, "currency");
  if (r != ORDER_DONE) return fact_park(f, "names the order \"%.*s\", which is not here", STR_ARG(named));
  if (ret->livemode != f->livemode) return fact_park(f, "its order is of the other mode (test or live)");
  if (currency.len && ret->kind != ORDER_SETUP && !str_eq(currency, ret->currency))
    return fact_park(f, "is in %.*s, its order in %.*s", STR_ARG(currency), STR_ARG(ret->currency));
  return FACT_DONE;
}

int fact_customer(struct fact *f, struct str stripe_customer, struct uuid *ret) {
  struct uuid order;
  *ret = UUID_NIL;
  if (stripe_customer.len > 0) {
    int r = payment_object_find(f->db, stripe_customer, ret, &order);
    if (r <= 0) return r < 0 ? r : FACT_DONE;
  }
  *ret = UUID_NIL;
  (void)id_of(f->object, "metadata.customer_id", "cus", ret);
  return FACT_DONE;
}
