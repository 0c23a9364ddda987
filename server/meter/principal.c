// The cache of callers: sets of eight places, the one unused for longest gives way. A place tells when the database
// last confirmed what is in it; the snapshot itself never changes. Texts that are no key are remembered for a moment by
// their tag, so that a client that repeats a wrong key costs the database little; the bound on that is the bound on
// trust.
#include "meter/principal.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "customer/key.h"
#include "db/db.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WAYS 8
#define SETS (LIMIT_PRINCIPAL_CACHE / WAYS)
#define UNKNOWN_SETS (LIMIT_UNKNOWN_KEY_CACHE / WAYS)
#define LOCKS 64
#define TRUST_US (LIMIT_TRUST_MS * INT64_C(1000))
#define AGEING_US (TRUST_US / 2) // an operator's is read again from here on
#define LATELY_US (INT64_C(30) * 1000000)      // used within this: worth confirming
#define FORGET_US (INT64_C(15) * 60 * 1000000) // unused for so long: dropped
#define CONFIRM_CHUNK 1000

struct place {
  struct principal *principal;
  char public_id[KEY_ID_LEN];
  int64_t confirmed_at, used_at; // monotonic
  int64_t ageing_told_at;        // when somebody was last asked to read it again
};
struct unknown {
  unsigned char tag[CRYPTO_TAG_BYTES];
  int64_t at; // monotonic; 0: empty
};
struct principals {
  const struct crypto_keys *keys;
  pthread_mutex_t locks[LOCKS];
  struct place places[SETS][WAYS];
  struct unknown unknowns[UNKNOWN_SETS][WAYS];
};

// ---- one principal: its count of references stands in front of it

struct heading {
  _Alignas(max_align_t) atomic_uint refs;
};

static struct heading *heading_of(struct principal *p) {
  return (struct heading *)((void *)((char *)p - sizeof(struct heading)));
}

static struct principal *principal_create(size_t limit_count) {
  struct heading *h = mem_alloc(sizeof *h + sizeof(struct principal) + limit_count * sizeof(struct principal_limit));
  atomic_init(&h->refs, 1);
  struct principal *p = (void *)(h + 1);
  p->limit_count = limit_count;
  return p;
}

struct principal *principal_ref(struct principal *p) {
  atomic_fetch_add_explicit(&heading_of(p)->refs, 1, memory_order_relaxed);
  return p;
}

void principal_unref(struct principal *p) {
  if (!p || atomic_fetch_sub_explicit(&heading_of(p)->refs, 1, memory_order_acq_rel) > 1) return;
  crypto_wipe(p->tag, sizeof p->tag);
  mem_free(heading_of(p));
}

struct principals *principals_create(const struct crypto_keys *keys) {
  struct principals *c = mem_alloc(sizeof *c);
  c->keys = keys;
  for (size_t i = 0; i < LOCKS; i++) ASSERT(pthread_mutex_init(&c->locks[i], NULL) == 0);
  return c;
}

void principals_destroy(struct principals *c) {
  if (!c) return;
  for (size_t set = 0; set < SETS; set++)
    for (size_t i = 0; i < WAYS; i++) principal_unref(c->places[set][i].principal);
  for (size_t i = 0; i < LOCKS; i++) pthread_mutex_destroy(&c->locks[i]);
  mem_free(c);
}

// ---- places

// The public id is random, so any mixing of it will do.
static size_t set_of(struct str public_id) {
  uint64_t h = UINT64_C(0xCBF29CE484222325);
  for (size_t i = 0; i < public_id.len; i++) h = (h ^ (unsigned char)public_id.ptr[i]) * UINT64_C(0x100000001B3);
  return (size_t)((h ^ h >> 29) % SETS);
}

static size_t unknown_set_of(const unsigned char tag[CRYPTO_TAG_BYTES]) {
  return (size_t)(tag[0] | tag[1] << 8) % UNKNOWN_SETS;
}

