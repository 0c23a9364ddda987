// /api/v1/customers and /api/v1/balance.
#include "base/limits.h"
#include "base/log.h"
#include "base/metric.h"
#include "rest/endpoints.h"
#include "rest/words.h"


// ---- rendering

static void balance_members(struct json_writer *w, const struct customer *c) {
  json_member_amount(w, "balance", c->balance);
  json_member_amount(w, "held", c->held);
  json_member_amount(w, "available", customer_available(c));
  json_member_amount(w, "debt", c->debt);
  json_member_amount(w, "credit_limit", c->credit_limit);
}

static void customer_write(struct json_writer *w, const struct customer *c) {
  json_object_begin(w);
  json_member_id(w, "id", "cus", c->id);
  json_member_text(w, "object", "customer");
  json_key(w, "external_id");
  if (c->external_id.ptr)
    json_put_str(w, c->external_id);
  else
    json_put_null(w);
  json_member_str(w, "name", c->name);
  json_member_str(w, "status", word_at(CUSTOMER_STATUSES, (int)c->status));
  json_member_str(w, "time_zone", c->time_zone);
  json_member_amount(w, "credit_limit", c->credit_limit);
  json_member_str(w, "short_policy", word_at(CUSTOMER_SHORTS, (int)c->short_policy));
  json_member_amount(w, "short_debt", c->short_debt);
  json_key(w, "low_balance");
  if (c->low_balance > 0)
    json_put_amount(w, c->low_balance);
  else
    json_put_null(w);
  json_member_str(w, "abort_charge", word_at(CUSTOMER_ABORT_CHARGES, (int)c->abort_charge));
  json_member_str(w, "abort_upstream", word_at(CUSTOMER_ABORT_UPSTREAMS, (int)c->abort_upstream));
  json_member_str(w, "event_policy", word_at(CUSTOMER_EVENTS, (int)c->event_policy));
  json_member_raw(w, "metadata", c->metadata);
  json_key(w, "balance");
  json_object_begin(w);
  balance_members(w, c);
  json_object_end(w);
  json_member_time(w, "created_at", c->created_at);
  json_member_time(w, "updated_at", c->updated_at);
  json_object_end(w);
}

static void customer_answer(struct rest_request *r, struct db *db, int status, struct uuid id) {
  struct customer c;
  int found = customer_read(db, r->arena, id, &c);
  if (found < 0)
    rest_fault(r, found);
  else if (found != CUSTOMER_DONE)
    rest_unknown(r, "id", "customer");
  if (found != CUSTOMER_DONE) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  customer_write(&w, &c);
  rest_reply(r, status, &out);
}

// ---- the body

struct body {
  struct str external_id, name, status, time_zone, short_policy, abort_charge, abort_upstream, event_policy;
  amount credit_limit, short_debt, low_balance;
  struct json *metadata;
  bool given_external_id, given_name, given_status, given_time_zone, given_short_policy, given_credit_limit,
      given_short_debt, given_low_balance, given_abort_charge, given_abort_upstream, given_event_policy, given_metadata;
};
#define AT(member) .offset = offsetof(struct body, member), .given = offsetof(struct body, given_##member)
static const struct json_field fields[] = {
    {.name = "external_id", .kind = JSON_TEXT, .nullable = true, AT(external_id)},
    {.name = "name", .kind = JSON_TEXT_ANY, .max = LIMIT_NAME, AT(name)},
    {.name = "time_zone", .kind = JSON_TEXT, AT(time_zone)},
    {.name = "credit_limit", .kind = JSON_AMOUNT, .min = 0, .max = AMOUNT_MAX, AT(credit_limit)},
    {.name = "short_policy", .kind = JSON_TEXT, .one_of = CUSTOMER_SHORTS, AT(short_policy)},
    {.name = "short_debt", .kind = JSON_AMOUNT, .min = 0, .max = AMOUNT_MAX, AT(short_debt)},
    {.name = "low_balance", .kind = JSON_AMOUNT, .nullable = true, .min = 1, .max = AMOUNT_MAX, AT(low_balance)},
    {.name = "abort_charge", .kind = JSON_TEXT, .one_of = CUSTOMER_ABORT_CHARGES, AT(abort_charge)},
    {.name = "abort_upstream", .kind = JSON_TEXT, .one_of = CUSTOMER_ABORT_UPSTREAMS, AT(abort_upstream)},
    {.name = "event_policy", .kind = JSON_TEXT, .one_of = CUSTOMER_EVENTS, AT(event_policy)},
    {.name = "metadata", .kind = JSON_OBJECT, AT(metadata)},
    {.name = "status", .kind = JSON_TEXT, .one_of = CUSTOMER_STATUSES, AT(status)},
};
#define FIELDS_TO_CREATE (ARRAY_LEN(fields) - 1) // status is changed, never given

