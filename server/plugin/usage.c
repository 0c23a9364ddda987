// What a plugin counted is held against what it declared, on every answer: nothing that does not fit reaches a price.
#include "plugin/registry.h"

#define HANDLE_MAX 512

static bool counted_before(const struct tollgate_usage *u, uint32_t count, uint32_t meter) {
  for (uint32_t i = 0; i < count; i++)
    if (u->counts[i].meter == meter) return true;
  return false;
}

// Keeps the counts that are sound. False: there were others.
static bool counts_sift(const struct tollgate_plugin *p, struct tollgate_usage *u) {
  uint32_t kept = 0, told = u->count < TOLLGATE_COUNTS_MAX ? u->count : TOLLGATE_COUNTS_MAX;
  bool all = told == u->count;
  for (uint32_t i = 0; i < told; i++) {
    struct tollgate_count count = u->counts[i];
    bool sound = count.meter < p->meter_count && count.quantity >= 0 && !counted_before(u, kept, count.meter);
    if (sound) u->counts[kept++] = count;
    all = all && sound;
  }
  u->count = kept;
  return all;
}

static bool total_fits(const struct tollgate_plugin *p, const struct tollgate_usage *u, uint32_t total) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < u->count; i++) {
    if (p->meters[u->counts[i].meter].total != total) continue;
    if (__builtin_add_overflow(sum, u->counts[i].quantity, &sum)) return false;
  }
  return sum == u->totals[total];
}

bool plugin_usage_check(const struct tollgate_plugin *p, struct tollgate_usage *usage) {
  bool fits = counts_sift(p, usage);
  for (uint32_t total = TOLLGATE_TOTAL_NONE + 1; total < TOLLGATE_TOTALS; total++) {
    if (usage->totals[total] < -1) {
      usage->totals[total] = -1;
      fits = false;
    }
    if (usage->totals[total] >= 0 && !total_fits(p, usage, total)) fits = false;
  }
  if (usage->handle.len > HANDLE_MAX) {
    usage->handle = (struct tollgate_slice){NULL, 0};
    fits = false;
  }
  return fits;
}
