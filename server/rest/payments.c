// /api/v1/payments and /api/v1/subscriptions: what was paid, what is said against it, and what somebody has to look at.
#include "base/limits.h"
#include "payment/payment.h"
#include "payment/subscription.h"
#include "rest/endpoints.h"
#include "rest/words.h"

// ---- rendering

static void member_or_null(struct json_writer *w, const char *key, struct str text) {
  json_key(w, key);
  if (text.len)
    json_put_str(w, text);
  else
    json_put_null(w);
}

static void payment_members(struct json_writer *w, const struct payment *p) {
  json_member_id(w, "id", "pay", p->id);
  json_member_text(w, "object", "payment");
  json_member_id(w, "customer", "cus", p->customer_id);
  json_member_id(w, "order", "ord", p->order_id);
  json_member_id(w, "product", "prd", p->product_id);
  json_member_str(w, "kind", word_at(PAYMENT_KINDS, (int)p->kind));
  json_member_str(w, "reference", p->reference);
  json_member_str(w, "currency", p->currency);
  json_member_int(w, "paid", p->paid);
  json_member_int(w, "net", p->net);
  json_member_int(w, "refunded", p->refunded);
  json_member_bool(w, "disputed", p->disputed);
  json_member_amount(w, "credits", p->credits);
  json_member_amount(w, "bonus", p->bonus);
  json_member_time(w, "expires_at", p->expires_at);
  json_member_bool(w, "pending", p->pending);
  member_or_null(w, "problem", p->problem);
  json_member_time(w, "created_at", p->created_at);
}

static void refund_write(struct json_writer *w, const struct refund *r) {
  json_object_begin(w);
  json_member_str(w, "id", r->id);
  json_member_int(w, "amount", r->amount);
  json_member_str(w, "currency", r->currency);
  json_member_str(w, "status", r->status);
  json_member_bool(w, "came_back", r->back);
  json_member_time(w, "created_at", r->created_at);
  json_object_end(w);
}

static void dispute_write(struct json_writer *w, const struct dispute *d) {
  static const char states[] = "none|withdrawn|reinstated";
  json_object_begin(w);
  json_member_str(w, "id", d->id);
  json_member_int(w, "amount", d->amount);
  json_member_str(w, "currency", d->currency);
  json_member_str(w, "status", d->status);
  json_member_str(w, "money", word_at(states, d->state));
  json_member_bool(w, "lost", d->lost);
  json_member_bool(w, "open", d->open);
  json_member_time(w, "created_at", d->created_at);
  json_object_end(w);
}

static void payment_answer(struct rest_request *r, struct db *db, const struct payment *p) {
  struct refund *refunds = NULL;
  struct dispute *disputes = NULL;
  size_t refund_count = 0, dispute_count = 0;
  if (payment_refund_list(db, r->arena, p->payment_intent, &refunds, &refund_count) != 0 ||
      payment_dispute_list(db, r->arena, p->payment_intent, &disputes, &dispute_count) != 0) {
    rest_fault(r, FAULT_DB);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  payment_members(&w, p);
  json_key(&w, "refunds");
  json_array_begin(&w);
  for (size_t i = 0; i < refund_count; i++) refund_write(&w, &refunds[i]);
  json_array_end(&w);
  json_key(&w, "disputes");
  json_array_begin(&w);
  for (size_t i = 0; i < dispute_count; i++) dispute_write(&w, &disputes[i]);
  json_array_end(&w);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

// ---- endpoints

static bool payment_find(struct rest_request *r, struct db *db, struct payment *ret) {
  struct uuid id, customer;
  if (!rest_path_id(r, "pay", &id) || !rest_customer_query(r, &customer)) return false;
  int found = payment_read(db, r->arena, customer, id, ret);
  if (found < 0)
    rest_fault(r, found);
  else if (found > 0)
    rest_unknown(r, "id", "payment");
  return found == 0;
}

static void payment_get(struct rest_request *r, struct db *db) {
  struct payment p;
  if (payment_find(r, db, &p)) payment_answer(r, db, &p);
}

static void payment_list_answer(struct rest_request *r, struct db *db, struct uuid customer) {
  struct rest_page page;
  struct payment *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page)) return;
  int fault = payment_list(db, r->arena, customer, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) {
    json_object_begin(&w);
    payment_members(&w, &list[i]);
    json_object_end(&w);
  }
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

static void payment_list_get(struct rest_request *r, struct db *db) {
  struct uuid customer;
  if (rest_customer_query(r, &customer)) payment_list_answer(r, db, customer);
}

static void payment_problems_get(struct rest_request *r, struct db *db) {
  payment_list_answer(r, db, UUID_NIL);
}

// The customer is not locked: whoever tells the ledger of this payment has its row, and waits for the customer's.
static void payment_seen_post(struct rest_request *r, struct db *db) {
  struct payment p;
  if (!payment_find(r, db, &p)) return;
  struct uuid object = p.id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    if (payment_seen(db, p.customer_id, p.id) != 0) {
      rest_fault(r, FAULT_DB);
      return;
    }
    if (!rest_write_end(r, UUID_NIL)) return;
  }
  p.problem = STR("");
  payment_answer(r, db, &p);
}

static void subscription_write(struct json_writer *w, struct uuid customer, const struct subscription *s) {
  json_object_begin(w);
  json_member_str(w, "id", s->id);
  json_member_text(w, "object", "subscription");
  json_member_id(w, "customer", "cus", customer);
  json_member_id(w, "product", "prd", s->product_id);
  json_member_str(w, "status", s->status);
  json_member_int(w, "quantity", s->quantity);
  json_member_time(w, "cancel_at", s->cancel_at);
  json_member_time(w, "current_period_end", s->current_period_end);
  json_member_time(w, "created_at", s->created_at);
  json_object_end(w);
}

static void subscription_list_get(struct rest_request *r, struct db *db) {
  struct uuid customer;
  struct subscription *list = NULL;
  size_t count = 0;
  if (!rest_customer_query(r, &customer)) return;
  if (subscription_list(db, r->arena, customer, &list, &count) != 0) {
    rest_fault(r, FAULT_DB);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  struct rest_page all = {.limit = count};
  rest_list_begin(&w);
  for (size_t i = 0; i < count; i++) subscription_write(&w, customer, &list[i]);
  rest_list_end(&w, r, &all, count, UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_payments[] = {
    {"GET", "/api/v1/payments", REST_OWN, REST_PRIMARY, "customer|limit|cursor", payment_list_get},
    {"GET", "/api/v1/payments/problems", REST_OPERATOR, REST_PRIMARY, "limit|cursor", payment_problems_get},
    {"GET", "/api/v1/payments/{id}", REST_OWN, REST_PRIMARY, "customer", payment_get},
    {"POST", "/api/v1/payments/{id}/seen", REST_OPERATOR_BARE, REST_PRIMARY, "customer", payment_seen_post},
    {"GET", "/api/v1/subscriptions", REST_OWN, REST_PRIMARY, "customer", subscription_list_get},
    {0},
};
