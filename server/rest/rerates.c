// /api/v1/rerates: calls priced again; simulated by housekeeping, posted when somebody has looked at it.
#include "rerate/rerate.h"
#include "base/limits.h"
#include "customer/keys.h"
#include "rest/catalogue.h"
#include "rest/endpoints.h"

// ---- rendering

static void text_or_null(struct json_writer *w, const char *key, struct str text) {
  json_key(w, key);
  if (text.len)
    json_put_str(w, text);
  else
    json_put_null(w);
}

// Of what would change; posted ones stand beside it.
static void sums_write(struct json_writer *w, const struct rerate_sums *s) {
  json_member_int(w, "calls", s->calls);
  json_member_amount(w, "charge_before", s->charge_before);
  json_member_amount(w, "charge_after", s->charge_after);
  json_member_amount(w, "difference", s->charge_after - s->charge_before); // both are sums of charges, so neither is below zero
  json_member_amount(w, "cost_before", s->cost_before);
  json_member_amount(w, "cost_after", s->cost_after);
  json_member_int(w, "posted_calls", s->posted);
  json_member_int(w, "skipped_calls", s->skipped);
  json_member_amount(w, "posted_difference", s->posted_difference);
}

static void rerate_write(struct json_writer *w, const struct rerate *r) {
  json_object_begin(w);
  json_member_id(w, "id", "rrt", r->id);
  json_member_text(w, "object", "rerate");
  json_member_text(w, "state", rerate_state_name(r->state));
  json_member_time(w, "from", r->from);
  json_member_time(w, "to", r->to);
  json_member_id(w, "customer", "cus", r->customer);
  json_member_id(w, "key", "key", r->key);
  text_or_null(w, "model", r->model);
  json_member_id(w, "provider", "prv", r->provider);
  json_member_bool(w, "unrated", r->unrated);
  json_member_text(w, "prices", r->current ? "current" : "at_call");
  json_member_int(w, "price_book_version", r->book_version);
  json_member_str(w, "reason", r->reason);
  json_member_id(w, "by", "key", r->by);
  json_member_int(w, "seen_calls", r->seen);
  json_member_int(w, "unpriced_calls", r->unpriced);
  json_member_int(w, "customers", r->customers);
  sums_write(w, &r->sums);
  text_or_null(w, "problem", r->problem);
  json_member_time(w, "created_at", r->created_at);
  json_member_time(w, "simulated_at", r->simulated_at);
  json_member_time(w, "post_asked_at", r->post_asked_at);
  json_member_time(w, "ended_at", r->ended_at);
  json_object_end(w);
}

static bool rerate_find(struct rest_request *r, struct db *db, struct uuid id, struct rerate *ret) {
  int found = rerate_read(db, r->arena, id, ret);
  if (found < 0)
    rest_fault(r, found);
  else if (found > 0)
    rest_unknown(r, "id", "re-rate");
  return found == 0;
}

static void rerate_answer(struct rest_request *r, struct db *db, int status, struct uuid id) {
  struct rerate found;
  if (!rerate_find(r, db, id, &found)) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  rerate_write(&w, &found);
  rest_reply(r, status, &out);
}

// ---- making one

struct body {
  int64_t from, to;
  struct str customer, model, provider, prices, reason;
  struct uuid key;
  bool unrated;
};
#define AT(member) .offset = offsetof(struct body, member), .given = JSON_NOT_TOLD
static const struct json_field fields[] = {
    {.name = "from", .kind = JSON_TIME, .required = true, AT(from)},
    {.name = "to", .kind = JSON_TIME, AT(to)},
    {.name = "customer", .kind = JSON_TEXT, .max = LIMIT_NAME + 4, AT(customer)},
    {.name = "key", .kind = JSON_ID, .prefix = "key", AT(key)},
    {.name = "model", .kind = JSON_TEXT, AT(model)},
    {.name = "provider", .kind = JSON_TEXT, AT(provider)},
    {.name = "unrated", .kind = JSON_BOOL, AT(unrated)},
    {.name = "prices", .kind = JSON_TEXT, .one_of = "at_call|current", AT(prices)},
    {.name = "reason", .kind = JSON_TEXT, .required = true, AT(reason)},
};

