// See explain_parts.h.
#include "meter/explain_parts.h"

static struct explain_part *grow(struct arena *arena, struct explain_paid *paid, size_t more) {
  struct explain_part *grown = arena_alloc(arena, (paid->count + more + 1) * sizeof *grown);
  if (paid->count) memcpy(grown, paid->at, paid->count * sizeof *grown);
  return grown;
}

void explain_paid_add(struct arena *arena, struct explain_paid *paid, struct explain_legs legs, int64_t place,
                      amount charge) {
  amount at = 0;
  paid->at = grow(arena, paid, legs.count);
  for (size_t i = 0; i < legs.count; i++) {
    amount low = at > place ? at : place;
    at += legs.at[i].amount;
    amount high = at < place + charge ? at : place + charge;
    if (high > low) paid->at[paid->count++] = (struct explain_part){legs.at[i].grant, high - low};
  }
}

void explain_paid_take(struct explain_paid *paid, amount back) {
  while (back > 0 && paid->count > 0) {
    struct explain_part *last = &paid->at[paid->count - 1];
    amount part = last->amount < back ? last->amount : back;
    last->amount -= part;
    back -= part;
    if (last->amount == 0) paid->count--;
  }
}

size_t explain_paid_merge(struct explain_paid *paid) {
  size_t kept = 0;
  for (size_t i = 0; i < paid->count; i++) {
    size_t same = 0;
    while (same < kept && !uuid_eq(paid->at[same].grant, paid->at[i].grant)) same++;
    if (same == kept)
      paid->at[kept++] = paid->at[i];
    else
      paid->at[same].amount += paid->at[i].amount;
  }
  paid->count = kept;
  return kept;
}
