// The one error envelope (RFC 9457 members and an `error` object that the OpenAI and Anthropic clients read), and the one
// table of what can go wrong: code, status, type, whether a client should try again.
#pragma once
#include "http/server.h"

//  id, status, error.type, error.code, x-should-retry ("", "true", "false")
#define PROBLEMS(X)                                                                              \
  X(INVALID_REQUEST, 400, "invalid_request_error", "invalid_request", "")                        \
  X(INVALID_JSON, 400, "invalid_request_error", "invalid_json", "")                              \
  X(MALFORMED_HTTP, 400, "invalid_request_error", "malformed_http", "")                          \
  X(INVALID_KEY, 401, "authentication_error", "invalid_api_key", "")                             \
  X(INSUFFICIENT_CREDITS, 402, "billing_error", "insufficient_credits", "false")                 \
  X(FORBIDDEN, 403, "permission_error", "forbidden", "")                                         \
  X(CUSTOMER_SUSPENDED, 403, "permission_error", "customer_suspended", "")                       \
  X(OBJECT_NOT_YOURS, 403, "permission_error", "upstream_object_not_allowed", "")                \
  X(NOT_FOUND, 404, "not_found_error", "not_found", "")                                          \
  X(MODEL_NOT_FOUND, 404, "not_found_error", "model_not_found", "")                              \
  X(MODEL_NOT_PRICED, 404, "not_found_error", "model_not_priced", "")                            \
  X(METHOD_NOT_ALLOWED, 405, "invalid_request_error", "method_not_allowed", "")                  \
  X(CONFLICT, 409, "conflict_error", "conflict", "false")                                        \
  X(DUPLICATE_CALL, 409, "conflict_error", "duplicate_call", "false")                            \
  X(EVENT_CONFLICT, 409, "conflict_error", "event_conflict", "false")                            \
  X(IDEMPOTENCY_IN_PROGRESS, 409, "conflict_error", "idempotency_in_progress", "true")           \
  X(STALE_VERSION, 412, "invalid_request_error", "stale_version", "false")                       \
  X(TOO_LARGE, 413, "invalid_request_error", "request_too_large", "")                            \
  X(URI_TOO_LONG, 414, "invalid_request_error", "uri_too_long", "")                              \
  X(UNSUPPORTED_MEDIA, 415, "invalid_request_error", "unsupported_media_type", "")               \
  X(IDEMPOTENCY_REUSED, 422, "idempotency_error", "idempotency_key_reused", "")                  \
  X(STRIPE_REFUSED, 422, "invalid_request_error", "stripe_refused", "false")                     \
  X(RATE_LIMITED, 429, "rate_limit_error", "rate_limit_exceeded", "true")                        \
  X(BUDGET_EXCEEDED, 429, "rate_limit_error", "quota_exceeded", "false")                         \
  X(HEADERS_TOO_LARGE, 431, "invalid_request_error", "headers_too_large", "")                    \
  X(NOT_IMPLEMENTED, 501, "invalid_request_error", "not_implemented", "")                        \
  X(PAYMENTS_OFF, 501, "invalid_request_error", "payments_off", "false")                         \
  X(UPSTREAM_ERROR, 502, "api_error", "upstream_error", "")                                      \
  X(OVERLOADED, 503, "overloaded_error", "overloaded", "true")                                   \
  X(STORAGE_UNAVAILABLE, 503, "overloaded_error", "storage_unavailable", "true")                 \
  X(STRIPE_UNAVAILABLE, 503, "overloaded_error", "stripe_unavailable", "true")                   \
  X(SHUTTING_DOWN, 503, "overloaded_error", "shutting_down", "true")                             \
  X(UPSTREAM_TIMEOUT, 504, "timeout_error", "upstream_timeout", "")                              \
  X(HTTP_VERSION, 505, "invalid_request_error", "http_version_not_supported", "")

enum problem {
#define X(id, status, type, code, retry) PROBLEM_##id,
  PROBLEMS(X)
#undef X
      PROBLEM_COUNT
};

struct problem_row {
  int status;
  const char *type, *code, *retry;
};
extern const struct problem_row problem_table[PROBLEM_COUNT];

// What an answer may add to its row. Texts are lent for the call.
struct problem_more {
  const char *param;      // the field at fault, or NULL
  struct str details;     // a JSON object for error.details, or empty
  int64_t retry_after_ms; // > 0: Retry-After (whole seconds, rounded up, at most 60) and retry-after-ms
  bool no_retry;          // x-should-retry: false whatever the row says (something was charged)
  const struct http_header *headers; // further headers
  size_t header_count;
};
// Answers the request. message: a sentence for people.
void http_problem(struct http_request *r, enum problem p, const struct problem_more *more, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// To http_config.body_ask: nothing of the body is taken, the connection ends. why: a sentence that lasts.
void http_body_refuse(struct http_request *r, enum problem p, const char *why);
// The body alone, for streams and tests.
void problem_write(struct buf *out, enum problem p, const struct problem_more *more, const char *request_id, const char *message);
