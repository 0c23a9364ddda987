// /api/v1/products: what can be bought. A customer's key reads those that are on sale.
#include "base/limits.h"
#include "payment/mirror.h"
#include "rest/endpoints.h"
#include "rest/payments.h"
#include "rest/words.h"
#include "stripe/money.h"

#define DESCRIPTION_MAX 500
#define STRIPE_ID_MAX 255
#define DAYS_MAX 36500
#define TAX_CODE_LEN 13 // txcd_ and eight digits

// ---- rendering

void price_member(struct json_writer *w, const char *key, struct str currency, int64_t minor) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 64);
  money_print(currency, minor, &text);
  json_member_str(w, key, buf_str(&text));
}

static void text_or_null(struct json_writer *w, const char *key, struct str text) {
  json_key(w, key);
  if (text.ptr)
    json_put_str(w, text);
  else
    json_put_null(w);
}

static void days_member(struct json_writer *w, const char *key, int32_t days) {
  json_key(w, key);
  if (days > 0)
    json_put_int(w, days);
  else
    json_put_null(w);
}

static void product_write(struct json_writer *w, const struct product *p) {
  json_object_begin(w);
  json_member_id(w, "id", "prd", p->id);
  json_member_text(w, "object", "product");
  json_member_str(w, "kind", word_at(PRODUCT_KINDS, (int)p->kind));
  json_member_str(w, "name", p->name);
  json_member_str(w, "description", p->description);
  json_member_str(w, "currency", p->currency);
  json_member_int(w, "price", p->price);
  price_member(w, "price_text", p->currency, p->price);
  json_member_amount(w, "credits", p->credits);
  json_member_amount(w, "bonus", p->bonus);
  days_member(w, "expires_after_days", p->expires_after_days);
  days_member(w, "bonus_expires_after_days", p->bonus_expires_after_days);
  text_or_null(w, "period", p->period ? word_at(PRODUCT_PERIODS, p->period) : (struct str){0});
  json_member_str(w, "rollover", word_at(PRODUCT_ROLLOVERS, (int)p->rollover));
  json_member_bool(w, "trial_credits", p->trial_credits);
  text_or_null(w, "stripe_price", p->stripe_price);
  text_or_null(w, "tax_code", p->tax_code);
  json_member_bool(w, "enabled", p->enabled);
  json_member_time(w, "created_at", p->created_at);
  json_member_time(w, "updated_at", p->updated_at);
  json_object_end(w);
}

bool product_find(struct rest_request *r, struct db *db, struct uuid id, const char *param, struct product *ret) {
  int found = product_read(db, r->arena, id, ret);
  if (found < 0)
    rest_fault(r, found);
  else if (found != PRODUCT_DONE)
    rest_unknown(r, param, "product");
  return found == PRODUCT_DONE;
}

static void product_answer(struct rest_request *r, struct db *db, int status, struct uuid id) {
  struct product p;
  if (!product_find(r, db, id, "id", &p)) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  product_write(&w, &p);
  rest_reply(r, status, &out);
}

// ---- the body

struct body {
  struct str kind, name, description, currency, period, rollover, stripe_price, tax_code;
  int64_t price, expires_after_days, bonus_expires_after_days;
  amount credits, bonus;
  bool trial_credits, enabled;
  bool given_name, given_description, given_price, given_credits, given_bonus, given_expires_after_days,
      given_bonus_expires_after_days, given_period, given_rollover, given_trial_credits, given_stripe_price,
      given_tax_code, given_enabled, given_kind, given_currency;
};
#define AT(member) .offset = offsetof(struct body, member), .given = offsetof(struct body, given_##member)
static const struct json_field fields[] = {
    {.name = "name", .kind = JSON_TEXT, AT(name)},
    {.name = "description", .kind = JSON_TEXT_ANY, .max = DESCRIPTION_MAX, AT(description)},
    {.name = "price", .kind = JSON_INT, .min = 1, .max = MONEY_MAX, AT(price)},
    {.name = "credits", .kind = JSON_AMOUNT, .min = 1, .max = AMOUNT_MAX, AT(credits)},
    {.name = "bonus", .kind = JSON_AMOUNT, .min = 0, .max = AMOUNT_MAX, AT(bonus)},
    {.name = "expires_after_days",
     .kind = JSON_INT,
     .nullable = true,
     .min = 1,
     .max = DAYS_MAX,
     AT(expires_after_days)},
    {.name = "bonus_expires_after_days",
     .kind = JSON_INT,
     .nullable = true,
     .min = 1,
     .max = DAYS_MAX,
     AT(bonus_expires_after_days)},
    {.name = "rollover", .kind = JSON_TEXT, .one_of = PRODUCT_ROLLOVERS, AT(rollover)},
    {.name = "trial_credits", .kind = JSON_BOOL, AT(trial_credits)},
    {.name = "stripe_price", .kind = JSON_TEXT, .nullable = true, .max = STRIPE_ID_MAX, AT(stripe_price)},
    {.name = "tax_code", .kind = JSON_TEXT, .nullable = true, AT(tax_code)},
    {.name = "enabled", .kind = JSON_BOOL, AT(enabled)},
    // what stays as it was made
    {.name = "kind", .kind = JSON_TEXT, .one_of = PRODUCT_KINDS, AT(kind)},
    {.name = "currency", .kind = JSON_TEXT, AT(currency)},
    {.name = "period", .kind = JSON_TEXT, .one_of = PRODUCT_PERIODS, AT(period)},
};
#define FIELDS_TO_CHANGE (ARRAY_LEN(fields) - 3)