static struct place *place_find(struct principals *c, size_t set, struct str public_id) {
  for (size_t i = 0; i < WAYS; i++) {
    struct place *p = &c->places[set][i];
    if (p->principal && memcmp(p->public_id, public_id.ptr, KEY_ID_LEN) == 0) return p;
  }
  return NULL;
}

static void place_empty(struct place *p) {
  principal_unref(p->principal);
  *p = (struct place){0};
}

static void place_put(struct principals *c, struct str public_id, struct principal *principal) {
  size_t set = set_of(public_id);
  pthread_mutex_lock(&c->locks[set % LOCKS]);
  struct place *p = place_find(c, set, public_id);
  for (size_t i = 0; !p && i < WAYS; i++)
    if (!c->places[set][i].principal) p = &c->places[set][i];
  if (!p) {
    p = &c->places[set][0];
    for (size_t i = 1; i < WAYS; i++)
      if (c->places[set][i].used_at < p->used_at) p = &c->places[set][i];
  }
  // Two loads may end in the other order than they began: what was read last stays.
  bool newer = !p->principal || memcmp(p->public_id, public_id.ptr, KEY_ID_LEN) != 0 ||
               p->principal->confirmed_at <= principal->confirmed_at;
  if (newer) {
    place_empty(p);
    p->principal = principal_ref(principal);
    memcpy(p->public_id, public_id.ptr, KEY_ID_LEN);
    p->confirmed_at = principal->confirmed_at;
    p->used_at = clock_mono_us();
  }
  pthread_mutex_unlock(&c->locks[set % LOCKS]);
}

static void place_drop(struct principals *c, struct str public_id) {
  size_t set = set_of(public_id);
  pthread_mutex_lock(&c->locks[set % LOCKS]);
  struct place *p = place_find(c, set, public_id);
  if (p) place_empty(p);
  pthread_mutex_unlock(&c->locks[set % LOCKS]);
}

static bool unknown_has(struct principals *c, const unsigned char tag[CRYPTO_TAG_BYTES], int64_t now) {
  size_t set = unknown_set_of(tag);
  bool found = false;
  pthread_mutex_lock(&c->locks[set % LOCKS]);
  for (size_t i = 0; i < WAYS; i++) {
    const struct unknown *u = &c->unknowns[set][i];
    found |= u->at != 0 && now - u->at < TRUST_US && crypto_tag_equal(u->tag, tag);
  }
  pthread_mutex_unlock(&c->locks[set % LOCKS]);
  return found;
}

// at: when the database was asked.
static void unknown_put(struct principals *c, const unsigned char tag[CRYPTO_TAG_BYTES], int64_t at) {
  size_t set = unknown_set_of(tag);
  pthread_mutex_lock(&c->locks[set % LOCKS]);
  struct unknown *u = &c->unknowns[set][0];
  for (size_t i = 1; i < WAYS; i++)
    if (c->unknowns[set][i].at < u->at) u = &c->unknowns[set][i];
  memcpy(u->tag, tag, CRYPTO_TAG_BYTES);
  u->at = at;
  pthread_mutex_unlock(&c->locks[set % LOCKS]);
}

// ---- finding

// By the time that has passed since the database said how long the key has: this machine's wall clock may be wrong.
static bool expired(const struct principal *p) {
  return p->expires_at != 0 && p->runs_out_at <= clock_mono_us();
}

// The place's principal, referenced, and how old the word of the database is. A dummy is compared where there is none.
static struct principal *cached(struct principals *c, struct str public_id, const unsigned char tag[CRYPTO_TAG_BYTES],
                                bool *ret_match, int64_t *ret_confirmed_at) {
  static const unsigned char dummy[CRYPTO_TAG_BYTES];
  size_t set = set_of(public_id);
  pthread_mutex_lock(&c->locks[set % LOCKS]);
  struct place *place = place_find(c, set, public_id);
  struct principal *p = place ? principal_ref(place->principal) : NULL;
  *ret_match = crypto_tag_equal(p ? p->tag : dummy, tag) && p;
  *ret_confirmed_at = place ? place->confirmed_at : 0;
  if (place && *ret_match) place->used_at = clock_mono_us();
  pthread_mutex_unlock(&c->locks[set % LOCKS]);
  return p;
}

