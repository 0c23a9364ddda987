// A request's way from libmicrohttpd to its handler: first line, guarded head, whole body, handler, and then either the
// answer at once or a place among the suspended. All of this runs on the connection's server thread.
#include "base/clock.h"
#include "http/internal.h"

// libmicrohttpd would make a list of the arguments, which nobody reads, in the connection's memory; where that is used up
// it refuses the request twice, and closes without an answer. So it is left none: the text is its own and may be written.
static void arguments_hide(const char *raw_target) {
  char *mark = strchr(raw_target, '?');
  if (mark) mark[1] = '\0';
}

void *handler_begin(void *server, const char *raw_target, struct MHD_Connection *mhd) {
  struct http_server *s = server;
  struct http_conn *c = conn_of(mhd);
  struct http_request *r = request_create(c, raw_target);
  arguments_hide(raw_target);
  pthread_mutex_lock(&c->lock);
  c->request = r;
  pthread_mutex_unlock(&c->lock);
  // The first request's head is due since the connection was accepted.
  if (c->requests) conn_set(c, CONN_HEADER, clock_mono_us() + s->header_us);
  r->number = c->requests++;
  return r;
}

// Sends what is ready; suspends the connection where nothing is.
static enum MHD_Result settle(struct http_request *r) {
  struct http_server *s = r->server;
  struct http_conn *c = r->conn;
  request_unpark(r);
  if (atomic_load(&s->cutting)) (void)request_cut(r);
  pthread_mutex_lock(&r->lock);
  request_answer(r);
  struct MHD_Response *response = r->response;
  if (r->queued) {
    // A daemon that is being stopped takes no response, says that it did, and asks again.
    pthread_mutex_unlock(&r->lock);
    return MHD_NO;
  }
  if (!response) {
    request_park(r);
    pthread_mutex_unlock(&r->lock);
    bool fully = atomic_load(&c->closed);
    if (fully || atomic_load(&c->half_closed)) request_peer_closed(r, fully);
    return MHD_YES;
  }
  r->response = NULL;
  r->queued = true;
  bool streaming = r->streaming;
  unsigned status = (unsigned)r->status;
  pthread_mutex_unlock(&r->lock);
  conn_set(c, streaming ? CONN_STREAM : CONN_WRITE, 0);
  enum MHD_Result queued = MHD_queue_response(c->mhd, status, response);
  MHD_destroy_response(response);
  return queued;
}

static enum MHD_Result answer_refusal(struct http_request *r) {
  struct problem_more more = problem_of_guard(r->refusal.problem);
  struct http_header allow = {STR("Allow"), str_from(r->match.allow)};
  if (r->refusal.problem == PROBLEM_METHOD_NOT_ALLOWED) more.headers = &allow, more.header_count = 1;
  r->stage = STAGE_GIVEN;
  request_ref(r);
  http_problem(r, r->refusal.problem, &more, "%s", r->refusal.why);
  return settle(r);
}

static void refuse(struct http_request *r, enum problem problem, const char *why) {
  r->refusal = (struct guard_refusal){problem, why};
  r->stage = STAGE_REFUSED;
  buf_finish(&r->body);
  request_unreserve(r);
  r->body_seen = 0;
}

static size_t body_max(const struct http_request *r) {
  const struct http_route *route = r->match.route;
  size_t bound = r->server->body_bound ? r->server->body_bound(r, route) : route->body_max;
  return bound < route->body_max ? bound : route->body_max;
}

static void find_route(struct http_request *r) {
  route_find(&r->server->routes, r->method, r->target.path, &r->match);
  r->stage = STAGE_BODY;
  size_t most = r->match.route ? body_max(r) : 0;
  if (!r->match.route && r->match.allow[0])
    refuse(r, PROBLEM_METHOD_NOT_ALLOWED, "This path does not take this method; see the Allow header.");
  else if (!r->match.route)
    refuse(r, PROBLEM_NOT_FOUND, "There is nothing at this path.");
  else if (r->frame.length > 0 && (uint64_t)r->frame.length > most)
    refuse(r, PROBLEM_TOO_LARGE, "The request's body is larger than this path takes.");
  else
    buf_init(&r->body, most);
}

// Announced bodies have their time from the start; chunked ones earn it by what has come.
static void body_deadline(struct http_request *r, size_t bytes) {
  int64_t earned = (int64_t)(bytes / LIMIT_BODY_BYTES_PER_SECOND) * 1000000;
  conn_set(r->conn, CONN_BODY, r->body_started_us + r->server->body_us + earned);
}

// Of what the guard refuses nothing behind it is read any more.
static enum MHD_Result answer_guarded(struct http_request *r) {
  if (atomic_load(&r->server->ready)) metric_add(METRIC_HTTP_REFUSED, 1);
  r->close = true;
  return answer_refusal(r);
}

