// Whom to send to: the enabled endpoints with their secrets opened, read anew whenever an endpoint has changed.
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"
#include "webhook/endpoint.h"
#include "webhook/internal.h"

#define PLAIN_MAX 1024

void targets_destroy(struct targets *targets) {
  if (!targets) return;
  for (size_t i = 0; i < targets->count; i++) mem_free(targets->at[i].url);
  crypto_wipe(targets, sizeof *targets + targets->count * sizeof targets->at[0]);
  mem_free(targets);
}

static int secret_open(const struct crypto_keys *keys, struct uuid id, struct str sealed, struct sign_secret *ret) {
  CLEANUP(buf_finish) struct buf plain;
  buf_init(&plain, PLAIN_MAX);
  int r = endpoint_open(keys, id, ENDPOINT_SECRET, sealed, &plain);
  if (r == 0 && !sign_secret_read(buf_str(&plain), ret)) r = FAULT_CORRUPT;
  if (plain.data) crypto_wipe(plain.data, plain.len);
  return r;
}

static int pair_open(const struct crypto_keys *keys, struct uuid id, struct str sealed, unsigned char ret[SIGN_PAIR_BYTES]) {
  CLEANUP(buf_finish) struct buf plain;
  buf_init(&plain, PLAIN_MAX);
  int r = endpoint_open(keys, id, ENDPOINT_SIGN_KEY, sealed, &plain);
  if (r == 0 && plain.len != SIGN_PAIR_BYTES) r = FAULT_CORRUPT;
  if (r == 0) memcpy(ret, plain.data, SIGN_PAIR_BYTES);
  if (plain.data) crypto_wipe(plain.data, plain.len);
  return r;
}

static bool target_read(const struct crypto_keys *keys, const struct db_result *r, size_t row, struct target *ret) {
  *ret = (struct target){.id = db_uuid(r, row, 0), .stripe = db_bool(r, row, 2), .keys.count = 1};
  int fault = secret_open(keys, ret->id, db_text(r, row, 3), &ret->keys.secrets[0]);
  if (fault == 0) fault = pair_open(keys, ret->id, db_text(r, row, 6), ret->keys.pair);
  if (fault == 0 && !db_is_null(r, row, 4) && secret_open(keys, ret->id, db_text(r, row, 4), &ret->keys.secrets[1]) == 0) {
    ret->keys.count = 2;
    ret->old_until_us = db_time(r, row, 5);
  }
  if (fault == 0) {
    struct str url = db_text(r, row, 1);
    ret->url = mem_strndup(url.ptr, url.len);
    return true;
  }
  char id[ID_TEXT_MAX];
  id_print("we", ret->id, id);
  log_error("webhook.sealed", "%s is sent nothing: its secret cannot be opened (%s)", id, fault_name(fault));
  return false;
}

int targets_load(const struct webhook_sender *s, struct turn *t, struct db *db, int64_t version) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_WEBHOOK_TARGETS, NULL, &r) != 0) return FAULT_DB;
  struct targets *targets = mem_alloc(sizeof *targets + db_rows(r) * sizeof targets->at[0]);
  targets->version = version;
  for (size_t i = 0; i < db_rows(r); i++)
    if (target_read(s->config.keys, r, i, &targets->at[targets->count])) targets->count++;
  targets_destroy(t->targets);
  t->targets = targets;
  return 0;
}

