// The sums of usage made anew from the calls, stretch by stretch: each in a commit of its own, under the writer's lock, so that
// servers go on and every report in between is right.
#pragma once
#include <stdint.h>

struct db;
struct rollup_progress {
  int64_t calls;    // rows of calls that were read
  int64_t expected; // about as many as there are; 0: not known
};
// 0 or a fault. `piece`: calls of one commit, more where one hour has more; 0: as is good.
int rollup_rebuild(struct db *db, int64_t piece, void (*progress)(void *arg, const struct rollup_progress *p), void *arg,
                   struct rollup_progress *ret);
