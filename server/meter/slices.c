// Doubling keeps the number of extensions logarithmic in the output; the rate keeps a fast stream from outrunning its
// commits; and starting at the usual output spares most calls any extension at all.
#include "meter/slices.h"

static int64_t most(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static int64_t sum(int64_t a, int64_t b) {
  int64_t s = 0;
  return __builtin_add_overflow(a, b, &s) ? INT64_MAX : s;
}

static int64_t times(int64_t a, int64_t n) {
  int64_t p = 0;
  return __builtin_mul_overflow(a, n, &p) ? INT64_MAX : p;
}

static int64_t least_slice(int64_t rate) {
  return most(SLICE_LEAST, times(rate, SLICE_SECONDS));
}

static void hold_to(struct slices *s, int64_t held) {
  s->held = held < s->cap ? held : s->cap;
}

void slices_begin(struct slices *s, int64_t cap, int64_t usual, int64_t rate) {
  *s = (struct slices){.cap = cap, .slice = most(usual / 4, least_slice(rate))};
  hold_to(s, sum(usual, s->slice));
}

bool slices_due(const struct slices *s, int64_t output) {
  return s->held < s->cap && output > s->held - s->slice;
}

struct slices slices_next(const struct slices *s, int64_t output, int64_t rate) {
  struct slices next = {.cap = s->cap, .slice = most(times(s->slice, 2), least_slice(rate))};
  hold_to(&next, sum(most(s->held, output), next.slice));
  return next;
}
