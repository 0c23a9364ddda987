// See endpoint.h.
#include "webhook/endpoint.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "db/db.h"
#include <stdio.h>

#define SEALED_MAX 1024

// ---- secrets

static void context_print(struct uuid id, enum endpoint_sealed what, char ret[128]) {
  char text[ID_TEXT_MAX];
  id_print("we", id, text);
  (void)snprintf(ret, 128, "webhook_endpoints.%s|%s", what == ENDPOINT_SECRET ? "secret" : "sign_key", text);
}

int endpoint_open(const struct crypto_keys *crypto, struct uuid id, enum endpoint_sealed what, struct str sealed, struct buf *ret) {
  char context[128];
  context_print(id, what, context);
  return crypto_open(crypto, str_from(context), sealed, ret);
}

static int seal(const struct crypto_keys *crypto, struct uuid id, enum endpoint_sealed what, struct str plain, struct buf *ret) {
  char context[128];
  context_print(id, what, context);
  buf_init(ret, SEALED_MAX);
  return crypto_seal(crypto, str_from(context), plain, ret) ? 0 : FAULT_CRYPTO;
}

// ---- what it takes

static void events_param(struct db_params *p, uint64_t events) {
  db_array_begin(p, DB_TEXT);
  if (events == ENDPOINT_ALL) db_array_text(p, STR("*"));
  for (size_t i = 0; i < EVENT_TYPE_COUNT && events != ENDPOINT_ALL; i++)
    if (events >> i & 1) db_array_text(p, str_from(event_name((enum event_type)i)));
  db_array_end(p);
}

// A type that this version does not know is passed over: a newer one wrote it.
static uint64_t events_read(const struct db_result *r, size_t row, int column) {
  struct str names[64];
  enum event_type type;
  uint64_t events = 0;
  size_t count = db_array(r, row, column, names, ARRAY_LEN(names));
  for (size_t i = 0; i < count; i++) {
    if (str_eq(names[i], STR("*"))) return ENDPOINT_ALL;
    if (event_find(names[i], &type)) events |= UINT64_C(1) << type;
  }
  return events;
}

// ---- writing

int endpoints_listen(struct db *db) {
  bool done = db_run(db, STATEMENT_WEBHOOK_WANTED_LOCK, NULL, NULL) == 0 && db_run(db, STATEMENT_WEBHOOK_WANTED_SET, NULL, NULL) == 0;
  return done ? 0 : FAULT_DB;
}

static int changed(struct db *db, enum statement_id statement, const struct db_params *p) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, statement, p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? endpoints_listen(db) : ENDPOINT_UNKNOWN;
}

// Behind the lock on what is wanted: who makes endpoints does it one after the other.
static int room_check(struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_WEBHOOK_ENDPOINT_COUNT, NULL, &r) != 0) return FAULT_DB;
  return db_i64(r, 0, 0) <= LIMIT_WEBHOOK_ENDPOINTS ? ENDPOINT_DONE : ENDPOINT_TOO_MANY;
}

static int insert(struct db *db, const struct crypto_keys *crypto, const struct webhook_endpoint *e, struct str secret) {
  CLEANUP(buf_finish) struct buf sealed_secret;
  CLEANUP(buf_finish) struct buf sealed_pair;
  unsigned char pair[SIGN_PAIR_BYTES], public[SIGN_PUBLIC_BYTES];
  crypto_pair_make(pair, public);
  int r = seal(crypto, e->id, ENDPOINT_SECRET, secret, &sealed_secret);
  int s = seal(crypto, e->id, ENDPOINT_SIGN_KEY, (struct str){(const char *)pair, sizeof pair}, &sealed_pair);
  crypto_wipe(pair, sizeof pair);
  if (r != 0 || s != 0) return FAULT_CRYPTO;
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, e->id);
  db_param_text(&p, e->url);
  db_param_text(&p, e->description);
  events_param(&p, e->events);
  db_param_i16(&p, (int16_t)e->scheme);
  db_param_bool(&p, e->forward_stripe);
  db_param_text(&p, e->api_version);
  db_param_i16(&p, (int16_t)e->off);
  db_param_bytes(&p, buf_str(&sealed_secret));
  db_param_bytes(&p, buf_str(&sealed_pair));
  db_param_bytes(&p, (struct str){(const char *)public, sizeof public});
  return changed(db, STATEMENT_WEBHOOK_ENDPOINT_INSERT, &p);
}

