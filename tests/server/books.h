// Books to test against: a cluster with the real ledger, a provider, two prices, and the verbs that make calls in them.
#pragma once
#include "base/clock.h"
#include "base/mem.h"
#include "cluster.h"
#include "customer/customer.h"
#include "ledger/ledger.h"
#include "plugin/registry.h"
#include "price/price.h"
#include "price/provider.h"

static struct cluster cluster;
static struct db *db;
static struct ledger *ledger;
static struct arena arena;
static struct crypto_keys keys;
static struct uuid provider_id, chat, embedding;
static struct plugin_registry *plugins;

static inline struct uuid price(const char *model, amount input, amount output) {
  struct price p = {
      .id = uuid_v7(clock_wall_us()),
      .provider_id = provider_id,
      .model = str_from(model),
      .rates = {{STR("input_tokens"), 1000000, input, input / 2}, {STR("output_tokens"), 1000000, output, output / 2}},
      .rate_count = 2};
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(price_create(db, &p), PRICE_DONE);
  assert_int_equal(db_commit(db), 0);
  return p.id;
}

static inline struct uuid customer(const char *zone) {
  struct customer c = {.id = uuid_v7(clock_wall_us()),
                       .time_zone = str_from(zone),
                       .metadata = STR("{}"),
                       .short_policy = CUSTOMER_REFUSE, .abort_charge = CUSTOMER_GENERATED, .abort_upstream = CUSTOMER_CANCEL};
  assert_int_equal(customer_create(db, &c), CUSTOMER_DONE);
  return c.id;
}

static inline struct uuid grant(struct uuid of, amount credits, int priority) {
  struct ledger_op op = {.kind = LEDGER_GRANT,
                         .customer = of,
                         .id = uuid_v7(clock_wall_us()),
                         .grant = {.source = 1, .priority = priority, .amount = credits, .reason = STR("")}};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
  return op.id;
}

static inline struct uuid admit(struct uuid of, struct uuid key, struct uuid at_price, amount hold) {
  struct ledger_op op = {.kind = LEDGER_ADMIT,
                         .customer = of,
                         .id = ledger_call_id(ledger, of),
                         .key = key,
                         .price = at_price,
                         .hold = hold,
                         .usage = STR("{}"),
                         .config_version = 1,
                         .about = STR("{\"endpoint\":\"/v1/x\"}")};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
  return op.id;
}

static void settle(struct uuid of, struct uuid call, enum call_state as, amount charge, amount cost,
                   const char *usage) {
  struct ledger_op op = {.kind = LEDGER_SETTLE,
                         .customer = of,
                         .id = call,
                         .state = as,
                         .charge = charge,
                         .cost = cost,
                         .usage = str_from(usage),
                         .evidence = STR("{\"raw_usage\":{\"prompt_tokens\":3},\"status\":200}")};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
}

// Three of input and two of output: 3 * 150 + 2 * 600 nanocredits a million tokens of 0.15 and 0.6 credits.
static inline struct uuid called(struct uuid of, struct uuid key) {
  struct uuid call = admit(of, key, chat, 5000);
  settle(of, call, CALL_SETTLED, 1650, 825, "{\"input_tokens\":3,\"output_tokens\":2}");
  return call;
}

static inline void undo(struct uuid of, struct uuid call) {
  struct ledger_op op = {.kind = LEDGER_VOID, .customer = of, .id = call, .evidence = STR("{\"reason\":\"test\"}")};
  assert_int_equal(ledger_run(ledger, &op), LEDGER_DONE);
}

static inline int books_open(void **state) {
  (void)state;
  struct buf error;
  buf_init(&error, 512);
  arena_init(&arena, 1 << 26);
  assert_true(crypto_start());
  crypto_random(&keys, sizeof keys);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(db);
  ledger = ledger_create(&(struct ledger_config){.url = cluster.url, .instance = "test", .lease_ms = 10000}, &error);
  assert_non_null(ledger);
  assert_true(plugin_registry_load(BINARY_DIR "/plugins", &plugins, &error) >= 0);
  buf_finish(&error);
  provider_id = uuid_v7(clock_wall_us());
  struct provider p = {
      .id = provider_id, .name = STR("up"), .plugin = STR("openai"), .base_url = STR("https://x"), .enabled = true};
  assert_int_equal(provider_create(db, &arena, &keys, &p), PROVIDER_DONE);
  chat = price("chat", 150000000, 600000000);
  embedding = price("embedding", 20000000, 0);
  return 0;
}

static inline int books_close(void **state) {
  (void)state;
  ledger_destroy(ledger);
  plugin_registry_destroy(plugins);
  db_destroy(db);
  arena_finish(&arena);
  cluster_remove(&cluster);
  return 0;
}
