// A price is read at Stripe, and held against the product member by member. What is sold there by another rule than so
// much a piece cannot be mirrored.
#include "payment/mirror.h"
#include "base/log.h"
#include "base/mem.h"
#include "stripe/form.h"
#include "stripe/money.h"
#include "json/read.h"

static bool is(struct json *object, const char *name, const char *text) {
  struct str value;
  return json_text(json_get(object, name), &value) && str_eq(value, str_from(text));
}

static bool recurs_as(struct json *recurring, int period) {
  int64_t count = 0;
  return is(recurring, "interval", period == PRODUCT_YEAR ? "year" : "month") &&
         is(recurring, "usage_type", "licensed") && json_int(json_get(recurring, "interval_count"), &count) &&
         count == 1;
}

static struct str amount_text(struct arena *arena, struct str currency, int64_t minor) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 64);
  money_print(currency, minor, &text);
  return arena_str(arena, buf_str(&text));
}

static const char *difference(struct arena *arena, struct json *price, const struct product *p) {
  struct str currency = STR("");
  int64_t minor = -1;
  bool active = false;
  (void)json_bool(json_get(price, "active"), &active);
  (void)json_int(json_get(price, "unit_amount"), &minor);
  if (!active) return "is not active there";
  if (!is(price, "billing_scheme", "per_unit") || minor < 0) return "is not a fixed amount a piece there";
  if (!json_text(json_get(price, "currency"), &currency) || !str_eq(currency, p->currency))
    return arena_printf(arena, "is in %.*s there", STR_ARG(currency));
  if (minor != p->price) return arena_printf(arena, "is %.*s there", STR_ARG(amount_text(arena, currency, minor)));
  if (p->kind == PRODUCT_PACK) return is(price, "type", "one_time") ? NULL : "recurs there, and a pack is bought once";
  return recurs_as(json_get(price, "recurring"), p->period) ? NULL : "does not recur there as this plan does";
}

int mirror_check(struct arena *arena, struct stripe *stripe, const struct product *p, struct str *ret_why) {
  CLEANUP(buf_finish) struct buf path;
  struct stripe_answer answer;
  buf_init(&path, 2048);
  buf_puts(&path, "/v1/prices/");
  form_encode(&path, p->stripe_price);
  ASSERT(!path.full);
  int r = stripe_call(stripe, "GET", buf_cstr(&path), STR(""), NULL, &answer);
  if (r != 0) return r;
  const char *why = NULL;
  r = MIRROR_UNKNOWN;
  if (stripe_done(&answer)) {
    why = difference(arena, answer.body, p);
    r = why ? MIRROR_DIFFERS : MIRROR_FITS;
  } else if (answer.status == 404) {
    why = "is not known there";
    r = MIRROR_DIFFERS;
  }
  if (why) *ret_why = arena_str(arena, str_from(why));
  stripe_answer_finish(&answer);
  return r;
}
