// What an event is known by, and what it says. The customer stands beside the identity in its table; the time is in neither:
// an event that is sent again with another time is the same one. All else is in the latter: two events under one identity that
// differ only in what is not charged are two all the same, and neither is to be lost in silence.
#include "crypto/crypto.h"
#include "usage/event.h"
#include <inttypes.h>
#include <stdlib.h>

static struct uuid hash_of(const struct str *parts, size_t count) {
  struct uuid id;
  crypto_hash_short(parts, count, id.b);
  return id;
}

struct uuid usage_identity(const struct usage_event *e) {
  return hash_of((struct str[]){e->source, e->id}, 2);
}

static int by_meter(const void *a, const void *b) {
  const struct meter_quantity *x = a, *y = b;
  return strcmp(x->meter, y->meter);
}

// None of the texts holds a zero byte, so that the parts are told apart.
struct uuid usage_content(struct arena *arena, const struct usage_event *e) {
  struct meter_quantity sorted[METER_LINES_MAX];
  struct str parts[3 + 2 * METER_LINES_MAX] = {e->type, e->model};
  size_t count = 2;
  memcpy(sorted, e->quantities, e->quantity_count * sizeof *sorted);
  qsort(sorted, e->quantity_count, sizeof *sorted, by_meter);
  for (size_t i = 0; i < e->quantity_count; i++) {
    char *digits = arena_alloc(arena, STR_DIGITS_MAX);
    parts[count++] = str_from(sorted[i].meter);
    parts[count++] = (struct str){digits, str_digits((uint64_t)sorted[i].quantity, digits)};
  }
  if (e->more.len > 0) parts[count++] = e->more;
  return hash_of(parts, count);
}
