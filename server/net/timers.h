// Timers of one loop: a binary heap over timers that live in their owners' memory, so that arming, moving and disarming
// never allocate. Of two due at the same time the one armed first runs first.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_timer {
  void (*fn)(void *arg);
  void *arg;
  int64_t due_us;
  uint64_t turn; // order of arming
  size_t place;  // in the heap, from 1; 0: not armed
};

struct net_timers {
  struct net_timer **heap; // [1..count]
  size_t count, cap;
  uint64_t turn;
};

void timers_finish(struct net_timers *t);
void timers_arm(struct net_timers *t, struct net_timer *timer, int64_t due_us); // moves it where it is armed already
void timers_disarm(struct net_timers *t, struct net_timer *timer);
int64_t timers_next(const struct net_timers *t); // when the first is due; INT64_MAX: none
// Runs what is due. A timer is disarmed before its function runs, which may arm it again: for the next run at the
// earliest.
void timers_run(struct net_timers *t, int64_t now_us);
