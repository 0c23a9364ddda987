// The error envelope and the table behind it. An answer says what went wrong in the words that both RFC 9457 readers
// and the providers' client libraries look for, and tells the latter by header whether to try again.
#include "http/problem.h"
#include "http/internal.h"
#include "json/write.h"
#include <stdarg.h>
#include <stdio.h>

#define PROBLEM_MESSAGE_MAX 2048
#define PROBLEM_BODY_MAX (64 * 1024)
#define PROBLEM_HEADERS_MAX 16
#define PROBLEM_RETRY_MAX_S 60 // client libraries do not wait longer; some then do not try again at all

const struct problem_row problem_table[PROBLEM_COUNT] = {
#define X(id, status, type, code, retry) [PROBLEM_##id] = {status, type, code, retry},
    PROBLEMS(X)
#undef X
};

// "insufficient_credits" -> "Insufficient credits"
static void title_write(struct json_writer *w, const char *code) {
  char title[64];
  size_t len = 0;
  for (; code[len] && len < sizeof title; len++) title[len] = code[len] == '_' ? ' ' : code[len];
  title[0] = (char)(title[0] - 'a' + 'A');
  json_member_str(w, "title", (struct str){title, len});
}

static void urn_write(struct json_writer *w, const char *key, const char *kind, const char *name) {
  char urn[160];
  (void)snprintf(urn, sizeof urn, "urn:tollgate:%s:%s", kind, name);
  json_member_text(w, key, urn);
}

static void error_write(struct json_writer *w, const struct problem_row *row, const struct problem_more *more,
                        const char *message) {
  json_key(w, "error");
  json_object_begin(w);
  json_member_text(w, "message", message);
  json_member_text(w, "type", row->type);
  json_member_text(w, "code", row->code);
  json_member_text(w, "param", more->param);
  json_member_raw(w, "details", more->details.len ? more->details : STR("{}"));
  json_object_end(w);
}

void problem_write(struct buf *out, enum problem p, const struct problem_more *more, const char *request_id,
                   const char *message) {
  const struct problem_row *row = &problem_table[p];
  struct problem_more none = {0};
  struct json_writer w = json_writer(out);
  json_object_begin(&w);
  urn_write(&w, "type", "problem", row->code);
  title_write(&w, row->code);
  json_member_int(&w, "status", row->status);
  json_member_text(&w, "detail", message);
  urn_write(&w, "instance", "request", request_id);
  json_member_text(&w, "request_id", request_id);
  error_write(&w, row, more ? more : &none, message);
  json_object_end(&w);
}

static bool contains(struct str text, struct str part) {
  return text.len > 0 && memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

const char *problem_content_type(const struct http_request *r) {
  bool named = contains(http_header(r, "Accept"), STR("application/problem+json"));
  return named || str_starts(r->raw_target, STR("/api/")) ? "application/problem+json" : "application/json";
}

struct headers {
  struct http_header list[PROBLEM_HEADERS_MAX];
  size_t count;
  char seconds[24], milliseconds[24];
};

static void header_put(struct headers *h, const char *name, const char *value) {
  if (h->count < PROBLEM_HEADERS_MAX) h->list[h->count++] = (struct http_header){str_from(name), str_from(value)};
}

static void headers_fill(struct headers *h, const struct http_request *r, enum problem p,
                         const struct problem_more *more) {
  const struct problem_row *row = &problem_table[p];
  h->count = 0;
  header_put(h, "Content-Type", problem_content_type(r));
  if (row->status == 401) header_put(h, "WWW-Authenticate", "Bearer");
  if (more->no_retry)
    header_put(h, "x-should-retry", "false");
  else if (row->retry[0])
    header_put(h, "x-should-retry", row->retry);
  if (more->retry_after_ms > 0) {
    int64_t ms = more->retry_after_ms < PROBLEM_RETRY_MAX_S * 1000 ? more->retry_after_ms : PROBLEM_RETRY_MAX_S * 1000;
    (void)snprintf(h->seconds, sizeof h->seconds, "%lld", (long long)((ms + 999) / 1000));
    (void)snprintf(h->milliseconds, sizeof h->milliseconds, "%lld", (long long)ms);
    header_put(h, "Retry-After", h->seconds);
    header_put(h, "retry-after-ms", h->milliseconds);
  }
  for (size_t i = 0; i < more->header_count && h->count < PROBLEM_HEADERS_MAX; i++)
    h->list[h->count++] = more->headers[i];
}

// Of what is refused here for want of something, it may be there in a moment.
struct problem_more problem_of_guard(enum problem p) {
  return (struct problem_more){.retry_after_ms = problem_table[p].status == 503 ? 1000 : 0};
}

void problem_head(struct buf *out, const struct http_request *r, enum problem p) {
  struct problem_more more = problem_of_guard(p);
  struct headers headers;
  headers_fill(&headers, r, p, &more);
  for (size_t i = 0; i < headers.count; i++)
    buf_printf(out, "%.*s: %.*s\r\n", STR_ARG(headers.list[i].name), STR_ARG(headers.list[i].value));
}

void http_problem(struct http_request *r, enum problem p, const struct problem_more *more, const char *format, ...) {
  char message[PROBLEM_MESSAGE_MAX];
  struct problem_more none = {0};
  struct headers headers;
  struct buf body;
  va_list args;
  va_start(args, format);
  (void)vsnprintf(message, sizeof message, format, args);
  va_end(args);
  if (!more) more = &none;
  buf_init(&body, PROBLEM_BODY_MAX);
  headers_fill(&headers, r, p, more);
  problem_write(&body, p, more, r->id, message);
  http_reply(r, problem_table[p].status, headers.list, headers.count, buf_str(&body));
  buf_finish(&body);
}

struct MHD_Response *problem_response(struct http_request *r, enum problem p, const char *message) {
  struct problem_more more = {.retry_after_ms = 1000};
  struct headers headers;
  struct buf body;
  buf_init(&body, PROBLEM_BODY_MAX);
  headers_fill(&headers, r, p, &more);
  problem_write(&body, p, &more, r->id, message);
  struct MHD_Response *response = reply_build(r, headers.list, headers.count, buf_str(&body));
  buf_finish(&body);
  return response;
}
