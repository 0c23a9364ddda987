// Counts of durations by size, in integers: each power of two of nanoseconds has 128 equal buckets, so that a percentile
// is right to within one part in 128 from a microsecond to a quarter of an hour.
#pragma once
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_FINE 7
#define HISTOGRAM_POWERS 34 // above 2^HISTOGRAM_FINE
#define HISTOGRAM_BUCKETS ((HISTOGRAM_POWERS + 1) << HISTOGRAM_FINE)

struct histogram {
  uint64_t counts[HISTOGRAM_BUCKETS];
  uint64_t count;
  int64_t most, sum;
};

static inline unsigned histogram_bucket(int64_t ns) {
  uint64_t v = ns > 0 ? (uint64_t)ns : 0;
  unsigned bits = v ? 64U - (unsigned)__builtin_clzll(v) : 0;
  if (bits <= HISTOGRAM_FINE) return (unsigned)v;
  unsigned power = bits - HISTOGRAM_FINE;
  if (power > HISTOGRAM_POWERS) return HISTOGRAM_BUCKETS - 1;
  return (power << HISTOGRAM_FINE) + (unsigned)((v >> (power - 1)) & ((1U << HISTOGRAM_FINE) - 1));
}

// The least duration that falls into a bucket.
static inline int64_t histogram_least(unsigned bucket) {
  unsigned power = bucket >> HISTOGRAM_FINE, fine = bucket & ((1U << HISTOGRAM_FINE) - 1);
  if (power == 0) return fine;
  return (int64_t)((UINT64_C(1) << HISTOGRAM_FINE | fine) << (power - 1));
}

static inline void histogram_add(struct histogram *h, int64_t ns) {
  h->counts[histogram_bucket(ns)]++;
  h->count++;
  h->sum += ns;
  if (ns > h->most) h->most = ns;
}

// In parts of a hundred thousand: 50000 is the median, 99900 the 99.9th percentile. 0 where nothing was counted.
static inline int64_t histogram_percentile(const struct histogram *h, uint64_t part) {
  uint64_t wanted = (h->count * part + 99999) / 100000, seen = 0;
  if (h->count == 0) return 0;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += h->counts[i];
    if (seen >= wanted && seen > 0) return histogram_least(i);
  }
  return h->most;
}

// As members of a JSON object, in nanoseconds.
static inline void histogram_print(const struct histogram *h, const char *name) {
  printf("\"%s\":{\"count\":%" PRIu64 ",\"mean\":%" PRId64 ",\"p50\":%" PRId64 ",\"p90\":%" PRId64 ",\"p99\":%" PRId64
         ",\"p999\":%" PRId64 ",\"most\":%" PRId64 "}",
         name, h->count, h->count ? h->sum / (int64_t)h->count : 0, histogram_percentile(h, 50000),
         histogram_percentile(h, 90000), histogram_percentile(h, 99000), histogram_percentile(h, 99900), h->most);
}