enum principal_answer principal_find(struct principals *c, struct str key_text, bool fresh, struct principal **ret) {
  struct key_parts parts;
  unsigned char tag[CRYPTO_TAG_BYTES];
  if (!key_parse(key_text, &parts)) return PRINCIPAL_UNKNOWN;
  crypto_tag(c->keys, key_text, tag);
  bool match = false;
  int64_t confirmed_at = 0, now = clock_mono_us();
  struct principal *p = cached(c, parts.public_id, tag, &match, &confirmed_at);
  bool trusted = p && now - confirmed_at < TRUST_US;
  enum principal_answer answer = PRINCIPAL_ASK;
  if (match && expired(p))
    answer = PRINCIPAL_UNKNOWN;
  else if (match && !p->is_operator && (trusted || !fresh))
    answer = PRINCIPAL_FOUND;
  else if (p && !match && trusted)
    answer = PRINCIPAL_UNKNOWN;
  else if (unknown_has(c, tag, now))
    answer = PRINCIPAL_UNKNOWN;
  if (answer == PRINCIPAL_FOUND)
    *ret = p;
  else
    principal_unref(p);
  return answer;
}

// Says so to one caller, who has until the trust ends.
static bool ageing_claim(struct principals *c, struct str public_id, int64_t now) {
  size_t set = set_of(public_id);
  pthread_mutex_lock(&c->locks[set % LOCKS]);
  struct place *place = place_find(c, set, public_id);
  bool claimed = place && now - place->confirmed_at > AGEING_US && now - place->ageing_told_at > AGEING_US / 2;
  if (claimed) place->ageing_told_at = now;
  pthread_mutex_unlock(&c->locks[set % LOCKS]);
  return claimed;
}

enum principal_answer principal_find_reporter(struct principals *c, struct str key_text, struct principal **ret, bool *ret_ageing) {
  struct key_parts parts;
  unsigned char tag[CRYPTO_TAG_BYTES];
  *ret_ageing = false;
  if (!key_parse(key_text, &parts)) return PRINCIPAL_UNKNOWN;
  crypto_tag(c->keys, key_text, tag);
  bool match = false;
  int64_t confirmed_at = 0, now = clock_mono_us();
  struct principal *p = cached(c, parts.public_id, tag, &match, &confirmed_at);
  bool stands = match && p->is_operator && !expired(p) && now - confirmed_at < TRUST_US;
  if (!stands) {
    principal_unref(p);
    return principal_find(c, key_text, false, ret);
  }
  if (now - confirmed_at > AGEING_US) *ret_ageing = ageing_claim(c, parts.public_id, now);
  *ret = p;
  return PRINCIPAL_FOUND;
}

// ---- loading

enum {
  COL_CUSTOMER,
  COL_KEY,
  COL_TAG,
  COL_OPERATOR,
  COL_EXPIRES,
  COL_USABLE,
  COL_VERSION,
  COL_SUSPENDED,
  COL_POLICY,
  COL_DEBT,
  COL_LIMITS,
  COL_ABORT_CHARGE,
  COL_ABORT_UPSTREAM,
  COL_RUNS_OUT_IN,
};

static int principal_read(struct db *db, struct str public_id, struct db_result **ret) {
  CLEANUP(db_params_finish) struct db_params params;
  db_params_init(&params);
  db_param_text(&params, public_id);
  return db_run(db, STATEMENT_PRINCIPAL_LOAD, &params, ret) == 0 ? 0 : FAULT_DB;
}