static bool wrong(struct rest_request *r, const char *param, const char *why) {
  rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "%s: %s", param, why);
  return false;
}

static bool tax_code_is_one(struct str text) {
  if (text.len != TAX_CODE_LEN || !str_starts(text, STR("txcd_"))) return false;
  for (size_t i = 5; i < text.len; i++)
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
  return true;
}

// What holds of a product however it came to be so.
static bool product_check(struct rest_request *r, const struct product *p) {
  const char *price = money_wrong(p->currency, p->price);
  if (price) return wrong(r, "price", price);
  if (p->stripe_price.ptr && !word_is_opaque(p->stripe_price, STRIPE_ID_MAX))
    return wrong(r, "stripe_price", "must be the id of a price at Stripe, such as price_1Nx.");
  if (p->tax_code.ptr && !tax_code_is_one(p->tax_code))
    return wrong(r, "tax_code", "must be one of Stripe's, such as txcd_10000000.");
  return true;
}

static bool required_check(struct rest_request *r, const struct body *b) {
  const struct {
    bool given;
    const char *name;
  } all[] = {{b->given_kind, "kind"},         {b->given_name, "name"},
             {b->given_currency, "currency"}, {b->given_price, "price"},
             {b->given_credits, "credits"},   {b->given_period || !str_eq(b->kind, STR("plan")), "period"}};
  for (size_t i = 0; i < ARRAY_LEN(all); i++)
    if (!all[i].given) return wrong(r, all[i].name, "is missing.");
  if (b->given_period && str_eq(b->kind, STR("pack"))) return wrong(r, "period", "is of plans: a pack is bought once.");
  return money_is_currency(b->currency) ? true : wrong(r, "currency", "must be three small letters, such as usd.");
}

static unsigned body_members(const struct body *b) {
  return (b->given_name ? PRODUCT_NAME : 0u) | (b->given_description ? PRODUCT_DESCRIPTION : 0u) |
         (b->given_price ? PRODUCT_PRICE : 0u) | (b->given_credits ? PRODUCT_CREDITS : 0u) |
         (b->given_bonus ? PRODUCT_BONUS : 0u) | (b->given_expires_after_days ? PRODUCT_EXPIRES : 0u) |
         (b->given_bonus_expires_after_days ? PRODUCT_BONUS_EXPIRES : 0u) |
         (b->given_rollover ? PRODUCT_ROLLOVER : 0u) | (b->given_trial_credits ? PRODUCT_TRIAL_CREDITS : 0u) |
         (b->given_stripe_price ? PRODUCT_STRIPE_PRICE : 0u) | (b->given_tax_code ? PRODUCT_TAX_CODE : 0u) |
         (b->given_enabled ? PRODUCT_ENABLED : 0u);
}

// Lays what was given over what is there.
static void body_apply(const struct body *b, struct product *p) {
  if (b->given_name) p->name = b->name;
  if (b->given_description) p->description = b->description;
  if (b->given_price) p->price = b->price;
  if (b->given_credits) p->credits = b->credits;
  if (b->given_bonus) p->bonus = b->bonus;
  if (b->given_expires_after_days) p->expires_after_days = (int32_t)b->expires_after_days;
  if (b->given_bonus_expires_after_days) p->bonus_expires_after_days = (int32_t)b->bonus_expires_after_days;
  if (b->given_rollover) p->rollover = (enum product_rollover)word_find(PRODUCT_ROLLOVERS, b->rollover);
  if (b->given_trial_credits) p->trial_credits = b->trial_credits;
  if (b->given_stripe_price) p->stripe_price = b->stripe_price;
  if (b->given_tax_code) p->tax_code = b->tax_code;
  if (b->given_enabled) p->enabled = b->enabled;
}

