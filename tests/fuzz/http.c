// Feeds: a connection's bytes, cut in pieces, through libmicrohttpd, the guard and the router (pump.h) to handlers that
// answer at once, later, or with a stream: the first byte says which, and whether bodies need leave, which comes at once or later;
// the second how the rest is cut.
// Oracle: the strict reader of rfc9112.h. Each answer belongs to the next request that the reader sees. A request that
// the reader refuses, or does not see, reaches no handler: it is answered with 4xx or 5xx and the connection ends. A
// handler sees the very method, path, query, headers and body that the reader does. And what the reader takes is not
// refused, unless it passes one of our limits.
#include "base/limits.h"
#include "base/mem.h"
#include "fuzz.h"
#include "pump.h"
#include "rfc9112.h"

#define REQUESTS_MAX 64
#define BODY_MAX 4096
#define PUT_MAX 8
#define SMALL_HEAD 4096 // below, no limit of libmicrohttpd's memory can be at fault
#define SMALL_HEADERS 24

// ---- what the handlers see

struct seen {
  struct str method, path, query, body; // owned
  struct http_header *headers;
  size_t header_count;
};
static struct seen seen[REQUESTS_MAX];
static size_t seen_count;

enum how { AT_ONCE, LATER, STREAM, STREAM_LATER };
static enum how how;
static struct http_request *kept;
static char kept_number[24];
static enum leave { NOT_NEEDED, GIVEN_AT_ONCE, GIVEN_LATER } leave;
static struct http_request *asked;

static struct str keep(struct str s) {
  return (struct str){fuzz_copy(s), s.len};
}

static struct str headers_for(char number[24], struct http_header headers[2]) {
  headers[0] = (struct http_header){STR("Content-Type"), STR("text/event-stream")};
  headers[1] = (struct http_header){STR("X-Seen"), str_from(number)};
  return STR("data: seen\n\n");
}

static void answer(struct http_request *r, char number[24]) {
  struct http_header headers[2];
  struct str body = headers_for(number, headers);
  if (how == AT_ONCE || how == LATER) {
    http_reply(r, 200, headers, 2, body);
    return;
  }
  http_stream_start(r, 200, headers, 2);
  (void)http_stream_write(r, body);
  (void)http_stream_write(r, body);
  http_stream_end(r, true);
}

static void handler(struct http_request *r, void *context) {
  (void)context;
  FUZZ_CHECK(seen_count < REQUESTS_MAX, "more requests than were sent");
  struct seen *s = &seen[seen_count];
  *s = (struct seen){keep(http_method(r)), keep(http_path(r)), keep(http_query_raw(r)), keep(http_body(r)), NULL, 0};
  s->header_count = http_header_count(r);
  s->headers = calloc(s->header_count + 1, sizeof *s->headers);
  for (size_t i = 0; i < s->header_count; i++) {
    struct http_header h = http_header_at(r, i);
    s->headers[i] = (struct http_header){keep(h.name), keep(h.value)};
  }
  (void)snprintf(kept_number, sizeof kept_number, "%zu", seen_count++);
  if (how == AT_ONCE || how == STREAM)
    answer(r, kept_number);
  else
    kept = r;
}

static bool ask(struct http_request *r, const struct http_route *route) {
  (void)route;
  if (leave == GIVEN_AT_ONCE) http_body_take(r);
  if (leave == GIVEN_LATER) asked = r;
  return leave != NOT_NEEDED;
}

static void idle(void *arg) {
  (void)arg;
  struct http_request *r = kept, *a = asked;
  kept = asked = NULL;
  if (a) http_body_take(a);
  if (r) answer(r, kept_number);
}

static void seen_clear(void) {
  for (size_t i = 0; i < seen_count; i++) {
    struct seen *s = &seen[i];
    for (size_t k = 0; k < s->header_count; k++) {
      free((void *)(uintptr_t)s->headers[k].name.ptr);
      free((void *)(uintptr_t)s->headers[k].value.ptr);
    }
    free(s->headers);
    free((void *)(uintptr_t)s->method.ptr);
    free((void *)(uintptr_t)s->path.ptr);
    free((void *)(uintptr_t)s->query.ptr);
    free((void *)(uintptr_t)s->body.ptr);
  }
  seen_count = 0;
}

