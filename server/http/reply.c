// Answers: built by whoever answers, on whatever thread, and handed to the connection's server thread. A request's lock
// is what makes suspending, answering and resuming one step each: whoever comes second sees what the first did.
#include "http/internal.h"

static bool is_text(struct str s) {
  for (size_t i = 0; i < s.len; i++)
    if (((unsigned char)s.ptr[i] < 0x20 && s.ptr[i] != '\t') || s.ptr[i] == 0x7f) return false;
  return s.len > 0;
}

// What libmicrohttpd takes for one.
static bool is_header(const struct http_header *h) {
  return is_text(h->name) && !memchr(h->name.ptr, ' ', h->name.len) && !memchr(h->name.ptr, '\t', h->name.len) &&
         is_text(h->value);
}

// Framing, and what is added here in any case, are not the caller's.
static bool header_is_ours(struct str name) {
  static const char *const ours[] = {"connection", "keep-alive",   "transfer-encoding", "content-length",
                                     "date",       "x-request-id", "request-id"};
  for (size_t i = 0; i < ARRAY_LEN(ours); i++)
    if (str_eq_nocase(name, str_from(ours[i]))) return true;
  return false;
}

// An answer without one of its headers would be another answer.
static void add(struct MHD_Response *response, const char *name, const char *value) {
  if (MHD_add_response_header(response, name, value) != MHD_YES) (void)mem_had(NULL);
}

// Name and value, each with its NUL.
static void header_add(struct MHD_Response *response, struct str name, struct str value) {
  char small[512];
  char *text = name.len + value.len + 2 <= sizeof small ? small : mem_alloc(name.len + value.len + 2);
  memcpy(text, name.ptr, name.len);
  text[name.len] = '\0';
  if (value.len) memcpy(text + name.len + 1, value.ptr, value.len);
  text[name.len + 1 + value.len] = '\0';
  add(response, text, text + name.len + 1);
  if (text != small) mem_free(text);
}

static void headers_add(struct http_request *r, struct MHD_Response *response, const struct http_header *headers,
                        size_t count) {
  bool cache = false;
  for (size_t i = 0; i < count; i++) {
    const struct http_header *h = &headers[i];
    if (!is_header(h) || header_is_ours(h->name)) continue;
    header_add(response, h->name, h->value);
    cache = cache || str_eq_nocase(h->name, STR("cache-control"));
  }
  add(response, "X-Request-Id", r->id);
  add(response, "request-id", r->id);
  if (!cache) add(response, "Cache-Control", "no-store");
  bool draining = atomic_load(&r->server->draining) && !r->probe;
  if (r->close || draining) add(response, "Connection", "close");
}

struct MHD_Response *reply_build(struct http_request *r, const struct http_header *headers, size_t count,
                                 struct str body) {
  union {
    const char *lent;
    void *unchanged; // MHD_RESPMEM_MUST_COPY only reads it
  } data = {.lent = body.len ? body.ptr : ""};
  struct MHD_Response *response =
      mem_had(MHD_create_response_from_buffer(body.len, data.unchanged, MHD_RESPMEM_MUST_COPY));
  headers_add(r, response, headers, count);
  return response;
}

struct MHD_Response *reply_build_stream(struct http_request *r, const struct http_header *headers, size_t count) {
  struct MHD_Response *response =
      mem_had(MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK, stream_read, r, NULL));
  // libmicrohttpd 0.9.75 sends the last chunk of a body that HEAD has not, and the next answer would begin behind it.
  if (r->head_only) (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
  headers_add(r, response, headers, count);
  return response;
}

void request_resume(struct http_request *r) {
  if (!r->suspended) return;
  r->suspended = false;
  MHD_resume_connection(r->conn->mhd);
}

void request_park(struct http_request *r) {
  r->suspended = r->parked = true;
  atomic_fetch_add(&r->server->parked, 1);
  if (!r->conn->probe) metric_add(METRIC_HTTP_SUSPENDED, 1);
  MHD_suspend_connection(r->conn->mhd);
}

void request_unpark(struct http_request *r) {
  if (!r->parked) return;
  r->parked = false;
  atomic_fetch_sub(&r->server->parked, 1);
  if (!r->conn->probe) metric_add(METRIC_HTTP_SUSPENDED, -1);
}

void request_await_callback(struct http_request *r) {
  while (r->calling && !pthread_equal(r->caller, pthread_self())) pthread_cond_wait(&r->called, &r->lock);
}

void http_reply(struct http_request *r, int status, const struct http_header *headers, size_t count, struct str body) {
  struct MHD_Response *response = reply_build(r, headers, count, body);
  pthread_mutex_lock(&r->lock);
  ASSERT(!r->answered && !r->streaming);
  r->answered = true;
  request_await_callback(r);
  bool wanted = !r->done && !r->cut;
  if (wanted) {
    r->response = response;
    r->status = status;
    request_resume(r);
  }
  pthread_mutex_unlock(&r->lock);
  if (!wanted) MHD_destroy_response(response);
  request_unref(r);
}

void http_answer_by(struct http_request *r, void (*answer)(void *arg), void *arg) {
  pthread_mutex_lock(&r->lock);
  ASSERT(!r->answered && !r->streaming && !r->answer);
  bool wanted = !r->done && !r->cut;
  if (wanted) {
    r->answer = answer;
    r->answer_arg = arg;
    request_resume(r);
  }
  pthread_mutex_unlock(&r->lock);
  if (!wanted) answer(arg);
}

void request_answer(struct http_request *r) {
  void (*answer)(void *arg) = r->answer;
  if (!answer) return;
  r->answer = NULL;
  pthread_mutex_unlock(&r->lock);
  answer(r->answer_arg);
  pthread_mutex_lock(&r->lock);
}

bool request_cut(struct http_request *r) {
  pthread_mutex_lock(&r->lock);
  bool cut = r->given && !r->answered && !r->answer && !r->cut && !r->done;
  if (cut) {
    r->cut = true;
    if (!r->streaming) {
      r->response = problem_response(r, PROBLEM_SHUTTING_DOWN, "The service is shutting down.");
      r->status = problem_table[PROBLEM_SHUTTING_DOWN].status;
    }
    request_resume(r);
  }
  pthread_mutex_unlock(&r->lock);
  if (cut) request_gone(r);
  return cut;
}