static bool zone_check(struct rest_request *r, struct db *db, const struct body *b) {
  if (!b->given_time_zone) return true;
  int known = customer_zone_check(db, b->time_zone);
  if (known < 0) rest_fault(r, known);
  if (known > 0)
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "time_zone",
                "time_zone: there is no time zone \"%.*s\"; give a name such as Europe/Berlin.", STR_ARG(b->time_zone));
  return known == 0;
}

static bool body_read(struct rest_request *r, struct db *db, bool create, struct body *ret) {
  *ret = (struct body){0};
  return rest_body(r, fields, create ? FIELDS_TO_CREATE : ARRAY_LEN(fields), ret, sizeof *ret) &&
         rest_metadata_check(r, ret->metadata, !create) && zone_check(r, db, ret);
}

// The word that was given, or the first of them.
static int choice(bool given, const char *words, struct str word) {
  return given ? word_find(words, word) : 1;
}

static struct customer body_customer(struct rest_request *r, const struct body *b) {
  struct str metadata = STR("{}");
  if (b->metadata) {
    char *text = json_dump(b->metadata);
    metadata = arena_str(r->arena, str_from(text));
    mem_free(text);
  }
  return (struct customer){
      .external_id = b->external_id,
      .name = b->name,
      .time_zone = b->given_time_zone ? b->time_zone : STR("UTC"),
      .metadata = metadata,
      .status = (enum customer_status)choice(b->given_status, CUSTOMER_STATUSES, b->status),
      .short_policy = (enum customer_short)choice(b->given_short_policy, CUSTOMER_SHORTS, b->short_policy),
      .abort_charge =
          (enum customer_abort_charge)choice(b->given_abort_charge, CUSTOMER_ABORT_CHARGES, b->abort_charge),
      .abort_upstream =
          (enum customer_abort_upstream)choice(b->given_abort_upstream, CUSTOMER_ABORT_UPSTREAMS, b->abort_upstream),
      .event_policy = (enum customer_event)choice(b->given_event_policy, CUSTOMER_EVENTS, b->event_policy),
      .short_debt = b->short_debt,
      .credit_limit = b->credit_limit,
      .low_balance = b->low_balance,
  };
}

static unsigned body_members(const struct body *b) {
  return (b->given_external_id ? CUSTOMER_EXTERNAL_ID : 0u) | (b->given_name ? CUSTOMER_NAME : 0u) |
         (b->given_time_zone ? CUSTOMER_TIME_ZONE : 0u) | (b->given_metadata ? CUSTOMER_METADATA : 0u) |
         (b->given_status ? CUSTOMER_STATUS : 0u) | (b->given_short_policy ? CUSTOMER_SHORT_POLICY : 0u) |
         (b->given_short_debt ? CUSTOMER_SHORT_DEBT : 0u) | (b->given_credit_limit ? CUSTOMER_CREDIT_LIMIT : 0u) |
         (b->given_low_balance ? CUSTOMER_LOW_BALANCE : 0u) | (b->given_abort_charge ? CUSTOMER_ABORT_CHARGE : 0u) | (b->given_abort_upstream ? CUSTOMER_ABORT_UPSTREAM : 0u) |
         (b->given_event_policy ? CUSTOMER_EVENT_POLICY : 0u);
}

// ---- endpoints

