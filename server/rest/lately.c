// See lately.h. A table of places, each for whatever hold falls on it last.
#include "rest/lately.h"
#include "base/log.h"
#include "base/mem.h"
#include <pthread.h>

#define PLACES 32768
#define LOCKS 64

struct lately {
  pthread_mutex_t locks[LOCKS];
  struct {
    struct uuid hold, customer, price;
  } at[PLACES];
};

struct lately *lately_create(void) {
  struct lately *l = mem_alloc(sizeof *l);
  for (size_t i = 0; i < LOCKS; i++) ASSERT(pthread_mutex_init(&l->locks[i], NULL) == 0);
  return l;
}

void lately_destroy(struct lately *l) {
  if (!l) return;
  for (size_t i = 0; i < LOCKS; i++) pthread_mutex_destroy(&l->locks[i]);
  mem_free(l);
}

void lately_put(struct lately *l, struct uuid hold, struct uuid customer, struct uuid price) {
  size_t k = (size_t)(uuid_hash(hold) % PLACES);
  pthread_mutex_lock(&l->locks[k % LOCKS]);
  l->at[k].hold = hold;
  l->at[k].customer = customer;
  l->at[k].price = price;
  pthread_mutex_unlock(&l->locks[k % LOCKS]);
}

bool lately_find(struct lately *l, struct uuid hold, struct uuid *ret_customer, struct uuid *ret_price) {
  size_t k = (size_t)(uuid_hash(hold) % PLACES);
  pthread_mutex_lock(&l->locks[k % LOCKS]);
  bool found = uuid_eq(l->at[k].hold, hold) && !uuid_is_nil(hold);
  if (found) {
    *ret_customer = l->at[k].customer;
    *ret_price = l->at[k].price;
  }
  pthread_mutex_unlock(&l->locks[k % LOCKS]);
  return found;
}
