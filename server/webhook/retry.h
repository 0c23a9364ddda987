// When a delivery that failed is tried again: pure rules over a schedule, what the endpoint asked for, and chance.
#pragma once
#include "base/buf.h"

#define RETRY_STEPS_MAX 32
#define RETRY_STEP_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)
struct retry_schedule {
  int64_t ms[RETRY_STEPS_MAX]; // after the first failure, the second, …
  size_t count;
};
// "5s,5m,30m,2h": whole numbers of ms, s, m, h or d, from 1 ms to 7 days each. False with a sentence.
bool retry_schedule_parse(struct str text, struct retry_schedule *ret, struct buf *ret_error);

// Retry-After (RFC 9110 10.2.3): seconds, or a date in any of HTTP's three forms. What has passed is 0. False where it is
// neither.
bool retry_after_parse(struct str value, int64_t now_s, int64_t *ret_ms);

#define RETRY_NOT_ASKED (-1)
struct retry_cause {
  size_t tries;      // failures before this one
  bool busy;         // 429, 502, 504 or a time-out: not again within a minute
  int64_t asked_ms;  // Retry-After, or RETRY_NOT_ASKED
  uint32_t luck;     // random
};
// From now, in milliseconds: the schedule's step, up to a fifth more or less; what was asked counts between that and twice of
// it. RETRY_OVER where the schedule has ended.
#define RETRY_OVER (-1)
int64_t retry_delay_ms(const struct retry_schedule *schedule, const struct retry_cause *cause);
