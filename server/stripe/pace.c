// See pace.h. Stripe's word on whether to try again goes before everything that a status may mean; where it says
// nothing, what its own libraries do is done: no answer, 409 and whatever is beyond 500. A 429 they leave alone, but we
// do not give up our turn for it: there the pauses are four times as long.
#include "stripe/pace.h"
#include "base/log.h"

#define INTERVAL_US (INT64_C(1000000) / PACE_PER_SECOND)
#define PAUSE_US INT64_C(500000)
#define PAUSE_LAST_US INT64_C(5000000)

int64_t pace_take(struct pace_bucket *b, int64_t now) {
  int64_t from = b->full_at > now ? b->full_at : now;
  int64_t wait = from - now - (PACE_PER_SECOND - 1) * INTERVAL_US;
  if (wait > PACE_WAIT_MAX_US) return -1;
  b->full_at = from + INTERVAL_US;
  return wait > 0 ? wait : 0;
}

bool pace_rests(const struct pace_breaker *b, int64_t now) {
  return b->open_until != 0 && (now < b->open_until || b->probing);
}

bool pace_may(struct pace_breaker *b, int64_t now) {
  if (pace_rests(b, now)) return false;
  b->probing = b->open_until != 0;
  return true;
}

void pace_tell(struct pace_breaker *b, int64_t now, bool failed) {
  if (!failed) {
    *b = (struct pace_breaker){0};
    return;
  }
  b->failures++;
  if (b->failures < PACE_FAILURES || (b->open_until != 0 && !b->probing)) return; // was sent before it opened
  int64_t next = b->open_us ? b->open_us * 2 : PACE_OPEN_FIRST_US;
  b->open_us = next < PACE_OPEN_LAST_US ? next : PACE_OPEN_LAST_US;
  b->open_until = now + b->open_us;
  b->probing = false;
}

bool pace_is_open(const struct pace_breaker *b) {
  return b->open_until != 0;
}

static bool is_wanted(const struct pace_seen *seen) {
  if (seen->told != PACE_NOT_TOLD) return seen->told == PACE_DO;
  if (!seen->keyed && seen->sent && seen->status != 429) return false; // it may have happened
  return seen->status == 0 || seen->status == 409 || seen->status == 429 || seen->status >= 500;
}

int64_t pace_again(const struct pace_seen *seen, uint16_t chance) {
  ASSERT(seen->attempt >= 1);
  if (seen->attempt >= PACE_ATTEMPTS || !is_wanted(seen)) return 0;
  bool slow = seen->status == 429;
  int64_t pause = slow ? 4 * PAUSE_US : PAUSE_US, last = slow ? 2 * PAUSE_LAST_US : PAUSE_LAST_US;
  for (int i = 1; i < seen->attempt && pause < last; i++) pause *= 2;
  if (pause > last) pause = last;
  pause = pause / 2 + pause / 2 * chance / UINT16_MAX;
  return pause > PAUSE_US ? pause : PAUSE_US;
}

bool pace_is_failure(int status) {
  return status == 0 || status >= 500;
}
