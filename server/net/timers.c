// The heap. A timer knows its place in it, so moving one that is armed costs a walk up or down, not a search.
#include "net/timers.h"
#include "base/log.h"
#include "base/mem.h"

void timers_finish(struct net_timers *t) {
  mem_free(t->heap);
  *t = (struct net_timers){0};
}

static bool timer_before(const struct net_timer *a, const struct net_timer *b) {
  return a->due_us != b->due_us ? a->due_us < b->due_us : a->turn < b->turn;
}

static void timers_put(struct net_timers *t, struct net_timer *timer, size_t place) {
  t->heap[place] = timer;
  timer->place = place;
}

static void timers_sift(struct net_timers *t, struct net_timer *timer, size_t place) {
  while (place > 1 && timer_before(timer, t->heap[place / 2])) {
    timers_put(t, t->heap[place / 2], place);
    place /= 2;
  }
  for (size_t child; (child = place * 2) <= t->count; place = child) {
    if (child < t->count && timer_before(t->heap[child + 1], t->heap[child])) child++;
    if (!timer_before(t->heap[child], timer)) break;
    timers_put(t, t->heap[child], place);
  }
  timers_put(t, timer, place);
}

void timers_arm(struct net_timers *t, struct net_timer *timer, int64_t due_us) {
  timer->due_us = due_us;
  timer->turn = t->turn++;
  if (!timer->place) {
    if (t->count + 1 >= t->cap) {
      t->cap = t->cap ? t->cap * 2 : 64;
      t->heap = mem_realloc(t->heap, t->cap * sizeof(*t->heap));
    }
    timer->place = ++t->count;
  }
  timers_sift(t, timer, timer->place);
}

void timers_disarm(struct net_timers *t, struct net_timer *timer) {
  if (!timer->place) return;
  ASSERT(t->heap[timer->place] == timer);
  size_t place = timer->place;
  struct net_timer *last = t->heap[t->count--];
  if (last != timer) timers_sift(t, last, place);
  timer->place = 0;
}

int64_t timers_next(const struct net_timers *t) {
  return t->count ? t->heap[1]->due_us : INT64_MAX;
}

void timers_run(struct net_timers *t, int64_t now_us) {
  uint64_t until = t->turn;
  while (t->count && t->heap[1]->due_us <= now_us && t->heap[1]->turn < until) {
    struct net_timer *timer = t->heap[1];
    timers_disarm(t, timer);
    timer->fn(timer->arg);
  }
}