// What stands for a price at Stripe has to say the same as it.
static bool mirror_agrees(struct rest_request *r, const struct product *p) {
  struct str why = {0};
  if (!p->stripe_price.ptr) return true;
  if (!r->context->stripe) {
    rest_payments_off(r);
    return false;
  }
  int result = mirror_check(r->arena, r->context->stripe, p, &why);
  if (result < 0)
    rest_fault(r, result);
  else if (result == MIRROR_UNKNOWN)
    stripe_unavailable(r, UUID_NIL);
  else if (result == MIRROR_DIFFERS)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "stripe_price", "stripe_price: %.*s %.*s.", STR_ARG(p->stripe_price),
                STR_ARG(why));
  return result == MIRROR_FITS;
}

// ---- endpoints

static bool written(struct rest_request *r, int result, const struct product *p) {
  if (result < 0)
    rest_fault(r, result);
  else if (result == PRODUCT_UNKNOWN)
    rest_unknown(r, "id", "product");
  else if (result == PRODUCT_PRICE_TAKEN)
    rest_refuse(r, PROBLEM_CONFLICT, "stripe_price", "Another product stands for the price %.*s.",
                STR_ARG(p->stripe_price));
  return result == PRODUCT_DONE;
}

static void product_post(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct product p = {.id = rest_new_id(r), .description = STR(""), .rollover = PRODUCT_ENDS, .enabled = true};
  if (!rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body) || !required_check(r, &body)) return;
  p.kind = (enum product_kind)word_find(PRODUCT_KINDS, body.kind);
  p.currency = body.currency;
  p.period = p.kind == PRODUCT_PLAN ? word_find(PRODUCT_PERIODS, body.period) : 0;
  body_apply(&body, &p);
  if (!product_check(r, &p) || !mirror_agrees(r, &p) || !rest_write_begin(r, UUID_NIL, &p.id)) return;
  if (!r->replayed && (!written(r, product_create(db, &p), &p) || !rest_write_end(r, UUID_NIL))) return;
  product_answer(r, db, 201, p.id);
}

static void product_change(struct rest_request *r, struct db *db, unsigned members, const struct product *p) {
  struct uuid object = p->id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed && (!written(r, product_update(db, members, p), p) || !rest_write_end(r, UUID_NIL))) return;
  product_answer(r, db, 200, p->id);
}

static void product_patch(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct uuid id;
  struct product p;
  if (!rest_path_id(r, "prd", &id) || !rest_body(r, fields, FIELDS_TO_CHANGE, &body, sizeof body) ||
      !product_find(r, db, id, "id", &p))
    return;
  body_apply(&body, &p);
  if (!product_check(r, &p)) return;
  if ((body.given_price || body.given_stripe_price) && !mirror_agrees(r, &p)) return;
  product_change(r, db, body_members(&body), &p);
}

static void product_archive(struct rest_request *r, struct db *db) {
  struct product p = {.enabled = false};
  if (rest_path_id(r, "prd", &p.id)) product_change(r, db, PRODUCT_ENABLED, &p);
}

static void product_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (rest_path_id(r, "prd", &id)) product_answer(r, db, 200, id);
}

static bool enabled_query(struct rest_request *r, bool *ret) {
  struct str text = STR("false");
  (void)rest_query(r, "enabled", &text);
  *ret = str_eq(text, STR("true")) || !r->who->is_operator;
  if (str_eq(text, STR("true")) || str_eq(text, STR("false"))) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "enabled", "enabled must be true or false.");
  return false;
}

static void product_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct product *list = NULL;
  size_t count = 0;
  bool enabled_only;
  if (!rest_page(r, &page) || !enabled_query(r, &enabled_only)) return;
  int fault = product_list(db, r->arena, enabled_only, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) product_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_products[] = {
    {"POST", "/api/v1/products", REST_OPERATOR, REST_STRIPE, NULL, product_post},
    {"GET", "/api/v1/products", REST_OWN, REST_PRIMARY, "enabled|limit|cursor", product_list_get},
    {"GET", "/api/v1/products/{id}", REST_OWN, REST_PRIMARY, NULL, product_get},
    {"PATCH", "/api/v1/products/{id}", REST_OPERATOR, REST_STRIPE, NULL, product_patch},
    {"POST", "/api/v1/products/{id}/archive", REST_OPERATOR_BARE, REST_PRIMARY, NULL, product_archive},
    {0},
};
