// POST /api/v1/checkout-sessions and /api/v1/portal-sessions: pages at Stripe, where a customer pays, saves a card, and
// sees what it has. The order is committed before Stripe is asked; the same request again, with the same
// Idempotency-Key, continues that order.
#include "base/limits.h"
#include "base/log.h"
#include "rest/endpoints.h"
#include "rest/payments.h"
#include "rest/words.h"
#include "stripe/money.h"

// ---- what Stripe did not do

static struct str details_text(struct rest_request *r, struct uuid order, const struct checkout_said *said) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 4096);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  if (!uuid_is_nil(order)) json_member_id(&w, "order", "ord", order);
  if (said && said->code.len > 0) json_member_str(&w, "stripe_code", said->code);
  if (said && said->request_id[0]) json_member_text(&w, "stripe_request", said->request_id);
  json_object_end(&w);
  return arena_str(r->arena, buf_str(&out));
}

// Why is in the log, with the call: it may say something of the key that the operator uses.
void stripe_unavailable(struct rest_request *r, struct uuid order) {
  struct str details = details_text(r, order, NULL);
  if (uuid_is_nil(order))
    rest_refuse_with(r, PROBLEM_STRIPE_UNAVAILABLE, NULL, details, "Stripe could not be asked, or did not answer.");
  else
    rest_refuse_with(
        r, PROBLEM_STRIPE_UNAVAILABLE, NULL, details,
        "Stripe could not be asked, or did not answer. The order stands: send the same again with the same "
        "Idempotency-Key, and it is continued.");
}

void stripe_refused_answer(struct rest_request *r, struct uuid order, const struct checkout_said *said) {
  rest_refuse_with(r, PROBLEM_STRIPE_REFUSED, NULL, details_text(r, order, said), "Stripe refused this: %.*s",
                   STR_ARG(said->message));
}

// ---- the body

struct body {
  struct str customer, mode, currency, success_url, cancel_url;
  struct uuid product;
  int64_t quantity;
  bool save_payment_method, allow_promotion_codes, automatic_tax;
  bool given_product, given_mode, given_currency, given_quantity;
};
#define AT(member) .offset = offsetof(struct body, member), .given = JSON_NOT_TOLD
#define AT_TOLD(member) .offset = offsetof(struct body, member), .given = offsetof(struct body, given_##member)
static const struct json_field fields[] = {
    {.name = "customer", .kind = JSON_TEXT, .max = LIMIT_NAME + 4, .required = true, AT(customer)},
    {.name = "product", .kind = JSON_ID, .prefix = "prd", AT_TOLD(product)},
    {.name = "mode", .kind = JSON_TEXT, .one_of = CHECKOUT_MODES, AT_TOLD(mode)},
    {.name = "currency", .kind = JSON_TEXT, AT_TOLD(currency)},
    {.name = "success_url", .kind = JSON_TEXT, .max = CHECKOUT_URL_MAX, .required = true, AT(success_url)},
    {.name = "cancel_url", .kind = JSON_TEXT, .max = CHECKOUT_URL_MAX, AT(cancel_url)},
    {.name = "quantity", .kind = JSON_INT, .min = 1, .max = CHECKOUT_QUANTITY_MAX, AT_TOLD(quantity)},
    {.name = "save_payment_method", .kind = JSON_BOOL, AT(save_payment_method)},
    {.name = "allow_promotion_codes", .kind = JSON_BOOL, AT(allow_promotion_codes)},
    {.name = "automatic_tax", .kind = JSON_BOOL, AT(automatic_tax)},
};

static bool wrong(struct rest_request *r, const char *param, const char *why) {
  rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "%s: %s", param, why);
  return false;
}

// It is a buyer's browser that goes there; what stands behind the host is the app's own affair.
bool browser_url_check(struct rest_request *r, const char *param, struct str url) {
  struct str rest = url;
  if (!url.ptr) return true;
  bool https = str_starts(url, STR("https://"));
  if (!https && !str_starts(url, STR("http://"))) return wrong(r, param, "must begin with https:// or http://.");
  rest.ptr += https ? 8 : 7, rest.len -= https ? 8 : 7;
  bool host = rest.len > 0 && rest.ptr[0] != '/' && rest.ptr[0] != ':';
  for (size_t i = 0; i < rest.len; i++) host &= rest.ptr[i] > ' ' && rest.ptr[i] <= '~';
  return host ? true : wrong(r, param, "must be an address in ASCII, without blanks: https://example.com/paid.");
}

