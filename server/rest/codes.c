// /api/v1/codes: redeem codes are made, listed and taken out of use.
#include "code/code.h"
#include "base/limits.h"
#include "rest/endpoints.h"

#define DAYS_MAX 36500
#define CUSTOMERS_MAX 1000000000

// text NULL: not shown.
static void code_write(struct json_writer *w, const struct code *c, const char *text) {
  json_object_begin(w);
  json_member_id(w, "id", "cod", c->id);
  json_member_text(w, "object", "code");
  json_member_id(w, "batch", "bat", c->batch);
  json_member_str(w, "prefix", c->prefix);
  json_member_str(w, "last4", c->last4);
  json_member_str(w, "name", c->name);
  json_member_amount(w, "amount", c->amount);
  json_member_int(w, "max_redemptions", c->most);
  json_member_int(w, "redeemed", c->redeemed);
  json_key(w, "expires_after_days");
  if (c->expires_after_days > 0)
    json_put_int(w, c->expires_after_days);
  else
    json_put_null(w);
  json_member_bool(w, "enabled", c->enabled);
  json_member_time(w, "expires_at", c->expires_at);
  json_member_time(w, "created_at", c->created_at);
  if (text) json_member_text(w, "code", text);
  json_object_end(w);
}

static void code_answer(struct rest_request *r, struct db *db, int status, struct uuid id, const char *text) {
  struct code c;
  int found = code_read(db, r->arena, id, &c);
  if (found < 0)
    rest_fault(r, found);
  else if (found > 0)
    rest_unknown(r, "id", "code");
  if (found != 0) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  code_write(&w, &c, text);
  rest_reply(r, status, &out);
  if (out.data) crypto_wipe(out.data, out.len);
}

// ---- making

struct body {
  struct str prefix, name;
  amount credits;
  int64_t count, most, days, expires_at;
  bool given_most;
};
#define AT(member) .offset = offsetof(struct body, member), .given = JSON_NOT_TOLD
static const struct json_field fields[] = {
    {.name = "amount", .kind = JSON_AMOUNT, .required = true, .min = 1, .max = AMOUNT_MAX, AT(credits)},
    {.name = "prefix", .kind = JSON_TEXT_ANY, .max = CODE_PREFIX_MAX, AT(prefix)},
    {.name = "name", .kind = JSON_TEXT_ANY, .max = LIMIT_NAME, AT(name)},
    {.name = "max_redemptions", .kind = JSON_INT, .min = 1, .max = CUSTOMERS_MAX, .offset = offsetof(struct body, most),
     .given = offsetof(struct body, given_most)},
    {.name = "expires_after_days", .kind = JSON_INT, .nullable = true, .min = 1, .max = DAYS_MAX, AT(days)},
    {.name = "expires_at", .kind = JSON_TIME, .nullable = true, AT(expires_at)},
    {.name = "count", .kind = JSON_INT, .required = true, .min = 1, .max = CODES_MAX, AT(count)},
};
#define FIELDS_OF_ONE (ARRAY_LEN(fields) - 1)

static bool prefix_check(struct rest_request *r, struct str prefix) {
  for (size_t i = 0; i < prefix.len; i++) {
    char c = prefix.ptr[i];
    if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) continue;
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "prefix", "prefix: at most %d capital letters and digits.", CODE_PREFIX_MAX);
    return false;
  }
  return true;
}

static bool body_read(struct rest_request *r, size_t field_count, struct body *b, struct code *ret) {
  if (!rest_body(r, fields, field_count, b, sizeof *b) || !prefix_check(r, b->prefix)) return false;
  if (b->expires_at && b->expires_at <= ledger_now(r->context->ledger)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "expires_at", "expires_at must be in the future.");
    return false;
  }
  *ret = (struct code){.prefix = b->prefix,
                       .name = b->name,
                       .amount = b->credits,
                       .most = b->given_most ? b->most : 1,
                       .expires_after_days = b->days,
                       .expires_at = b->expires_at};
  return true;
}

static void code_post(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct code as;
  struct uuid id = rest_new_id(r);
  char text[1][CODE_TEXT_MAX] = {""};
  if (!body_read(r, FIELDS_OF_ONE, &body, &as) || !rest_write_begin(r, UUID_NIL, &id)) return;
  if (!r->replayed) {
    int fault = codes_create(db, r->context->keys, &as, &id, 1, text);
    if (fault != 0) {
      rest_fault(r, fault);
      return;
    }
    if (!rest_write_end(r, UUID_NIL)) return;
  }
  code_answer(r, db, 201, id, r->replayed ? NULL : text[0]);
  crypto_wipe(text, sizeof text);
}

