// Threads are fibers of the caller's home. Nothing sleeps while it holds a mutex, so a mutex has nothing to do. The
// signatures are the libraries' own.
#include "process.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "chance.h"
#include "fiber.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static struct {
  int64_t wall, mono;
  uint64_t last_stamp; // of an id
} homes[HOMES];

// ---- clocks

int64_t __wrap_clock_wall_us(void);
int64_t __wrap_clock_mono_us(void);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);

void process_clocks(int home, int64_t wall_offset, int64_t mono_offset) {
  homes[home].wall = WALL_BEGINNING + wall_offset;
  homes[home].mono = mono_offset;
  homes[home].last_stamp = 0;
}

void process_step_wall(int home, int64_t by) {
  homes[home].wall += by;
}

int64_t process_mono(int64_t mono_us) {
  return mono_us - homes[fiber_home()].mono;
}

int64_t __wrap_clock_wall_us(void) {
  return fiber_now() + homes[fiber_home()].wall;
}

int64_t __wrap_clock_mono_us(void) {
  return fiber_now() + homes[fiber_home()].mono;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *left) {
  (void)left;
  fiber_sleep(t->tv_sec * INT64_C(1000000) + t->tv_nsec / 1000);
  return 0;
}

// ---- threads

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_join(pthread_t thread, void **ret);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *c);

struct thread {
  struct fiber *fiber;
  void *(*run)(void *);
  void *arg;
};

static void thread_main(void *arg) {
  struct thread *t = arg;
  (void)t->run(t->arg);
}

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg) {
  (void)attr;
  struct thread *t = mem_alloc(sizeof *t);
  *t = (struct thread){.run = run, .arg = arg};
  t->fiber = fiber_start(fiber_home(), thread_main, t);
  *ret = (pthread_t)t;
  return 0;
}

int __wrap_pthread_join(pthread_t thread, void **ret) {
  const struct thread *t = (void *)thread; // NOLINT(performance-no-int-to-ptr)
  (void)ret;
  while (!fiber_ended(t->fiber)) fiber_sleep(1000);
  return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m) {
  (void)m;
  return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m) {
  (void)m;
  return 0;
}

// Who waits for which condition. The killed stay in it until their place is needed.
#define WAITS_MAX 256
static struct {
  const pthread_cond_t *cond;
  struct fiber *fiber;
} waits[WAITS_MAX];

static int cond_wait(const pthread_cond_t *c, int64_t us) {
  size_t i = 0;
  while (i < WAITS_MAX && waits[i].cond && !fiber_ended(waits[i].fiber)) i++;
  ASSERT(i < WAITS_MAX);
  waits[i].cond = c;
  waits[i].fiber = fiber_self();
  bool woken = fiber_wait(us);
  if (waits[i].fiber == fiber_self()) waits[i].cond = NULL;
  return woken ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m) {
  (void)m;
  return cond_wait(c, INT64_MAX);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until) {
  (void)m;
  int64_t us = process_mono(until->tv_sec * INT64_C(1000000) + until->tv_nsec / 1000) - fiber_now();
  return cond_wait(c, us > 0 ? us : 0);
}

int __wrap_pthread_cond_signal(pthread_cond_t *c) {
  for (size_t i = 0; i < WAITS_MAX; i++)
    if (waits[i].cond == c) fiber_wake(waits[i].fiber);
  return 0;
}

// ---- ids and randomness

struct uuid __wrap_uuid_v7(int64_t wall_us);
struct uuid __wrap_uuid_at(int64_t wall_us);
void __wrap_crypto_random(void *out, size_t len);
void __wrap_crypto_random_base62(char *out, size_t len);

static void put(uint8_t *out, uint64_t value) {
  for (int i = 0; i < 8; i++) out[i] = (uint8_t)(value >> (56 - 8 * i));
}

// As base/id.c makes them: 48 bits of milliseconds, 12 of the fraction, never twice and never back within a process.
struct uuid __wrap_uuid_v7(int64_t wall_us) {
  uint64_t us = (uint64_t)wall_us, stamp = us / 1000 << 12 | us % 1000 * 4096 / 1000;
  uint64_t *last = &homes[fiber_home()].last_stamp;
  struct uuid id;
  stamp = *last = stamp > *last ? stamp : *last + 1;
  put(id.b, stamp >> 12 << 16 | UINT64_C(0x7000) | (stamp & 0xFFF));
  put(id.b + 8, UINT64_C(2) << 62 | chance_u64() >> 2);
  return id;
}

// Of a time that is told, in whatever order.
struct uuid __wrap_uuid_at(int64_t wall_us) {
  struct uuid id;
  put(id.b, (uint64_t)wall_us / 1000 << 16 | UINT64_C(0x7000) | (chance_u64() & 0xFFF));
  put(id.b + 8, UINT64_C(2) << 62 | chance_u64() >> 2);
  return id;
}

void __wrap_crypto_random(void *out, size_t len) {
  for (size_t i = 0; i < len; i++) ((unsigned char *)out)[i] = (unsigned char)chance_u64();
}

void __wrap_crypto_random_base62(char *out, size_t len) {
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (size_t i = 0; i < len; i++) out[i] = digits[chance_below(62)];
}

// ---- memory: what a killed process leaves behind goes with its world

struct piece {
  _Alignas(max_align_t) struct piece *before, *after;
};
static struct piece all = {&all, &all};

static void *piece_add(struct piece *p) {
  ASSERT(p);
  p->before = &all;
  p->after = all.after;
  all.after->before = p;
  all.after = p;
  return p + 1;
}

static struct piece *piece_take(void *memory) {
  struct piece *p = (struct piece *)memory - 1;
  p->before->after = p->after;
  p->after->before = p->before;
  return p;
}

void *mem_alloc(size_t size) {
  return piece_add(calloc(1, sizeof(struct piece) + size));
}

void *mem_realloc(void *old, size_t size) {
  return piece_add(realloc(old ? piece_take(old) : NULL, sizeof(struct piece) + size));
}

void *mem_dup(const void *data, size_t size) {
  void *p = mem_alloc(size);
  if (size) memcpy(p, data, size);
  return p;
}

char *mem_strdup(const char *text) {
  return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t len) {
  char *p = mem_alloc(len + 1);
  if (len) memcpy(p, text, len);
  return p;
}

void *mem_had(void *p) {
  ASSERT(p);
  return p;
}

void mem_free(void *p) {
  if (p) free(piece_take(p));
}

void process_forget(void) {
  while (all.after != &all) mem_free(all.after + 1);
  memset(waits, 0, sizeof waits);
  memset(homes, 0, sizeof homes);
}
