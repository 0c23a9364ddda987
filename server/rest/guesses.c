// See guesses.h. Of each customer one number is kept: the time at which all its wrong tries are forgotten. A customer has
// a few places in the table; where all are taken by others, the one that is forgotten soonest is given up.
#include "rest/guesses.h"
#include "base/log.h"
#include "base/mem.h"
#include <pthread.h>

#define PLACES 4096
#define PLACES_OF_ONE 8

struct guesses {
  pthread_mutex_t lock;
  struct {
    struct uuid customer;
    int64_t forgotten_at;
  } at[PLACES];
};

struct guesses *guesses_create(void) {
  struct guesses *g = mem_alloc(sizeof *g);
  ASSERT(pthread_mutex_init(&g->lock, NULL) == 0);
  return g;
}

void guesses_destroy(struct guesses *g) {
  if (!g) return;
  pthread_mutex_destroy(&g->lock);
  mem_free(g);
}

// Its place, or where it would be put.
static size_t place(const struct guesses *g, struct uuid customer) {
  size_t first = (size_t)(uuid_hash(customer) % PLACES), best = first;
  for (size_t i = 0; i < PLACES_OF_ONE; i++) {
    size_t k = (first + i) % PLACES;
    if (uuid_eq(g->at[k].customer, customer)) return k;
    if (g->at[k].forgotten_at < g->at[best].forgotten_at) best = k;
  }
  return best;
}

int64_t guesses_wait(struct guesses *g, struct uuid customer, int64_t now) {
  pthread_mutex_lock(&g->lock);
  size_t k = place(g, customer);
  int64_t until = uuid_eq(g->at[k].customer, customer) ? g->at[k].forgotten_at : 0;
  pthread_mutex_unlock(&g->lock);
  int64_t wait = until - (GUESSES_MOST - 1) * GUESS_EVERY_US - now;
  return wait > 0 ? wait : 0;
}

void guesses_wrong(struct guesses *g, struct uuid customer, int64_t now) {
  pthread_mutex_lock(&g->lock);
  size_t k = place(g, customer);
  int64_t from = uuid_eq(g->at[k].customer, customer) && g->at[k].forgotten_at > now ? g->at[k].forgotten_at : now;
  g->at[k].customer = customer;
  g->at[k].forgotten_at = from + GUESS_EVERY_US;
  pthread_mutex_unlock(&g->lock);
}