// A mode that is not told follows from what is bought.
static enum checkout_mode mode_of(const struct body *b, const struct product *p) {
  if (b->given_mode) return (enum checkout_mode)word_find(CHECKOUT_MODES, b->mode);
  if (!p) return CHECKOUT_PAYMENT;
  return p->kind == PRODUCT_PLAN ? CHECKOUT_SUBSCRIPTION : CHECKOUT_PAYMENT;
}

static bool setup_check(struct rest_request *r, const struct body *b) {
  if (b->given_product) return wrong(r, "product", "nothing is bought in the mode setup.");
  if (b->given_quantity) return wrong(r, "quantity", "nothing is bought in the mode setup.");
  return !b->given_currency || money_is_currency(b->currency)
             ? true
             : wrong(r, "currency", "must be three small letters, such as usd.");
}

static bool purchase_check(struct rest_request *r, const struct body *b, enum checkout_mode mode,
                           const struct product *p) {
  if (!p) return wrong(r, "product", "is missing: it says what is bought.");
  if (b->given_currency) return wrong(r, "currency", "is of the mode setup only: a product has its own.");
  if ((mode == CHECKOUT_SUBSCRIPTION) != (p->kind == PRODUCT_PLAN))
    return wrong(r, "mode", "a pack is bought by payment, a plan by subscription.");
  return true;
}

static bool wish_read(struct rest_request *r, struct db *db, struct uuid *ret_customer, struct product *product,
                      struct checkout_wish *ret) {
  struct body body = {.quantity = 1};
  if (!rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body) ||
      !rest_customer(r, body.customer, "customer", ret_customer) || !browser_url_check(r, "success_url", body.success_url) ||
      !browser_url_check(r, "cancel_url", body.cancel_url))
    return false;
  bool setup = body.given_mode && str_eq(body.mode, STR("setup"));
  if (setup && !setup_check(r, &body)) return false;
  if (!setup && body.given_product && !product_find(r, db, body.product, "product", product)) return false;
  const struct product *p = body.given_product ? product : NULL;
  enum checkout_mode mode = mode_of(&body, p);
  if (!setup && !purchase_check(r, &body, mode, p)) return false;
  *ret = (struct checkout_wish){.mode = mode,
                                .product = p,
                                .currency = body.given_currency ? body.currency : STR("usd"),
                                .success_url = body.success_url,
                                .cancel_url = body.cancel_url,
                                .quantity = body.quantity,
                                .save_payment_method = body.save_payment_method,
                                .allow_promotion_codes = body.allow_promotion_codes,
                                .automatic_tax = body.automatic_tax};
  return true;
}

// ---- checkout

// Behind the customer's lock, so that it is exact.
static bool room_check(struct rest_request *r, struct db *db, struct uuid customer) {
  int64_t since = ledger_now(r->context->ledger) - INT64_C(1000000) * CHECKOUT_OPEN_S;
  size_t open = 0;
  int fault = payment_order_open_count(db, customer, since, LIMIT_OPEN_ORDERS, &open);
  if (fault != 0)
    rest_fault(r, fault);
  else if (open >= LIMIT_OPEN_ORDERS)
    rest_refuse(r, PROBLEM_CONFLICT, NULL, "This customer has %d orders whose pages are still open.",
                LIMIT_OPEN_ORDERS);
  return fault == 0 && open < LIMIT_OPEN_ORDERS;
}

