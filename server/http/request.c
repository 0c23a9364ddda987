// A request's life and what handlers read of it. Everything is copied out of libmicrohttpd's memory, because a request
// may outlive its connection: the owner of a call still needs its headers after the client has hung up.
#include "base/clock.h"
#include "http/internal.h"

struct http_request *request_create(struct http_conn *c, const char *raw_target) {
  struct http_request *r = mem_alloc(sizeof *r);
  r->server = c->server;
  r->conn = c;
  r->probe = c->probe;
  atomic_init(&r->refs, 1);
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->called, NULL);
  arena_init(&r->arena, LIMIT_REQUEST_ARENA);
  id_print("req", uuid_local(clock_wall_us()), r->id);
  r->raw_target = arena_str(&r->arena, str_from(raw_target));
  return r;
}

void request_ref(struct http_request *r) {
  atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

static void request_unorphan(struct http_request *r) {
  struct http_server *s = r->server;
  pthread_mutex_lock(&s->conn_lock);
  if (r->orphan_prev)
    r->orphan_prev->orphan_next = r->orphan_next;
  else
    s->orphans = r->orphan_next;
  if (r->orphan_next) r->orphan_next->orphan_prev = r->orphan_prev;
  pthread_mutex_unlock(&s->conn_lock);
}

void request_unref(struct http_request *r) {
  if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) > 1) return;
  if (r->orphan) request_unorphan(r);
  if (r->response) MHD_destroy_response(r->response);
  stream_drop(&r->stream);
  buf_finish(&r->body);
  request_unreserve(r);
  arena_finish(&r->arena);
  pthread_cond_destroy(&r->called);
  pthread_mutex_destroy(&r->lock);
  mem_free(r);
}

struct head_collector {
  struct http_header headers[LIMIT_HEADERS];
  size_t count;
  bool overflow;
};

static enum MHD_Result collect(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                               size_t value_len) {
  (void)kind;
  struct head_collector *h = arg;
  if (h->count == LIMIT_HEADERS) {
    h->overflow = true;
    return MHD_NO;
  }
  h->headers[h->count++] = (struct http_header){{name, name_len}, {value, value_len}};
  return MHD_YES;
}

// Blanks behind a value are not of it (RFC 9110, 5.5); those before it libmicrohttpd has passed over.
static void copy_headers(struct http_request *r, struct head_collector *h) {
  size_t size = 0;
  for (size_t i = 0; i < h->count; i++) h->headers[i].value = str_trim(h->headers[i].value);
  for (size_t i = 0; i < h->count; i++) size += h->headers[i].name.len + h->headers[i].value.len;
  r->headers = arena_alloc(&r->arena, h->count * sizeof(*r->headers) + size);
  char *at = (char *)(r->headers + h->count);
  for (size_t i = 0; i < h->count; i++) {
    const struct http_header *from = &h->headers[i];
    memcpy(at, from->name.ptr, from->name.len);
    memcpy(at + from->name.len, from->value.ptr, from->value.len);
    r->headers[i] = (struct http_header){{at, from->name.len}, {at + from->name.len, from->value.len}};
    at += from->name.len + from->value.len;
  }
  r->header_count = h->count;
}

bool request_read_head(struct http_request *r, const char *method, const char *version) {
  struct head_collector h;
  h.count = 0;
  h.overflow = false;
  struct MHD_Connection *mhd = r->conn->mhd;
  (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, collect, &h);
  struct guard_head head = {
      .method = str_from(method),
      .target = r->raw_target,
      .version = str_from(version),
      .headers = h.headers,
      .header_count = h.count,
      .header_overflow = h.overflow,
      .size = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size,
  };
  r->method = arena_str(&r->arena, head.method);
  r->head_only = str_eq(r->method, STR("HEAD"));
  r->old_version = str_eq(head.version, STR("HTTP/1.0"));
  if (!guard_check(&head, &r->frame, &r->refusal)) return false;
  if (r->conn->tap.heads <= r->number) {
    r->refusal = (struct guard_refusal){PROBLEM_MALFORMED_HTTP,
                                        "The request has bytes before it or line ends in it that are none."};
    return false;
  }
  if (!target_parse(r->raw_target, &r->arena, &r->target, &r->refusal)) return false;
  copy_headers(r, &h);
  return true;
}

struct str http_method(const struct http_request *r) {
  return r->method;
}

struct str http_path(const struct http_request *r) {
  return r->target.path;
}

struct str http_path_segment(const struct http_request *r, int index) {
  ASSERT(index >= 0 && (size_t)index < r->match.capture_count);
  return r->match.captures[index];
}

struct str http_query_raw(const struct http_request *r) {
  return r->target.query;
}

bool http_query(const struct http_request *r, const char *name, struct str *ret) {
  for (size_t i = 0; i < r->target.param_count; i++) {
    if (!str_eq(r->target.params[i].name, str_from(name))) continue;
    *ret = r->target.params[i].value;
    return true;
  }
  return false;
}

int http_query_each(const struct http_request *r, int (*each)(void *arg, struct str name, struct str value),
                    void *arg) {
  for (size_t i = 0; i < r->target.param_count; i++) {
    int answer = each(arg, r->target.params[i].name, r->target.params[i].value);
    if (answer) return answer;
  }
  return 0;
}

struct str http_header(const struct http_request *r, const char *name) {
  struct str wanted = str_from(name);
  for (size_t i = 0; i < r->header_count; i++)
    if (str_eq_nocase(r->headers[i].name, wanted)) return r->headers[i].value;
  return (struct str){NULL, 0};
}

size_t http_header_count(const struct http_request *r) {
  return r->header_count;
}

struct http_header http_header_at(const struct http_request *r, size_t index) {
  ASSERT(index < r->header_count);
  return r->headers[index];
}

struct str http_body(const struct http_request *r) {
  return buf_str(&r->body);
}

const char *http_request_id(const struct http_request *r) {
  return r->id;
}

struct str http_client_request_id(const struct http_request *r) {
  struct str id = http_header(r, "X-Request-Id");
  if (id.len > HTTP_CLIENT_ID_MAX) return (struct str){NULL, 0};
  for (size_t i = 0; i < id.len; i++)
    if (id.ptr[i] <= 0x20 || id.ptr[i] >= 0x7f) return (struct str){NULL, 0};
  return id;
}

struct arena *http_arena(struct http_request *r) {
  return &r->arena;
}

const struct http_route *http_request_route(const struct http_request *r) {
  return r->match.route;
}
