// UUIDv7 and their outside form. 60 bits are time: 48 of milliseconds and 12 of the fraction within one (RFC 9562,
// method 3); the process keeps the last value it gave and never gives it, or a smaller one, again, on any thread. The
// other 62 bits are random, from the kernel, fetched some at a time by each thread.
#include "base/id.h"
#include "base/log.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

const struct uuid UUID_NIL;

static _Atomic uint64_t last_stamp, last_local; // milliseconds << 12 | fraction
static _Atomic unsigned fork_count = 1; // a child must not go on with its parent's random bytes
static pthread_once_t fork_watch = PTHREAD_ONCE_INIT;

static void fork_seen(void) {
  atomic_fetch_add(&fork_count, 1);
}

static void fork_watch_start(void) {
  ASSERT(pthread_atfork(NULL, NULL, fork_seen) == 0);
}

static void random_fill(void *out, size_t size) {
  char *at = out;
  while (size > 0) {
    ssize_t got = getrandom(at, size, 0);
    ASSERT(got > 0 || errno == EINTR);
    if (got > 0) at += got, size -= (size_t)got;
  }
}

static uint64_t random_u64(void) {
  static _Thread_local uint64_t pool[64];
  static _Thread_local size_t left;
  static _Thread_local unsigned of_fork;
  unsigned now = atomic_load_explicit(&fork_count, memory_order_relaxed);
  if (left == 0 || of_fork != now) {
    pthread_once(&fork_watch, fork_watch_start);
    random_fill(pool, sizeof pool);
    left = sizeof pool / sizeof pool[0];
    of_fork = now;
  }
  return pool[--left];
}

// The fraction is counted in 4096ths of a millisecond; more ids than that in one borrow from the next.
static uint64_t stamp_next(_Atomic uint64_t *sequence, int64_t wall_us) {
  uint64_t us = wall_us > 0 ? (uint64_t)wall_us : 0;
  uint64_t stamp = us / 1000 << 12 | us % 1000 * 4096 / 1000;
  uint64_t last = atomic_load(sequence), next;
  do next = stamp > last ? stamp : last + 1;
  while (!atomic_compare_exchange_weak(sequence, &last, next));
  return next;
}

static void u64_put(uint8_t *out, uint64_t value) {
  for (int i = 0; i < 8; i++) out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t u64_get(const uint8_t *in) {
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) value = value << 8 | in[i];
  return value;
}

static struct uuid uuid_make(uint64_t stamp, uint64_t random) {
  struct uuid id;
  u64_put(id.b, (stamp >> 12) << 16 | UINT64_C(0x7000) | (stamp & 0xFFF));
  u64_put(id.b + 8, UINT64_C(2) << 62 | random >> 2);
  return id;
}

struct uuid uuid_v7(int64_t wall_us) {
  return uuid_make(stamp_next(&last_stamp, wall_us), random_u64());
}

// 42 bits count on from a random beginning, in front of what a caller may replace with a tag of its own.
struct uuid uuid_at(int64_t wall_us) {
  static _Atomic uint64_t sequence;
  uint64_t none = 0;
  if (atomic_load(&sequence) == 0) (void)atomic_compare_exchange_strong(&sequence, &none, random_u64() | 1);
  uint64_t n = atomic_fetch_add(&sequence, 1), ms = wall_us > 0 ? (uint64_t)wall_us / 1000 : 0;
  return uuid_make(ms << 12 | (n >> 30 & 0xFFF), n << 34 | random_u64() >> 32);
}

struct uuid uuid_local(int64_t wall_us) {
  return uuid_make(stamp_next(&last_local, wall_us), random_u64());
}

struct uuid uuid_floor(int64_t wall_us) {
  uint64_t ms = wall_us > 0 ? (uint64_t)wall_us / 1000 : 0;
  return uuid_make(ms << 12, 0);
}

int64_t uuid_time_us(struct uuid id) {
  return (int64_t)(u64_get(id.b) >> 16) * 1000;
}

struct uuid uuid_until(struct uuid id, int64_t wall_us) {
  if (uuid_time_us(id) <= wall_us) return id;
  uint64_t ms = wall_us > 0 ? (uint64_t)wall_us / 1000 : 0;
  u64_put(id.b, ms << 16 | (u64_get(id.b) & 0xFFFF));
  return id;
}

int uuid_cmp(struct uuid a, struct uuid b) {
  return memcmp(a.b, b.b, sizeof a.b);
}

bool uuid_eq(struct uuid a, struct uuid b) {
  return uuid_cmp(a, b) == 0;
}

bool uuid_is_nil(struct uuid id) {
  return uuid_eq(id, UUID_NIL);
}

uint64_t uuid_hash(struct uuid id) {
  uint64_t h = u64_get(id.b) * UINT64_C(0x9E3779B97F4A7C15) ^ u64_get(id.b + 8);
  h = (h ^ h >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  h = (h ^ h >> 27) * UINT64_C(0x94D049BB133111EB);
  return h ^ h >> 31;
}

// TypeID 0.3: 128 bits as 26 digits of five, the first of which holds only three.
#define ID_DIGITS 26
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
__extension__ typedef unsigned __int128 id_number;

void id_print(const char *prefix, struct uuid id, char ret[ID_TEXT_MAX]) {
  id_number value = (id_number)u64_get(id.b) << 64 | u64_get(id.b + 8);
  size_t len = strlen(prefix);
  ASSERT(len + 1 + ID_DIGITS < ID_TEXT_MAX);
  memcpy(ret, prefix, len);
  if (len) ret[len++] = '_';
  for (int i = ID_DIGITS - 1; i >= 0; i--, value >>= 5) ret[len + (size_t)i] = alphabet[value & 31];
  ret[len + ID_DIGITS] = '\0';
}

static bool digits_read(struct str text, struct uuid *ret) {
  id_number value = 0;
  if (text.len != ID_DIGITS || text.ptr[0] > '7') return false;
  for (size_t i = 0; i < ID_DIGITS; i++) {
    const char *digit = memchr(alphabet, text.ptr[i], sizeof alphabet - 1);
    if (!digit) return false;
    value = value << 5 | (unsigned)(digit - alphabet);
  }
  u64_put(ret->b, (uint64_t)(value >> 64));
  u64_put(ret->b + 8, (uint64_t)value);
  return true;
}

bool id_parse(const char *prefix, struct str text, struct uuid *ret) {
  struct str head = str_from(prefix);
  if (!str_starts(text, head)) return false;
  text.ptr += head.len, text.len -= head.len;
  if (head.len > 0) {
    if (text.len == 0 || text.ptr[0] != '_') return false;
    text.ptr++, text.len--;
  }
  return digits_read(text, ret);
}