static struct principal *principal_make(const struct db_result *r, int64_t asked_at) {
  struct str limits[LIMIT_DRAWS];
  size_t count = db_array(r, 0, COL_LIMITS, limits, LIMIT_DRAWS);
  ASSERT(count <= LIMIT_DRAWS);
  struct principal *p = principal_create(count);
  p->key_id = db_uuid(r, 0, COL_KEY);
  p->customer_id = db_uuid(r, 0, COL_CUSTOMER);
  p->is_operator = db_bool(r, 0, COL_OPERATOR);
  p->usable = db_bool(r, 0, COL_USABLE);
  p->suspended = db_bool(r, 0, COL_SUSPENDED);
  p->expires_at = db_time(r, 0, COL_EXPIRES);
  p->runs_out_at = asked_at + db_i64(r, 0, COL_RUNS_OUT_IN);
  p->config_version = db_i64(r, 0, COL_VERSION);
  p->confirmed_at = asked_at;
  p->short_policy = (enum short_policy)db_i64(r, 0, COL_POLICY);
  p->short_debt = db_i64(r, 0, COL_DEBT);
  p->abort_charge = (enum abort_charge)db_i64(r, 0, COL_ABORT_CHARGE);
  p->abort_upstream = (enum abort_upstream)db_i64(r, 0, COL_ABORT_UPSTREAM);
  for (size_t i = 0; i < count; i++) p->limits[i].id = db_element_uuid(limits[i]);
  return p;
}

// Whether the row is this key's and stands. The comparison is made for an unknown id too.
static bool row_matches(const struct db_result *r, const unsigned char tag[CRYPTO_TAG_BYTES]) {
  static const unsigned char dummy[CRYPTO_TAG_BYTES];
  bool found = db_rows(r) == 1;
  struct str stored = found ? db_text(r, 0, COL_TAG) : (struct str){(const char *)dummy, sizeof dummy};
  if (stored.len != CRYPTO_TAG_BYTES) return false;
  return crypto_tag_equal((const unsigned char *)stored.ptr, tag) && found;
}

int principal_load(struct principals *c, struct db *db, struct str key_text, struct principal **ret) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct key_parts parts;
  unsigned char tag[CRYPTO_TAG_BYTES];
  if (!key_parse(key_text, &parts)) return PRINCIPAL_UNKNOWN;
  crypto_tag(c->keys, key_text, tag);
  int64_t asked_at = clock_mono_us();
  if (principal_read(db, parts.public_id, &r) != 0) return FAULT_DB;
  bool matches = row_matches(r, tag);
  if (!matches || !db_bool(r, 0, COL_USABLE)) {
    unknown_put(c, tag, asked_at);
    if (matches) place_drop(c, parts.public_id);
    return PRINCIPAL_UNKNOWN;
  }
  struct principal *p = principal_make(r, asked_at);
  memcpy(p->tag, tag, sizeof p->tag);
  place_put(c, parts.public_id, p);
  *ret = p;
  return PRINCIPAL_FOUND;
}

// ---- customers, as operators see them

// Twelve bytes that no key's public id has: the ninth of a version 7 UUID is none of ASCII's.
static struct str customer_place(const struct uuid *customer) {
  return (struct str){(const char *)customer->b + sizeof customer->b - KEY_ID_LEN, KEY_ID_LEN};
}

enum principal_answer principal_find_customer(struct principals *c, struct uuid customer, struct principal **ret) {
  struct str id = customer_place(&customer);
  size_t set = set_of(id);
  pthread_mutex_lock(&c->locks[set % LOCKS]);
  struct place *place = place_find(c, set, id);
  struct principal *p = place && uuid_eq(place->principal->customer_id, customer) ? principal_ref(place->principal) : NULL;
  if (p) place->used_at = clock_mono_us();
  pthread_mutex_unlock(&c->locks[set % LOCKS]);
  if (!p) return PRINCIPAL_ASK;
  *ret = p;
  return PRINCIPAL_FOUND;
}

