// /api/v1/orders and /api/v1/billing: what a customer has bought, and what is known of how it pays.
#include "payment/billing.h"
#include "rest/endpoints.h"
#include "rest/payments.h"
#include "rest/words.h"

static void text_or_null(struct json_writer *w, const char *key, struct str text) {
  json_key(w, key);
  if (text.ptr && text.len > 0)
    json_put_str(w, text);
  else
    json_put_null(w);
}

static void number_or_null(struct json_writer *w, const char *key, int64_t number) {
  json_key(w, key);
  if (number > 0)
    json_put_int(w, number);
  else
    json_put_null(w);
}

// ---- orders

void order_write(struct json_writer *w, const struct order *o) {
  bool open = o->state == ORDER_OPEN;
  json_object_begin(w);
  json_member_id(w, "id", "ord", o->id);
  json_member_text(w, "object", "order");
  json_member_id(w, "customer", "cus", o->customer_id);
  json_member_str(w, "kind", word_at(ORDER_KINDS, (int)o->kind));
  json_member_str(w, "state", word_at(ORDER_STATES, (int)o->state));
  json_member_id(w, "product", "prd", o->product_id);
  json_member_str(w, "currency", o->currency);
  json_member_int(w, "price", o->price);
  price_member(w, "price_text", o->currency, o->price);
  json_member_amount(w, "credits", o->credits);
  json_member_amount(w, "bonus", o->bonus);
  number_or_null(w, "expires_after_days", o->expires_after_days);
  number_or_null(w, "bonus_expires_after_days", o->bonus_expires_after_days);
  json_member_bool(w, "livemode", o->livemode);
  text_or_null(w, "stripe_id", o->stripe_id);
  text_or_null(w, "url", open ? o->url : (struct str){0});
  json_member_time(w, "url_expires_at", open ? o->url_expires_at : 0);
  json_member_str(w, "problem", o->problem);
  json_member_time(w, "created_at", o->created_at);
  json_member_time(w, "updated_at", o->updated_at);
  json_member_time(w, "paid_at", o->paid_at);
  json_object_end(w);
}

void order_answer(struct rest_request *r, int status, const struct order *o) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  order_write(&w, o);
  rest_reply(r, status, &out);
}

static void order_get(struct rest_request *r, struct db *db) {
  struct uuid id, customer;
  struct order o;
  if (!rest_path_id(r, "ord", &id) || !rest_customer_query(r, &customer)) return;
  int found = payment_order_read(db, r->arena, customer, id, &o);
  if (found < 0)
    rest_fault(r, found);
  else if (found != ORDER_DONE)
    rest_unknown(r, "id", "order");
  else
    order_answer(r, 200, &o);
}

static void order_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct uuid customer;
  struct order *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page) || !rest_customer_query(r, &customer)) return;
  int fault = payment_order_list(db, r->arena, customer, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) order_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

// ---- billing

static void card_write(struct json_writer *w, const struct billing *b) {
  json_key(w, "card");
  if (!b->payment_method.ptr) {
    json_put_null(w);
    return;
  }
  json_object_begin(w);
  json_member_str(w, "payment_method", b->payment_method);
  json_member_str(w, "brand", b->brand);
  json_member_str(w, "last4", b->last4);
  number_or_null(w, "exp_month", b->exp_month);
  number_or_null(w, "exp_year", b->exp_year);
  json_object_end(w);
}

static void billing_get(struct rest_request *r, struct db *db) {
  struct uuid customer;
  struct billing b;
  if (!rest_customer_query(r, &customer)) return;
  int fault = billing_read(db, r->arena, customer, &b);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "object", "billing");
  json_member_id(&w, "customer", "cus", b.customer_id);
  text_or_null(&w, "stripe_customer", b.stripe_customer);
  text_or_null(&w, "email", b.email);
  card_write(&w, &b);
  json_member_bool(&w, "past_due", b.past_due);
  json_member_bool(&w, "disputed", b.disputed);
  json_member_time(&w, "updated_at", b.updated_at);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_orders[] = {
    {"GET", "/api/v1/orders", REST_OWN, REST_PRIMARY, "customer|limit|cursor", order_list_get},
    {"GET", "/api/v1/orders/{id}", REST_OWN, REST_PRIMARY, "customer", order_get},
    {"GET", "/api/v1/billing", REST_OWN, REST_PRIMARY, "customer", billing_get},
    {0},
};
