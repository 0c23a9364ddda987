// Refunds and what is said of them by their charge. A refund is out from when it is made, not from when it settles; one that
// came back beats all else that is said of it.
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "event/event.h"
#include "json/write.h"
#include "payment/fact.h"
#include "payment/payment.h"

static bool is_back(struct str status) {
  return str_eq(status, STR("failed")) || str_eq(status, STR("canceled"));
}

// The payment that an object names, else the one its charge is known to be of, else the charge itself.
static int payment_of(struct fact *f, struct json *object, struct str *ret) {
  struct str charge = fact_id(object, "charge");
  *ret = fact_id(object, "payment_intent");
  if (ret->len || charge.len == 0) return 0;
  int r = payment_charge_find(f->db, f->arena, charge, ret);
  if (r == 0 && ret->len == 0) *ret = charge;
  return r;
}

static int tell(struct fact *f, const struct refund *r, enum event_type type) {
  struct uuid customer;
  if (payment_customer(f->db, r->payment, &customer) != 0) return FAULT_DB;
  if (uuid_is_nil(customer)) return 0; // nobody knows yet whose it is
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 8192);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_str(&w, "refund", r->id);
  json_member_str(&w, "payment", r->payment);
  json_member_id(&w, "customer", "cus", customer);
  json_member_int(&w, "amount", r->amount);
  json_member_str(&w, "currency", r->currency);
  json_member_str(&w, "status", r->status);
  json_object_end(&w);
  return event_add(f->db, customer, type, buf_str(&out));
}

static int refund_take(struct fact *f, struct json *object) {
  struct refund r = {.id = fact_text(object, "id"), .currency = fact_text(object, "currency"), .status = fact_text(object, "status"),
                     .amount = fact_minor(object, "amount")};
  if (r.id.len == 0 || r.amount < 0) return fact_park(f, "is a refund without an id or an amount");
  if (payment_of(f, object, &r.payment) != 0) return FAULT_DB;
  if (r.payment.len == 0) return fact_park(f, "is a refund of which nobody knows of what");
  if (payment_lock(f->db, r.payment) != 0) return FAULT_DB;
  r.back = is_back(r.status);
  int moved = payment_refund_put(f->db, &r);
  if (moved <= 0) return moved;
  const char *problem = r.back ? "a refund came back: the customer still expects money" : "";
  int fault = payment_touch(f->db, r.payment, str_from(problem));
  return fault < 0 ? fault : tell(f, &r, r.back ? EVENT_REFUND_FAILED : EVENT_PAYMENT_REFUNDED);
}

// Once one has come back, what its charge says is no bound any more: the whole list is read.
int fact_refund(struct fact *f) {
  struct str intent = fact_id(f->object, "payment_intent");
  if (is_back(fact_text(f->object, "status")) && intent.len && !f->fetched)
    return fact_want(f, "/v1/refunds?payment_intent=%.*s&limit=100", STR_ARG(intent));
  int r = refund_take(f, f->object);
  struct json *list = json_get(f->fetched, "data");
  for (size_t i = 0; r == FACT_DONE && i < json_count(list); i++) r = refund_take(f, json_at(list, i));
  return r;
}

// ---- charges

static int charge_take(struct fact *f, int64_t refunded) {
  struct str id = fact_text(f->object, "id"), intent = fact_id(f->object, "payment_intent");
  if (id.len == 0 || intent.len == 0) return fact_ignore(f, "a charge without a PaymentIntent is not of this service");
  if (payment_lock(f->db, intent) != 0) return FAULT_DB;
  int moved = payment_charge_put(f->db, id, intent, refunded);
  if (moved <= 0) return moved;
  return payment_touch(f->db, intent, STR(""));
}

int fact_charge(struct fact *f) {
  int64_t refunded = fact_minor(f->object, "amount_refunded");
  return charge_take(f, refunded > 0 ? refunded : 0);
}

int fact_charge_refunded(struct fact *f) {
  int64_t refunded = fact_minor(f->object, "amount_refunded");
  return refunded < 0 ? fact_park(f, "does not say how much was refunded") : charge_take(f, refunded);
}