static const struct http_route routes[] = {
    {"GET", "/", handler, NULL, 0},
    {"POST", "/", handler, NULL, BODY_MAX},
    {"GET", "/a", handler, NULL, 0},
    {"POST", "/a", handler, NULL, BODY_MAX},
    {"PUT", "/a", handler, NULL, PUT_MAX},
    {"GET", "/n/{name}", handler, NULL, 0},
    {"DELETE", "/n/{name}", handler, NULL, 0},
};
static struct pump pump = {.body_ask = ask, .idle = idle};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  pump_init(&pump, routes, ARRAY_LEN(routes));
  return 0;
}

// ---- what came back

struct answer {
  int status;
  long number; // of X-Seen; -1: no handler
  bool close;
};

static struct str header_of(struct str head, const char *name) {
  struct str line;
  while (str_split(&head, '\n', &line)) {
    const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
    if (!colon || !str_eq_nocase((struct str){line.ptr, (size_t)(colon - line.ptr)}, str_from(name))) continue;
    struct str value = {colon + 1, line.len - (size_t)(colon + 1 - line.ptr)};
    if (value.len && value.ptr[value.len - 1] == '\r') value.len--;
    return str_trim(value);
  }
  return (struct str){NULL, 0};
}

static const char *chunks_end(const char *at, const char *end) {
  for (;;) {
    char *digits = NULL;
    unsigned long size = strtoul(at, &digits, 16);
    FUZZ_CHECK(digits > at && end - digits >= 2 && memcmp(digits, "\r\n", 2) == 0, "a chunk of the answer is broken");
    at = digits + 2;
    FUZZ_CHECK((size_t)(end - at) >= size + 2 && memcmp(at + size, "\r\n", 2) == 0, "a chunk of the answer is cut");
    at += size + 2;
    if (size == 0) return at;
  }
}

static const char *body_end(struct str head, const char *at, const char *end, bool no_body) {
  struct str length = header_of(head, "Content-Length"), encoding = header_of(head, "Transfer-Encoding");
  int64_t bytes = 0;
  FUZZ_CHECK(!length.len || !encoding.len, "an answer with two framings");
  if (no_body) return at;
  if (encoding.len) return chunks_end(at, end);
  if (!length.len) return end; // up to the end of the connection
  FUZZ_CHECK(str_to_i64(length, &bytes) && bytes >= 0 && bytes <= end - at, "an answer's body is cut");
  return at + bytes;
}

// The next final answer; false where there is none. sound: that it answers a sound request, whose method is known.
static bool answer_next(const char **at, bool sound, bool head_only, struct answer *ret) {
  const char *end = pump.out.data + pump.out.len;
  for (;;) {
    if (*at == end) return false;
    const char *stop = memmem(*at, (size_t)(end - *at), "\r\n\r\n", 4);
    FUZZ_CHECK(stop && end - *at > 12 && memcmp(*at, "HTTP/1.", 7) == 0, "no answer: %.200s", *at);
    struct str head = {*at, (size_t)(stop + 2 - *at)}, number = header_of(head, "X-Seen");
    int64_t n = -1;
    ret->status = atoi(*at + 9);
    *at = stop + 4;
    if (ret->status == 100) continue;
    FUZZ_CHECK(!number.len || str_to_i64(number, &n), "X-Seen");
    ret->number = (long)n;
    ret->close = str_eq_nocase(header_of(head, "Connection"), STR("close"));
    // What libmicrohttpd refuses by itself it answers with its head sent twice; nothing is read behind it.
    bool ours = header_of(head, "X-Request-Id").len > 0;
    *at = ours && sound ? body_end(head, *at, end, head_only) : end;
    return true;
  }
}

// ---- the comparison

static void same_check(const struct rfc_request *q, const struct seen *s) {
  FUZZ_CHECK(str_eq(q->method, s->method), "method %.*s", STR_ARG(s->method));
  FUZZ_CHECK(str_eq((struct str){q->path, q->path_len}, s->path), "path %.*s", STR_ARG(s->path));
  FUZZ_CHECK(str_eq(q->query, s->query), "query %.*s", STR_ARG(s->query));
  FUZZ_CHECK(str_eq((struct str){q->body, q->body_len}, s->body), "body %.*s", STR_ARG(s->body));
  FUZZ_CHECK(q->header_count == s->header_count, "%zu headers", s->header_count);
  for (size_t i = 0; i < q->header_count; i++) {
    FUZZ_CHECK(str_eq(q->headers[i].name, s->headers[i].name), "name %.*s", STR_ARG(s->headers[i].name));
    FUZZ_CHECK(str_eq(q->headers[i].value, s->headers[i].value), "value %.*s", STR_ARG(s->headers[i].value));
  }
}

