// How often somebody may be wrong about a redeem code: GUESSES_MOST times at once, then once each GUESS_EVERY_US, for each
// customer that it is tried for. Kept in this instance's memory, of a fixed size: beside 90 drawn bits it is only there so
// that a guesser stays cheap.
#pragma once
#include "base/id.h"

#define GUESSES_MOST 10
#define GUESS_EVERY_US INT64_C(6000000)

struct guesses;
struct guesses *guesses_create(void);
void guesses_destroy(struct guesses *g); // NULL is fine
// How long this customer has to wait before it may be tried again, in microseconds; 0: it may. now: monotonic. Thread-safe.
int64_t guesses_wait(struct guesses *g, struct uuid customer, int64_t now);
void guesses_wrong(struct guesses *g, struct uuid customer, int64_t now);
