// What endpoints share of reading a request and answering it. An answer rolls back what a refused write had open, and
// lets go of what the request held, before the client can see it.
#include "rest/request.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "rest/words.h"
#include <stdatomic.h>
#include <stdio.h>

// ---- answers

static void release(struct rest_request *r) {
  if (r->db) db_rollback(r->db);
  principal_unref(r->who);
  principal_unref(r->whose);
  book_unref(r->book);
  json_finish(r->body);
  r->who = r->whose = NULL;
  r->book = NULL;
  r->body = NULL;
  if (r->counted) atomic_fetch_sub(&r->context->waiting, 1);
  r->counted = false;
}

void rest_reply_as(struct rest_request *r, int status, const char *content_type, struct str body) {
  struct http_header headers[] = {
      {STR("Content-Type"), str_from(content_type)},
      {STR("Idempotency-Replayed"), STR("true")},
  };
  release(r);
  http_reply(r->http, status, headers, r->replayed ? 2 : 1, body);
}

void rest_reply(struct rest_request *r, int status, struct buf *body) {
  ASSERT(!body->full);
  rest_reply_as(r, status, "application/json", buf_str(body));
}

static void refuse(struct rest_request *r, enum problem p, struct problem_more more, const char *message) {
  if (more.param && more.param[0] == '\0') more.param = NULL;
  release(r);
  http_problem(r->http, p, &more, "%s", message);
}

void rest_refuse_more(struct rest_request *r, enum problem p, struct problem_more more, const char *message) {
  refuse(r, p, more, message);
}

static void refuse_as(struct rest_request *r, enum problem p, const char *param, struct str details, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));
static void refuse_as(struct rest_request *r, enum problem p, const char *param, struct str details, const char *format, va_list args) {
  char message[1024];
  (void)vsnprintf(message, sizeof message, format, args);
  refuse(r, p, (struct problem_more){.param = param, .details = details, .retry_after_ms = problem_table[p].status == 503 ? 1000 : 0}, message);
}

void rest_refuse_for(struct rest_request *r, enum problem p, const char *param, int64_t retry_after_ms, const char *message) {
  refuse(r, p, (struct problem_more){.param = param, .retry_after_ms = retry_after_ms}, message);
}

void rest_refuse(struct rest_request *r, enum problem p, const char *param, const char *format, ...) {
  va_list args;
  va_start(args, format);
  refuse_as(r, p, param, (struct str){0}, format, args);
  va_end(args);
}

void rest_refuse_with(struct rest_request *r, enum problem p, const char *param, struct str details, const char *format,
                      ...) {
  va_list args;
  va_start(args, format);
  refuse_as(r, p, param, details, format, args);
  va_end(args);
}

void rest_fault(struct rest_request *r, int fault) {
  const char *why = r->db ? db_error(r->db) : "";
  if (fault != FAULT_FULL && fault != FAULT_CLOSED)
    log_error("rest.fault", "%s %s: %s %s", r->endpoint->method, r->endpoint->path, fault_name(fault), why);
  if (fault == FAULT_FULL)
    rest_refuse(r, PROBLEM_OVERLOADED, NULL, "Too much is waiting for the database.");
  else if (fault == FAULT_CLOSED)
    rest_refuse(r, PROBLEM_SHUTTING_DOWN, NULL, "The service is shutting down.");
  else if (fault == FAULT_DB_UNKNOWN)
    rest_refuse(
        r, PROBLEM_STORAGE_UNAVAILABLE, NULL,
        "The database was lost while it committed: this may or may not have happened. Send it again with the same "
        "Idempotency-Key.");
  else
    rest_refuse(r, PROBLEM_STORAGE_UNAVAILABLE, NULL, "The database could not do this now; nothing was changed.");
}

void rest_payments_off(struct rest_request *r) {
  rest_refuse(r, PROBLEM_PAYMENTS_OFF, NULL, "Payments are off here: STRIPE_SECRET_KEY is not set.");
}

void rest_unknown(struct rest_request *r, const char *param, const char *what) {
  rest_refuse(r, PROBLEM_NOT_FOUND, param, "There is no such %s.", what);
}

// ---- what was asked

bool rest_query(const struct rest_request *r, const char *name, struct str *ret) {
  return http_query(r->http, name, ret);
}

bool rest_path_id(struct rest_request *r, const char *prefix, struct uuid *ret) {
  if (id_parse(prefix, http_path_segment(r->http, 0), ret)) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "id", "The id in the path must be %s_ and 26 characters.", prefix);
  return false;
}

