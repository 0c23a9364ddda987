// See ring.h. What was read is one piece of memory behind a lock, swapped whole.
#include "receipt/ring.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "json/write.h"
#include <pthread.h>

#define SIGNS_AFTER_S 600 // twice as long as the published set may be kept by others

struct version {
  uint32_t number;
  bool due;
  struct jwk key;
};
struct receipt_ring {
  struct crypto_keys keys;
  pthread_mutex_t lock; // guards the rest
  struct version versions[LIMIT_RECEIPT_KEYS];
  size_t count;
  struct crypto_signer signer;
  char kid[CRYPTO_THUMBPRINT_MAX]; // of the signer; "": there is none
};

struct receipt_ring *receipt_ring_create(const struct crypto_keys *keys) {
  struct receipt_ring *r = mem_alloc(sizeof *r);
  r->keys = *keys;
  ASSERT(pthread_mutex_init(&r->lock, NULL) == 0);
  return r;
}

void receipt_ring_destroy(struct receipt_ring *r) {
  if (!r) return;
  pthread_mutex_destroy(&r->lock);
  crypto_wipe(r, sizeof *r);
  mem_free(r);
}

// ---- the table

static int versions_read(struct db *db, struct version *ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  db_params_init(&p);
  db_param_i64(&p, LIMIT_RECEIPT_KEYS);
  if (db_run(db, STATEMENT_RECEIPT_KEYS, &p, &rows) != 0) return FAULT_DB;
  *ret_count = db_rows(rows) < LIMIT_RECEIPT_KEYS ? db_rows(rows) : LIMIT_RECEIPT_KEYS;
  for (size_t i = 0; i < *ret_count; i++) {
    struct str kid = db_text(rows, i, 1), verifier = db_text(rows, i, 2);
    ret[i] = (struct version){.number = (uint32_t)db_i64(rows, i, 0), .due = db_bool(rows, i, 3)};
    if (verifier.len != CRYPTO_PUBLIC_BYTES || kid.len >= sizeof ret[i].key.kid) return FAULT_CORRUPT;
    memcpy(ret[i].key.kid, kid.ptr, kid.len);
    memcpy(ret[i].key.verifier, verifier.ptr, CRYPTO_PUBLIC_BYTES);
  }
  return 0;
}

// Another instance may be faster: then its row stands.
static int version_add(struct db *db, const struct crypto_keys *keys, uint32_t number, int32_t signs_after_s,
                       char ret_kid[CRYPTO_THUMBPRINT_MAX]) {
  CLEANUP(db_params_finish) struct db_params p;
  struct crypto_signer signer;
  crypto_signer_derive(keys, number, &signer);
  crypto_thumbprint(signer.verifier, ret_kid);
  db_params_init(&p);
  db_param_i32(&p, (int32_t)number);
  db_param_text(&p, str_from(ret_kid));
  db_param_bytes(&p, (struct str){(const char *)signer.verifier, sizeof signer.verifier});
  db_param_i32(&p, signs_after_s);
  crypto_wipe(&signer, sizeof signer);
  return db_run(db, STATEMENT_RECEIPT_KEY_ADD, &p, NULL) == 0 ? 0 : FAULT_DB;
}

// ---- whose key a version is

static bool is_ours(const struct crypto_keys *keys, const struct version *v, struct crypto_signer *ret) {
  if (v->number == 0) return false;
  crypto_signer_derive(keys, v->number, ret);
  return memcmp(ret->verifier, v->key.verifier, CRYPTO_PUBLIC_BYTES) == 0;
}

// The newest of ours that is due: its index, or -1. *ret_any: whether any is ours.
static int signer_find(const struct crypto_keys *keys, const struct version *versions, size_t count, struct crypto_signer *ret,
                       bool *ret_any) {
  *ret_any = false;
  for (size_t i = count; i-- > 0;) {
    if (!is_ours(keys, &versions[i], ret)) continue;
    *ret_any = true;
    if (versions[i].due) return (int)i;
  }
  return -1;
}

static uint32_t next_number(const struct version *versions, size_t count) {
  return count ? versions[count - 1].number + 1 : 1;
}

int receipt_ring_load(struct receipt_ring *r, struct db *db) {
  CLEANUP(mem_freep) struct version *versions = mem_alloc(LIMIT_RECEIPT_KEYS * sizeof *versions);
  struct crypto_signer signer = {0};
  char made[CRYPTO_THUMBPRINT_MAX];
  size_t count = 0;
  bool any = false;
  int fault = versions_read(db, versions, &count), at = fault ? -1 : signer_find(&r->keys, versions, count, &signer, &any);
  if (fault == 0 && !any && count < LIMIT_RECEIPT_KEYS) {
    fault = version_add(db, &r->keys, next_number(versions, count), 0, made);
    if (fault == 0) fault = versions_read(db, versions, &count);
    if (fault == 0) at = signer_find(&r->keys, versions, count, &signer, &any);
  }
  if (fault == 0) {
    pthread_mutex_lock(&r->lock);
    memcpy(r->versions, versions, count * sizeof *versions);
    r->count = count;
    r->signer = signer;
    memset(r->kid, 0, sizeof r->kid);
    if (at >= 0) memcpy(r->kid, versions[at].key.kid, sizeof r->kid);
    pthread_mutex_unlock(&r->lock);
  }
  crypto_wipe(&signer, sizeof signer);
  return fault;
}

int receipt_ring_rotate(struct db *db, const struct crypto_keys *keys, uint32_t *ret_version, char ret_kid[CRYPTO_THUMBPRINT_MAX]) {
  CLEANUP(mem_freep) struct version *versions = mem_alloc(LIMIT_RECEIPT_KEYS * sizeof *versions);
  size_t count = 0;
  int fault = versions_read(db, versions, &count);
  if (fault != 0) return fault;
  if (count >= LIMIT_RECEIPT_KEYS) return 1;
  *ret_version = next_number(versions, count);
  return version_add(db, keys, *ret_version, SIGNS_AFTER_S, ret_kid);
}

// ---- use

int receipt_ring_signer(struct receipt_ring *r, struct crypto_signer *ret_signer, char ret_kid[CRYPTO_THUMBPRINT_MAX]) {
  pthread_mutex_lock(&r->lock);
  bool there = r->kid[0] != '\0';
  *ret_signer = r->signer;
  memcpy(ret_kid, r->kid, sizeof r->kid);
  pthread_mutex_unlock(&r->lock);
  return there ? 0 : 1;
}

void receipt_ring_publish(struct receipt_ring *r, struct buf *out) {
  CLEANUP(mem_freep) struct jwk *keys = mem_alloc(LIMIT_RECEIPT_KEYS * sizeof *keys);
  pthread_mutex_lock(&r->lock);
  size_t count = r->count;
  for (size_t i = 0; i < count; i++) keys[i] = r->versions[i].key;
  pthread_mutex_unlock(&r->lock);
  struct json_writer w = json_writer(out);
  jwks_write(&w, keys, count);
}
