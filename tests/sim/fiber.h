// Threads of the simulation: fibers over one simulated time. The one that is due next runs until it sleeps or waits, so
// that a world is a sequence of steps that a seed decides. Each fiber belongs to a home, the process it runs in; a home can
// be frozen, and it can be killed.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define HOMES 8
enum { HOME_OUTSIDE = 0, HOME_DATABASE = 1, HOME_FIRST = 2 }; // instances from HOME_FIRST on

struct fiber;
struct fiber *fiber_start(int home, void (*run)(void *arg), void *arg);
struct fiber *fiber_self(void);
int fiber_home(void);
bool fiber_ended(const struct fiber *f);
void fiber_sleep(int64_t us);
bool fiber_wait(int64_t us);      // until it is woken, or `us` have passed (INT64_MAX: for ever); true: woken
void fiber_wake(struct fiber *f); // a moment from now; harmless where it does not wait
void fiber_freeze(int home, bool frozen);
bool fiber_frozen(int home);
void fiber_kill(int home); // its fibers never run again; not the caller's own
int64_t fiber_now(void);   // microseconds of true time since the world began
bool fiber_step(void);     // runs the one that is due next; false: none ever will be
void fiber_forget(void);   // the world's end: all fibers are gone, time begins again
