// From a request to its answer: who asks, what path, what model; and the pieces that all answers share.
#include "standin/call.h"
#include "standin/raw.h"
#include <stdatomic.h>
#include <stdio.h>

#define OUT_MAX (64 * 1024 * 1024)
#define KEEP_MAX (64 * 1024)
#define BREAK_AFTER_MS 50 // a reset overtakes bytes that the client has not read

static uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

static char *id_digits(char *at, uint64_t bits, int count) {
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (; count > 0; count--, bits /= 62) *at++ = digits[bits % 62];
  return at;
}

static void call_set_ids(struct call *c) {
  static _Atomic uint64_t count;
  uint64_t n = c->standin->seed + atomic_fetch_add(&count, 1);
  char *end = id_digits(id_digits(stpcpy(c->id, "chatcmpl-"), mix(n), 11), mix(~n), 11);
  *end = '\0';
  *stpcpy(stpcpy(c->request_id, "req_"), c->id + 9) = '\0';
}

void call_init(struct call *c, const struct standin *standin) {
  *c = (struct call){.standin = standin};
  buf_init(&c->body, OUT_MAX);
  buf_init(&c->event, 64 * 1024);
  buf_init(&c->prefix, 16 * 1024);
}

void call_finish(struct call *c) {
  buf_finish(&c->body);
  buf_finish(&c->event);
  buf_finish(&c->prefix);
}

static void call_reset(struct call *c) {
  struct call fresh = {.standin = c->standin, .body = c->body, .event = c->event, .prefix = c->prefix};
  *c = fresh;
  if (c->body.cap > KEEP_MAX) buf_finish(&c->body);
  buf_clear(&c->body);
  buf_clear(&c->prefix);
  c->status = 200;
  c->type = "application/json";
}

void call_put_head(struct call *c, struct buf *out, int64_t length) {
  size_t before = out->len;
  c->chunked = length < 0;
  struct http_head head = {.status = c->status,
                           .type = c->type,
                           .length = length,
                           .encoding = c->encoding,
                           .extra = c->extra,
                           .request_id = c->request_id,
                           .processing_ms = c->standin->latency_ms};
  http_head_add(out, &head);
  c->head_len = out->len - before;
}

void call_put(struct call *c, struct buf *out, struct str bytes) {
  if (bytes.len == 0) return;
  if (c->chunked) buf_printf(out, "%zx\r\n", bytes.len);
  buf_add_str(out, bytes);
  if (c->chunked) buf_add(out, "\r\n", 2);
}

void call_put_last(struct call *c, struct buf *out) {
  if (c->chunked) buf_puts(out, "0\r\n\r\n");
}

static bool breaks_by_reset(const struct call *c) {
  return c->script.script == SCRIPT_RESET_MID;
}

static enum step step_broken(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)out, (void)ret_wait_ms;
  return breaks_by_reset(c) ? STEP_RESET : STEP_CLOSE;
}

void call_break(struct call *c, int *ret_wait_ms) {
  *ret_wait_ms = breaks_by_reset(c) ? BREAK_AFTER_MS : 0;
  c->step = step_broken;
}

static enum step step_whole_body(struct call *c, struct buf *out, int *ret_wait_ms) {
  (void)ret_wait_ms;
  call_put_head(c, out, (int64_t)c->body.len);
  buf_add_str(out, buf_str(&c->body));
  return STEP_END;
}

void call_answer(struct call *c, int status, const char *type) {
  c->status = status;
  c->type = type;
  c->step = step_whole_body;
}

void call_error(struct call *c, int status, const char *message, const char *fields) {
  buf_clear(&c->body);
  buf_printf(&c->body, "{\n    \"error\": {\n        \"message\": \"%s\",\n        %s\n    }\n}\n", message, fields);
  call_answer(c, status, "application/json; charset=utf-8");
}

