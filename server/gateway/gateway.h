// The gateway: the providers' own paths, each call checked, held, relayed, metered and settled. What its caller must
// know is how to begin and how to end it; a call itself lives on one of the loops and is nobody else's.
#pragma once
#include "db/pool.h"
#include "http/server.h"
#include "journal/journal.h"
#include "ledger/ledger.h"
#include "meter/principal.h"
#include "net/client.h"
#include "plugin/registry.h"
#include "price/holder.h"

struct gateway_lane;
struct gateway_route;

// Filled by its owner and outlives every request. Loops end before gateway_finish.
struct gateway_context {
  struct net_loop **loops;
  size_t loop_count;
  struct db_pool *pool;
  struct ledger *ledger;
  struct journal *journal; // NULL: settlements that wait for the database are kept in memory alone
  struct principals *principals;
  struct book_holder *books;
  const struct plugin_registry *plugins;
  const struct crypto_keys *keys;
  int first_byte_ms, between_ms, total_ms; // of upstream; 0: base/limits.h

  // ---- the gateway's own, zero before gateway_routes
  struct gateway_lane *lanes;
  struct gateway_route *routes;
  struct http_route *table;
  size_t route_count;
  _Atomic unsigned turn; // the lane of the next call
  _Atomic int running;
  _Atomic bool stopping;
};

// The plugins' endpoints, GET /v1/models and GET /v1/models/{model}: lent until gateway_finish. Called once.
const struct http_route *gateway_routes(struct gateway_context *gateway, size_t *ret_count);
void gateway_finish(struct gateway_context *gateway);

// Calls that have begun and not ended, those whose settlement waits for the database included.
int gateway_running(const struct gateway_context *gateway);
// Takes no further calls and cancels those that run: they are charged for what was generated. Any thread, without
// waiting.
void gateway_stop(struct gateway_context *gateway);
// The customers with running calls, each once, and the configuration their calls were admitted under. At most max.
size_t gateway_watched(struct gateway_context *gateway, struct uuid *ret_customers, int64_t *ret_versions, size_t max);
// A customer's configuration has changed: reads again who its running calls belong to and ends those of a revoked key
// or a suspended customer. Any thread, without waiting.
void gateway_revisit(struct gateway_context *gateway, struct uuid customer);
