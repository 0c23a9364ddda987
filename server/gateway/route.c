// Who serves it, and what it can cost at most. The path names the endpoint; the plugins that offer it read the request;
// the model's prices at this instant name the providers. A provider whose plugin cannot bound the request, or whose
// price lacks a rate that the bound needs, is no candidate.
#include "gateway/call.h"

#define MODEL_TEXT_MAX 200 // of a name that is repeated in a message

static bool header_is_withheld(struct str name) {
  static const char *const withheld[] = {
      "authorization",   "x-api-key",    "api-key",        "x-goog-api-key", "proxy-authorization",
      "cookie",          "host",         "content-length", "connection",     "transfer-encoding",
      "idempotency-key", "x-request-id", "traceparent",    "tracestate",
  };
  for (size_t i = 0; i < ARRAY_LEN(withheld); i++)
    if (str_eq_nocase(name, str_from(withheld[i]))) return true;
  return name.len >= 11 && str_eq_nocase((struct str){name.ptr, 11}, STR("x-tollgate-"));
}

static struct tollgate_slice slice(struct str s) {
  return (struct tollgate_slice){s.ptr, s.len};
}

#define NAMES_LENT 1024 // for a model's name and the like, where the request spells them with escapes

static struct tollgate_request request_lend(struct gateway_call *c) {
  struct tollgate_request q = {.size = sizeof q,
                               .path = slice(http_path(c->request)),
                               .query = slice(http_query_raw(c->request)),
                               .body = slice(http_body(c->request))};
  size_t count = http_header_count(c->request);
  struct tollgate_header *headers = arena_alloc(http_arena(c->request), count * sizeof *headers);
  for (size_t i = 0; i < count; i++) {
    struct http_header h = http_header_at(c->request, i);
    if (header_is_withheld(h.name)) continue;
    headers[q.header_count++] = (struct tollgate_header){slice(h.name), slice(h.value)};
  }
  q.headers = headers;
  q.text = arena_alloc(http_arena(c->request), sizeof *q.text);
  *q.text = (struct tollgate_out){.ptr = arena_alloc(http_arena(c->request), NAMES_LENT), .cap = NAMES_LENT};
  return q;
}

static bool endpoint_find(const struct tollgate_plugin *plugin, const struct gateway_route *route, uint32_t *ret) {
  for (size_t i = 0; i < plugin->endpoint_count; i++) {
    const struct tollgate_endpoint *e = &plugin->endpoints[i];
    if (strcmp(e->method, route->method) != 0 || strcmp(e->path, route->path) != 0) continue;
    *ret = (uint32_t)i;
    return true;
  }
  return false;
}

// ---- what the request asks for

static bool refuse_request(struct gateway_call *c, struct tollgate_facts *facts, enum tollgate_result result) {
  if (result != TOLLGATE_REFUSED) {
    respond_problem(c, PROBLEM_UPSTREAM_ERROR, NULL, "The provider's plugin could not read this request.");
    return false;
  }
  facts->error[sizeof facts->error - 1] = '\0';
  facts->error_param[sizeof facts->error_param - 1] = '\0';
  struct problem_more more = {.param = facts->error_param[0] ? facts->error_param : NULL};
  respond_problem(c, PROBLEM_INVALID_REQUEST, &more, "%s",
                  facts->error[0] ? facts->error : "The request is not valid.");
  return false;
}

// False: answered.
static bool inspect(struct gateway_call *c, struct candidate *candidate) {
  struct tollgate_facts *facts = &candidate->facts;
  *facts = (struct tollgate_facts){.size = sizeof *facts};
  enum tollgate_result result = candidate->plugin->inspect(&candidate->request, facts);
  if (result != TOLLGATE_OK) return refuse_request(c, facts, result);
  if (facts->choices < 1) facts->choices = 1;
  if (facts->object.len == 0) return true;
  respond_problem(c, PROBLEM_OBJECT_NOT_YOURS, NULL,
                  "The request names an upstream object that no call of this customer has created.");
  return false;
}

// By the first plugin that offers the path: all that do agree on where the model's name stands.
static bool inspect_first(struct gateway_call *c, struct candidate *ret) {
  const struct plugin_registry *plugins = c->gateway->plugins;
  uint32_t endpoint = 0;
  size_t i = 0;
  while (!endpoint_find(plugin_at(plugins, i), c->route, &endpoint)) i++;
  *ret = (struct candidate){.plugin = plugin_at(plugins, i), .request = request_lend(c)};
  ret->request.endpoint = endpoint;
  if (!inspect(c, ret)) return false;
  if (ret->facts.model.len > 0) return true;
  struct problem_more more = {.param = "model"};
  respond_problem(c, PROBLEM_INVALID_REQUEST, &more, "The request names no model.");
  return false;
}

// ---- what it can cost

static enum tollgate_result bound_at(const struct candidate *candidate, int64_t cap, struct tollgate_bound *ret) {
  struct tollgate_facts facts = candidate->facts;
  struct tollgate_model model = {
      .size = sizeof model, .max_input = candidate->price->max_input, .max_output = candidate->price->max_output};
  if (cap > 0) facts.output_cap = cap;
  *ret = (struct tollgate_bound){.size = sizeof *ret};
  enum tollgate_result result = candidate->plugin->bound(&candidate->request, &facts, &model, ret);
  if (result == TOLLGATE_OK && ret->count > TOLLGATE_COUNTS_MAX) return TOLLGATE_BROKEN;
  for (size_t i = 0; result == TOLLGATE_OK && i < ret->count; i++) {
    const struct tollgate_count *upper = &ret->upper[i], *likely = &ret->likely[i];
    bool sound = upper->meter < candidate->plugin->meter_count && likely->meter == upper->meter &&
                 upper->quantity >= 0 && likely->quantity >= 0;
    if (!sound) return TOLLGATE_BROKEN;
  }
  return result;
}

