// The metrics table: one relaxed atomic each, for a count needs no order with anything else. Rows of one name stand
// together in METRICS, so HELP and TYPE are printed where the name changes.
#include "base/metric.h"
#include "base/log.h"
#include <inttypes.h>
#include <stdatomic.h>

static const struct row {
  const char *name, *type, *labels, *help;
} rows[METRIC_COUNT] = {
#define X(id, name, type, labels, help) [METRIC_##id] = {name, type, labels, help},
    METRICS(X)
#undef X
};

static _Atomic int64_t values[METRIC_COUNT];

void metric_add(enum metric m, int64_t delta) {
  ASSERT(m < METRIC_COUNT);
  atomic_fetch_add_explicit(&values[m], delta, memory_order_relaxed);
}

void metric_set(enum metric m, int64_t value) {
  ASSERT(m < METRIC_COUNT);
  atomic_store_explicit(&values[m], value, memory_order_relaxed);
}

int64_t metric_get(enum metric m) {
  ASSERT(m < METRIC_COUNT);
  return atomic_load_explicit(&values[m], memory_order_relaxed);
}

void metric_print(struct buf *out) {
  const char *name = "";
  for (size_t i = 0; i < METRIC_COUNT; i++) {
    const struct row *row = &rows[i];
    if (strcmp(name, row->name) != 0)
      buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
    name = row->name;
    bool labelled = row->labels[0] != '\0';
    buf_printf(out, "%s%s%s%s %" PRId64 "\n", name, labelled ? "{" : "", row->labels, labelled ? "}" : "",
               metric_get((enum metric)i));
  }
}