static bool method_known(struct str method) {
  struct str known = STR("GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"), one;
  while (str_split(&known, '|', &one))
    if (str_eq(one, method)) return true;
  return false;
}

// libmicrohttpd 0.9.75 takes a cookie whose value is one quote for one of a length below 0, and that for too long.
static bool quoted_cookie(const struct rfc_request *q) {
  for (size_t i = 0; i < q->header_count; i++)
    if (str_eq_nocase(q->headers[i].name, STR("cookie")) && q->headers[i].value.len &&
        memchr(q->headers[i].value.ptr, '"', q->headers[i].value.len))
      return true;
  return false;
}

static bool large(const struct rfc_request *q) {
  return q->head_size > SMALL_HEAD || q->header_count > SMALL_HEADERS;
}

// Of a request that the reader takes: whether the server may answer it so.
static bool refusal_fits(const struct rfc_request *q, int status) {
  bool large_head = large(q);
  int64_t most = str_eq(q->method, STR("POST")) ? BODY_MAX : str_eq(q->method, STR("PUT")) ? PUT_MAX : 0;
  bool large_body = (int64_t)q->body_len > most || q->length > most;
  if (status == 404 || status == 405) return true;
  if (status == 413) return large_body || large_head;
  if (status == 414 || status == 431) return large_head || quoted_cookie(q);
  return status == 501 && !method_known(q->method);
}

static void sound_check(const struct rfc_request *q, const struct answer *a, size_t *handled) {
  if (a->status != 200) {
    FUZZ_CHECK(a->number < 0 && refusal_fits(q, a->status), "a sound request is answered with %d", a->status);
    return;
  }
  FUZZ_CHECK(a->number == (long)*handled && *handled < seen_count, "answer %ld to request %zu", a->number, *handled);
  same_check(q, &seen[(*handled)++]);
}

// What is answered though the reader sees no request there: with a refusal, and that is the end.
static void unsound_check(const struct rfc_request *q, enum rfc_answer is, const struct answer *a) {
  const char *what = is == RFC_REFUSED ? q->why : "the beginning of a request";
  FUZZ_CHECK(a->number < 0 && a->status >= 400, "%s is answered with %d", what, a->status);
  FUZZ_CHECK(a->close && pump.ended, "%s is answered with %d, and the connection goes on", what, a->status);
}

static void judge(struct str bytes) {
  static struct rfc_request q;
  const char *at = bytes.ptr, *end = bytes.ptr + bytes.len, *out = buf_cstr(&pump.out);
  struct answer a = {0};
  size_t handled = 0;
  for (bool open = true; open;) {
    enum rfc_answer is = rfc_read(&at, end, &q);
    bool sound = is == RFC_WHOLE, told = answer_next(&out, sound, sound && str_eq(q.method, STR("HEAD")), &a);
    if (!told) {
      // Where its memory is used up, libmicrohttpd may not be able to answer at all.
      FUZZ_CHECK(is != RFC_WHOLE || large(&q), "a sound request is not answered: the one that ends at %zu of %zu",
                 (size_t)(at - bytes.ptr), bytes.len);
      break; // it waits for more, until its deadline
    }
    open = is == RFC_WHOLE && !a.close;
    if (is == RFC_WHOLE)
      sound_check(&q, &a, &handled);
    else
      unsound_check(&q, is, &a);
  }
  FUZZ_CHECK(handled == seen_count, "%zu handlers ran for %zu requests", seen_count, handled);
  FUZZ_CHECK(!a.close || pump.ended, "the connection was to end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t manner = fuzz_byte(&in);
  how = (enum how)(manner % 4);
  leave = (enum leave)(manner / 4 % 3);
  uint8_t cut = fuzz_byte(&in);
  struct str bytes = fuzz_rest(&in);
  pump_exchange(&pump, bytes, cut == 1 && bytes.len > 512 ? 2 : cut);
  judge(bytes);
  seen_clear();
  return 0;
}
