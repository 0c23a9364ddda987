// What the client gets, once: an answer of upstream's with what it cost, a problem of ours, or the end of a stream.
// After each of these the request is gone, and c->request says so.
#include "gateway/call.h"
#include <stdarg.h>

#define RECEIPT_MAX 256
#define PROBLEM_TEXT_MAX 512
#define ANSWER_HEADERS_MAX (RELAYED_HEADERS_MAX + 8)

struct answer_headers {
  struct http_header at[ANSWER_HEADERS_MAX];
  size_t count;
  char charged[AMOUNT_TEXT_MAX], remaining[AMOUNT_TEXT_MAX], cap[24];
};

static void header_add(struct answer_headers *h, struct str name, struct str value) {
  ASSERT(h->count < ANSWER_HEADERS_MAX);
  h->at[h->count++] = (struct http_header){name, value};
}

static void headers_own(const struct gateway_call *c, struct answer_headers *h) {
  if (c->id_text[0]) header_add(h, STR("X-Tollgate-Call"), str_from(c->id_text));
  if (c->output_cap == 0) return;
  (void)snprintf(h->cap, sizeof h->cap, "%" PRId64, c->output_cap);
  header_add(h, STR("X-Tollgate-Max-Output"), str_from(h->cap));
}

static void headers_relayed(const struct gateway_call *c, struct answer_headers *h) {
  for (size_t i = 0; i < c->relayed_count; i++) header_add(h, c->relayed[i].name, c->relayed[i].value);
}

static void headers_settled(const struct gateway_call *c, struct answer_headers *h, bool settled) {
  if (!settled) {
    header_add(h, STR("X-Tollgate-Settlement"), STR("pending"));
    return;
  }
  amount_print(c->op.charged, h->charged);
  amount_print(op_available(&c->op), h->remaining);
  header_add(h, STR("X-Credits-Charged"), str_from(h->charged));
  header_add(h, STR("X-Credits-Remaining"), str_from(h->remaining));
}

static struct http_request *request_take(struct gateway_call *c) {
  struct http_request *r = c->request;
  c->request = NULL;
  return r;
}

// ---- before there is a hold

void respond_problem(struct gateway_call *c, enum problem p, const struct problem_more *more, const char *format, ...) {
  char message[PROBLEM_TEXT_MAX];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(message, sizeof message, format, args);
  va_end(args);
  http_problem(request_take(c), p, more, "%s", message);
}

void respond_fault(struct gateway_call *c, int fault) {
  struct problem_more more = {.retry_after_ms = 1000};
  if (fault == FAULT_FULL)
    respond_problem(c, PROBLEM_OVERLOADED, &more, "The service is busy. Try again in a moment.");
  else if (fault == FAULT_CLOSED)
    respond_problem(c, PROBLEM_SHUTTING_DOWN, &more, "The service is shutting down.");
  else
    respond_problem(c, PROBLEM_STORAGE_UNAVAILABLE, &more, "The database cannot be reached. Nothing was charged.");
}

void respond_drop(struct gateway_call *c) {
  if (!c->request) return;
  if (c->streaming)
    http_stream_end(request_take(c), false);
  else
    http_reply(request_take(c), 499, NULL, 0, (struct str){0});
}

void respond_cancelled(struct gateway_call *c) {
  if (c->cancelled == CANCEL_GONE)
    respond_drop(c);
  else
    respond_fault(c, FAULT_CLOSED);
}

// ---- streams

void respond_stream_start(struct gateway_call *c) {
  struct answer_headers h = {0};
  headers_relayed(c, &h);
  headers_own(c, &h);
  if (c->mode == RELAY_STREAM) header_add(&h, STR("X-Accel-Buffering"), STR("no"));
  http_stream_start(c->request, c->status, h.at, h.count);
  c->streaming = true;
}

static void receipt(struct gateway_call *c, bool settled) {
  char text[RECEIPT_MAX], charged[AMOUNT_TEXT_MAX], balance[AMOUNT_TEXT_MAX];
  if (!str_eq_nocase(str_trim(http_header(c->request, "X-Tollgate-Receipt")), STR("stream"))) return;
  (void)snprintf(text, sizeof text, ": tollgate call=%s settlement=pending\n\n", c->id_text);
  if (settled) {
    amount_print(c->op.charged, charged);
    amount_print(c->op.balance, balance);
    (void)snprintf(text, sizeof text, ": tollgate call=%s charge=%s balance=%s\n\n", c->id_text, charged, balance);
  }
  (void)http_stream_write(c->request, str_from(text));
}

static void end_stream(struct gateway_call *c, bool settled) {
  bool whole = c->answer == ANSWER_BODY;
  if (c->mode == RELAY_STREAM) {
    struct str last = whole ? buf_str(&c->held) : relay_failure(c);
    receipt(c, settled);
    if (last.len) (void)http_stream_write(c->request, last);
    whole = whole || last.len > 0;
  }
  http_stream_end(request_take(c), whole);
}

// ---- plain answers

static void end_problem(struct gateway_call *c, bool settled) {
  struct answer_headers h = {0};
  headers_own(c, &h);
  headers_settled(c, &h, settled);
  bool charged = settled ? c->op.charged > 0 : c->op.charge > 0;
  struct problem_more more = {.no_retry = charged, .headers = h.at, .header_count = h.count};
  respond_problem(c, c->problem, &more, "%s", c->problem_text);
}

static void end_body(struct gateway_call *c, bool settled) {
  struct answer_headers h = {0};
  headers_relayed(c, &h);
  headers_own(c, &h);
  headers_settled(c, &h, settled);
  http_reply(request_take(c), c->status, h.at, h.count, buf_str(&c->held));
}

void respond_end(struct gateway_call *c, bool settled) {
  if (!c->request) return;
  bool event = c->mode == RELAY_STREAM && c->answer == ANSWER_BODY;
  if (event && !c->streaming) respond_stream_start(c);
  if (c->streaming)
    end_stream(c, settled);
  else if (c->answer == ANSWER_PROBLEM)
    end_problem(c, settled);
  else
    end_body(c, settled);
  buf_finish(&c->held);
  buf_init(&c->held, LIMIT_ANSWER_HELD);
}
