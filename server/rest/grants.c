// /api/v1/grants. Credits are given by the ledger's writer, which keeps the Idempotency-Key with what it gives.
#include "base/limits.h"
#include "customer/grant.h"
#include "rest/endpoints.h"
#include "rest/words.h"

#define PRIORITY_DEFAULT 100
#define PRIORITY_MAX 1000

static void grant_write(struct json_writer *w, const struct grant *g) {
  json_object_begin(w);
  json_member_id(w, "id", "grt", g->id);
  json_member_text(w, "object", "grant");
  json_member_id(w, "customer", "cus", g->customer_id);
  json_member_str(w, "source", word_at(GRANT_SOURCES, g->source));
  json_member_int(w, "priority", g->priority);
  json_member_amount(w, "amount", g->granted);
  json_member_amount(w, "left", g->left);
  json_member_amount(w, "consumed", g->consumed);
  json_member_amount(w, "expired", g->expired);
  json_member_amount(w, "refunded", g->refunded);
  json_member_amount(w, "frozen", g->frozen);
  json_member_str(w, "reason", g->reason);
  json_member_time(w, "expires_at", g->expires_at);
  json_member_time(w, "created_at", g->created_at);
  json_object_end(w);
}

static void grant_answer(struct rest_request *r, struct db *db, int status, struct uuid customer, struct uuid id) {
  struct grant g;
  int found = grant_read(db, r->arena, customer, id, &g);
  if (found < 0)
    rest_fault(r, found);
  else if (found > 0)
    rest_unknown(r, "id", "grant");
  if (found != 0) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  grant_write(&w, &g);
  rest_reply(r, status, &out);
}

// ---- giving

struct body {
  struct str customer, source, reason;
  amount credits;
  int64_t priority, expires_at;
  bool given_priority;
};
static const struct json_field fields[] = {
    {.name = "customer",
     .kind = JSON_TEXT,
     .max = LIMIT_NAME + 4,
     .required = true,
     .offset = offsetof(struct body, customer),
     .given = JSON_NOT_TOLD},
    {.name = "amount",
     .kind = JSON_AMOUNT,
     .required = true,
     .min = 1,
     .max = AMOUNT_MAX,
     .offset = offsetof(struct body, credits),
     .given = JSON_NOT_TOLD},
    {.name = "source",
     .kind = JSON_TEXT,
     .one_of = GRANT_SOURCES,
     .offset = offsetof(struct body, source),
     .given = JSON_NOT_TOLD},
    {.name = "priority",
     .kind = JSON_INT,
     .min = 0,
     .max = PRIORITY_MAX,
     .offset = offsetof(struct body, priority),
     .given = offsetof(struct body, given_priority)},
    {.name = "expires_at",
     .kind = JSON_TIME,
     .nullable = true,
     .offset = offsetof(struct body, expires_at),
     .given = JSON_NOT_TOLD},
    {.name = "reason",
     .kind = JSON_TEXT_ANY,
     .max = LIMIT_NAME,
     .offset = offsetof(struct body, reason),
     .given = JSON_NOT_TOLD},
};

static bool op_fill(struct rest_request *r, struct ledger_op *ret) {
  struct body body = {0};
  if (!rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body)) return false;
  if (body.expires_at && body.expires_at <= ledger_now(r->context->ledger)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "expires_at", "expires_at must be in the future.");
    return false;
  }
  if (!rest_customer(r, body.customer, "customer", &ret->customer)) return false;
  ret->kind = LEDGER_GRANT;
  ret->id = rest_new_id(r);
  ret->grant.source = body.source.len ? word_find(GRANT_SOURCES, body.source) : 1;
  ret->grant.priority = body.given_priority ? (int)body.priority : PRIORITY_DEFAULT;
  ret->grant.expires_at = body.expires_at;
  ret->grant.amount = body.credits;
  ret->grant.reason = body.reason.ptr ? body.reason : STR("");
  return rest_replay_key(r, &ret->idempotency_key, ret->fingerprint);
}

static void grant_post(struct rest_request *r, struct db *db) {
  struct ledger_op op = {0};
  if (!op_fill(r, &op)) return;
  int result = ledger_run(r->context->ledger, &op);
  r->replayed = result == LEDGER_DUPLICATE;
  if (result < 0)
    rest_fault(r, result);
  else if (result == LEDGER_DONE)
    grant_answer(r, db, 201, op.customer, op.id);
  else if (result == LEDGER_DUPLICATE)
    grant_answer(r, db, 201, op.customer, op.existing);
  else if (result == LEDGER_UNKNOWN)
    rest_unknown(r, "customer", "customer");
  else if (result == LEDGER_REUSED)
    rest_refuse(r, PROBLEM_IDEMPOTENCY_REUSED, "Idempotency-Key", "This Idempotency-Key was used for another request.");
  else
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "amount", "The balance would be larger than an amount can be.");
}

// ---- looking

static void grant_get(struct rest_request *r, struct db *db) {
  struct uuid id, customer;
  if (rest_path_id(r, "grt", &id) && rest_customer_query(r, &customer)) grant_answer(r, db, 200, customer, id);
}

static void grant_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct uuid customer;
  struct grant *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page) || !rest_customer_query(r, &customer)) return;
  int fault = grant_list(db, r->arena, customer, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) grant_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_grants[] = {
    {"POST", "/api/v1/grants", REST_OPERATOR, REST_PRIMARY, NULL, grant_post},
    {"GET", "/api/v1/grants", REST_OWN, REST_PRIMARY, "customer|limit|cursor", grant_list_get},
    {"GET", "/api/v1/grants/{id}", REST_OWN, REST_PRIMARY, "customer", grant_get},
    {0},
};