// ---- many at once

// In the order of their ids. texts NULL: not shown.
static void batch_answer(struct rest_request *r, struct db *db, struct uuid batch, char (*texts)[CODE_TEXT_MAX]) {
  struct code *list = NULL;
  size_t count = 0;
  int fault = code_list(db, r->arena, batch, UUID_NIL, CODES_MAX, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "id", "bat", batch);
  json_member_text(&w, "object", "code_batch");
  json_member_int(&w, "count", (int64_t)count);
  json_key(&w, "data");
  json_array_begin(&w);
  for (size_t i = count; i-- > 0;) code_write(&w, &list[i], texts ? texts[count - 1 - i] : NULL);
  json_array_end(&w);
  json_object_end(&w);
  rest_reply(r, 201, &out);
  if (out.data) crypto_wipe(out.data, out.len);
}

static void batch_post(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct code as;
  struct uuid batch = rest_new_id(r), *ids = arena_alloc(r->arena, CODES_MAX * sizeof *ids);
  char(*texts)[CODE_TEXT_MAX] = arena_alloc(r->arena, CODES_MAX * sizeof *texts);
  if (!body_read(r, ARRAY_LEN(fields), &body, &as) || !rest_write_begin(r, UUID_NIL, &batch)) return;
  if (!r->replayed) {
    as.batch = batch;
    for (int64_t i = 0; i < body.count; i++) ids[i] = rest_new_id(r);
    int fault = codes_create(db, r->context->keys, &as, ids, (size_t)body.count, texts);
    if (fault != 0) {
      rest_fault(r, fault);
      return;
    }
    if (!rest_write_end(r, UUID_NIL)) return;
  }
  batch_answer(r, db, batch, r->replayed ? NULL : texts);
}

// ---- changing and looking

struct change {
  struct str name;
  bool enabled, given_name, given_enabled;
};
static const struct json_field change_fields[] = {
    {.name = "name", .kind = JSON_TEXT_ANY, .max = LIMIT_NAME, .offset = offsetof(struct change, name),
     .given = offsetof(struct change, given_name)},
    {.name = "enabled", .kind = JSON_BOOL, .offset = offsetof(struct change, enabled), .given = offsetof(struct change, given_enabled)},
};

static void code_patch(struct rest_request *r, struct db *db) {
  struct change change = {0};
  struct uuid id;
  if (!rest_path_id(r, "cod", &id) || !rest_body(r, change_fields, ARRAY_LEN(change_fields), &change, sizeof change)) return;
  struct uuid object = id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    unsigned members = (change.given_name ? CODE_NAME : 0u) | (change.given_enabled ? CODE_ENABLED : 0u);
    int found = code_update(db, members, &(struct code){.id = id, .name = change.name, .enabled = change.enabled});
    if (found < 0)
      rest_fault(r, found);
    else if (found > 0)
      rest_unknown(r, "id", "code");
    if (found != 0 || !rest_write_end(r, UUID_NIL)) return;
  }
  code_answer(r, db, 200, id, NULL);
}

static void code_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (rest_path_id(r, "cod", &id)) code_answer(r, db, 200, id, NULL);
}

static bool batch_query(struct rest_request *r, struct uuid *ret) {
  struct str text;
  *ret = UUID_NIL;
  if (!rest_query(r, "batch", &text) || id_parse("bat", text, ret)) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "batch", "batch must be bat_ and 26 characters.");
  return false;
}

static void code_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct uuid batch;
  struct code *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page) || !batch_query(r, &batch)) return;
  int fault = code_list(db, r->arena, batch, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) code_write(&w, &list[i], NULL);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_codes[] = {
    {"POST", "/api/v1/codes", REST_OPERATOR, false, NULL, code_post},
    {"POST", "/api/v1/codes/batch", REST_OPERATOR, false, NULL, batch_post},
    {"GET", "/api/v1/codes", REST_OPERATOR, false, "batch|limit|cursor", code_list_get},
    {"GET", "/api/v1/codes/{id}", REST_OPERATOR, false, NULL, code_get},
    {"PATCH", "/api/v1/codes/{id}", REST_OPERATOR, false, NULL, code_patch},
    {0},
};
