// /api/v1/top-ups: what a customer agreed to have bought for it, without being there. One for a customer; setting it again
// replaces it, and is a consent of its own.
#include "base/limits.h"
#include "payment/top_up.h"
#include "rest/endpoints.h"
#include "rest/payments.h"
#include "rest/words.h"

#define PACKS_MAX 1000
#define COUNT_MAX 100
#define CAP_MAX INT64_C(999999999999)

// ---- rendering

static void member_or_null(struct json_writer *w, const char *key, struct str text) {
  json_key(w, key);
  if (text.len)
    json_put_str(w, text);
  else
    json_put_null(w);
}

static void top_up_write(struct json_writer *w, const struct top_up *t) {
  json_object_begin(w);
  json_member_text(w, "object", "top_up");
  json_member_id(w, "customer", "cus", t->customer_id);
  json_member_bool(w, "enabled", t->enabled);
  json_member_amount(w, "threshold", t->threshold);
  json_member_id(w, "product", "prd", t->product_id);
  json_key(w, "target");
  if (t->target > 0)
    json_put_amount(w, t->target);
  else
    json_put_null(w);
  json_member_int(w, "packs_at_once", t->most);
  json_member_int(w, "daily_count", t->daily_count);
  json_member_int(w, "monthly_cap", t->monthly_cap);
  json_member_str(w, "return_url", t->return_url);
  json_member_str(w, "state", word_at(TOP_UP_STATES, (int)t->state));
  member_or_null(w, "problem", t->problem);
  member_or_null(w, "link", t->link);
  json_member_int(w, "failures", t->failures);
  json_member_time(w, "retry_at", t->retry_at);
  json_key(w, "consent");
  json_object_begin(w);
  json_member_time(w, "at", t->consent_at);
  json_member_str(w, "by", t->consent_by);
  json_member_str(w, "text", t->consent_text);
  json_member_raw(w, "terms", t->consent_terms);
  json_object_end(w);
  json_member_time(w, "updated_at", t->updated_at);
  json_object_end(w);
}

static void top_up_answer(struct rest_request *r, struct db *db, struct uuid customer) {
  struct top_up t;
  int found = top_up_read(db, r->arena, customer, &t);
  if (found < 0)
    rest_fault(r, found);
  else if (found != TOP_UP_DONE)
    rest_unknown(r, "customer", "top-up");
  if (found != TOP_UP_DONE) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  top_up_write(&w, &t);
  rest_reply(r, 200, &out);
}

// ---- setting

struct body {
  struct str customer, return_url, consent_text;
  struct uuid product;
  amount threshold, target;
  int64_t packs, daily_count, monthly_cap;
  bool enabled, given_enabled, given_packs;
};
#define AT(member) .offset = offsetof(struct body, member), .given = JSON_NOT_TOLD
static const struct json_field fields[] = {
    {.name = "customer", .kind = JSON_TEXT, .max = LIMIT_NAME + 4, .required = true, AT(customer)},
    {.name = "product", .kind = JSON_ID, .prefix = "prd", .required = true, AT(product)},
    {.name = "threshold", .kind = JSON_AMOUNT, .required = true, .min = 0, .max = AMOUNT_MAX, AT(threshold)},
    {.name = "target", .kind = JSON_AMOUNT, .nullable = true, .min = 1, .max = AMOUNT_MAX, AT(target)},
    {.name = "packs_at_once",
     .kind = JSON_INT,
     .min = 1,
     .max = PACKS_MAX,
     .offset = offsetof(struct body, packs),
     .given = offsetof(struct body, given_packs)},
    {.name = "daily_count", .kind = JSON_INT, .required = true, .min = 1, .max = COUNT_MAX, AT(daily_count)},
    {.name = "monthly_cap", .kind = JSON_INT, .required = true, .min = 1, .max = CAP_MAX, AT(monthly_cap)},
    {.name = "return_url", .kind = JSON_TEXT, .max = CHECKOUT_URL_MAX, .required = true, AT(return_url)},
    {.name = "consent_text", .kind = JSON_TEXT, .required = true, AT(consent_text)},
    {.name = "enabled", .kind = JSON_BOOL, .offset = offsetof(struct body, enabled), .given = offsetof(struct body, given_enabled)},
};

