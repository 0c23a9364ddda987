// The gateway as its owner sees it: the table of routes, made from what the plugins offer; the lanes; and what is asked
// of all running calls at once, which is posted to each lane.
#include "gateway/gateway.h"
#include "gateway/call.h"
#include <stdlib.h>

static bool route_known(const struct gateway_context *g, const char *method, const char *path) {
  for (size_t i = 0; i < g->route_count; i++)
    if (strcmp(g->table[i].method, method) == 0 && strcmp(g->table[i].path, path) == 0) return true;
  return false;
}

static void route_add(struct gateway_context *g, struct http_route route) {
  if (route_known(g, route.method, route.path)) return;
  g->table[g->route_count++] = route;
}

static void routes_add_plugin(struct gateway_context *g, const struct tollgate_plugin *plugin) {
  for (size_t i = 0; i < plugin->endpoint_count; i++) {
    const struct tollgate_endpoint *e = &plugin->endpoints[i];
    struct gateway_route *own = &g->routes[g->route_count];
    *own = (struct gateway_route){.gateway = g, .method = e->method, .path = e->path};
    bool has_body = strcmp(e->method, "GET") != 0 && strcmp(e->method, "DELETE") != 0;
    route_add(g, (struct http_route){e->method, e->path, call_handle, own, has_body ? LIMIT_BODY_GATEWAY : 0});
  }
}

static void lanes_create(struct gateway_context *g) {
  g->lanes = mem_alloc(g->loop_count * sizeof *g->lanes);
  for (size_t i = 0; i < g->loop_count; i++) {
    g->lanes[i].gateway = g;
    g->lanes[i].loop = g->loops[i];
    g->lanes[i].usual = usual_create();
    ASSERT(pthread_mutex_init(&g->lanes[i].lock, NULL) == 0);
  }
}

const struct http_route *gateway_routes(struct gateway_context *g, size_t *ret_count) {
  ASSERT(g->loop_count > 0 && !g->lanes);
  size_t most = 2;
  for (size_t i = 0; i < plugin_count(g->plugins); i++) most += plugin_at(g->plugins, i)->endpoint_count;
  g->routes = mem_alloc(most * sizeof *g->routes);
  g->table = mem_alloc(most * sizeof *g->table);
  lanes_create(g);
  route_add(g, (struct http_route){"GET", "/v1/models", models_list, g, 0});
  route_add(g, (struct http_route){"GET", "/v1/models/{model}", models_get, g, 0});
  for (size_t i = 0; i < plugin_count(g->plugins); i++) routes_add_plugin(g, plugin_at(g->plugins, i));
  *ret_count = g->route_count;
  return g->table;
}

void gateway_finish(struct gateway_context *g) {
  for (size_t i = 0; g->lanes && i < g->loop_count; i++) {
    ASSERT(!g->lanes[i].calls);
    mem_free(g->lanes[i].scratch.ptr);
    usual_destroy(g->lanes[i].usual);
    pthread_mutex_destroy(&g->lanes[i].lock);
  }
  mem_free(g->lanes);
  mem_free(g->routes);
  mem_free(g->table);
  g->lanes = NULL;
  g->routes = NULL;
  g->table = NULL;
  g->route_count = 0;
}

int gateway_running(const struct gateway_context *g) {
  return atomic_load(&g->running);
}

static void lane_stop(void *arg) {
  struct gateway_lane *lane = arg;
  struct gateway_call *next;
  for (struct gateway_call *c = lane->calls; c; c = next) {
    next = c->next;
    call_cancel(c, CANCEL_STOPPING);
  }
}

void gateway_stop(struct gateway_context *g) {
  atomic_store(&g->stopping, true);
  for (size_t i = 0; i < g->loop_count; i++) net_post(g->lanes[i].loop, lane_stop, &g->lanes[i]);
}

// ---- a changed configuration

struct watched {
  struct uuid customer;
  int64_t version;
};

static int watched_cmp(const void *a, const void *b) {
  const struct watched *x = a, *y = b;
  int order = uuid_cmp(x->customer, y->customer);
  return order ? order : (x->version > y->version) - (x->version < y->version);
}

static size_t watched_collect(struct gateway_context *g, struct watched *all, size_t most) {
  size_t count = 0;
  for (size_t i = 0; i < g->loop_count; i++) {
    pthread_mutex_lock(&g->lanes[i].lock);
    for (const struct gateway_call *c = g->lanes[i].calls; c && count < most; c = c->next)
      if (c->principal) all[count++] = (struct watched){c->principal->customer_id, c->principal->config_version};
    pthread_mutex_unlock(&g->lanes[i].lock);
  }
  return count;
}

// The oldest version of each customer stands first.
size_t gateway_watched(struct gateway_context *g, struct uuid *ret_customers, int64_t *ret_versions, size_t max) {
  struct watched *all = mem_alloc(LIMIT_RUNNING_CALLS * sizeof *all);
  size_t found = watched_collect(g, all, LIMIT_RUNNING_CALLS), count = 0;
  qsort(all, found, sizeof *all, watched_cmp);
  for (size_t i = 0; i < found && count < max; i++) {
    if (uuid_is_nil(all[i].customer) || (i > 0 && uuid_eq(all[i].customer, all[i - 1].customer))) continue;
    ret_customers[count] = all[i].customer;
    ret_versions[count++] = all[i].version;
  }
  mem_free(all);
  return count;
}

struct revisit {
  struct gateway_lane *lane;
  struct uuid customer;
};

static void lane_revisit(void *arg) {
  struct revisit *revisit = arg;
  struct gateway_call *next;
  for (struct gateway_call *c = revisit->lane->calls; c; c = next) {
    next = c->next;
    if (c->principal && uuid_eq(c->principal->customer_id, revisit->customer)) call_revisit(c);
  }
  mem_free(revisit);
}

void gateway_revisit(struct gateway_context *g, struct uuid customer) {
  for (size_t i = 0; i < g->loop_count; i++) {
    struct revisit *revisit = mem_alloc(sizeof *revisit);
    *revisit = (struct revisit){&g->lanes[i], customer};
    net_post(g->lanes[i].loop, lane_revisit, revisit);
  }
}
