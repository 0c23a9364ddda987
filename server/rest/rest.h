// The management API and the operational endpoints: HTTP words to domain words and back, nothing else. Every request
// that needs the database is one job on a pool's thread; nothing here waits on an event thread.
#pragma once
#include "crypto/crypto.h"
#include "db/pool.h"
#include "http/server.h"
#include "ledger/ledger.h"
#include "meter/principal.h"
#include "plugin/registry.h"
#include "net/ranges.h"
#include "price/holder.h"
#include "stripe/client.h"
#include "stripe/signature.h"
#include "receipt/ring.h"

struct rest_ready {
  bool database, migrations, plugins, ledger, journal;
};

// Filled by its owner and outlives every request.
struct rest_context {
  struct db_pool *pool;      // the primary
  struct db_pool *read_pool; // reports; NULL: the primary
  struct db_pool *stripe_pool; // what waits for Stripe; NULL: the primary
  struct ledger *ledger;
  struct principals *principals;
  struct book_holder *books;
  const struct plugin_registry *plugins;
  const struct crypto_keys *keys;
  struct receipt_ring *receipts;
  bool metrics_open; // /metrics needs no key

  int64_t open_holds_max; // explicit ones of a customer

  // ---- usage events
  size_t events_batch_max; // of a JSON batch; so many of a longer one are taken at a time
  int64_t events_late_us;  // how old one may be
  bool events_refuse_unpriced;

  // ---- payments
  struct stripe *stripe; // NULL: off
  struct signature_secrets stripe_secrets;
  int64_t stripe_tolerance_s;

  // ---- told to the outside
  void (*webhook_hint)(void *arg);       // there may be something to send; from any thread, without waiting. NULL: nobody sends
  void *webhook_arg;
  const struct net_ranges *webhook_open; // what foreign URLs may name
  const char *stripe_version;            // what events say where an endpoint does not
  bool livemode;                         // real money

  // What /readyz tells; without waiting, from any thread.
  void (*ready)(void *arg, struct rest_ready *ret);
  void *ready_arg;

  // ---- its own, zero before rest_routes
  struct rest_binding *bindings;
  struct guesses *guesses; // of redeem codes
  struct usage_names *names;
  struct lately *lately;
  _Atomic int waiting; // requests about holds that are not answered yet
  _Atomic int reporting; // requests that report usage and are not answered yet
  struct http_route *routes;
};

// Lent until rest_finish. Called once.
const struct http_route *rest_routes(struct rest_context *context, size_t *ret_count);
void rest_finish(struct rest_context *context);
// How large a body may be of which a head has come: http_config.body_bound.
size_t rest_body_bound(const struct http_request *request, const struct http_route *route);
bool rest_body_ask(struct http_request *request, const struct http_route *route); // http_config.body_ask
// Requests that wait for the ledger, which outlives their connections.
int rest_running(const struct rest_context *context);