bool candidates_hold(const struct candidate *candidates, size_t count, int64_t cap, amount *ret_hold,
                     const char **ret_meter) {
  amount dearest = 0;
  for (size_t i = 0; i < count; i++) {
    const struct candidate *one = &candidates[i];
    struct tollgate_bound bound;
    amount hold = 0;
    *ret_meter = NULL;
    if (bound_at(one, cap, &bound) != TOLLGATE_OK) return false;
    if (!meter_price_bound(one->plugin, one->price, bound.upper, bound.count, &hold, ret_meter)) return false;
    if (hold > dearest) dearest = hold;
  }
  *ret_hold = dearest;
  return true;
}

void candidates_bind(struct candidate *candidates, size_t count, int64_t cap) {
  for (size_t i = 0; i < count; i++) {
    struct tollgate_bound bound;
    if (bound_at(&candidates[i], cap, &bound) == TOLLGATE_OK) candidates[i].bound = bound;
  }
}

static void refuse_unpriced(struct gateway_call *c, struct str model, const char *meter) {
  int len = (int)(model.len < MODEL_TEXT_MAX ? model.len : MODEL_TEXT_MAX);
  metric_add(METRIC_DENIED_PRICE, 1);
  if (meter)
    respond_problem(c, PROBLEM_MODEL_NOT_PRICED, NULL,
                    "The price of the model \"%.*s\" has no rate for %s. Add one with POST /api/v1/prices or "
                    "\"tollgate prices set\".",
                    len, model.ptr, meter);
  else
    respond_problem(c, PROBLEM_MODEL_NOT_PRICED, NULL,
                    "The model \"%.*s\" has no price. Add one with POST /api/v1/prices or \"tollgate prices set\".",
                    len, model.ptr);
}

// Either the plugin knows no bound, or the bound it knows costs more than an amount can be.
static void refuse_unbounded(struct gateway_call *c, const struct candidate *first, struct str model) {
  int len = (int)(model.len < MODEL_TEXT_MAX ? model.len : MODEL_TEXT_MAX);
  struct problem_more more = {.param = "max_tokens"};
  if (first->facts.output_cap > 0) {
    respond_problem(c, PROBLEM_INVALID_REQUEST, &more,
                    "What a call of \"%.*s\" with this output cap can cost at most is more than any balance can be: lower the cap.", len,
                    model.ptr);
    return;
  }
  respond_problem(
      c, PROBLEM_INVALID_REQUEST, &more,
      "What a call of \"%.*s\" can cost at most is not known: give an output cap in the request, or max_output_tokens "
      "with the model's price.",
      len, model.ptr);
}

// ---- the candidates

// 0; 1: not one; 2: answered.
static int candidate_add(struct gateway_call *c, const struct candidate *first, const struct book_price *price,
                         const char **ret_meter, bool *ret_unbounded) {
  const struct tollgate_plugin *plugin = plugin_by_name(c->gateway->plugins, price->provider->plugin);
  uint32_t endpoint = 0;
  amount hold = 0;
  if (!price->provider->enabled || !plugin || !endpoint_find(plugin, c->route, &endpoint)) return 1;
  struct candidate *candidate = &c->candidates[c->candidate_count];
  *candidate = *first;
  candidate->price = price;
  if (plugin != first->plugin) {
    candidate->plugin = plugin;
    candidate->request.endpoint = endpoint;
    if (!inspect(c, candidate)) return 2;
  }
  if (!candidates_hold(candidate, 1, 0, &hold, ret_meter)) {
    *ret_unbounded = *ret_unbounded || !*ret_meter;
    return 1;
  }
  candidates_bind(candidate, 1, 0);
  if (hold > c->hold) c->hold = hold;
  c->candidate_count++;
  return 0;
}

// False: answered.
static bool candidates_find(struct gateway_call *c) {
  const struct book_price *prices[CANDIDATES_MAX];
  struct candidate first;
  const char *meter = NULL;
  bool unbounded = false;
  if (!inspect_first(c, &first)) return false;
  struct str model = {first.facts.model.ptr, first.facts.model.len};
  size_t count = c->book ? book_route(c->book, model, c->routed_at, prices, CANDIDATES_MAX) : 0;
  c->candidates = arena_alloc(http_arena(c->request), count * sizeof *c->candidates);
  for (size_t i = 0; i < count; i++) {
    const char *missing = NULL;
    if (candidate_add(c, &first, prices[i], &missing, &unbounded) == 2) return false;
    if (missing && !meter) meter = missing;
  }
  if (c->candidate_count > 0) return true;
  if (!meter && unbounded)
    refuse_unbounded(c, &first, model);
  else
    refuse_unpriced(c, model, meter);
  return false;
}

void route_enter(struct gateway_call *c) {
  c->routed_at = ledger_now(c->gateway->ledger);
  c->book = book_take(c->gateway->books);
  if (!c->book) {
    respond_fault(c, FAULT_DB);
    call_go(c, STEP_DONE);
    return;
  }
  call_go(c, candidates_find(c) ? STEP_ADMIT : STEP_DONE);
}
