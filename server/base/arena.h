// One arena per request: everything in it ends together. Bounded by `max` bytes, beyond which the process has a bug.
#pragma once
#include "base/str.h"

struct arena {
  struct arena_block *head;
  size_t used, max;
};

void arena_init(struct arena *a, size_t max);
void arena_finish(struct arena *a);
void *arena_alloc(struct arena *a, size_t size); // zeroed, aligned for anything
char *arena_strdup(struct arena *a, struct str s); // NUL added
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
