// How fast and how stubbornly Stripe is asked: pure rules over a clock that the caller brings. Times are microseconds.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// ---- the rate: so many a second, and as many at once
#define PACE_PER_SECOND 20
#define PACE_WAIT_MAX_US INT64_C(5000000) // whoever would wait longer is refused
struct pace_bucket {
  int64_t full_at; // when nothing will be missing from it
};
// How long to wait before going, which counts as gone; -1: longer than PACE_WAIT_MAX_US, and nothing was taken.
int64_t pace_take(struct pace_bucket *b, int64_t now);

// ---- the breaker: after so many failures in a row nobody is sent for a while, and then one to see
#define PACE_FAILURES 5
#define PACE_OPEN_FIRST_US INT64_C(5000000)
#define PACE_OPEN_LAST_US INT64_C(60000000)
struct pace_breaker {
  int failures;       // in a row
  int64_t open_until; // 0: closed
  int64_t open_us;    // how long it was open the last time
  bool probing;       // one is on its way
};
bool pace_may(struct pace_breaker *b, int64_t now); // true: go, and tell what became of it
bool pace_rests(const struct pace_breaker *b, int64_t now); // pace_may would say no
void pace_tell(struct pace_breaker *b, int64_t now, bool failed);
bool pace_is_open(const struct pace_breaker *b);

// ---- another try
#define PACE_ATTEMPTS 3
enum pace_told { PACE_NOT_TOLD, PACE_DO, PACE_DO_NOT }; // Stripe-Should-Retry
struct pace_seen {
  int attempt; // from 1
  int status;  // 0: no answer
  enum pace_told told;
  bool keyed; // has an Idempotency-Key, or changes nothing
  bool sent;  // a byte of it may have gone out
};
// The pause before the next try; 0: none. chance: of 0 to 65535, spreads it over its upper half.
int64_t pace_again(const struct pace_seen *seen, uint16_t chance);
// Whether this tells that Stripe is in trouble, which is the breaker's affair.
bool pace_is_failure(int status);
