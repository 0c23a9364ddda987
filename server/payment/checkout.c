// From an order to its page. Each step finds what an earlier try has left: a customer at Stripe, a frozen form, a page;
// and the two things that Stripe is asked to make have keys that follow from what they are made for. No transaction is
// open while Stripe is asked.
#include "payment/checkout.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "payment/billing.h"
#include "stripe/form.h"
#include "json/read.h"
#include <stdio.h>

#define FORM_MAX (64 * 1024)
#define LAST_TRY_US                                                                                                    \
  (INT64_C(1000000) * (CHECKOUT_OPEN_S - 30 * 60)) // Stripe takes no page that closes sooner than in half an hour
#define PROBLEM_MAX 1000

// ---- what Stripe says

static void said_take(struct arena *arena, const struct stripe_answer *a, struct checkout_said *ret) {
  struct str message = a->message;
  if (message.len > PROBLEM_MAX) message.len = PROBLEM_MAX;
  while (message.len > 0 && !str_is_utf8(message)) message.len--; // cut between characters
  ret->message = arena_str(arena, message);
  ret->code = arena_str(arena, a->code);
  memcpy(ret->request_id, a->request_id, sizeof ret->request_id);
}

static struct str text_at(const struct stripe_answer *a, struct arena *arena, const char *name) {
  struct str text;
  return a->body && json_text(json_get(a->body, name), &text) ? arena_str(arena, text) : (struct str){0};
}

// What it made has a name, or is as good as not answered.
static int judged(struct arena *arena, const struct stripe_answer *a, struct checkout_said *said) {
  said_take(arena, a, said);
  if (stripe_refused(a)) return CHECKOUT_REFUSED;
  if (stripe_done(a) && text_at(a, arena, "id").len > 0) return CHECKOUT_DONE;
  if (said->message.len == 0) said->message = STR("Stripe's answer cannot be read");
  return CHECKOUT_UNKNOWN;
}

// ---- the customer at Stripe

static int customer_keep(struct db *db, struct arena *arena, struct uuid customer, struct str id, struct str *ret) {
  if (db_begin(db) != 0) return FAULT_DB;
  int r = billing_customer_put(db, arena, customer, id, ret);
  if (r == 0) r = db_commit(db);
  if (r != 0) db_rollback(db);
  return r;
}

// One for each customer, for ever: another only where Stripe's was deleted there, under a key of its own.
static int customer_create(struct db *db, struct arena *arena, struct stripe *stripe, struct uuid customer,
                           struct str *ret, struct checkout_said *said) {
  CLEANUP(buf_finish) struct buf form;
  struct stripe_answer answer;
  char id[ID_TEXT_MAX], key[ID_TEXT_MAX + 32];
  int64_t before;
  buf_init(&form, FORM_MAX);
  int r = billing_customers_before(db, customer, &before);
  if (r != 0) return r;
  id_print("cus", customer, id);
  if (before == 0)
    (void)snprintf(key, sizeof key, "cust:%s", id);
  else
    (void)snprintf(key, sizeof key, "cust:%s:%lld", id, (long long)before + 1);
  form_id(&form, "metadata[customer_id]", "cus", customer);
  r = stripe_call(stripe, "POST", "/v1/customers", buf_str(&form), key, &answer);
  if (r != 0) return r;
  r = judged(arena, &answer, said);
  if (r == CHECKOUT_DONE) r = customer_keep(db, arena, customer, text_at(&answer, arena, "id"), ret);
  stripe_answer_finish(&answer);
  return r;
}

static int customer_ensure(struct db *db, struct arena *arena, struct stripe *stripe, struct uuid customer,
                           struct str *ret, struct checkout_said *said) {
  struct billing b;
  int r = billing_read(db, arena, customer, &b);
  if (r != 0) return r;
  *ret = b.stripe_customer;
  return ret->ptr ? CHECKOUT_DONE : customer_create(db, arena, stripe, customer, ret, said);
}

// Its customer was deleted at Stripe, and we have not heard of it yet: the next order makes another.
static int refused(struct db *db, const struct stripe_answer *a, struct uuid customer) {
  struct str param;
  struct json *error = a->body ? json_get(a->body, "error") : NULL;
  bool gone = str_eq(a->code, STR("resource_missing")) && json_text(json_get(error, "param"), &param) &&
              str_eq(param, STR("customer"));
  int r = gone ? billing_customer_drop(db, customer) : 0;
  return r == 0 ? CHECKOUT_REFUSED : r;
}

// ---- the form

static int form_freeze(struct db *db, struct arena *arena, struct stripe *stripe, const struct checkout_wish *wish,
                       struct order *order, struct checkout_said *said) {
  CLEANUP(buf_finish) struct buf form;
  struct str customer;
  buf_init(&form, FORM_MAX);
  int r = customer_ensure(db, arena, stripe, order->customer_id, &customer, said);
  if (r != CHECKOUT_DONE) return r;
  checkout_form(wish, order, customer, order->created_at / 1000000 + CHECKOUT_OPEN_S, &form);
  ASSERT(!form.full); // its parts are bounded
  r = payment_order_freeze(db, arena, order->customer_id, order->id, buf_str(&form), &order->request);
  return r < 0 ? r : CHECKOUT_DONE;
}

