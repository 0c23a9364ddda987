// Long bodies. None of one is taken before its sender has been looked at: whoever knows senders is asked when the head has come,
// and the connection waits for the word. And all that they need, from their first byte to the last of their answers, is counted
// against one bound, so that many of them are refused rather than held.
#include "base/clock.h"
#include "http/internal.h"

#define STEP (256 * 1024) // what a body in chunks has counted ahead of it

bool http_body_may_pass(const struct http_request *r, size_t bytes) {
  return r->frame.chunked || (r->frame.length > 0 && (uint64_t)r->frame.length > bytes);
}

bool leave_ask(struct http_request *r) {
  if (!r->server->body_ask) return false;
  r->leave = LEAVE_ASKED;
  request_ref(r); // of whoever answers
  conn_set(r->conn, CONN_WORK, 0);
  if (!r->server->body_ask(r, r->match.route)) {
    r->leave = LEAVE_NOT_ASKED;
    request_unref(r);
    return false;
  }
  r->stage = STAGE_LEAVE;
  pthread_mutex_lock(&r->lock);
  bool waits = r->leave == LEAVE_ASKED;
  if (waits) request_park(r);
  pthread_mutex_unlock(&r->lock);
  return waits;
}

static void leave_tell(struct http_request *r, enum request_leave leave, struct guard_refusal refusal) {
  pthread_mutex_lock(&r->lock);
  ASSERT(r->leave == LEAVE_ASKED);
  r->leave = leave;
  r->leave_refusal = refusal;
  if (!r->done) request_resume(r);
  pthread_mutex_unlock(&r->lock);
  request_unref(r);
}

void http_body_take(struct http_request *r) {
  leave_tell(r, LEAVE_GIVEN, (struct guard_refusal){0});
}

void http_body_refuse(struct http_request *r, enum problem problem, const char *why) {
  leave_tell(r, LEAVE_REFUSED, (struct guard_refusal){problem, why});
}

bool leave_heed(struct http_request *r, struct guard_refusal *ret_refusal) {
  request_unpark(r);
  pthread_mutex_lock(&r->lock);
  bool given = r->leave == LEAVE_GIVEN;
  *ret_refusal = r->leave_refusal;
  pthread_mutex_unlock(&r->lock);
  r->stage = STAGE_BODY;
  return given && body_reserve(r, r->frame.length > 0 ? (size_t)r->frame.length : 0, ret_refusal);
}

bool body_reserve(struct http_request *r, size_t len, struct guard_refusal *ret_refusal) {
  if (r->leave != LEAVE_GIVEN || len <= r->reserved) return true;
  if (http_reserve(r, r->frame.chunked ? len + STEP : len)) return true;
  *ret_refusal = (struct guard_refusal){PROBLEM_OVERLOADED, "Too many long bodies are here at once. Send it again in a moment."};
  return false;
}

bool http_reserve(struct http_request *r, size_t total) {
  struct http_server *s = r->server;
  if (total <= r->reserved) return true;
  size_t more = total - r->reserved, all = atomic_load(&s->reserved);
  do {
    bool alone = all == r->reserved;
    if (!alone && s->memory_max > 0 && (all > s->memory_max || more > s->memory_max - all)) return false;
  } while (!atomic_compare_exchange_weak(&s->reserved, &all, all + more));
  metric_add(METRIC_HTTP_RESERVED, (int64_t)more);
  r->reserved = total;
  return true;
}

void request_unreserve(struct http_request *r) {
  if (r->reserved == 0) return;
  atomic_fetch_sub(&r->server->reserved, r->reserved);
  metric_add(METRIC_HTTP_RESERVED, -(int64_t)r->reserved);
  r->reserved = 0;
}
