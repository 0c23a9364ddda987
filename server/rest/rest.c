// The table of all endpoints, and the way in: who asks, then one job, then the endpoint. An operator's key is never
// cached, so that it is read in the same job.
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "event/event.h"
#include "rest/endpoints.h"
#include "rest/guesses.h"
#include "rest/lately.h"
#include "usage/names.h"
#include <stdatomic.h>

struct rest_binding {
  struct rest_context *context;
  const struct rest_endpoint *endpoint;
};

static const struct rest_endpoint *const groups[] = {
    rest_customers,
    rest_keys,
    rest_grants,
    rest_limits,
    rest_providers,
    rest_prices,
    rest_calls,
    rest_reports,
    rest_health,
    rest_receipts,
    rest_codes,
    rest_redeem,
    rest_books,
    rest_events,
    rest_usage_meters,
    rest_rerates,
    rest_holds,
    // payments
    rest_products,
    rest_orders,
    rest_checkout,
    rest_stripe_events,
    rest_stripe_hook,
    rest_payments,
    rest_top_ups,
    // told to the outside
    rest_webhooks,
    rest_deliveries,
};

// ---- the job

static bool is_for_operators(enum rest_access access) {
  return access == REST_OPERATOR || access == REST_OPERATOR_BARE || access == REST_METRICS;
}

static void answer(struct rest_request *r, struct db *db) {
  if (is_for_operators(r->endpoint->access) && !r->who->is_operator) {
    rest_refuse(r, PROBLEM_FORBIDDEN, NULL, "This is for operators: a key that begins with tlgad_ is needed.");
    return;
  }
  r->endpoint->run(r, db);
}

void rest_unknown_key(struct rest_request *r) {
  rest_refuse(r, PROBLEM_INVALID_KEY, NULL, REST_UNKNOWN_KEY);
}

static void enqueue(struct rest_request *r);

static struct db_pool *pool_of(const struct rest_request *r) {
  const struct rest_context *c = r->context;
  struct db_pool *const pools[] = {
      [REST_PRIMARY] = c->pool, [REST_REPLICA] = c->read_pool, [REST_STRIPE] = c->stripe_pool};
  struct db_pool *own = pools[r->endpoint->pool];
  return own ? own : c->pool;
}

// Who asks is read from the primary only; then the request may go on to other threads.
static void authenticate(struct rest_request *r, struct db *db) {
  int found = principal_load(r->context->principals, db, r->key_text, &r->who);
  if (found == PRINCIPAL_UNKNOWN)
    rest_unknown_key(r);
  else if (found != PRINCIPAL_FOUND)
    rest_fault(r, found);
  else if (pool_of(r) != r->context->pool)
    enqueue(r);
  else
    answer(r, db);
}

static void job(struct db *db, void *arg) {
  struct rest_request *r = arg;
  r->db = db;
  log_context(http_request_id(r->http));
  event_cause(str_from(http_request_id(r->http)), http_header(r->http, "Idempotency-Key"));
  if (!db)
    rest_refuse(r, PROBLEM_STORAGE_UNAVAILABLE, NULL, "The database cannot be reached.");
  else if (r->who || r->endpoint->access == REST_SIGNED)
    answer(r, db);
  else
    authenticate(r, db);
  event_cause((struct str){0}, (struct str){0});
  log_context(NULL);
}

static void enqueue(struct rest_request *r) {
  struct db_pool *pool = r->who ? pool_of(r) : r->context->pool;
  r->db = NULL;
  int fault = db_submit(pool, job, r);
  if (fault != 0) rest_fault(r, fault);
}

// ---- the way in

struct str rest_bearer(struct str value) {
  if (value.len < 7 || !str_eq_nocase((struct str){value.ptr, 7}, STR("Bearer "))) return (struct str){0};
  return str_trim((struct str){value.ptr + 7, value.len - 7});
}

static int parameter_check(void *arg, struct str name, struct str value) {
  struct rest_request *r = arg;
  struct str known = str_from(r->endpoint->query ? r->endpoint->query : ""), one, first = value;
  (void)http_query(r->http, arena_strdup(r->arena, name), &first);
  if (first.ptr != value.ptr) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, arena_strdup(r->arena, name),
                "This query parameter is given more than once.");
    return 1;
  }
  while (str_split(&known, '|', &one))
    if (str_eq(one, name)) return 0;
  const char *all = r->endpoint->query ? r->endpoint->query : "none";
  rest_refuse(r, PROBLEM_INVALID_REQUEST, arena_strdup(r->arena, name),
              "There is no query parameter \"%.*s\" here. Known: %s.", STR_ARG(name), all);
  return 1;
}

