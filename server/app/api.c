// A request runs on its own loop's thread; the caller waits for it. Writes carry an Idempotency-Key of their own, so
// that whoever sends one again by hand is the only one who can make it twice.
#include "app/api.h"
#include "app/exit.h"
#include "app/out.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "net/client.h"
#include "json/read.h"
#include <pthread.h>

#define ANSWER_MAX (64LL * 1024 * 1024)
#define HEADERS_MAX (8 * 1024)
#define TOTAL_MS 120000

struct api {
  const char *url, *key;
  struct net_loop *loop;
};

struct exchange {
  struct api *api;
  const struct api_request *request;
  struct api_answer *answer;
  const struct net_spec *spec;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  bool over;
};

struct api *api_create(const char *url, const char *key) {
  struct api *a = mem_alloc(sizeof *a);
  *a = (struct api){url, key, net_loop_create("api")};
  return a;
}

void api_destroy(struct api *a) {
  if (!a) return;
  net_loop_destroy(a->loop);
  mem_free(a);
}

void api_key(struct api *a, const char *key) {
  a->key = key;
}

static void header_take(const struct net_header *h, const char *name, char *out, size_t size) {
  if (str_eq_nocase(h->name, str_from(name))) (void)snprintf(out, size, "%.*s", STR_ARG(h->value));
}

static void on_head(void *arg, int status, const struct net_header *headers, size_t count) {
  struct exchange *x = arg;
  struct api_answer *a = x->answer;
  a->status = status;
  for (size_t i = 0; i < count; i++) {
    header_take(&headers[i], "x-tollgate-call", a->call, sizeof a->call);
    header_take(&headers[i], "x-credits-charged", a->charged, sizeof a->charged);
    header_take(&headers[i], "x-credits-remaining", a->remaining, sizeof a->remaining);
    header_take(&headers[i], "content-type", a->content_type, sizeof a->content_type);
  }
}

static size_t on_data(void *arg, struct str bytes) {
  struct exchange *x = arg;
  if (x->request->piece && x->answer->status < 400)
    x->request->piece(x->request->arg, bytes);
  else
    buf_add_str(&x->answer->body, bytes);
  return bytes.len;
}

static void on_done(void *arg, enum net_end end, const char *detail) {
  struct exchange *x = arg;
  if (end != NET_DONE) {
    x->answer->status = 0;
    buf_printf(&x->answer->problem, "%s%s%s", net_end_name(end), detail && *detail ? ": " : "", detail ? detail : "");
  }
  pthread_mutex_lock(&x->lock);
  x->over = true;
  pthread_cond_signal(&x->ended);
  pthread_mutex_unlock(&x->lock);
}

static void exchange_start(void *arg) {
  static const struct net_events events = {on_head, on_data, on_done};
  struct exchange *x = arg;
  (void)net_start(x->api->loop, x->spec, &events, x);
}

static void headers_write(const struct api *a, const struct api_request *r, struct buf *out) {
  if (a->key && *a->key) buf_printf(out, "Authorization: Bearer %s\n", a->key);
  buf_puts(out, "User-Agent: tollgate/" TOLLGATE_VERSION "\n");
  if (r->body.len > 0 && !(r->headers && strstr(r->headers, "Content-Type:"))) buf_puts(out, "Content-Type: application/json\n");
  if (r->headers) buf_puts(out, r->headers);
  if (strcmp(r->method, "POST") == 0 && !(r->headers && strstr(r->headers, "Idempotency-Key:"))) {
    char id[ID_TEXT_MAX];
    id_print("cli", uuid_local(clock_wall_us()), id);
    buf_printf(out, "Idempotency-Key: %s\n", id);
  }
}

bool api_send(struct api *a, const struct api_request *request, struct api_answer *ret) {
  *ret = (struct api_answer){.status = 0};
  buf_init(&ret->body, ANSWER_MAX);
  buf_init(&ret->problem, 1024);
  CLEANUP(buf_finish) struct buf headers;
  CLEANUP(buf_finish) struct buf url;
  buf_init(&headers, HEADERS_MAX);
  buf_init(&url, HEADERS_MAX);
  size_t base = strlen(a->url);
  buf_add(&url, a->url, base > 0 && a->url[base - 1] == '/' ? base - 1 : base);
  buf_puts(&url, request->path);
  headers_write(a, request, &headers);
  if (headers.full || url.full) {
    buf_puts(&ret->problem, "the address or the key is too long");
    return false;
  }
  struct net_spec spec = {.method = request->method,
                          .url = buf_cstr(&url),
                          .headers = buf_str(&headers),
                          .body = request->body,
                          .trust = NET_OPERATOR,
                          .total_ms = TOTAL_MS,
                          .bytes_max = ANSWER_MAX};
  struct exchange x = {.api = a, .request = request, .answer = ret, .spec = &spec};
  pthread_mutex_init(&x.lock, NULL);
  pthread_cond_init(&x.ended, NULL);
  net_post(a->loop, exchange_start, &x);
  pthread_mutex_lock(&x.lock);
  while (!x.over) pthread_cond_wait(&x.ended, &x.lock);
  pthread_mutex_unlock(&x.lock);
  pthread_cond_destroy(&x.ended);
  pthread_mutex_destroy(&x.lock);
  return ret->status != 0;
}

void api_answer_finish(struct api_answer *a) {
  buf_finish(&a->body);
  buf_finish(&a->problem);
}

static int status_exit(int status) {
  switch (status) {
  case 401:
  case 403:
    return EXIT_AUTH;
  case 404:
    return EXIT_NOT_FOUND;
  case 409:
  case 412:
  case 422:
    return EXIT_CONFLICT;
  default:
    return status == 400 ? EXIT_USAGE : EXIT_FAILED;
  }
}

static void refusal_tell(const struct api_answer *answer) {
  struct json *root = NULL;
  struct json_error ignored;
  struct str message, code = STR("error"), param;
  if (json_parse(buf_str(&answer->body), &root, &ignored) != 0 ||
      !json_text(json_path(root, "error.message"), &message)) {
    out_error("the server answered with status %d", answer->status);
  } else {
    (void)json_text(json_path(root, "error.code"), &code);
    bool has_param = json_text(json_path(root, "error.param"), &param) && param.len > 0;
    out_error("%.*s (%d %.*s%s%.*s)", STR_ARG(message), answer->status, STR_ARG(code), has_param ? ", " : "",
              has_param ? (int)param.len : 0, has_param ? param.ptr : "");
  }
  json_finish(root);
}

int api_judge(struct api *a, const struct api_answer *answer) {
  if (answer->status == 0) {
    struct str problem = buf_str(&answer->problem);
    out_error("no answer from %s: %.*s", a->url, STR_ARG(problem));
    out_note("is `tollgate serve` running there? TOLLGATE_URL says where to look");
    return EXIT_NETWORK;
  }
  if (answer->status < 400) return EXIT_FINE;
  refusal_tell(answer);
  if (answer->status == 401)
    out_note(a->key && *a->key
                 ? "TOLLGATE_ADMIN_KEY is not a key of this server"
                 : "TOLLGATE_ADMIN_KEY is not set; `tollgate keys bootstrap` makes the first operator key");
  return status_exit(answer->status);
}

void api_encode(struct buf *out, struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
    if (plain)
      buf_putc(out, (char)c);
    else
      buf_printf(out, "%%%02X", c);
  }
}
