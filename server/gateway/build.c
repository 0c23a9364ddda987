// The upstream request, as the plugin writes it, into memory that grows when it asks for more. The provider's secret is
// unsealed for that one call and wiped; the header lines, which carry it, are wiped when the exchange has taken them.
#include "gateway/call.h"
#include "price/provider.h"
#include "json/read.h"

#define URL_MAX (16 * 1024)
#define HEADERS_MAX (64 * 1024)
#define BODY_MAX (2 * LIMIT_BODY_GATEWAY + 64 * 1024)
#define SECRET_MAX (64 * 1024)
#define BUILD_TRIES 8

static void out_make(struct tollgate_out *o, size_t cap) {
  *o = (struct tollgate_out){.ptr = mem_alloc(cap), .cap = cap};
}

// What was written may be a credential: it is not left behind by growing.
static bool out_grow(struct tollgate_out *o, size_t max) {
  size_t need = o->need;
  o->len = o->need = 0;
  if (need <= o->cap) return true;
  if (need > max) return false;
  crypto_wipe(o->ptr, o->cap);
  mem_free(o->ptr);
  out_make(o, need);
  return true;
}

static bool build_grow(struct build *b) {
  bool asked = b->url.need > b->url.cap || b->headers.need > b->headers.cap || b->body.need > b->body.cap;
  return out_grow(&b->url, URL_MAX) && out_grow(&b->headers, HEADERS_MAX) && out_grow(&b->body, BODY_MAX) && asked;
}

void build_finish(struct build *b) {
  if (b->headers.ptr) crypto_wipe(b->headers.ptr, b->headers.cap);
  mem_free(b->url.ptr);
  mem_free(b->headers.ptr);
  mem_free(b->body.ptr);
  *b = (struct build){0};
}

static int secret_open(struct gateway_call *c, const struct book_provider *provider, struct buf *ret) {
  if (provider->secret.len == 0) return 0;
  return crypto_open(c->gateway->keys, provider_secret_context(http_arena(c->request), provider->id), provider->secret,
                     ret);
}

static struct str base_url(const struct candidate *candidate) {
  struct str url = candidate->price->provider->base_url;
  if (url.len == 0) url = str_from(candidate->plugin->base_url);
  while (url.len > 0 && url.ptr[url.len - 1] == '/') url.len--;
  return url;
}

static struct tollgate_slice slice(struct str s) {
  return (struct tollgate_slice){s.ptr, s.len};
}

static int ask_plugin(struct gateway_call *c, struct str secret, struct tollgate_built *built, struct build *b) {
  const struct candidate *one = call_candidate(c);
  const struct book_price *price = one->price;
  struct str model = price->upstream_model.len ? price->upstream_model : price->model;
  struct tollgate_upstream upstream = {.size = sizeof upstream,
                                       .base_url = slice(base_url(one)),
                                       .secret = slice(secret),
                                       .model = slice(model),
                                       .settings = slice(price->provider->settings),
                                       .output_cap = c->output_cap,
                                       .now_s = ledger_now(c->gateway->ledger) / 1000000};
  for (int i = 0; i < BUILD_TRIES; i++) {
    *built = (struct tollgate_built){.size = sizeof *built, .url = b->url, .headers = b->headers, .body = b->body};
    enum tollgate_result result = one->plugin->build(&one->request, &one->facts, &upstream, built);
    b->url = built->url;
    b->headers = built->headers;
    b->body = built->body;
    if (result == TOLLGATE_OK) return 0;
    if (result != TOLLGATE_ROOM || !build_grow(b)) return 1;
  }
  return 1;
}

// ---- what the server adds

static bool out_add(struct tollgate_out *o, struct str text) {
  if (o->cap - o->len < text.len) {
    size_t cap = o->len + text.len + 512;
    char *grown = mem_alloc(cap);
    memcpy(grown, o->ptr, o->len);
    crypto_wipe(o->ptr, o->cap);
    mem_free(o->ptr);
    o->ptr = grown;
    o->cap = cap;
  }
  memcpy(o->ptr + o->len, text.ptr, text.len);
  o->len += text.len;
  return o->len <= HEADERS_MAX;
}

static bool header_line(struct tollgate_out *o, struct str name, struct str value) {
  return value.len == 0 || (out_add(o, name) && out_add(o, STR(": ")) && out_add(o, value) && out_add(o, STR("\n")));
}

// The provider's setting "call_header": true. Off by default: a call's id is nobody else's affair.
static bool wants_call_header(struct str settings) {
  struct json_error error;
  CLEANUP(json_finishp) struct json *root = NULL;
  if (settings.len <= 2 || json_parse(settings, &root, &error) != 0) return false;
  struct json *value = json_get(root, "call_header");
  CLEANUP(mem_freep) char *text = value ? json_dump(value) : NULL;
  return text && strcmp(text, "true") == 0;
}

static bool headers_add(struct gateway_call *c, struct tollgate_out *headers) {
  bool call = wants_call_header(call_candidate(c)->price->provider->settings);
  return header_line(headers, STR("traceparent"), http_header(c->request, "traceparent")) &&
         header_line(headers, STR("tracestate"), http_header(c->request, "tracestate")) &&
         (!call || header_line(headers, STR("X-Tollgate-Call"), str_from(c->id_text)));
}

int build_request(struct gateway_call *c, struct build *ret) {
  struct buf secret;
  struct tollgate_built built;
  buf_init(&secret, SECRET_MAX);
  int result = secret_open(c, call_candidate(c)->price->provider, &secret);
  out_make(&ret->url, 1024);
  out_make(&ret->headers, 2048);
  out_make(&ret->body, call_candidate(c)->request.body.len + 512);
  if (result == 0) result = ask_plugin(c, buf_str(&secret), &built, ret);
  if (secret.cap) crypto_wipe(secret.data, secret.cap);
  buf_finish(&secret);
  if (result == 0 && (!headers_add(c, &ret->headers) || !out_add(&ret->url, (struct str){"", 1}))) result = 1;
  return result;
}