int endpoint_create(struct db *db, const struct crypto_keys *crypto, const struct webhook_endpoint *e, char ret_secret[SIGN_TEXT_MAX]) {
  char secret[SIGN_TEXT_MAX];
  sign_secret_make(secret);
  int r = insert(db, crypto, e, str_from(secret));
  if (r == ENDPOINT_DONE) r = room_check(db);
  if (r == ENDPOINT_DONE) memcpy(ret_secret, secret, sizeof secret);
  crypto_wipe(secret, sizeof secret);
  return r;
}

int endpoint_update(struct db *db, unsigned members, const struct webhook_endpoint *e) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, (int32_t)members);
  db_param_uuid(&p, e->id);
  db_param_text(&p, e->url);
  db_param_text(&p, e->description);
  events_param(&p, e->events);
  db_param_i16(&p, (int16_t)e->scheme);
  db_param_bool(&p, e->forward_stripe);
  db_param_text(&p, e->api_version);
  db_param_i16(&p, (int16_t)e->off);
  return changed(db, STATEMENT_WEBHOOK_ENDPOINT_UPDATE, &p);
}

int endpoint_rotate(struct db *db, const struct crypto_keys *crypto, struct uuid id, int64_t overlap_s, char ret_secret[SIGN_TEXT_MAX]) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(buf_finish) struct buf sealed;
  char secret[SIGN_TEXT_MAX];
  sign_secret_make(secret);
  int r = seal(crypto, id, ENDPOINT_SECRET, str_from(secret), &sealed);
  db_params_init(&p);
  db_param_uuid(&p, id);
  db_param_bytes(&p, buf_str(&sealed));
  db_param_i64(&p, overlap_s);
  if (r == 0) r = changed(db, STATEMENT_WEBHOOK_ENDPOINT_ROTATE, &p);
  if (r == ENDPOINT_DONE) memcpy(ret_secret, secret, sizeof secret);
  crypto_wipe(secret, sizeof secret);
  return r;
}

int endpoint_delete(struct db *db, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, id);
  return changed(db, STATEMENT_WEBHOOK_ENDPOINT_DELETE, &p);
}

// ---- reading

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct webhook_endpoint *ret) {
  struct str public_key = db_text(r, row, 9);
  *ret = (struct webhook_endpoint){
      .id = db_uuid(r, row, 0),
      .url = arena_str(arena, db_text(r, row, 1)),
      .description = arena_str(arena, db_text(r, row, 2)),
      .api_version = arena_str(arena, db_text(r, row, 3)),
      .events = events_read(r, row, 4),
      .scheme = (enum endpoint_scheme)db_i64(r, row, 5),
      .forward_stripe = db_bool(r, row, 6),
      .off = (enum endpoint_off)db_i64(r, row, 7),
      .failures = db_i64(r, row, 8),
      .failing_since = db_time(r, row, 10),
      .old_secret_until = db_time(r, row, 11),
      .created_at = db_time(r, row, 12),
      .updated_at = db_time(r, row, 13),
  };
  memcpy(ret->public_key, public_key.ptr, public_key.len < SIGN_PUBLIC_BYTES ? public_key.len : SIGN_PUBLIC_BYTES);
}

int endpoint_read(struct db *db, struct arena *arena, struct uuid id, struct webhook_endpoint *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_WEBHOOK_ENDPOINT_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return ENDPOINT_UNKNOWN;
  row_read(r, 0, arena, ret);
  return ENDPOINT_DONE;
}

int endpoint_list(struct db *db, struct arena *arena, struct uuid before, size_t max, struct webhook_endpoint **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (db_run(db, STATEMENT_WEBHOOK_ENDPOINT_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}