static bool written(struct rest_request *r, int result, const struct customer *c) {
  if (result == CUSTOMER_DONE) return true;
  if (result == CUSTOMER_NAME_TAKEN)
    rest_refuse(r, PROBLEM_CONFLICT, "external_id", "Another customer has the external_id \"%.*s\".",
                STR_ARG(c->external_id));
  else
    rest_fault(r, FAULT_DB);
  return false;
}

static void customer_post(struct rest_request *r, struct db *db) {
  struct body body;
  struct uuid id = rest_new_id(r);
  if (!body_read(r, db, true, &body) || !rest_write_begin(r, UUID_NIL, &id)) return;
  if (!r->replayed) {
    struct customer c = body_customer(r, &body);
    c.id = id;
    if (!written(r, customer_create(db, &c), &c) || !rest_write_end(r, UUID_NIL)) return;
  }
  customer_answer(r, db, 201, id);
}

// An operator's change may pass the floor: it is counted, and said.
static void floor_note(const struct rest_request *r, const struct body *b, const struct customer *now) {
  char customer[ID_TEXT_MAX], by[ID_TEXT_MAX];
  if (!b->given_credit_limit || (amount_wide)now->balance - now->held + now->credit_limit >= 0) return;
  id_print("cus", now->id, customer);
  id_print("key", r->who->key_id, by);
  metric_add(METRIC_LEDGER_PAST_FLOOR, 1);
  log_warn("customer.past_floor", "%s lowered the credit limit of %s below what it owes", by, customer);
}

static void customer_patch(struct rest_request *r, struct db *db) {
  struct body body;
  struct uuid id;
  if (!rest_customer(r, http_path_segment(r->http, 0), "id", &id) || !body_read(r, db, false, &body)) return;
  struct uuid object = id;
  if (!rest_write_begin(r, id, &object)) return;
  if (!r->replayed) {
    struct customer c = body_customer(r, &body), now;
    c.id = id;
    if (!written(r, customer_update(db, body_members(&body), &c), &c)) return;
    if (customer_read(db, r->arena, id, &now) != CUSTOMER_DONE) {
      rest_fault(r, FAULT_DB);
      return;
    }
    if (word_members(now.metadata) > LIMIT_METADATA_KEYS) {
      rest_refuse(r, PROBLEM_INVALID_REQUEST, "metadata", "metadata would have more than 50 members.");
      return;
    }
    if (!rest_write_end(r, id)) return;
    floor_note(r, &body, &now);
  }
  customer_answer(r, db, 200, id);
}

static void customer_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (rest_customer(r, http_path_segment(r->http, 0), "id", &id)) customer_answer(r, db, 200, id);
}

static void customer_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct customer *list = NULL;
  size_t count = 0;
  struct str external_id;
  if (!rest_page(r, &page) || !rest_text_query(r, "external_id", &external_id)) return;
  int fault = customer_list(db, r->arena, external_id, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) customer_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

static void balance_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  struct customer c;
  if (!rest_customer_query(r, &id)) return;
  int found = customer_read(db, r->arena, id, &c);
  if (found < 0)
    rest_fault(r, found);
  else if (found != CUSTOMER_DONE)
    rest_unknown(r, "customer", "customer");
  if (found != CUSTOMER_DONE) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_text(&w, "object", "balance");
  json_member_id(&w, "customer", "cus", c.id);
  balance_members(&w, &c);
  json_object_end(&w);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_customers[] = {
    {"POST", "/api/v1/customers", REST_OPERATOR, REST_PRIMARY, NULL, customer_post},
    {"GET", "/api/v1/customers", REST_OPERATOR, REST_PRIMARY, "external_id|limit|cursor", customer_list_get},
    {"GET", "/api/v1/customers/{id}", REST_OWN, REST_PRIMARY, NULL, customer_get},
    {"PATCH", "/api/v1/customers/{id}", REST_OPERATOR, REST_PRIMARY, NULL, customer_patch},
    {"GET", "/api/v1/balance", REST_OWN, REST_PRIMARY, "customer", balance_get},
    {0},
};
