// A table of places, each for whatever name falls on it last; a name stands there by its hash. What a name meant is believed
// from when the database was asked.
#include "usage/names.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "db/db.h"
#include <pthread.h>

#define LOCKS 64
#define TRUST_US (LIMIT_TRUST_MS * INT64_C(1000))

struct place {
  struct uuid name, customer; // name: the hash of the text
  int64_t asked_at;           // monotonic; 0: empty
};
struct usage_names {
  pthread_mutex_t locks[LOCKS];
  struct place places[LIMIT_NAMES_CACHE];
};

struct usage_names *usage_names_create(void) {
  struct usage_names *n = mem_alloc(sizeof *n);
  for (size_t i = 0; i < LOCKS; i++) ASSERT(pthread_mutex_init(&n->locks[i], NULL) == 0);
  return n;
}

void usage_names_destroy(struct usage_names *n) {
  if (!n) return;
  for (size_t i = 0; i < LOCKS; i++) pthread_mutex_destroy(&n->locks[i]);
  mem_free(n);
}

static struct uuid hash_of(struct str external_id) {
  struct uuid id;
  crypto_hash_short(&external_id, 1, id.b);
  return id;
}

static size_t place_of(struct uuid name) {
  return (size_t)(uuid_hash(name) % LIMIT_NAMES_CACHE);
}

bool usage_names_find(struct usage_names *n, struct str external_id, struct uuid *ret) {
  struct uuid name = hash_of(external_id);
  size_t at = place_of(name);
  pthread_mutex_lock(&n->locks[at % LOCKS]);
  const struct place *p = &n->places[at];
  bool found = p->asked_at != 0 && uuid_eq(p->name, name) && clock_mono_us() - p->asked_at < TRUST_US;
  if (found) *ret = p->customer;
  pthread_mutex_unlock(&n->locks[at % LOCKS]);
  return found;
}

static void put(struct usage_names *n, struct str external_id, struct uuid customer, int64_t asked_at) {
  struct uuid name = hash_of(external_id);
  size_t at = place_of(name);
  pthread_mutex_lock(&n->locks[at % LOCKS]);
  n->places[at] = (struct place){name, customer, asked_at};
  pthread_mutex_unlock(&n->locks[at % LOCKS]);
}

int usage_names_read(struct usage_names *n, struct db *db, const struct str *external_ids, size_t count, struct uuid *ret) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  int64_t asked_at = clock_mono_us();
  db_params_init(&params);
  db_array_begin(&params, DB_TEXT);
  for (size_t i = 0; i < count; i++) db_array_text(&params, external_ids[i]);
  db_array_end(&params);
  if (db_run(db, STATEMENT_USAGE_NAMES, &params, &r) != 0 || db_rows(r) != count) return FAULT_DB;
  for (size_t i = 0; i < count; i++) {
    ret[i] = db_uuid(r, i, 0);
    if (!uuid_is_nil(ret[i])) put(n, external_ids[i], ret[i], asked_at);
  }
  return 0;
}
