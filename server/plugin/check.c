// A table is believed only after all of it was looked at: what the server later indexes, calls or compares is there.
// The version stands first and is read first; nothing beyond the size that the plugin states is touched.
#include "plugin/check.h"
#include <string.h>

#define ENDPOINTS_MAX 64
#define METERS_MAX 64
#define STATE_MAX (64 * 1024)
#define SIZE_LEAST offsetof(struct tollgate_plugin, follow) // of version 0.1, without what is optional

static bool word_is_plain(const char *word) {
  if (!word || !*word) return false;
  return word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static int meter_find(const struct tollgate_plugin *p, const char *name) {
  for (size_t i = 0; i < p->meter_count; i++)
    if (strcmp(p->meters[i].name, name) == 0) return (int)i;
  return -1;
}

// From every meter the chain of parents ends: longer than there are meters it is a circle.
static bool parents_end(const struct tollgate_plugin *p, const struct tollgate_meter *m) {
  for (size_t steps = 0; m->parent; steps++) {
    int parent = meter_find(p, m->parent);
    if (parent < 0 || steps == p->meter_count) return false;
    m = &p->meters[parent];
  }
  return true;
}

static const char *meters_check(const struct tollgate_plugin *p) {
  if (!p->meters || p->meter_count == 0 || p->meter_count > METERS_MAX) return "it declares no meters, or too many";
  for (size_t i = 0; i < p->meter_count; i++) {
    const struct tollgate_meter *m = &p->meters[i];
    if (!word_is_plain(m->name)) return "a meter's name is not of lower case letters, digits and underscores";
    if (m->total >= TOLLGATE_TOTALS) return "a meter is part of an unknown total";
  }
  for (size_t i = 0; i < p->meter_count; i++) {
    if (meter_find(p, p->meters[i].name) != (int)i) return "a meter is declared twice";
    if (!parents_end(p, &p->meters[i])) return "a meter's parent is not declared, or is below it";
  }
  return NULL;
}

static const char *endpoints_check(const struct tollgate_plugin *p) {
  if (!p->endpoints || p->endpoint_count == 0 || p->endpoint_count > ENDPOINTS_MAX)
    return "it declares no endpoints, or too many";
  for (size_t i = 0; i < p->endpoint_count; i++) {
    const struct tollgate_endpoint *e = &p->endpoints[i];
    if (!e->method || !e->path || !e->operation || e->path[0] != '/')
      return "an endpoint lacks its method, path or operation";
    if ((e->flags & TOLLGATE_ENDPOINT_LATER) && !p->follow)
      return "an endpoint's usage comes later, but the function follow is missing";
  }
  return NULL;
}

static const char *functions_check(const struct tollgate_plugin *p) {
  if (!p->inspect) return "the function inspect is missing";
  if (!p->bound) return "the function bound is missing";
  if (!p->build) return "the function build is missing";
  if (!p->begin) return "the function begin is missing";
  if (!p->bytes) return "the function bytes is missing";
  if (!p->end) return "the function end is missing";
  if (!p->totals) return "the function totals is missing";
  if (!p->fail) return "the function fail is missing";
  return NULL;
}

const char *plugin_check(const struct tollgate_plugin *theirs, const char *name, struct tollgate_plugin *ret) {
  if (theirs->abi_major != TOLLGATE_ABI_MAJOR) return "it was built for another major version of tollgate/plugin.h";
  if (theirs->abi_minor > TOLLGATE_ABI_MINOR) return "it was built for a newer version of tollgate/plugin.h";
  if (theirs->size < SIZE_LEAST) return "its table is smaller than that of any version";
  *ret = (struct tollgate_plugin){0};
  memcpy(ret, theirs, theirs->size < sizeof *ret ? theirs->size : sizeof *ret);
  if (!ret->name || strcmp(ret->name, name) != 0) return "it has another name than its file";
  if (!ret->version || !ret->description || !ret->base_url) return "its version, description or base_url is missing";
  if (ret->state_size > STATE_MAX) return "it wants more than 64 KiB of state";
  const char *problem = functions_check(ret);
  if (!problem) problem = meters_check(ret);
  if (!problem) problem = endpoints_check(ret);
  return problem;
}