// The head is done with: the body comes, or what comes of it is thrown away.
static enum MHD_Result begin_body(struct http_request *r) {
  if (r->stage == STAGE_REFUSED && r->frame.expects_continue) {
    r->close = true;
    return answer_refusal(r);
  }
  size_t announced = r->frame.length > 0 ? (size_t)r->frame.length : 0;
  if (r->stage == STAGE_REFUSED && announced > LIMIT_DRAIN_REFUSED) {
    linger_refuse(r); // whoever announces so much may as well wait for our answer before sending it
    return MHD_NO;
  }
  body_deadline(r, announced);
  return MHD_YES;
}

static enum MHD_Result heed_leave(struct http_request *r) {
  struct guard_refusal refusal;
  if (!leave_heed(r, &refusal)) {
    refuse(r, refusal.problem, refusal.why);
    r->close = true;
  }
  return begin_body(r);
}

static enum MHD_Result take_head(struct http_request *r, const char *method, const char *version) {
  if (!request_read_head(r, method, version)) return answer_guarded(r);
  find_route(r);
  bool body = r->frame.chunked || r->frame.length > 0;
  // Not every reader ends such a body at the same place: what one of them may read behind it is never a request here.
  if (r->frame.chunked) r->close = true;
  if (!body) return MHD_YES;
  r->body_started_us = clock_mono_us();
  if (r->stage == STAGE_BODY && leave_ask(r)) return MHD_YES;
  return r->stage == STAGE_LEAVE ? heed_leave(r) : begin_body(r);
}

static enum MHD_Result take_body(struct http_request *r, const char *data, size_t size) {
  struct guard_refusal refusal;
  if (r->stage == STAGE_BODY && !body_reserve(r, r->body.len + size, &refusal))
    refuse(r, refusal.problem, refusal.why);
  if (r->stage == STAGE_BODY && !buf_add(&r->body, data, size))
    refuse(r, PROBLEM_TOO_LARGE, "The request's body is larger than this path takes.");
  r->body_seen += size;
  if (r->stage == STAGE_REFUSED && r->body_seen > LIMIT_DRAIN_REFUSED) {
    linger_refuse(r);
    return MHD_NO;
  }
  if (r->frame.chunked) body_deadline(r, r->body_seen);
  return MHD_YES;
}

static void request_count(struct http_request *r, int change) {
  if (r->conn->probe) return;
  atomic_fetch_add(&r->server->active, change);
  if (change > 0) metric_add(METRIC_HTTP_REQUESTS, change);
}

static enum MHD_Result give(struct http_request *r) {
  const struct http_route *route = r->match.route;
  if (r->conn->tap.wholes <= r->number) {
    refuse(r, PROBLEM_MALFORMED_HTTP, "The request's chunks are malformed.");
    return answer_guarded(r);
  }
  if (atomic_load(&r->server->cutting)) {
    refuse(r, PROBLEM_SHUTTING_DOWN, "The service is shutting down.");
    return answer_refusal(r);
  }
  r->stage = STAGE_GIVEN;
  request_ref(r); // the owner's
  request_count(r, 1);
  conn_set(r->conn, CONN_WORK, 0);
  pthread_mutex_lock(&r->lock);
  r->given = true;
  pthread_mutex_unlock(&r->lock);
  route->handler(r, route->context);
  return settle(r);
}

enum MHD_Result handler_access(void *server, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **request) {
  (void)server, (void)mhd, (void)url;
  struct http_request *r = *request;
  if (!r) return MHD_NO;
  if (r->stage == STAGE_HEAD) return take_head(r, method, version);
  if (r->stage == STAGE_LEAVE) return heed_leave(r); // libmicrohttpd asks again, as after the head
  if (*size) {
    size_t taken = *size;
    *size = 0;
    return take_body(r, data, taken);
  }
  if (r->stage == STAGE_BODY) return give(r);
  if (r->stage == STAGE_REFUSED) return answer_refusal(r);
  return settle(r);
}

static void request_to_orphans(struct http_request *r) {
  struct http_server *s = r->server;
  pthread_mutex_lock(&s->conn_lock);
  r->orphan = true;
  r->orphan_next = s->orphans;
  if (s->orphans) s->orphans->orphan_prev = r;
  s->orphans = r;
  pthread_mutex_unlock(&s->conn_lock);
}

void handler_completed(void *server, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode code) {
  (void)mhd;
  struct http_server *s = server;
  struct http_request *r = *request;
  *request = NULL;
  if (!r) return;
  struct http_conn *c = r->conn;
  request_unpark(r); // a resumed connection may be found broken before anything is asked again
  pthread_mutex_lock(&c->lock);
  c->request = NULL;
  pthread_mutex_unlock(&c->lock);
  pthread_mutex_lock(&r->lock);
  r->done = true;
  bool given = r->given, owned = given && !r->answered && !r->answer;
  request_answer(r);
  stream_drop(&r->stream);
  pthread_mutex_unlock(&r->lock);
  if (owned) request_to_orphans(r);
  if (owned && code != MHD_REQUEST_TERMINATED_COMPLETED_OK) request_gone(r);
  conn_set(c, CONN_IDLE, clock_mono_us() + s->idle_us);
  if (given) request_count(r, -1);
  request_unref(r);
}