bool rest_media_check(struct rest_request *r) {
  struct str type = http_header(r->http, "Content-Type"), base;
  if (http_body(r->http).len == 0 || type.len == 0) return true;
  if (str_split(&type, ';', &base) && str_eq_nocase(str_trim(base), STR("application/json"))) return true;
  rest_refuse(r, PROBLEM_UNSUPPORTED_MEDIA, NULL, "The body must be JSON: send Content-Type: application/json.");
  return false;
}

static void enter_signed(struct rest_request *r) {
  if (hook_is_signed(r)) enqueue(r);
}

bool rest_parameters_check(struct rest_request *r) {
  return http_query_each(r->http, parameter_check, r) == 0;
}

static void enter_reports(struct rest_request *r) {
  events_enter(r);
}

static bool is_of_holds(enum rest_access access) {
  return access == REST_HOLDS || access == REST_HOLDS_BARE;
}

static void enter(struct http_request *http, void *context) {
  const struct rest_binding *b = context;
  struct rest_request *r = arena_alloc(http_arena(http), sizeof *r);
  *r = (struct rest_request){.context = b->context, .http = http, .endpoint = b->endpoint, .arena = http_arena(http)};
  bool open = b->endpoint->access == REST_OPEN || (b->endpoint->access == REST_METRICS && b->context->metrics_open);
  if (open) {
    if (rest_parameters_check(r)) b->endpoint->run(r, NULL);
    return;
  }
  if (b->endpoint->access == REST_SIGNED) {
    enter_signed(r);
    return;
  }
  if (b->endpoint->access == REST_REPORTS) {
    enter_reports(r);
    return;
  }
  if (is_of_holds(b->endpoint->access)) {
    b->endpoint->run(r, NULL);
    return;
  }
  r->key_text = rest_bearer(http_header(http, "Authorization"));
  enum principal_answer found = principal_find(b->context->principals, r->key_text, true, &r->who);
  if (found == PRINCIPAL_UNKNOWN) {
    rest_unknown_key(r);
    return;
  }
  if (!rest_media_check(r) || !rest_parameters_check(r)) return;
  enqueue(r);
}

// ---- the table

const struct http_route *rest_routes(struct rest_context *context, size_t *ret_count) {
  size_t count = 0, at = 0;
  for (size_t g = 0; g < ARRAY_LEN(groups); g++)
    for (const struct rest_endpoint *e = groups[g]; e->path; e++) count++;
  context->guesses = guesses_create();
  context->names = usage_names_create();
  context->lately = lately_create();
  context->bindings = mem_alloc(count * sizeof *context->bindings);
  context->routes = mem_alloc(count * sizeof *context->routes);
  for (size_t g = 0; g < ARRAY_LEN(groups); g++)
    for (const struct rest_endpoint *e = groups[g]; e->path; e++, at++) {
      bool writes = strcmp(e->method, "POST") == 0 || strcmp(e->method, "PATCH") == 0;
      bool has_body = writes && e->access != REST_OPERATOR_BARE && e->access != REST_HOLDS_BARE;
      context->bindings[at] = (struct rest_binding){context, e};
      context->routes[at] = (struct http_route){.method = e->method,
                                                .path = e->path,
                                                .handler = enter,
                                                .context = &context->bindings[at],
                                                .body_max = !has_body ? 0 : e->access == REST_REPORTS ? LIMIT_EVENTS_LINES : LIMIT_BODY_API};
    }
  *ret_count = count;
  return context->routes;
}

size_t rest_body_bound(const struct http_request *request, const struct http_route *route) {
  const struct rest_binding *b = route->context;
  return route->handler == enter && b->endpoint->access == REST_REPORTS ? events_body_bound(request) : route->body_max;
}

bool rest_body_ask(struct http_request *request, const struct http_route *route) {
  const struct rest_binding *b = route->context;
  return route->handler == enter && b->endpoint->access == REST_REPORTS && events_body_ask(b->context, request);
}

int rest_running(const struct rest_context *context) {
  return atomic_load(&context->reporting) + atomic_load(&context->waiting);
}

void rest_finish(struct rest_context *context) {
  mem_free(context->routes);
  mem_free(context->bindings);
  guesses_destroy(context->guesses);
  usage_names_destroy(context->names);
  lately_destroy(context->lately);
  context->names = NULL;
  context->lately = NULL;
  context->guesses = NULL;
  context->routes = NULL;
  context->bindings = NULL;
}
