// Disputes: whether the bank has taken the money, given it back, or only asks. The highest state that was ever seen counts,
// so that the order of events does not.
#include "base/log.h"
#include "base/fault.h"
#include "base/mem.h"
#include "event/event.h"
#include "json/write.h"
#include "payment/fact.h"
#include "payment/payment.h"

enum { NONE = 1, WITHDRAWN = 2, REINSTATED = 3 };

static bool one_of(struct str word, const char *words) {
  struct str rest = str_from(words), one;
  while (str_split(&rest, '|', &one))
    if (str_eq(one, word)) return true;
  return false;
}

// What the balance says: a negative entry is money taken, a positive one money given back. Only the sign is of use, the
// entries are in the currency of settlement.
static int state_by_balance(struct json *entries) {
  int state = NONE;
  for (size_t i = 0; i < json_count(entries); i++) {
    int64_t moved = fact_int(json_at(entries, i), "amount");
    if (moved < 0 && state < WITHDRAWN) state = WITHDRAWN;
    if (moved > 0) state = REINSTATED;
  }
  return state;
}

static int state_of(struct fact *f, struct str status) {
  int state = state_by_balance(json_get(f->object, "balance_transactions"));
  if (one_of(status, "needs_response|under_review|lost|appeal_needs_response|appeal_under_review") && state < WITHDRAWN) state = WITHDRAWN;
  if (str_eq(f->type, STR("charge.dispute.funds_withdrawn")) && state < WITHDRAWN) state = WITHDRAWN;
  if (str_eq(f->type, STR("charge.dispute.funds_reinstated")) || str_eq(status, STR("won"))) state = REINSTATED;
  return state;
}

static int tell(struct fact *f, const struct dispute *d, struct uuid customer, enum event_type type) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 8192);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_str(&w, "dispute", d->id);
  json_member_str(&w, "payment", d->payment);
  json_member_id(&w, "customer", "cus", customer);
  json_member_int(&w, "amount", d->amount);
  json_member_str(&w, "currency", d->currency);
  json_member_str(&w, "status", d->status);
  json_member_str(&w, "reason", fact_text(f->object, "reason"));
  json_object_end(&w);
  return event_add(f->db, customer, type, buf_str(&out));
}

static const char *problem_of(const struct dispute *d, int before, int state) {
  if (str_starts(d->status, STR("appeal_")) && before == REINSTATED) return "a dispute that was won is appealed: see at Stripe where its money is";
  if (str_eq(d->status, STR("prevented"))) return "a dispute was prevented: see at Stripe what was refunded for it";
  if (!one_of(d->status, "warning_needs_response|warning_under_review|warning_closed|needs_response|under_review|appeal_needs_response|appeal_under_review|won|lost|prevented"))
    return "a dispute has a status that is not known: see at Stripe where its money is";
  return d->lost && state == WITHDRAWN ? "a dispute is lost" : "";
}

static int moved(struct fact *f, const struct dispute *d, int before, bool was_open) {
  struct uuid customer;
  int now = d->state > before ? d->state : before;
  int r = payment_touch(f->db, d->payment, str_from(problem_of(d, before, now)));
  if (r == 0) r = payment_customer(f->db, d->payment, &customer);
  if (r != 0 || uuid_is_nil(customer)) return r;
  r = payment_disputes_note(f->db, customer);
  if (r == 0 && before == 0) r = tell(f, d, customer, EVENT_PAYMENT_DISPUTED);
  if (r == 0 && !d->open && (was_open || before == 0)) r = tell(f, d, customer, EVENT_DISPUTE_CLOSED);
  return r;
}

// An appeal of what was won moves no state: where its money is only a person can see.
static int unmoved(struct fact *f, const struct dispute *d, int before) {
  const char *problem = before == REINSTATED ? problem_of(d, before, before) : "";
  return *problem ? payment_touch(f->db, d->payment, str_from(problem)) : 0;
}

int fact_dispute(struct fact *f) {
  struct str charge = fact_id(f->object, "charge");
  struct dispute d = {.id = fact_text(f->object, "id"), .payment = fact_id(f->object, "payment_intent"),
                      .currency = fact_text(f->object, "currency"), .status = fact_text(f->object, "status"),
                      .amount = fact_minor(f->object, "amount")};
  if (d.payment.len == 0 && charge.len) {
    if (payment_charge_find(f->db, f->arena, charge, &d.payment) != 0) return FAULT_DB;
    if (d.payment.len == 0) d.payment = charge;
  }
  if (d.id.len == 0 || d.payment.len == 0 || d.amount < 0) return fact_park(f, "is a dispute without an id, a payment or an amount");
  if (payment_lock(f->db, d.payment) != 0) return FAULT_DB;
  d.state = state_of(f, d.status);
  d.lost = str_eq(d.status, STR("lost"));
  d.open = !one_of(d.status, "won|lost|warning_closed|prevented");
  int before = 0;
  bool was_open = false;
  int r = payment_dispute_put(f->db, &d, &before, &was_open);
  return r > 0 ? moved(f, &d, before, was_open) : r == 0 ? unmoved(f, &d, before) : r;
}

// A bank that suspects fraud and has not disputed yet.
int fact_warning(struct fact *f) {
  struct str intent = fact_id(f->object, "payment_intent");
  if (intent.len == 0) return fact_ignore(f, "an early fraud warning without a PaymentIntent is not of this service");
  return payment_touch(f->db, intent, STR("early fraud warning: refunding it now avoids the dispute"));
}