// ---- the page

static int session_keep(struct db *db, struct arena *arena, const struct stripe_answer *a, const struct order *order) {
  int64_t expires_s = 0;
  (void)json_int(json_get(a->body, "expires_at"), &expires_s);
  if (db_begin(db) != 0) return FAULT_DB;
  int r = payment_order_link(db, order->customer_id, order->id, text_at(a, arena, "id"), text_at(a, arena, "url"),
                             expires_s * 1000000);
  if (r == ORDER_DONE) r = db_commit(db);
  if (r != 0) db_rollback(db);
  return r > 0 ? FAULT_CORRUPT : r; // it was there when its form was frozen
}

static int session_create(struct db *db, struct arena *arena, struct stripe *stripe, const struct order *order,
                          struct checkout_said *said) {
  struct stripe_answer answer;
  char id[ID_TEXT_MAX], key[ID_TEXT_MAX + 32];
  id_print("ord", order->id, id);
  (void)snprintf(key, sizeof key, "cs:%s:%d", id, (int)order->attempt);
  int r = stripe_call(stripe, "POST", "/v1/checkout/sessions", order->request, key, &answer);
  if (r != 0) return r;
  r = judged(arena, &answer, said);
  if (r == CHECKOUT_DONE)
    r = session_keep(db, arena, &answer, order);
  else if (r == CHECKOUT_REFUSED)
    r = refused(db, &answer, order->customer_id);
  stripe_answer_finish(&answer);
  return r;
}

static int order_again(struct db *db, struct arena *arena, struct order *order) {
  int r = payment_order_read(db, arena, order->customer_id, order->id, order);
  return r > 0 ? FAULT_CORRUPT : r;
}

// Without a page, and without the hope of one.
static int order_end(struct db *db, struct arena *arena, struct order *order, enum order_state as, struct str problem,
                     enum checkout_answer answer) {
  int r = payment_order_raise(db, order->customer_id, order->id, as, problem);
  if (r >= 0) r = order_again(db, arena, order);
  return r < 0 ? r : (int)answer;
}

int checkout_run(struct db *db, struct arena *arena, struct stripe *stripe, const struct checkout_wish *wish,
                 struct order *order, struct checkout_said *said) {
  *said = (struct checkout_said){.message = STR(""), .code = STR("")};
  int r = order_again(db, arena, order);
  if (r != 0) return r;
  if (order->stripe_id.ptr) return CHECKOUT_DONE;
  if (order->state != ORDER_OPEN) return CHECKOUT_ENDED;
  if (clock_wall_us() > order->created_at + LAST_TRY_US)
    return order_end(db, arena, order, ORDER_EXPIRED, STR("Its page was not made in time."), CHECKOUT_ENDED);
  if (order->request.len == 0) r = form_freeze(db, arena, stripe, wish, order, said);
  if (r == CHECKOUT_DONE) r = session_create(db, arena, stripe, order, said);
  if (r == CHECKOUT_REFUSED) return order_end(db, arena, order, ORDER_FAILED, said->message, CHECKOUT_REFUSED);
  if (r != CHECKOUT_DONE) return r;
  return order_again(db, arena, order);
}

int payment_session_fetch(struct stripe *stripe, struct str session_id, struct stripe_answer *ret) {
  CLEANUP(buf_finish) struct buf path;
  buf_init(&path, 2048);
  buf_puts(&path, "/v1/checkout/sessions/");
  form_encode(&path, session_id);
  ASSERT(!path.full); // ids have at most 255 bytes
  return stripe_call(stripe, "GET", buf_cstr(&path), STR("expand[0]=payment_intent&expand[1]=line_items"), NULL, ret);
}

// ---- the portal

int checkout_portal(struct db *db, struct arena *arena, struct stripe *stripe, struct uuid customer,
                    struct str return_url, const char *idempotency_key, struct str *ret_url,
                    struct checkout_said *said) {
  CLEANUP(buf_finish) struct buf form;
  struct stripe_answer answer;
  struct str stripe_customer;
  buf_init(&form, FORM_MAX);
  *said = (struct checkout_said){.message = STR(""), .code = STR("")};
  int r = customer_ensure(db, arena, stripe, customer, &stripe_customer, said);
  if (r != CHECKOUT_DONE) return r;
  form_text(&form, "customer", stripe_customer);
  form_text(&form, "return_url", return_url);
  r = stripe_call(stripe, "POST", "/v1/billing_portal/sessions", buf_str(&form), idempotency_key, &answer);
  if (r != 0) return r;
  r = judged(arena, &answer, said);
  if (r == CHECKOUT_DONE) *ret_url = text_at(&answer, arena, "url");
  if (r == CHECKOUT_REFUSED) r = refused(db, &answer, customer);
  stripe_answer_finish(&answer);
  return r;
}