void call_refuse(struct call *c, const char *message, const char *param, const char *code) {
  char fields[256], quoted[80] = "null", coded[80] = "null";
  if (param) snprintf(quoted, sizeof(quoted), "\"%s\"", param);
  if (code) snprintf(coded, sizeof(coded), "\"%s\"", code);
  snprintf(fields, sizeof(fields), "\"type\": \"invalid_request_error\", \"param\": %s, \"code\": %s", quoted, coded);
  call_error(c, 400, message, fields);
}

static bool call_is_authorized(struct call *c) {
  static const char fields[] = "\"type\": \"invalid_request_error\", \"param\": null, \"code\": ";
  struct str key = c->request.authorization;
  if (!str_starts(key, STR("Bearer ")) || key.len == 7) {
    buf_printf(&c->event, "%snull", fields);
    call_error(
        c, 401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.",
        buf_cstr(&c->event));
    return false;
  }
  if (!str_eq(key, STR("Bearer wrong"))) return true;
  buf_printf(&c->event, "%s\"invalid_api_key\"", fields);
  call_error(
      c, 401,
      "Incorrect API key provided: wrong. You can find your API key at https://platform.openai.com/account/api-keys.",
      buf_cstr(&c->event));
  return false;
}

static void call_no_such_path(struct call *c) {
  char message[200];
  struct str path = c->request.path;
  if (path.len > 100) path.len = 100;
  snprintf(message, sizeof(message), "Invalid URL (%.*s %.*s)", STR_ARG(c->request.method), STR_ARG(path));
  for (char *p = message; *p; p++)
    if (*p == '"' || *p == '\\' || (unsigned char)*p < 0x20) *p = '?';
  call_error(c, 404, message, "\"type\": \"invalid_request_error\", \"param\": null, \"code\": null");
}

// By the model's name, or by the request's metadata where that names one.
static void script_read(struct call *c, struct str body) {
  struct str metadata, named;
  c->script = script_parse(raw_inner(c->model));
  if (c->script.script != SCRIPT_NONE) c->named_script = c->model;
  if (!raw_member(body, "metadata", &metadata) || !raw_member(metadata, "script", &named)) return;
  if (raw_kind(named) != '"' || named.len > 300) return;
  c->script = script_parse(raw_inner(named));
  c->named_script = named;
}

static void call_post(struct call *c) {
  struct str body = c->request.body;
  if (!raw_check(body) || raw_kind(body) != '{') {
    call_refuse(c,
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
                "library correctly.)",
                NULL, NULL);
    return;
  }
  if (!raw_member(body, "model", &c->model) || raw_inner(c->model).len == 0 || c->model.len > 300) {
    call_refuse(c, "you must provide a model parameter", NULL, NULL);
    return;
  }
  script_read(c, body);
  if (c->script.script == SCRIPT_REPLAY)
    replay_begin(c);
  else if (str_eq(c->request.path, STR("/v1/chat/completions")))
    chat_begin(c, body);
  else if (str_eq(c->request.path, STR("/v1/embeddings")))
    embeddings_begin(c, body);
  else
    call_no_such_path(c);
}

void call_begin(struct call *c, const struct http_request *request) {
  call_reset(c);
  buf_clear(&c->event);
  c->request = *request;
  c->request.path = (struct str){request->path.ptr, request->path.len};
  struct str query = request->path;
  str_split(&query, '?', &c->request.path);
  call_set_ids(c);
  if (!call_is_authorized(c)) return;
  if (str_eq(request->method, STR("POST")))
    call_post(c);
  else if (str_eq(request->method, STR("GET")) && str_starts(request->path, STR("/v1/models")))
    models_begin(c);
  else
    call_no_such_path(c);
}

enum step call_step(struct call *c, struct buf *out, int *ret_wait_ms) {
  if (!c->waited && c->standin->latency_ms) {
    c->waited = true;
    *ret_wait_ms = c->standin->latency_ms;
    return STEP_WAIT;
  }
  return c->step(c, out, ret_wait_ms);
}
