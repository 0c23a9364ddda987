// /api/v1/keys.
#include "customer/keys.h"
#include "base/clock.h"
#include "base/limits.h"
#include "rest/endpoints.h"

// Reads a key that the caller may see; another customer's is as unknown as one that is not there.
static bool key_find(struct rest_request *r, struct db *db, struct uuid id, struct key_row *ret) {
  int found = keys_read(db, r->arena, id, ret);
  if (found < 0)
    rest_fault(r, found);
  else if (found > 0 || (!r->who->is_operator && !uuid_eq(ret->customer_id, r->who->customer_id)))
    rest_unknown(r, "id", "key");
  else
    return true;
  return false;
}

static void key_answer(struct rest_request *r, struct db *db, int status, struct uuid id, const char *secret) {
  struct key_row k;
  if (!key_find(r, db, id, &k)) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  keys_write(&w, &k, secret);
  rest_reply(r, status, &out);
  if (out.data) crypto_wipe(out.data, out.len);
}

struct body {
  struct str customer, name;
  bool is_operator, given_customer;
  int64_t expires_at;
};
static const struct json_field fields[] = {
    {.name = "customer",
     .kind = JSON_TEXT,
     .max = LIMIT_NAME + 4,
     .offset = offsetof(struct body, customer),
     .given = offsetof(struct body, given_customer)},
    {.name = "operator", .kind = JSON_BOOL, .offset = offsetof(struct body, is_operator), .given = JSON_NOT_TOLD},
    {.name = "name",
     .kind = JSON_TEXT_ANY,
     .max = LIMIT_NAME,
     .offset = offsetof(struct body, name),
     .given = JSON_NOT_TOLD},
    {.name = "expires_at",
     .kind = JSON_TIME,
     .nullable = true,
     .offset = offsetof(struct body, expires_at),
     .given = JSON_NOT_TOLD},
};

static bool body_read(struct rest_request *r, struct body *ret, struct uuid *ret_customer) {
  *ret = (struct body){0};
  *ret_customer = UUID_NIL;
  if (!rest_body(r, fields, ARRAY_LEN(fields), ret, sizeof *ret)) return false;
  if (ret->is_operator == ret->given_customer) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "customer", "Give either customer, or operator as true.");
    return false;
  }
  if (ret->expires_at && ret->expires_at <= ledger_now(r->context->ledger)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "expires_at", "expires_at must be in the future.");
    return false;
  }
  return ret->is_operator || rest_customer(r, ret->customer, "customer", ret_customer);
}

static void key_post(struct rest_request *r, struct db *db) {
  struct body body;
  struct uuid customer;
  char secret[KEY_TEXT_LEN + 1] = "";
  if (!body_read(r, &body, &customer)) return;
  struct uuid id = keys_id(customer, ledger_now(r->context->ledger));
  if (!rest_write_begin(r, customer, &id)) return;
  if (!r->replayed) {
    int fault = keys_create(db, r->context->keys, customer, id, body.name, body.expires_at, secret);
    if (fault == 0) fault = keys_tell(db, id, EVENT_KEY_CREATED);
    if (fault != 0) {
      rest_fault(r, fault);
      return;
    }
    if (!rest_write_end(r, customer)) return;
  }
  key_answer(r, db, 201, id, r->replayed ? NULL : secret);
  crypto_wipe(secret, sizeof secret);
}

static void key_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (rest_path_id(r, "key", &id)) key_answer(r, db, 200, id, NULL);
}

// A key that was revoked already stays as it was, and nothing is told of it.
static int revoke(struct db *db, const struct key_row *k) {
  int lives = keys_lock(db, k->customer_id, k->id);
  if (lives <= 0) return lives;
  int fault = keys_revoke(db, k->customer_id, k->id);
  return fault != 0 ? fault : keys_tell(db, k->id, EVENT_KEY_REVOKED);
}

static void key_delete(struct rest_request *r, struct db *db) {
  struct uuid id;
  struct key_row k;
  if (!rest_path_id(r, "key", &id) || !key_find(r, db, id, &k)) return;
  struct uuid object = id;
  if (!rest_write_begin(r, k.customer_id, &object)) return;
  if (!r->replayed) {
    int fault = revoke(db, &k);
    if (fault != 0) {
      rest_fault(r, fault);
      return;
    }
    if (!rest_write_end(r, k.customer_id)) return;
  }
  key_answer(r, db, 200, id, NULL);
}

static void key_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct uuid customer;
  struct key_row *list = NULL;
  struct str text;
  size_t count = 0;
  bool all = r->who->is_operator && !rest_query(r, "customer", &text);
  if (!rest_page(r, &page) || (!all && !rest_customer_query(r, &customer))) return;
  int fault = keys_list(db, r->arena, all ? NULL : &customer, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) keys_write(&w, &list[i], NULL);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_keys[] = {
    {"POST", "/api/v1/keys", REST_OPERATOR, REST_PRIMARY, NULL, key_post},
    {"GET", "/api/v1/keys", REST_OWN, REST_PRIMARY, "customer|limit|cursor", key_list_get},
    {"GET", "/api/v1/keys/{id}", REST_OWN, REST_PRIMARY, NULL, key_get},
    {"DELETE", "/api/v1/keys/{id}", REST_OPERATOR, REST_PRIMARY, NULL, key_delete},
    {0},
};