// What a schema cannot say.
static bool body_check(struct rest_request *r, struct db *db, const struct body *b) {
  struct product p;
  if (!browser_url_check(r, "return_url", b->return_url) || !product_find(r, db, b->product, "product", &p)) return false;
  bool sold = p.enabled && p.kind == PRODUCT_PACK;
  if (sold && b->monthly_cap >= p.price && (b->target == 0 || b->target > b->threshold)) return true;
  if (!sold)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "product", "product must be a pack that is sold.");
  else if (b->monthly_cap < p.price)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "monthly_cap", "monthly_cap must cover one pack: %lld.", (long long)p.price);
  else
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "target", "target must be above threshold.");
  return false;
}

// What is agreed to, as it stands now.
static struct str terms_of(struct rest_request *r, const struct top_up *t) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 4096);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_amount(&w, "threshold", t->threshold);
  json_member_id(&w, "product", "prd", t->product_id);
  if (t->target) json_member_amount(&w, "target", t->target);
  json_member_int(&w, "packs_at_once", t->most);
  json_member_int(&w, "daily_count", t->daily_count);
  json_member_int(&w, "monthly_cap", t->monthly_cap);
  json_object_end(&w);
  return arena_str(r->arena, buf_str(&out));
}

static void top_up_post(struct rest_request *r, struct db *db) {
  struct body b = {0};
  struct uuid customer;
  char by[ID_TEXT_MAX];
  if (!r->context->stripe) {
    rest_payments_off(r);
    return;
  }
  if (!rest_body(r, fields, ARRAY_LEN(fields), &b, sizeof b) || !rest_customer(r, b.customer, "customer", &customer) || !body_check(r, db, &b)) return;
  struct uuid object = customer;
  if (!rest_write_begin(r, customer, &object)) return;
  if (!r->replayed) {
    id_print("key", r->who->key_id, by);
    struct top_up t = {.customer_id = customer, .enabled = !b.given_enabled || b.enabled, .threshold = b.threshold, .product_id = b.product,
                       .target = b.target, .most = b.given_packs ? (int32_t)b.packs : b.target ? PACKS_MAX : 1, .daily_count = (int32_t)b.daily_count,
                       .monthly_cap = b.monthly_cap, .return_url = b.return_url, .consent_by = str_from(by), .consent_text = b.consent_text};
    t.consent_terms = terms_of(r, &t);
    if (top_up_put(db, &t) != 0) {
      rest_fault(r, FAULT_DB);
      return;
    }
    if (!rest_write_end(r, customer)) return;
  }
  top_up_answer(r, db, customer);
}

static void top_up_get(struct rest_request *r, struct db *db) {
  struct uuid customer;
  if (rest_customer_query(r, &customer)) top_up_answer(r, db, customer);
}

// ---- off, and on again

static void top_up_delete(struct rest_request *r, struct db *db) {
  struct uuid customer;
  if (!rest_customer_query(r, &customer)) return;
  struct uuid object = customer;
  if (!rest_write_begin(r, customer, &object)) return;
  if (!r->replayed) {
    if (top_up_drop(db, customer) != 0) {
      rest_fault(r, FAULT_DB);
      return;
    }
    if (!rest_write_end(r, customer)) return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "id", "cus", customer);
  json_member_text(&w, "object", "top_up");
  json_member_bool(&w, "deleted", true);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

static void top_up_release_post(struct rest_request *r, struct db *db) {
  struct uuid customer;
  struct top_up t;
  if (!rest_customer_query(r, &customer)) return;
  struct uuid object = customer;
  if (!rest_write_begin(r, customer, &object)) return;
  if (!r->replayed) {
    int found = top_up_read(db, r->arena, customer, &t);
    if (found == TOP_UP_DONE) found = top_up_release(db, customer);
    if (found == TOP_UP_UNKNOWN) rest_unknown(r, "customer", "top-up");
    else if (found < 0) rest_fault(r, found);
    if (found != TOP_UP_DONE || !rest_write_end(r, customer)) return;
  }
  top_up_answer(r, db, customer);
}

const struct rest_endpoint rest_top_ups[] = {
    {"POST", "/api/v1/top-ups", REST_OWN, REST_PRIMARY, NULL, top_up_post},
    {"GET", "/api/v1/top-ups", REST_OWN, REST_PRIMARY, "customer", top_up_get},
    {"DELETE", "/api/v1/top-ups", REST_OWN, REST_PRIMARY, "customer", top_up_delete},
    {"POST", "/api/v1/top-ups/release", REST_OPERATOR_BARE, REST_PRIMARY, "customer", top_up_release_post},
    {0},
};