// False: answered. order->id is what an earlier request with this Idempotency-Key made, or new.
static bool order_begin(struct rest_request *r, struct db *db, const struct checkout_wish *wish, struct order *order) {
  if (!rest_write_begin(r, order->customer_id, &order->id)) return false;
  if (r->replayed) return true;
  if (wish->product && !wish->product->enabled) {
    rest_refuse(r, PROBLEM_CONFLICT, "product", "This product is archived: it is not sold any more.");
    return false;
  }
  if (!room_check(r, db, order->customer_id)) return false;
  int fault = payment_order_create(db, order);
  if (fault != 0) rest_fault(r, fault);
  return fault == 0 && rest_write_end(r, UUID_NIL);
}

static void checkout_post(struct rest_request *r, struct db *db) {
  struct checkout_wish wish;
  struct product product;
  struct order order;
  struct checkout_said said;
  struct uuid customer;
  struct stripe *stripe = r->context->stripe;
  if (!stripe) {
    rest_payments_off(r);
    return;
  }
  if (!wish_read(r, db, &customer, &product, &wish)) return;
  if (!checkout_order(&wish, customer, rest_new_id(r), stripe_is_live(stripe), &order)) {
    (void)wrong(r, "quantity", "so many cost or bring more than can be counted.");
    return;
  }
  if (!order_begin(r, db, &wish, &order)) return;
  int result = checkout_run(db, r->arena, stripe, &wish, &order, &said);
  if (result == CHECKOUT_ENDED && order.state == ORDER_FAILED) { // as the first one was answered
    said.message = order.problem;
    result = CHECKOUT_REFUSED;
  }
  if (result < 0)
    rest_fault(r, result);
  else if (result == CHECKOUT_REFUSED)
    stripe_refused_answer(r, order.id, &said);
  else if (result == CHECKOUT_UNKNOWN)
    stripe_unavailable(r, order.id);
  else
    order_answer(r, 201, &order); // of an earlier one: as it stands now
}

// ---- the portal

struct portal_body {
  struct str customer, return_url;
};
static const struct json_field portal_fields[] = {
    {.name = "customer",
     .kind = JSON_TEXT,
     .max = LIMIT_NAME + 4,
     .required = true,
     .offset = offsetof(struct portal_body, customer),
     .given = JSON_NOT_TOLD},
    {.name = "return_url",
     .kind = JSON_TEXT,
     .max = CHECKOUT_URL_MAX,
     .required = true,
     .offset = offsetof(struct portal_body, return_url),
     .given = JSON_NOT_TOLD},
};

static void portal_answer(struct rest_request *r, struct uuid customer, struct str url) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "object", "portal_session");
  json_member_id(&w, "customer", "cus", customer);
  json_member_str(&w, "url", url);
  json_object_end(&w);
  rest_reply(r, 201, &out);
}

// Nothing is kept of it but its name, so that the same request again leads to the same page for as long as Stripe
// remembers the key that follows from it.
static void portal_post(struct rest_request *r, struct db *db) {
  struct portal_body body = {0};
  struct checkout_said said;
  struct uuid customer, object = rest_new_id(r);
  struct str url;
  char key[ID_TEXT_MAX];
  if (!r->context->stripe) {
    rest_payments_off(r);
    return;
  }
  if (!rest_body(r, portal_fields, ARRAY_LEN(portal_fields), &body, sizeof body) ||
      !rest_customer(r, body.customer, "customer", &customer) || !browser_url_check(r, "return_url", body.return_url) ||
      !rest_write_begin(r, customer, &object) || (!r->replayed && !rest_write_end(r, UUID_NIL)))
    return;
  id_print("bps", object, key);
  int result = checkout_portal(db, r->arena, r->context->stripe, customer, body.return_url, key, &url, &said);
  if (result < 0)
    rest_fault(r, result);
  else if (result == CHECKOUT_REFUSED)
    stripe_refused_answer(r, UUID_NIL, &said);
  else if (result == CHECKOUT_UNKNOWN)
    stripe_unavailable(r, UUID_NIL);
  else
    portal_answer(r, customer, url);
}

const struct rest_endpoint rest_checkout[] = {
    {"POST", "/api/v1/checkout-sessions", REST_OWN, REST_STRIPE, NULL, checkout_post},
    {"POST", "/api/v1/portal-sessions", REST_OWN, REST_STRIPE, NULL, portal_post},
    {0},
};