bool rest_body(struct rest_request *r, const struct json_field *fields, size_t count, void *target, size_t size) {
  struct json_error error;
  if (json_parse(http_body(r->http), &r->body, &error) != 0) {
    rest_refuse(r, PROBLEM_INVALID_JSON, error.param, "The body is not JSON that can be taken: %s", error.message);
    return false;
  }
  if (json_decode(r->body, fields, count, target, size, &error) == 0) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, error.param, "%s%s%s", error.param, error.param[0] ? ": " : "",
              error.message);
  return false;
}

bool rest_time_query(struct rest_request *r, const char *name, int64_t *ret_us) {
  struct str text;
  *ret_us = 0;
  if (!rest_query(r, name, &text)) return true;
  if (clock_parse(text.ptr, text.len, ret_us)) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, name, "%s must be a time such as 2026-11-21T08:00:00Z, or a date.", name);
  return false;
}

bool rest_csv_query(struct rest_request *r, bool *ret) {
  struct str text, accept = http_header(r->http, "Accept");
  *ret = accept.len && memmem(accept.ptr, accept.len, "text/csv", 8);
  if (!rest_query(r, "format", &text)) return true;
  *ret = str_eq(text, STR("csv"));
  if (*ret || str_eq(text, STR("json"))) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "format", "format must be json or csv.");
  return false;
}

bool rest_text_query(struct rest_request *r, const char *name, struct str *ret) {
  *ret = (struct str){0};
  if (!rest_query(r, name, ret) || word_is_text(*ret, LIMIT_NAME)) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, name, "%s must have 1 to %d characters, none of control.", name, LIMIT_NAME);
  return false;
}

static bool is_own(const struct rest_request *r, struct uuid customer) {
  return r->who->is_operator || uuid_eq(r->who->customer_id, customer);
}

bool rest_customer(struct rest_request *r, struct str text, const char *param, struct uuid *ret) {
  bool named = str_starts(text, STR("ext:")) && word_is_text((struct str){text.ptr + 4, text.len - 4}, LIMIT_NAME);
  if (!named && !id_parse("cus", text, ret)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "A customer is cus_ and 26 characters, or ext: and your own id.");
    return false;
  }
  int found = customer_resolve(r->db, text, ret);
  if (found < 0)
    rest_fault(r, found);
  else if (!r->who->is_operator && (found != CUSTOMER_DONE || !is_own(r, *ret)))
    rest_refuse(r, PROBLEM_FORBIDDEN, param, "This key may read its own customer only.");
  else if (found != CUSTOMER_DONE)
    rest_unknown(r, param, "customer");
  else
    return true;
  return false;
}

bool rest_customer_there(struct rest_request *r, struct uuid customer) {
  int found = customer_exists(r->db, customer);
  if (found < 0)
    rest_fault(r, found);
  else if (found != CUSTOMER_DONE)
    rest_unknown(r, "customer", "customer");
  return found == CUSTOMER_DONE;
}

bool rest_customer_query(struct rest_request *r, struct uuid *ret) {
  struct str text;
  if (rest_query(r, "customer", &text)) return rest_customer(r, text, "customer", ret) && rest_customer_there(r, *ret);
  *ret = r->who->customer_id;
  if (!r->who->is_operator) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "customer",
              "Say whose: the query parameter customer (cus_… or ext:…) is missing.");
  return false;
}

// ---- lists

static bool page_limit(struct rest_request *r, size_t *ret) {
  struct str text;
  int64_t limit = LIMIT_PAGE_DEFAULT;
  if (rest_query(r, "limit", &text) && (!str_to_i64(text, &limit) || limit < 1)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, "limit", "limit must be a whole number from 1 to %d.", LIMIT_PAGE_MAX);
    return false;
  }
  *ret = limit > LIMIT_PAGE_MAX ? LIMIT_PAGE_MAX : (size_t)limit;
  return true;
}

bool rest_page(struct rest_request *r, struct rest_page *ret) {
  struct str text;
  ret->before = UUID_NIL;
  if (!page_limit(r, &ret->limit)) return false;
  if (!rest_query(r, "cursor", &text) || id_parse("cur", text, &ret->before)) return true;
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "cursor",
              "This cursor is none of ours: pass next_cursor of the page before.");
  return false;
}

void rest_list_begin(struct json_writer *w) {
  json_object_begin(w);
  json_member_text(w, "object", "list");
  json_key(w, "data");
  json_array_begin(w);
}

void rest_list_end(struct json_writer *w, const struct rest_request *r, const struct rest_page *page, size_t count,
                   struct uuid last) {
  bool more = count > page->limit;
  json_array_end(w);
  json_member_bool(w, "has_more", more);
  json_member_id(w, "next_cursor", "cur", more ? last : UUID_NIL);
  json_member_str(w, "url", http_path(r->http));
  json_object_end(w);
}