// One that is there, and that customer's where one is named.
static bool key_check(struct rest_request *r, struct db *db, const struct rerate *of) {
  struct key_row key;
  if (uuid_is_nil(of->key)) return true;
  int found = keys_read(db, r->arena, of->key, &key);
  if (found < 0) {
    rest_fault(r, found);
    return false;
  }
  if (found == 0 && (uuid_is_nil(of->customer) || uuid_eq(key.customer_id, of->customer))) return true;
  rest_unknown(r, "key", uuid_is_nil(of->customer) ? "key" : "key of this customer");
  return false;
}

static bool body_read(struct rest_request *r, struct db *db, struct rerate *ret) {
  struct body body = {0};
  if (!rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body)) return false;
  *ret = (struct rerate){.id = rest_new_id(r),
                         .from = body.from,
                         .to = body.to ? body.to : ledger_now(r->context->ledger),
                         .key = body.key,
                         .model = body.model,
                         .unrated = body.unrated,
                         .current = str_eq(body.prices, STR("current")),
                         .reason = body.reason,
                         .by = r->who->key_id};
  if (body.customer.len &&
      (!rest_customer(r, body.customer, "customer", &ret->customer) || !rest_customer_there(r, ret->customer)))
    return false;
  if (!key_check(r, db, ret)) return false;
  return !body.provider.len || catalogue_provider(r, db, body.provider, "provider", &ret->provider);
}

static void rerate_post_new(struct rest_request *r, struct db *db) {
  struct rerate as;
  if (!body_read(r, db, &as) || !rest_write_begin(r, UUID_NIL, &as.id)) return;
  if (!r->replayed) {
    int fault = rerate_create(db, &as);
    if (fault != 0) {
      rest_fault(r, fault);
      return;
    }
    if (!rest_write_end(r, UUID_NIL)) return;
  }
  rerate_answer(r, db, 201, as.id);
}

// ---- looking

static void rerate_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (rest_path_id(r, "rrt", &id)) rerate_answer(r, db, 200, id);
}

static void rerate_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct rerate *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page)) return;
  int fault = rerate_list(db, r->arena, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) rerate_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

static void customer_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct uuid id;
  struct rerate of;
  struct rerate_customer *list = NULL;
  size_t count = 0;
  if (!rest_path_id(r, "rrt", &id) || !rest_page(r, &page) || !rerate_find(r, db, id, &of)) return;
  int fault = rerate_customers(db, r->arena, id, page.before, page.limit + 1, &list, &count);
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
    json_member_text(&w, "object", "rerate_customer");
    json_member_id(&w, "customer", "cus", list[i].customer);
    sums_write(&w, &list[i].sums);
    json_object_end(&w);
  }
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].customer : UUID_NIL);
  rest_reply(r, 200, &out);
}

// ---- moving on

static void rerate_move(struct rest_request *r, struct db *db, int (*move)(struct db *db, struct uuid id), const char *why_not) {
  struct uuid id, object;
  struct rerate of;
  if (!rest_path_id(r, "rrt", &id) || !rerate_find(r, db, id, &of)) return;
  object = id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  int moved = r->replayed ? 0 : move(db, id);
  if (moved < 0)
    rest_fault(r, moved);
  else if (moved > 0)
    rest_refuse(r, PROBLEM_CONFLICT, "id", "%s This one is %s.", why_not, rerate_state_name(of.state));
  if (moved == 0 && (r->replayed || rest_write_end(r, UUID_NIL))) rerate_answer(r, db, 200, id);
}

static void rerate_post_post(struct rest_request *r, struct db *db) {
  rerate_move(r, db, rerate_post, "Only what has been simulated can be posted.");
}

static void rerate_cancel_post(struct rest_request *r, struct db *db) {
  rerate_move(r, db, rerate_cancel, "What is posted stands, and what is being posted comes to its end.");
}

const struct rest_endpoint rest_rerates[] = {
    {"POST", "/api/v1/rerates", REST_OPERATOR, REST_PRIMARY, NULL, rerate_post_new},
    {"GET", "/api/v1/rerates", REST_OPERATOR, REST_PRIMARY, "limit|cursor", rerate_list_get},
    {"GET", "/api/v1/rerates/{id}", REST_OPERATOR, REST_PRIMARY, NULL, rerate_get},
    {"GET", "/api/v1/rerates/{id}/customers", REST_OPERATOR, REST_PRIMARY, "limit|cursor", customer_list_get},
    {"POST", "/api/v1/rerates/{id}/post", REST_OPERATOR_BARE, REST_PRIMARY, NULL, rerate_post_post},
    {"POST", "/api/v1/rerates/{id}/cancel", REST_OPERATOR_BARE, REST_PRIMARY, NULL, rerate_cancel_post},
    {0},
};
