// From a seed to the end of its world.
#include "world.h"
#include "chance.h"
#include "door.h"
#include "faults.h"
#include "fiber.h"
#include "meter/principal.h"
#include "process.h"

#define CLIENTS 9
#define LEASE_MS 3000
#define REST_US INT64_C(600000000) // by then all clients have come to an end
#define SWEPT_US INT64_C(400000000000) // by then no hold is left: leases may stand far ahead of a clock that was set back

struct world world;

bool world_enough(void) {
  return world.stopping || check_operations() >= world.ops_until;
}

struct world_customer *world_customer_any(void) {
  return &world.customers[chance_below((int64_t)world.customer_count)];
}

struct db *world_db(struct db *before) {
  if (before && db_alive(before)) return before;
  db_destroy(before);
  return db_connect("", 5000, 2000, 12000, NULL);
}

// ---- customers

// Few have much: amounts near the end of what an amount can count.
static int64_t scale_any(void) {
  return chance_one_in(6) ? INT64_C(100000000000000000) : 1;
}

static void customer_add(void) {
  struct uuid id = uuid_v7(store_clock());
  struct row_customer *row = mem_alloc(sizeof *row);
  struct world_customer *c = &world.customers[world.customer_count++];
  struct model_customer *m = model_customer_add(id);
  *c = (struct world_customer){id, scale_any()};
  row->id = id;
  row->config_version = 1;
  row->status = 1;
  row->low_balance = chance_one_in(2) ? -1 : chance_below(90) * c->scale;
  row->top_up_at = -1;
  row->event_policy = chance_one_in(3) ? 2 : 1;
  row->short_policy = chance_one_in(4) ? 3 : 1;
  row->short_debt = row->short_policy == 3 ? chance_below(30) * c->scale : 0;
  row->credit_limit = chance_one_in(3) ? chance_below(40) * c->scale : 0;
  row->zone_offset = chance_between(-11, 12) * INT64_C(3600000000);
  m->zone_offset = row->zone_offset;
  m->low_balance = row->low_balance;
  m->refuses_events = row->event_policy == 2;
  m->credit_limit = row->credit_limit;
  *vec_add(&store.customers) = row;
}

// ---- instances

static struct ledger *ledger_open(const char *name) {
  struct ledger *l = NULL;
  struct buf error;
  buf_init(&error, 256);
  while (!l) {
    buf_clear(&error);
    l = ledger_create(&(struct ledger_config){.url = "", .instance = name, .lease_ms = LEASE_MS}, &error);
    if (!l) fiber_sleep(chance_between(1000, 500000));
  }
  buf_finish(&error);
  return l;
}

static void boot(void *arg) {
  struct instance *i = arg;
  i->ledger = ledger_open("instance");
  i->principals = principals_create(&world.crypto);
  keeper_start(i);
  for (int k = 0; k < CLIENTS; k++) client_start(i);
  check_say("instance %d is up", i->home);
}

void instance_start(struct instance *i) {
  i->ledger = NULL;
  i->principals = NULL;
  i->life++;
  i->running = CLIENTS + 1; // and the keeper
  int64_t wall = chance_between(-2000000, 2000000);
  process_clocks(i->home, wall, chance_between(1, 1000000000));
  (void)fiber_start(i->home, boot, i);
}

void instance_kill(struct instance *i) {
  fiber_kill(i->home);
  backends_of_home_close(i->home);
  i->ledger = NULL;
  i->running = 0;
}

// ---- the end: everything comes to rest, and is looked at

static int running(void) {
  int n = 0;
  for (int i = 0; i < INSTANCES; i++) n += world.instances[i].running;
  return n;
}

static void await_clients(void) {
  int64_t until = fiber_now() + REST_US;
  while (running() > 0) {
    if (fiber_now() > until) check_fail("%d clients wait for ever", running());
    fiber_sleep(50000);
  }
}

static bool swept, over;

static void janitor(void *arg) {
  struct ledger *l = ledger_open("janitor");
  struct db *db = NULL;
  int64_t until = fiber_now() + SWEPT_US, pause = 100000;
  (void)arg;
  while (check_holds_left() > 0) {
    if (fiber_now() > until) check_fail("%d holds are never swept", check_holds_left());
    db = world_db(db);
    if (db) (void)ledger_sweep(l, db);
    fiber_sleep(pause);
    if (pause < INT64_C(600000000)) pause *= 2;
  }
  ledger_destroy(l);
  db_destroy(db);
  swept = true;
}

static void rest(void) {
  world.stopping = true;
  faults_calm();
  for (int i = 0; i < INSTANCES; i++) fiber_freeze(HOME_FIRST + i, false);
  await_clients();
  for (int i = 0; i < INSTANCES; i++) {
    if (chance_one_in(2) || !world.instances[i].ledger) instance_kill(&world.instances[i]);
    else {
      ledger_destroy(world.instances[i].ledger);
      instance_kill(&world.instances[i]);
    }
  }
  fiber_start(JANITOR, janitor, NULL);
  while (!swept) fiber_sleep(100000);
  check_end();
  over = true;
}

// ---- the whole

static void director(void *arg) {
  (void)arg;
  struct db *db = NULL;
  for (int64_t i = chance_between(1, CUSTOMERS_MOST); i > 0; i--) customer_add();
  for (size_t i = 0; i < world.customer_count; i++)
    for (int k = 0; k < 2; k++) {
      do db = world_db(db);
      while (!db || !operator_key_new(db, &world.customers[i]));
    }
  db_destroy(db);
  for (int i = 0; i < INSTANCES; i++) instance_start(&world.instances[i]);
  operator_start();
  nemesis_start();
  while (!world_enough()) fiber_sleep(20000);
  rest();
}

static void forget(void) {
  fiber_forget();
  backends_forget();
  model_forget();
  process_forget();
}

void world_run(uint64_t seed, int64_t ops, uint64_t without) {
  world = (struct world){.ops_until = check_operations() + (uint64_t)ops};
  swept = over = false;
  chance_seed(seed);
  faults_begin(without);
  check_begin(seed);
  for (int i = 0; i < HOMES; i++) process_clocks(i, 0, 1000000);
  for (int i = 0; i < INSTANCES; i++) world.instances[i].home = HOME_FIRST + i;
  store_begin();
  crypto_random(&world.crypto, sizeof world.crypto);
  for (size_t i = 0; i < ARRAY_LEN(world.strangers); i++) key_generate(KEY_CUSTOMER, world.strangers[i]);
  (void)fiber_start(HOME_OUTSIDE, director, NULL);
  while (!over)
    if (!fiber_step()) check_fail("nothing will ever happen again");
  forget();
}
