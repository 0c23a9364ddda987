// Whether something is bought now, and what a decline means: rules without a database. What may run away is held by the
// count of a day, the sum of a month, and the two attempts of ten minutes; the month's sum is never passed, fewer packs are
// bought instead.
#include "base/clock.h"
#include "payment/top_up.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)
#define COOL_OFF_US (30 * SECOND_US)
#define LATELY_US (600 * SECOND_US)
#define LATELY_MAX 2

static struct top_up_decision later(const char *reason, int64_t retry_at) {
  return (struct top_up_decision){.verdict = TOP_UP_LATER, .reason = reason, .retry_at = retry_at};
}

// As many packs as bring what is available to the target, within what may be bought at once.
static int64_t packs_wanted(const struct top_up *t, const struct top_up_facts *f) {
  if (t->target == 0) return 1;
  amount_wide missing = (amount_wide)t->target - f->available;
  amount_wide packs = (missing + f->credits - 1) / f->credits;
  if (packs > t->most) packs = t->most;
  return packs > 1 ? (int64_t)packs : 1;
}

static int64_t next_day(int64_t now) {
  return (now / DAY_US + 1) * DAY_US;
}

static struct top_up_decision within_caps(const struct top_up *t, const struct top_up_facts *f) {
  int64_t room = t->monthly_cap - f->spent_this_month, packs = packs_wanted(t, f);
  if (f->price <= 0 || f->credits <= 0) return later("the pack it buys is not sold any more", 0);
  if (packs > room / f->price) packs = room / f->price;
  if (packs < 1) return later("the month's cap is reached", next_day(f->now));
  return (struct top_up_decision){.verdict = TOP_UP_BUY, .packs = (int32_t)packs};
}

struct top_up_decision top_up_decide(const struct top_up *t, const struct top_up_facts *f) {
  if (f->available > t->threshold) return (struct top_up_decision){.verdict = TOP_UP_ENOUGH};
  if (!t->enabled || t->state != TOP_UP_READY || t->retry_at > f->now) return (struct top_up_decision){.verdict = TOP_UP_STANDS};
  if (!f->caught_up) return later("Stripe's events are being caught up with", f->now + 5 * SECOND_US);
  if (f->in_flight) return later("one is under way", f->now + COOL_OFF_US);
  if (!f->product_sold) return later("the pack it buys is not sold any more", next_day(f->now));
  if (!f->has_card) return later("there is no card to charge", f->now + LATELY_US);
  if (f->disputed) return later("a payment is disputed", f->now + LATELY_US);
  if (f->past_due) return later("an invoice is past due", f->now + LATELY_US);
  if (f->bought_today >= t->daily_count) return later("the day's count is reached", next_day(f->now));
  if (f->lately >= LATELY_MAX) return later("two attempts in ten minutes", f->last_at + LATELY_US);
  if (f->last_at > 0 && f->now - f->last_at < COOL_OFF_US) return later("it has just bought", f->last_at + COOL_OFF_US);
  return within_caps(t, f);
}

// ---- declines

static bool one_of(struct str word, const char *words) {
  struct str rest = str_from(words), one;
  while (str_split(&rest, '|', &one))
    if (str_eq(one, word)) return true;
  return false;
}

enum top_up_failure top_up_judge(const struct top_up_error *e) {
  if (str_eq(e->code, STR("resource_missing"))) return TOP_UP_GONE;
  if (str_eq(e->code, STR("authentication_required")) || str_eq(e->decline_code, STR("authentication_required"))) return TOP_UP_ASKS_CUSTOMER;
  bool hard = one_of(e->advice_code, "do_not_try_again|confirm_card_data") || one_of(e->code, "expired_card|incorrect_number|incorrect_cvc|invalid_cvc") ||
              one_of(e->decline_code, "lost_card|stolen_card|pickup_card|restricted_card|fraudulent|invalid_account|revocation_of_all_authorizations|"
                                      "revocation_of_authorization|stop_payment_order|merchant_blacklist|card_not_supported|expired_card|incorrect_number|new_account_information_available");
  return hard ? TOP_UP_HARD : TOP_UP_SOFT;
}
