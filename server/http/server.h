// The HTTP door: libmicrohttpd behind a guard. What reaches a handler is one well-formed request with its whole body in
// memory; what is not is answered 4xx and closed before any handler runs. Deadlines are absolute. Handlers are called on
// the server's threads and never block: they answer at once, or later from any thread.
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct http_server;
struct http_request;

struct http_header {
  struct str name, value;
};

struct http_route {
  const char *method; // "GET", "POST", "PATCH", "PUT", "DELETE"; HEAD is served by GET routes without the body
  const char *path;   // exact; a segment "{name}" takes one non-empty segment
  void (*handler)(struct http_request *request, void *context);
  void *context;
  size_t body_max; // bytes; 0: a body is refused
};

struct http_config {
  const char *host; // "0.0.0.0", "::", "127.0.0.1"
  uint16_t port;    // 0: any free one
  unsigned threads; // >= LIMIT_HTTP_THREADS
  unsigned connections_max, connections_per_ip;
  const struct http_route *routes; // lent for the server's life
  size_t route_count;
  // Asked when a head has come, where a path takes more of one kind of body than of another; at most body_max counts. NULL: body_max.
  size_t (*body_bound)(const struct http_request *request, const struct http_route *route);
  // Whether leave is needed for a body of which the head has come: on a server's thread, without waiting. Where it is, nothing of the
  // body is taken before it is answered once, then or later and from any thread, with http_body_take or http_body_refuse
  // (http/problem.h). NULL: for none.
  bool (*body_ask)(struct http_request *request, const struct http_route *route);
  size_t memory_max; // bytes that may be reserved at once (http_reserve); 0: no bound
  // Deadlines in milliseconds; 0: the default of base/limits.h. Tests shorten them.
  int header_ms, body_ms, idle_ms, write_stall_ms;
};

// NULL with a sentence in ret_error where the port cannot be had or the guard's self-test fails.
struct http_server *http_server_create(const struct http_config *config, struct buf *ret_error);
uint16_t http_server_port(const struct http_server *server);
// Stops accepting; waits until all requests are answered or the bound has passed; then answers the rest with 503 or, for
// streams, closes them. Returns how many were cut. Afterwards only destroy may be called.
int http_server_drain(struct http_server *server, int bound_ms);
void http_server_destroy(struct http_server *server);

// ---- a request; all lent until it is answered
struct str http_method(const struct http_request *r);
struct str http_path(const struct http_request *r);                    // decoded, validated
struct str http_path_segment(const struct http_request *r, int index); // what the index-th "{…}" took
struct str http_query_raw(const struct http_request *r);
bool http_query(const struct http_request *r, const char *name, struct str *ret); // first of that name, decoded
// Names each query parameter once, in order; stops at the first non-zero return and hands it on.
int http_query_each(const struct http_request *r, int (*each)(void *arg, struct str name, struct str value), void *arg);
struct str http_header(const struct http_request *r, const char *name); // len 0 where missing
size_t http_header_count(const struct http_request *r);
struct http_header http_header_at(const struct http_request *r, size_t index);
struct str http_body(const struct http_request *r);
bool http_body_may_pass(const struct http_request *r, size_t bytes); // by what the head has announced: longer, or in chunks
const char *http_request_id(const struct http_request *r); // "req_…", made here, sent in X-Request-Id and request-id
struct str http_client_request_id(const struct http_request *r); // the caller's own X-Request-Id, or empty
struct arena *http_arena(struct http_request *r); // ends with the request; used by one thread at a time
const struct http_route *http_request_route(const struct http_request *r);
void http_body_take(struct http_request *r);
// Counts what the request needs in memory, `total` in all, until it is over and its answer sent. Of long bodies it is done here; a
// handler adds what it needs besides. False: others have too much. Where there are no others it is always counted.
bool http_reserve(struct http_request *r, size_t total);

// ---- the answer; from any thread. A handler answers exactly once: http_reply, or http_stream_start … http_stream_end.
// After http_reply or http_stream_end the request must not be touched any more. Header values and body are copied. Header
// values with control characters are dropped. X-Request-Id, request-id and (where none is given) Cache-Control: no-store
// are added here.
void http_reply(struct http_request *r, int status, const struct http_header *headers, size_t count, struct str body);
// In place of http_reply, by whoever has what is needed for it: answer(arg) makes the answer by http_reply, mostly on the connection's
// own thread, so that a thread that others wait for does not, and memory is given back by the thread that took it. Called once.
void http_answer_by(struct http_request *r, void (*answer)(void *arg), void *arg);
void http_stream_start(struct http_request *r, int status, const struct http_header *headers, size_t count);
// Never blocks; false where the client is gone (the bytes are dropped). The caller keeps pending below its own bound.
bool http_stream_write(struct http_request *r, struct str bytes);
size_t http_stream_pending(const struct http_request *r); // bytes not yet taken by the client's socket
// complete: ends in good order. Otherwise the connection is cut so that the client notices.
void http_stream_end(struct http_request *r, bool complete);

// The client went away before the answer was complete: called once, from a server thread, without blocking; not after
// http_reply or http_stream_end has been called. A waiting plain request is watched for the peer's closing (a half-close
// counts as gone, as with the usual proxies); a stream is given up when a write to it fails or stalls.
// drained: pending fell below LIMIT_STREAM_BUFFER / 2 after having been above.
struct http_watch {
  void (*gone)(void *arg);
  void (*drained)(void *arg);
  void *arg;
};
void http_watch(struct http_request *r, struct http_watch watch);
// Also answers: true once gone was or would have been called.
bool http_is_gone(const struct http_request *r);
