// A payment is written down once, and told with it.
#include "payment/bought.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "event/event.h"
#include "json/write.h"
#include "payment/billing.h"
#include "payment/top_up.h"

#define DAY_US (INT64_C(24) * 3600 * 1000000)

// By the clock of the event, so that one that is read twice says the same.
int64_t bought_in_days(struct fact *f, int32_t days) {
  return days > 0 ? f->created * 1000000 + days * DAY_US : 0;
}

static int payment_tell(struct fact *f, const struct payment *p, enum event_type type) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 8192);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "payment", "pay", p->id);
  json_member_str(&w, "reference", p->reference);
  json_member_id(&w, "customer", "cus", p->customer_id);
  json_member_id(&w, "order", "ord", p->order_id);
  json_member_int(&w, "paid", p->paid);
  json_member_str(&w, "currency", p->currency);
  json_member_amount(&w, "credits", p->credits);
  json_member_amount(&w, "bonus", p->bonus);
  json_object_end(&w);
  return event_add(f->db, p->customer_id, type, buf_str(&out));
}

static int put(struct fact *f, struct payment *p) {
  p->id = uuid_local(clock_wall_us());
  if (p->payment_intent.len && payment_lock(f->db, p->payment_intent) < 0) return FAULT_DB;
  int fresh = payment_put(f->db, p);
  if (fresh < 0) return fresh;
  int r = p->payment_intent.len ? payment_object_put(f->db, p->payment_intent, p->customer_id, p->order_id) : 0;
  if (r == 0 && fresh && p->payment_intent.len) r = payment_disputes_note(f->db, p->customer_id);
  return r == 0 && fresh ? payment_tell(f, p, EVENT_PAYMENT_SUCCEEDED) : r;
}

int bought_order(struct fact *f, const struct order *o, struct str reference, struct bought b) {
  struct payment p = {.reference = reference, .customer_id = o->customer_id, .order_id = o->id, .product_id = o->product_id,
                      .kind = b.nothing ? PAYMENT_NOTHING : o->kind == ORDER_TOP_UP ? PAYMENT_TOP_UP : PAYMENT_PURCHASE,
                      .paid = b.paid, .net = b.net, .currency = o->currency, .credits = o->credits, .bonus = o->bonus,
                      .expires_at = bought_in_days(f, o->expires_after_days),
                      .bonus_expires_at = bought_in_days(f, o->bonus_expires_after_days),
                      .payment_intent = b.intent, .invoice = STR(""), .problem = STR("")};
  int r = payment_order_raise(f->db, o->customer_id, o->id, ORDER_PAID, STR(""));
  if (r < 0) return r;
  if (r == ORDER_DONE && o->kind == ORDER_TOP_UP) r = top_up_succeeded(f->db, o);
  else r = 0;
  return r == 0 ? put(f, &p) : r;
}

int bought_period(struct fact *f, struct payment *p) {
  return put(f, p);
}

int bought_failed(struct fact *f, const struct order *o, const char *reason) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 8192);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "customer", "cus", o->customer_id);
  json_member_id(&w, "order", "ord", o->id);
  json_member_text(&w, "reason", reason);
  json_object_end(&w);
  return event_add(f->db, o->customer_id, EVENT_PAYMENT_FAILED, buf_str(&out));
}

int bought_customer(struct fact *f, struct uuid customer, struct str stripe_customer) {
  struct str kept;
  return billing_customer_put(f->db, f->arena, customer, stripe_customer, &kept);
}

int bought_card(struct fact *f, struct uuid customer, struct json *method, struct str id) {
  int64_t month = fact_int(method, "card.exp_month"), year = fact_int(method, "card.exp_year");
  struct billing b = {.customer_id = customer,
                      .payment_method = id,
                      .brand = fact_text(method, "card.brand"),
                      .last4 = fact_text(method, "card.last4"),
                      .fingerprint = fact_text(method, "card.fingerprint"),
                      .exp_month = month >= 1 && month <= 12 ? (int32_t)month : 0,
                      .exp_year = year > 0 && year < 10000 ? (int32_t)year : 0};
  struct billing before;
  if (id.len == 0) return FACT_DONE;
  if (billing_read(f->db, f->arena, customer, &before) != 0) return FAULT_DB;
  bool other = !str_eq(before.fingerprint, b.fingerprint) || b.fingerprint.len == 0;
  if (payment_object_put(f->db, id, customer, UUID_NIL) < 0) return FAULT_DB;
  int r = billing_card_put(f->db, &b);
  return r == 0 && other ? top_up_release(f->db, customer) : r;
}