int principal_load_customer(struct principals *c, struct db *db, struct uuid customer, struct principal **ret) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  int64_t asked_at = clock_mono_us();
  db_params_init(&params);
  db_param_uuid(&params, customer);
  if (db_run(db, STATEMENT_PRINCIPAL_LOAD_CUSTOMER, &params, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return PRINCIPAL_UNKNOWN;
  struct principal *p = principal_make(r, asked_at);
  place_put(c, customer_place(&customer), p);
  *ret = p;
  return PRINCIPAL_FOUND;
}

// ---- confirming

struct seen {
  struct uuid customer;
  int64_t version;
  bool known;
};
typedef vec(struct seen) seen_list;

static int seen_cmp(const void *a, const void *b) {
  const struct seen *x = a, *y = b;
  return uuid_cmp(x->customer, y->customer);
}

static void seen_sort(seen_list *list) {
  if (list->count == 0) return;
  qsort(list->at, list->count, sizeof *list->at, seen_cmp);
  size_t kept = 1;
  for (size_t i = 1; i < list->count; i++)
    if (!uuid_eq(list->at[i].customer, list->at[kept - 1].customer)) list->at[kept++] = list->at[i];
  list->count = kept;
}

static struct seen *seen_find(const seen_list *list, struct uuid customer) {
  struct seen key = {.customer = customer};
  return list->count ? bsearch(&key, list->at, list->count, sizeof *list->at, seen_cmp) : NULL;
}

// The customers of what was used lately; what was not used for long is let go on the way.
static void gather(struct principals *c, int64_t now, seen_list *ret) {
  for (size_t set = 0; set < SETS; set++) {
    pthread_mutex_lock(&c->locks[set % LOCKS]);
    for (size_t i = 0; i < WAYS; i++) {
      struct place *p = &c->places[set][i];
      if (!p->principal) continue;
      if (now - p->used_at > FORGET_US)
        place_empty(p);
      else if (!p->principal->is_operator && now - p->used_at <= LATELY_US) // operators' are read again by whoever uses them
        vec_add(ret)->customer = p->principal->customer_id;
    }
    pthread_mutex_unlock(&c->locks[set % LOCKS]);
  }
}

static int versions_read(struct db *db, seen_list *list, size_t first, size_t count) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_array_begin(&params, DB_UUID);
  for (size_t i = 0; i < count; i++) db_array_uuid(&params, list->at[first + i].customer);
  db_array_end(&params);
  if (db_run(db, STATEMENT_PRINCIPAL_VERSIONS, &params, &r) != 0) return FAULT_DB;
  for (size_t row = 0; row < db_rows(r); row++) {
    struct seen *s = seen_find(list, db_uuid(r, row, 0));
    if (!s) continue;
    s->version = db_i64(r, row, 1);
    s->known = true;
  }
  return 0;
}

// now: before the versions were read.
static void apply(struct principals *c, const seen_list *list, int64_t now) {
  for (size_t set = 0; set < SETS; set++) {
    pthread_mutex_lock(&c->locks[set % LOCKS]);
    for (size_t i = 0; i < WAYS; i++) {
      struct place *p = &c->places[set][i];
      const struct seen *s = p->principal ? seen_find(list, p->principal->customer_id) : NULL;
      if (!s || p->confirmed_at >= now) continue;
      if (s->known && s->version == p->principal->config_version)
        p->confirmed_at = now;
      else
        place_empty(p);
    }
    pthread_mutex_unlock(&c->locks[set % LOCKS]);
  }
}

int principal_confirm(struct principals *c, struct db *db, const struct uuid *watched, const int64_t *versions,
                      size_t count, void (*changed)(void *arg, struct uuid customer), void *arg) {
  seen_list list = {0};
  int64_t now = clock_mono_us();
  int result = 0;
  gather(c, now, &list);
  for (size_t i = 0; i < count; i++) vec_add(&list)->customer = watched[i];
  seen_sort(&list);
  for (size_t first = 0; first < list.count && result == 0; first += CONFIRM_CHUNK) {
    size_t left = list.count - first;
    result = versions_read(db, &list, first, left < CONFIRM_CHUNK ? left : CONFIRM_CHUNK);
  }
  if (result == 0) {
    apply(c, &list, now);
    for (size_t i = 0; i < count; i++) {
      const struct seen *s = seen_find(&list, watched[i]);
      if (s && (!s->known || s->version != versions[i])) changed(arg, watched[i]);
    }
  }
  vec_finish(&list);
  return result;
}
