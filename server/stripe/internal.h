// What this folder's files tell each other: one try of a call, and the client that it is made through.
#pragma once
#include "net/client.h"
#include "stripe/client.h"
#include "stripe/pace.h"
#include <pthread.h>

#define STRIPE_ANSWER_MAX (8 * 1024 * 1024)

struct stripe {
  char *base, *key, *version;
  int timeout_ms;
  struct net_loop *loop;
  pthread_mutex_t lock; // of all below, and of each try's `over`
  pthread_cond_t changed;
  bool stopping;
  struct pace_bucket calls, meter_events; // meter events have a rate of their own at Stripe
  struct pace_breaker breaker;
};

// One try: filled by the loop's thread, read by the caller's once it is over.
struct stripe_try {
  struct stripe *stripe;
  const struct net_spec *spec;
  struct net_exchange *x; // the loop's thread's alone
  bool over;              // under the lock
  bool cancelled;
  enum net_end end;
  char detail[160];
  int status;
  enum pace_told told;
  bool replayed;
  char request_id[64];
  struct buf body;
};

void try_run(struct stripe_try *t); // blocks; buf_finish its body afterwards
// What a try's outcome means, apart from whether to go on: fills ret, and takes nothing from t.
void answer_read(const struct stripe_try *t, struct stripe_answer *ret);
