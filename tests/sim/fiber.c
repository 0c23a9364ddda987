// Who runs next is who is due next; stacks are kept for those who come later, fibers until the world's end, so that one
// that has ended can be asked. Switching is _longjmp, which asks nothing of the kernel; AddressSanitizer wants it told.
#undef _FORTIFY_SOURCE // its longjmp takes another stack for an error
#include "fiber.h"
#include "base/log.h"
#include "chance.h"
#include <setjmp.h>
#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES (512 * 1024)
#else
#define STACK_BYTES (128 * 1024)
#endif
#define LIVE_MAX 256
#define WAKE_US 60 // it takes up to so long until a woken fiber runs

struct fiber {
  struct fiber *older; // all of this world
  ucontext_t context; // its beginning
  jmp_buf place;      // where it left
  bool begun;
  void (*run)(void *arg);
  void *arg;
  void *stack;
  void *fake_stack; // AddressSanitizer's own
  int home;
  int64_t due;
  uint64_t turn; // among those due at the same moment
  bool waiting, woken, ended;
};

static struct fiber *newest, *live[LIVE_MAX];
static size_t live_count;
static void *stacks[LIVE_MAX]; // spare ones
static size_t stack_count;
static struct fiber *current;
static bool frozen_homes[HOMES];
static int64_t now;
static uint64_t turns;

// ---- switching

#ifdef __SANITIZE_ADDRESS__
static const void *scheduler_stack;
static size_t scheduler_size;
static void *scheduler_fake;
static ucontext_t scheduler_context;

static void enter(struct fiber *f) {
  current = f;
  __sanitizer_start_switch_fiber(&scheduler_fake, f->stack, STACK_BYTES);
  ASSERT(swapcontext(&scheduler_context, &f->context) == 0);
  __sanitizer_finish_switch_fiber(scheduler_fake, NULL, NULL);
  current = NULL;
}

static void leave(struct fiber *f) {
  __sanitizer_start_switch_fiber(f->ended ? NULL : &f->fake_stack, scheduler_stack, scheduler_size);
  ASSERT(swapcontext(&f->context, &scheduler_context) == 0);
  __sanitizer_finish_switch_fiber(f->fake_stack, &scheduler_stack, &scheduler_size);
}

static void entered(void) {
  __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_size);
}
#else
static jmp_buf scheduler;

static void enter(struct fiber *f) {
  current = f;
  if (_setjmp(scheduler) == 0) {
    if (f->begun) _longjmp(f->place, 1);
    f->begun = true;
    (void)setcontext(&f->context);
  }
  current = NULL;
}

static void leave(struct fiber *f) {
  if (_setjmp(f->place) == 0) _longjmp(scheduler, 1);
}

static void entered(void) {
}
#endif

static void entry(void) {
  struct fiber *f = current;
  entered();
  f->run(f->arg);
  f->ended = true;
  leave(f);
}

// ---- life

static void end(size_t at) {
  struct fiber *f = live[at];
  f->ended = true;
  stacks[stack_count++] = f->stack;
  live[at] = live[--live_count];
}

static void schedule(struct fiber *f, int64_t at) {
  f->due = at;
  f->turn = ++turns;
}

struct fiber *fiber_start(int home, void (*run)(void *arg), void *arg) {
  struct fiber *f = calloc(1, sizeof *f);
  void *stack = stack_count > 0 ? stacks[--stack_count] : malloc(STACK_BYTES);
  ASSERT(f && stack && home >= 0 && home < HOMES && live_count + stack_count < LIVE_MAX);
  *f = (struct fiber){.older = newest, .run = run, .arg = arg, .stack = stack, .home = home};
  newest = live[live_count++] = f;
  ASSERT(getcontext(&f->context) == 0);
  f->context.uc_stack.ss_sp = stack;
  f->context.uc_stack.ss_size = STACK_BYTES;
  makecontext(&f->context, entry, 0);
  schedule(f, now + chance_below(WAKE_US));
  return f;
}

struct fiber *fiber_self(void) {
  return current;
}

int fiber_home(void) {
  return current ? current->home : HOME_OUTSIDE;
}

bool fiber_ended(const struct fiber *f) {
  return f->ended;
}

static int64_t after(int64_t us) {
  return us > INT64_MAX - now ? INT64_MAX : now + us;
}

void fiber_sleep(int64_t us) {
  struct fiber *f = current;
  ASSERT(f && us >= 0);
  schedule(f, after(us));
  leave(f);
}

bool fiber_wait(int64_t us) {
  struct fiber *f = current;
  f->waiting = true;
  f->woken = false;
  fiber_sleep(us);
  f->waiting = false;
  return f->woken;
}

void fiber_wake(struct fiber *f) {
  if (!f->waiting || f->woken || f->ended) return;
  f->woken = true;
  int64_t at = now + chance_below(WAKE_US);
  if (at < f->due) schedule(f, at);
}

void fiber_freeze(int home, bool frozen) {
  frozen_homes[home] = frozen;
}

bool fiber_frozen(int home) {
  return frozen_homes[home];
}

void fiber_kill(int home) {
  ASSERT(!current || current->home != home);
  for (size_t i = live_count; i-- > 0;)
    if (live[i]->home == home) end(i);
  frozen_homes[home] = false;
}

int64_t fiber_now(void) {
  return now;
}

static bool is_before(const struct fiber *a, const struct fiber *b) {
  return a->due != b->due ? a->due < b->due : a->turn < b->turn;
}

bool fiber_step(void) {
  size_t next = LIVE_MAX;
  for (size_t i = 0; i < live_count; i++) {
    if (live[i]->due == INT64_MAX || frozen_homes[live[i]->home]) continue;
    if (next == LIVE_MAX || is_before(live[i], live[next])) next = i;
  }
  if (next == LIVE_MAX) return false;
  struct fiber *f = live[next];
  if (f->due > now) now = f->due;
  enter(f);
  for (size_t i = 0; f->ended && i < live_count; i++)
    if (live[i] == f) end(i);
  return true;
}

void fiber_forget(void) {
  ASSERT(!current);
  while (live_count > 0) end(live_count - 1);
  for (struct fiber *f = newest, *older; f; f = older) {
    older = f->older;
    free(f);
  }
  newest = NULL;
  for (int i = 0; i < HOMES; i++) frozen_homes[i] = false;
  now = 0;
  turns = 0;
}
