// What befalls a world from outside: sessions are ended, instances die, freeze and are taken for dead, clocks jump, the
// database is started again.
#include "chance.h"
#include "faults.h"
#include "fiber.h"
#include "process.h"
#include "world.h"

static struct instance *instance_any(void) {
  return &world.instances[chance_below(INSTANCES)];
}

static void thaw(void *arg) {
  struct instance *i = arg;
  uint64_t life = i->life;
  fiber_sleep(chance_one_in(3) ? chance_between(1000000, 20000000) : chance_between(10000, 1900000));
  if (i->life == life) fiber_freeze(i->home, false);
  check_say("instance %d thaws", i->home);
}

static void freeze(void) {
  struct instance *i = instance_any();
  if (fiber_frozen(i->home) || !faults_strike(STRIKE_FREEZE, 1)) return;
  check_say("instance %d freezes", i->home);
  fiber_freeze(i->home, true);
  (void)fiber_start(HOME_OUTSIDE, thaw, i);
}

static void restart(void *arg) {
  struct instance *i = arg;
  fiber_sleep(chance_between(1000, 5000000));
  if (world.stopping || i->running > 0) return;
  instance_start(i);
}

static void crash(void) {
  struct instance *i = instance_any();
  if (i->running == 0 || !faults_strike(STRIKE_CRASH, 1)) return;
  check_say("instance %d dies", i->home);
  instance_kill(i);
  (void)fiber_start(HOME_OUTSIDE, restart, i);
}

static void terminate(void) {
  struct backend *b = backend_any();
  if (b && faults_strike(STRIKE_TERMINATE, 1)) backend_terminate(b);
}

static void database_restart(void) {
  if (!faults_strike(STRIKE_RESTART, 1)) return;
  check_say("the database is started again");
  backends_restart();
}

static void lease(void) {
  if (store.writers.count == 0 || !faults_strike(STRIKE_LEASE, 1)) return;
  size_t newest = store.writers.count - (size_t)chance_below(store.writers.count < 3 ? 1 : 3) - 1;
  check_say("the lease of writer %zu is cut", newest + 1);
  store.writers.at[newest]->lease_until = store_clock() - 1;
}

static int64_t back_or_forth(int64_t most) {
  return chance_between(-most, most);
}

static void wall(void) {
  if (!faults_strike(STRIKE_WALL, 1)) return;
  process_step_wall(instance_any()->home, back_or_forth(chance_one_in(3) ? INT64_C(3600000000) : 3000000));
}

static void clock(void) {
  if (!faults_strike(STRIKE_CLOCK, 1)) return;
  store.clock += back_or_forth(chance_one_in(4) ? INT64_C(3600000000) : 2000000);
  check_say("the database's clock jumps");
}

// Windows and grants end meanwhile.
static void long_sleep(void) {
  if (!faults_strike(STRIKE_SLEEP, 1)) return;
  int64_t day = INT64_C(86400000000);
  store.clock += chance_one_in(3) ? chance_between(1, 12) * day : chance_between(1, 30) * day / 30;
  check_say("the database's clock is far ahead");
}

static void nemesis(void *arg) {
  static const struct {
    int weight;
    void (*strike)(void);
  } blows[] = {{8, terminate}, {3, crash}, {4, freeze}, {2, lease}, {3, wall}, {3, clock}, {1, long_sleep}, {1, database_restart}};
  (void)arg;
  while (!world.stopping) {
    fiber_sleep(chance_below(2 * faults_pace()));
    int64_t which = chance_below(25);
    for (size_t i = 0; i < ARRAY_LEN(blows); which -= blows[i++].weight)
      if (which < blows[i].weight) {
        if (!world.stopping) blows[i].strike();
        break;
      }
  }
}

void nemesis_start(void) {
  (void)fiber_start(HOME_OUTSIDE, nemesis, NULL);
}
