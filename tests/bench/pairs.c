// The ledger without HTTP: --slots calls at a time, each held, then settled, then the next, all through one ledger's
// writer. What an operation carries is what the gateway sends for a short chat.
//
//   pairs --url URL --customers N (--seconds S | --count N) [--slots K] [--fund CREDITS]
//
// The first N customers of the database take turns, at random from a fixed seed. --fund gives each of them credits first
// and does nothing else. The result is one JSON object on stdout; durations are nanoseconds.
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "db/db.h"
#include "histogram.h"
#include "ledger/ledger.h"
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#define KEYS 10
#define PRICES 4
#define HOLD 40000
#define CHARGE 7800

struct options {
  const char *url;
  int64_t customers, count, seconds, slots, fund;
};

struct slot {
  struct ledger_op op;
  bool held;
  int64_t began_us;
};

static struct {
  struct options options;
  struct ledger *ledger;
  struct uuid *customers, keys[KEYS], prices[PRICES];
  struct slot *slots;
  uint64_t random;
  int64_t until_us, begun, pairs, failed;
  struct histogram admits, settles;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  int64_t open;
} bench = {.random = 88172645463325252U, .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static const char about[] =
    "{\"endpoint\":\"/v1/chat/completions\",\"operation\":\"chat\",\"model\":\"gpt-4o-mini\",\"provider\":\"openai\","
    "\"request_id\":\"req_01kazq5vgheg2tsvd5hp9fm3n6\",\"stream\":false,\"hold\":\"0.00004\","
    "\"bound\":{\"input_tokens\":62,\"output_tokens\":50}}";
static const char evidence[] =
    "{\"request_id\":\"req_01kazq5vgheg2tsvd5hp9fm3n6\",\"status\":200,\"ending\":\"done\",\"provider\":\"openai\","
    "\"provider_id\":\"chatcmpl-bench\",\"model_served\":\"gpt-4o-mini\",\"delivered_bytes\":0,\"lines\":["
    "{\"meter\":\"input_tokens\",\"quantity\":12,\"per\":1000000,\"rate\":\"0.15\",\"amount\":\"0.0000018\",\"cost_rate\":\"0.1\",\"cost\":\"0.0000012\"},"
    "{\"meter\":\"output_tokens\",\"quantity\":10,\"per\":1000000,\"rate\":\"0.6\",\"amount\":\"0.000006\",\"cost_rate\":\"0.4\",\"cost\":\"0.000004\"}],"
    "\"raw_usage\":{\"prompt_tokens\":12,\"completion_tokens\":10,\"total_tokens\":22}}";

// xorshift: the same customers in the same order in every run.
static uint64_t random_next(void) {
  bench.random ^= bench.random << 13;
  bench.random ^= bench.random >> 7;
  bench.random ^= bench.random << 17;
  return bench.random;
}

// ---- on the writer's thread, but for the first operation of each slot

static void done(struct ledger_op *op);

static void submit(struct slot *s) {
  s->began_us = clock_mono_us();
  s->op.done = done;
  s->op.arg = s;
  ASSERT(ledger_submit(bench.ledger, &s->op) == 0);
}

static bool is_over(void) {
  return bench.options.count ? bench.begun >= bench.options.count : clock_mono_us() >= bench.until_us;
}

static void slot_end(void) {
  pthread_mutex_lock(&bench.lock);
  if (--bench.open == 0) pthread_cond_signal(&bench.ended);
  pthread_mutex_unlock(&bench.lock);
}

// Draws a customer: before the first submission on the main thread, then on the writer's.
static void admission_make(struct slot *s) {
  uint64_t n = random_next();
  struct uuid customer = bench.customers[n % (uint64_t)bench.options.customers];
  bench.begun++;
  s->held = false;
  s->op = (struct ledger_op){.kind = LEDGER_ADMIT,
                             .customer = customer,
                             .id = ledger_call_id(bench.ledger, customer),
                             .key = bench.keys[n % KEYS],
                             .price = bench.prices[n % PRICES],
                             .hold = HOLD,
                             .charge = 1800,
                             .cost = 1200,
                             .usage = STR("{\"input_tokens\":12}"),
                             .config_version = 1,
                             .about = str_from(about)};
}

static void settle(struct slot *s) {
  s->held = true;
  s->op = (struct ledger_op){.kind = LEDGER_SETTLE, .customer = s->op.customer, .id = s->op.id, .price = s->op.price,
                             .state = CALL_SETTLED, .charge = CHARGE, .cost = 5200,
                             .usage = STR("{\"input_tokens\":12,\"output_tokens\":10}"), .evidence = str_from(evidence)};
  submit(s);
}

static void done(struct ledger_op *op) {
  struct slot *s = op->arg;
  bool well = op->result == LEDGER_DONE;
  if (op->kind != LEDGER_GRANT) histogram_add(s->held ? &bench.settles : &bench.admits, (clock_mono_us() - s->began_us) * 1000);
  if (!well) bench.failed++;
  if (well && op->kind == LEDGER_ADMIT) {
    settle(s);
    return;
  }
  bench.pairs += well && op->kind == LEDGER_SETTLE;
  if (op->kind == LEDGER_GRANT || is_over()) {
    slot_end();
    return;
  }
  admission_make(s);
  submit(s);
}

// ---- the run

static void customers_read(void) {
  struct buf error;
  char sql[96];
  buf_init(&error, 4096);
  struct db *db = db_connect(bench.options.url, 60000, 0, 0, &error);
  if (!db) {
    fprintf(stderr, "pairs: %s\n", buf_cstr(&error));
    exit(1);
  }
  struct db_result *r = NULL;
  (void)snprintf(sql, sizeof sql, "SELECT id FROM customers ORDER BY id LIMIT %lld", (long long)bench.options.customers);
  ASSERT(db_query(db, sql, &r) == 0 && db_rows(r) == (size_t)bench.options.customers);
  bench.customers = mem_alloc(db_rows(r) * sizeof *bench.customers);
  for (size_t i = 0; i < db_rows(r); i++) bench.customers[i] = db_uuid(r, i, 0);
  db_result_finish(r);
  db_destroy(db);
  buf_finish(&error);
}

static void await_all(void) {
  pthread_mutex_lock(&bench.lock);
  while (bench.open > 0) pthread_cond_wait(&bench.ended, &bench.lock);
  pthread_mutex_unlock(&bench.lock);
}

static void fund_some(int64_t first, int64_t count) {
  bench.open = count;
  for (int64_t i = 0; i < count; i++) {
    bench.slots[i].op = (struct ledger_op){.kind = LEDGER_GRANT, .customer = bench.customers[first + i], .id = uuid_v7(ledger_now(bench.ledger)),
                                           .grant = {.source = 1, .priority = 100, .amount = bench.options.fund * AMOUNT_ONE, .reason = STR("")}};
    submit(&bench.slots[i]);
  }
  await_all();
}

static void fund_all(void) {
  for (int64_t at = 0, n; at < bench.options.customers; at += n) {
    n = bench.options.customers - at < bench.options.slots ? bench.options.customers - at : bench.options.slots;
    fund_some(at, n);
  }
}

static void run_all(void) {
  bench.until_us = clock_mono_us() + bench.options.seconds * 1000000;
  bench.open = bench.options.slots;
  for (int64_t i = 0; i < bench.options.slots; i++) admission_make(&bench.slots[i]);
  for (int64_t i = 0; i < bench.options.slots; i++) submit(&bench.slots[i]);
  await_all();
}

static int64_t cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

// ---- the command

static bool options_read(struct options *o, int argc, char **argv) {
  static const struct option known[] = {{"url", required_argument, NULL, 'u'},     {"customers", required_argument, NULL, 'c'},
                                        {"seconds", required_argument, NULL, 's'}, {"count", required_argument, NULL, 'n'},
                                        {"slots", required_argument, NULL, 'k'},   {"fund", required_argument, NULL, 'f'},
                                        {NULL, 0, NULL, 0}};
  *o = (struct options){.slots = 256};
  for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    int64_t *number = option == 'c'   ? &o->customers
                      : option == 's' ? &o->seconds
                      : option == 'n' ? &o->count
                      : option == 'k' ? &o->slots
                                      : &o->fund;
    if (option == '?') return false;
    if (option == 'u') o->url = optarg;
    else *number = atoll(optarg);
  }
  return o->url && o->customers > 0 && o->slots > 0 && o->slots <= LIMIT_LEDGER_QUEUE && (o->seconds || o->count || o->fund);
}

