// The exchange with the provider, until its answer's head has come. A provider that was never reached is passed over
// for the next one; once a byte may have gone out, the call stays where it is.
#include "gateway/call.h"

void upstream_drop(struct gateway_call *c) {
  if (c->exchange) net_cancel(c->exchange);
  c->exchange = NULL;
  mem_free(c->body);
  c->body = NULL;
}

static void on_head(void *arg, int status, const struct net_header *headers, size_t count) {
  struct gateway_call *c = arg;
  c->status = status;
  if (net_body_release(c->exchange)) {
    mem_free(c->body);
    c->body = NULL;
  }
  relay_head(c, headers, count);
}

static size_t on_data(void *arg, struct str bytes) {
  return relay_data(arg, bytes);
}

static void unanswered(struct gateway_call *c, enum net_end end) {
  bool next = end == NET_UNREACHED && c->at + 1 < c->candidate_count;
  if (next) {
    c->at++;
    call_go(c, STEP_UPSTREAM);
    return;
  }
  c->answer = ANSWER_PROBLEM;
  c->problem = end == NET_TIMEOUT ? PROBLEM_UPSTREAM_TIMEOUT : PROBLEM_UPSTREAM_ERROR;
  c->problem_text = end == NET_TIMEOUT   ? "The provider did not answer in time."
                    : end == NET_BROKEN  ? "The provider broke off before it answered."
                    : end == NET_REFUSED ? "The provider has an address that may not be called."
                                         : "The provider could not be reached.";
  settle_release(c, net_end_name(end));
}

static void tell(const struct gateway_call *c, enum net_end end, const char *detail) {
  struct str provider = call_candidate(c)->price->provider->name;
  metric_add(METRIC_UPSTREAM_FAILED, 1);
  log_context(c->request_id);
  log_warn("gateway.upstream", "provider %.*s, call %s: %s: %s", STR_ARG(provider), c->id_text, net_end_name(end),
           detail);
  log_context(NULL);
}

static void on_done(void *arg, enum net_end end, const char *detail) {
  struct gateway_call *c = arg;
  c->exchange = NULL;
  upstream_drop(c);
  if (end != NET_DONE) tell(c, end, detail);
  if (c->step == STEP_UPSTREAM)
    unanswered(c, end);
  else
    relay_end(c, end);
}

static const struct net_events events = {.head = on_head, .data = on_data, .done = on_done};

static void start(struct gateway_call *c, struct build *b) {
  struct net_spec spec = {.method = c->route->method,
                          .url = b->url.ptr,
                          .headers = {b->headers.ptr, b->headers.len},
                          .body = {b->body.ptr, b->body.len},
                          .trust = NET_OPERATOR,
                          .first_byte_ms = c->gateway->first_byte_ms,
                          .between_ms = c->gateway->between_ms,
                          .total_ms = c->gateway->total_ms,
                          .bytes_max = LIMIT_STREAM_BYTES,
                          .block = call_candidate(c)->facts.stream ? NET_BLOCK_STREAM : 0};
  c->body = b->body.ptr; // the exchange reads it to its end
  b->body = (struct tollgate_out){0};
  c->exchange = net_start(c->lane->loop, &spec, &events, c);
}

static void unbuilt(struct gateway_call *c, int result) {
  struct str provider = call_candidate(c)->price->provider->name;
  log_context(c->request_id);
  log_error("gateway.build", "provider %.*s: %s", STR_ARG(provider),
            result < 0 ? "its secret does not open" : "its plugin cannot build the request");
  log_context(NULL);
  c->answer = ANSWER_PROBLEM;
  c->problem = PROBLEM_UPSTREAM_ERROR;
  c->problem_text = "The request could not be prepared for the provider.";
  settle_release(c, "unbuilt");
}

void upstream_enter(struct gateway_call *c) {
  struct build b = {0};
  if (c->cancelled != CANCEL_NOT) {
    upstream_cancel(c);
    return;
  }
  int result = build_request(c, &b);
  if (result == 0) start(c, &b);
  build_finish(&b);
  if (result != 0) unbuilt(c, result);
}

// ---- cancelled: what was generated is charged, where anything was asked for

static void cancel_answer(struct gateway_call *c) {
  static const struct {
    enum problem problem;
    const char *text;
  } answers[] = {
      [CANCEL_NOT] = {PROBLEM_SHUTTING_DOWN, ""},
      [CANCEL_GONE] = {PROBLEM_SHUTTING_DOWN, "The client went away."},
      [CANCEL_STOPPING] = {PROBLEM_SHUTTING_DOWN,
                           "The service is shutting down; what was generated so far is charged."},
      [CANCEL_REVOKED] = {PROBLEM_INVALID_KEY, "This API key was revoked while the call was running."},
      [CANCEL_SUSPENDED] = {PROBLEM_CUSTOMER_SUSPENDED, "This customer was suspended while the call was running."},
  };
  c->answer = ANSWER_PROBLEM;
  c->problem = answers[c->cancelled].problem;
  c->problem_text = answers[c->cancelled].text;
}

void upstream_cancel(struct gateway_call *c) {
  bool sent = c->exchange && net_sent(c->exchange), complete = false;
  upstream_drop(c);
  cancel_answer(c);
  if (!sent || c->status >= 300) {
    settle_release(c, "cancelled");
    return;
  }
  relay_finish(c, TOLLGATE_CANCELLED);
  settle_usage(c, TOLLGATE_CANCELLED, "cancelled", &complete);
  call_go(c, STEP_SETTLE);
}
