// The keeper of an instance: confirms the keys that are trusted, sweeps, expires, forgets (server/app/keeper.c).
#include "chance.h"
#include "door.h"
#include "faults.h"
#include "fiber.h"
#include "meter/principal.h"
#include "world.h"

// Running calls are watched: who had another version than was told is named, and nobody else.
struct watch {
  struct uuid customers[CUSTOMERS_MOST];
  int64_t versions[CUSTOMERS_MOST];
  bool named[CUSTOMERS_MOST];
};

static void changed(void *arg, struct uuid customer) {
  struct watch *w = arg;
  for (size_t i = 0; i < world.customer_count; i++)
    if (uuid_eq(w->customers[i], customer)) w->named[i] = true;
}

static void confirm(const struct instance *i, struct db *db) {
  struct watch w = {0};
  bool older[CUSTOMERS_MOST];
  for (size_t k = 0; k < world.customer_count; k++) {
    older[k] = chance_one_in(3);
    w.customers[k] = world.customers[k].id;
    w.versions[k] = model_customer(w.customers[k])->version - older[k];
  }
  if (principal_confirm(i->principals, db, w.customers, w.versions, world.customer_count, changed, &w) != 0) return;
  for (size_t k = 0; k < world.customer_count; k++) {
    bool moved = model_customer(w.customers[k])->version != w.versions[k];
    if (older[k] && !w.named[k]) check_fail("a configuration has changed, and nobody is told");
    if (w.named[k] && !moved) check_fail("a configuration is said to have changed that did not");
  }
}

static void keep(void *arg) {
  struct instance *i = arg;
  struct db *db = NULL;
  for (int turn = 0; !world_enough(); turn++) {
    fiber_sleep(faults_strike(STRIKE_KEEPER, 12) ? chance_between(1000000, 9000000) : chance_between(50000, 500000));
    db = world_db(db);
    if (!db) continue;
    confirm(i, db);
    if (turn % 2 == 0) (void)ledger_sweep(i->ledger, db);
    if (turn % 3 == 0) (void)ledger_expire(i->ledger, db);
    if (turn % 7 == 0) (void)ledger_forget(db);
  }
  db_destroy(db);
  i->running--;
}

void keeper_start(struct instance *i) {
  (void)fiber_start(i->home, keep, i);
}