static void bench_begin(void) {
  struct buf error;
  buf_init(&error, 4096);
  customers_read();
  for (int i = 0; i < KEYS; i++) bench.keys[i] = uuid_v7(clock_wall_us());
  for (int i = 0; i < PRICES; i++) bench.prices[i] = uuid_v7(clock_wall_us());
  bench.slots = mem_alloc((size_t)bench.options.slots * sizeof *bench.slots);
  bench.ledger = ledger_create(&(struct ledger_config){.url = bench.options.url, .instance = "pairs", .lease_ms = 10000}, &error);
  if (!bench.ledger) {
    fprintf(stderr, "pairs: %s\n", buf_cstr(&error));
    exit(1);
  }
  buf_finish(&error);
}

static void result_print(int64_t took_us, int64_t used_us) {
  printf("{\"pairs\":%" PRId64 ",\"failed\":%" PRId64 ",\"seconds_us\":%" PRId64 ",\"cpu_us\":%" PRId64
         ",\"batches\":%" PRId64 ",\"operations\":%" PRId64 ",",
         bench.pairs, bench.failed, took_us, used_us, metric_get(METRIC_LEDGER_BATCHES), metric_get(METRIC_LEDGER_OPS));
  histogram_print(&bench.admits, "admit");
  printf(",");
  histogram_print(&bench.settles, "settle");
  printf("}\n");
}

int main(int argc, char **argv) {
  if (!options_read(&bench.options, argc, argv)) {
    fprintf(stderr, "pairs: --url, --customers and one of --seconds, --count and --fund are needed\n");
    return 2;
  }
  bench_begin();
  int64_t began = clock_mono_us(), used = cpu_us();
  if (bench.options.fund) fund_all();
  else run_all();
  result_print(clock_mono_us() - began, cpu_us() - used);
  ledger_destroy(bench.ledger);
  mem_free(bench.customers);
  mem_free(bench.slots);
  return bench.failed > 0;
}
