// Trip two: what the fold made dirty, as arrays, then COMMIT. A statement with nothing to write is not sent.
#include "base/log.h"
#include "ledger/batch.h"

// One array parameter from a field of each element of a vector that passes `when`.
#define ARRAY_OF(p, type, kind, v, when, value)                                                                        \
  do {                                                                                                                 \
    db_array_begin((p), (type));                                                                                       \
    for (size_t i = 0; i < (v).count; i++) {                                                                           \
      const __typeof__(*(v).at) *e = &(v).at[i];                                                                       \
      if (when) db_array_##kind((p), (value));                                                                         \
    }                                                                                                                  \
    db_array_end(p);                                                                                                   \
  } while (0)

#define COUNT_OF(v, when, ret)                                                                                         \
  do {                                                                                                                 \
    (ret) = 0;                                                                                                         \
    for (size_t i = 0; i < (v).count; i++) {                                                                           \
      const __typeof__(*(v).at) *e = &(v).at[i];                                                                       \
      if (when) (ret)++;                                                                                               \
    }                                                                                                                  \
  } while (0)

static struct str object_or_empty(struct str json) {
  return json.len ? json : STR("{}");
}

// None that is new has ended: what ends was read.
static bool is_new(const struct fold_hold *h) {
  return h->fresh;
}
static bool is_changed(const struct fold_hold *h) {
  return h->dirty && !h->fresh && !h->ended;
}
static bool is_gone(const struct fold_hold *h) {
  return h->ended;
}

static void draws_encode(const struct fold_hold *h, char out[LIMIT_DRAWS * FOLD_DRAW_BYTES]) {
  for (size_t i = 0; i < h->draw_count; i++) {
    char *at = out + i * FOLD_DRAW_BYTES;
    memcpy(at, h->draws[i].limit.b, 16);
    for (int k = 0; k < 8; k++) {
      at[16 + k] = (char)((uint64_t)h->draws[i].window >> (56 - 8 * k));
      at[24 + k] = (char)((uint64_t)h->draws[i].amount >> (56 - 8 * k));
    }
  }
}

static void param_draws(struct batch *b, bool (*is_meant)(const struct fold_hold *)) {
  db_array_begin(&b->params, DB_BYTES);
  for (size_t i = 0; i < b->fold.holds.count; i++) {
    const struct fold_hold *h = &b->fold.holds.at[i];
    if (!is_meant(h)) continue;
    char text[LIMIT_DRAWS * FOLD_DRAW_BYTES];
    draws_encode(h, text);
    db_array_bytes(&b->params, (struct str){text, h->draw_count * FOLD_DRAW_BYTES});
  }
  db_array_end(&b->params);
}

static void param_burning(struct db_params *p, const struct fold *f) {
  db_array_begin(p, DB_UUID);
  for (size_t i = 0; i < f->customers.count; i++) {
    const struct fold_customer *c = &f->customers.at[i];
    if (!c->dirty) continue;
    if (c->burning_known) db_array_uuid(p, c->burning);
    else db_array_null(p);
  }
  db_array_end(p);
}

static void write_customers(struct batch *b, struct db *db) {
  struct db_params *p = &b->params;
  size_t n = 0;
  COUNT_OF(b->fold.customers, e->dirty, n);
  if (n == 0) return;
  db_params_clear(p);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.customers, e->dirty, e->id);
  ARRAY_OF(p, DB_I64, i64, b->fold.customers, e->dirty, e->balance);
  ARRAY_OF(p, DB_I64, i64, b->fold.customers, e->dirty, e->held);
  ARRAY_OF(p, DB_I64, i64, b->fold.customers, e->dirty, e->debt);
  ARRAY_OF(p, DB_BOOL, bool, b->fold.customers, e->dirty, e->top_up_due);
  ARRAY_OF(p, DB_I32, i32, b->fold.customers, e->dirty, (int32_t)e->open_holds);
  param_burning(p, &b->fold);
  ARRAY_OF(p, DB_I64, i64, b->fold.customers, e->dirty, e->burning_left);
  ARRAY_OF(p, DB_I64, i64, b->fold.customers, e->dirty, e->burned);
  ARRAY_OF(p, DB_TID, tid, b->fold.customers, e->dirty, e->tid);
  db_pipe_exec(db, STATEMENT_LEDGER_WRITE_CUSTOMERS, p);
}

struct owned_bucket {
  struct uuid customer;
  const struct bucket *bucket;
};
static void write_buckets(struct batch *b, struct db *db) {
  vec(struct owned_bucket) dirty = {0};
  for (size_t c = 0; c < b->fold.customers.count; c++)
    for (size_t k = 0; k < b->fold.customers.at[c].bucket_count; k++)
      if (b->fold.customers.at[c].buckets[k].dirty)
        *vec_add(&dirty) = (struct owned_bucket){b->fold.customers.at[c].id, &b->fold.customers.at[c].buckets[k]};
  if (dirty.count) {
    struct db_params *p = &b->params;
    db_params_clear(p);
    ARRAY_OF(p, DB_UUID, uuid, dirty, true, e->customer);
    ARRAY_OF(p, DB_UUID, uuid, dirty, true, e->bucket->limit);
    ARRAY_OF(p, DB_I64, i64, dirty, true, e->bucket->level);
    ARRAY_OF(p, DB_I64, i64, dirty, true, e->bucket->drawn_at);
    ARRAY_OF(p, DB_I64, i64, dirty, true, e->bucket->window_start);
    ARRAY_OF(p, DB_I64, i64, dirty, true, e->bucket->window_end);
    ARRAY_OF(p, DB_I64, i64, dirty, true, e->bucket->used);
    ARRAY_OF(p, DB_I64, i64, dirty, true, e->bucket->held);
    ARRAY_OF(p, DB_TID, tid, dirty, true, e->bucket->tid);
    db_pipe_exec(db, STATEMENT_LEDGER_WRITE_BUCKETS, p);
  }
  vec_finish(&dirty);
}

static void param_expiry(struct batch *b, bool (*is_meant)(const struct fold_hold *)) {
  db_array_begin(&b->params, DB_TIME);
  for (size_t i = 0; i < b->fold.holds.count; i++) {
    const struct fold_hold *h = &b->fold.holds.at[i];
    if (!is_meant(h)) continue;
    if (h->expires_at) db_array_time(&b->params, h->expires_at);
    else db_array_null(&b->params);
  }
  db_array_end(&b->params);
}

static void insert_holds(struct batch *b, struct db *db, const struct batch_writer *w) {
  struct db_params *p = &b->params;
  size_t n = 0;
  COUNT_OF(b->fold.holds, is_new(e), n);
  if (n == 0) return;
  db_params_clear(p);
  db_param_i32(p, w->id);
  db_param_i64(p, w->epoch);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.holds, is_new(e), e->customer);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.holds, is_new(e), e->call);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.holds, is_new(e), e->key);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.holds, is_new(e), e->price);
  ARRAY_OF(p, DB_I64, i64, b->fold.holds, is_new(e), e->amount);
  ARRAY_OF(p, DB_I64, i64, b->fold.holds, is_new(e), e->metered);
  ARRAY_OF(p, DB_I64, i64, b->fold.holds, is_new(e), e->cost);
  ARRAY_OF(p, DB_JSON, json, b->fold.holds, is_new(e), object_or_empty(e->usage));
  param_draws(b, is_new);
  ARRAY_OF(p, DB_JSON, json, b->fold.holds, is_new(e), object_or_empty(e->op->about));
  ARRAY_OF(p, DB_TEXT, text, b->fold.holds, is_new(e), e->idempotency_key);
  param_expiry(b, is_new);
  db_pipe_exec(db, STATEMENT_LEDGER_INSERT_HOLDS, p);
}

static void update_holds(struct batch *b, struct db *db, const struct batch_writer *w) {
  struct db_params *p = &b->params;
  size_t n = 0;
  COUNT_OF(b->fold.holds, is_changed(e), n);
  if (n == 0) return;
  db_params_clear(p);
  db_param_i32(p, w->id);
  db_param_i64(p, w->epoch);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.holds, is_changed(e), e->customer);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.holds, is_changed(e), e->call);
  ARRAY_OF(p, DB_I64, i64, b->fold.holds, is_changed(e), e->amount);
  ARRAY_OF(p, DB_I64, i64, b->fold.holds, is_changed(e), e->metered);
  ARRAY_OF(p, DB_I64, i64, b->fold.holds, is_changed(e), e->cost);
  ARRAY_OF(p, DB_JSON, json, b->fold.holds, is_changed(e), object_or_empty(e->usage));
  param_draws(b, is_changed);
  param_expiry(b, is_changed);
  ARRAY_OF(p, DB_BOOL, bool, b->fold.holds, is_changed(e), e->parted);
  ARRAY_OF(p, DB_TID, tid, b->fold.holds, is_changed(e), e->tid);
  db_pipe_exec(db, STATEMENT_LEDGER_UPDATE_HOLDS, p);
}

struct owned_grant {
  struct uuid customer;
  const struct fold_grant *grant;
};
// What was paid, and in what currency: both, or null.
static void param_paid(struct db_params *p, const struct owned_grant *fresh, size_t count) {
  db_array_begin(p, DB_I64);
  for (size_t i = 0; i < count; i++) {
    if (fresh[i].grant->currency.len) db_array_i64(p, fresh[i].grant->paid);
    else db_array_null(p);
  }
  db_array_end(p);
  db_array_begin(p, DB_TEXT);
  for (size_t i = 0; i < count; i++) {
    if (fresh[i].grant->currency.len) db_array_text(p, fresh[i].grant->currency);
    else db_array_null(p);
  }
  db_array_end(p);
}

static void write_grants(struct batch *b, struct db *db) {
  vec(struct owned_grant) changed = {0}, fresh = {0};
  struct db_params *p = &b->params;
  for (size_t c = 0; c < b->fold.customers.count; c++)
    for (size_t k = 0; b->fold.customers.at[c].grants_are == GRANTS_READ && k < b->fold.customers.at[c].grant_count; k++) {
      const struct fold_grant *g = &b->fold.customers.at[c].grants[k];
      struct owned_grant owned = {b->fold.customers.at[c].id, g};
      if (g->fresh) *vec_add(&fresh) = owned;
      else if (g->dirty) *vec_add(&changed) = owned;
    }
  if (changed.count) {
    db_params_clear(p);
    ARRAY_OF(p, DB_UUID, uuid, changed, true, e->customer);
    ARRAY_OF(p, DB_UUID, uuid, changed, true, e->grant->id);
    ARRAY_OF(p, DB_I64, i64, changed, true, e->grant->left);
    ARRAY_OF(p, DB_I64, i64, changed, true, e->grant->consumed);
    ARRAY_OF(p, DB_I64, i64, changed, true, e->grant->expired);
    ARRAY_OF(p, DB_I64, i64, changed, true, e->grant->refunded);
    ARRAY_OF(p, DB_I64, i64, changed, true, e->grant->frozen);
    ARRAY_OF(p, DB_TID, tid, changed, true, e->grant->tid);
    db_pipe_exec(db, STATEMENT_LEDGER_WRITE_GRANTS, p);
  }
  if (fresh.count) {
    db_params_clear(p);
    ARRAY_OF(p, DB_UUID, uuid, fresh, true, e->customer);
    ARRAY_OF(p, DB_UUID, uuid, fresh, true, e->grant->id);
    ARRAY_OF(p, DB_I16, i16, fresh, true, (int16_t)e->grant->source);
    ARRAY_OF(p, DB_I16, i16, fresh, true, (int16_t)e->grant->priority);
    db_array_begin(p, DB_TIME);
    for (size_t i = 0; i < fresh.count; i++) {
      if (fresh.at[i].grant->expires_at) db_array_time(p, fresh.at[i].grant->expires_at);
      else db_array_null(p);
    }
    db_array_end(p);
    ARRAY_OF(p, DB_I64, i64, fresh, true, e->grant->granted);
    ARRAY_OF(p, DB_I64, i64, fresh, true, e->grant->left);
    ARRAY_OF(p, DB_I64, i64, fresh, true, e->grant->consumed);
    ARRAY_OF(p, DB_I64, i64, fresh, true, e->grant->expired);
    ARRAY_OF(p, DB_I64, i64, fresh, true, e->grant->refunded);
    ARRAY_OF(p, DB_I64, i64, fresh, true, e->grant->frozen);
    ARRAY_OF(p, DB_TEXT, text, fresh, true, e->grant->reason);
    ARRAY_OF(p, DB_TEXT, text, fresh, true, e->grant->origin);
    param_paid(p, fresh.at, fresh.count);
    db_pipe_exec(db, STATEMENT_LEDGER_INSERT_GRANTS, p);
  }
  vec_finish(&changed);
  vec_finish(&fresh);
}

static void insert_calls(struct batch *b, struct db *db, const struct batch_writer *w) {
  struct db_params *p = &b->params;
  if (b->fold.calls.count == 0) return;
  db_params_clear(p);
  db_param_i32(p, w->id);
  db_param_i64(p, w->seq + 1);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.calls, true, e->customer);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.calls, true, e->id);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.calls, true, e->key);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.calls, true, e->price);
  ARRAY_OF(p, DB_I64, i64, b->fold.calls, true, e->charge);
  ARRAY_OF(p, DB_I64, i64, b->fold.calls, true, e->cost);
  ARRAY_OF(p, DB_I64, i64, b->fold.calls, true, e->place);
  ARRAY_OF(p, DB_I16, i16, b->fold.calls, true, (int16_t)e->revision);
  ARRAY_OF(p, DB_I16, i16, b->fold.calls, true, (int16_t)e->state);
  ARRAY_OF(p, DB_I16, i16, b->fold.calls, true, (int16_t)e->flags);
  ARRAY_OF(p, DB_JSON, json, b->fold.calls, true, object_or_empty(e->usage));
  db_pipe_exec(db, STATEMENT_LEDGER_INSERT_CALLS, p);
}

static void delete_holds(struct batch *b, struct db *db) {
  struct db_params *p = &b->params;
  size_t n = 0;
  COUNT_OF(b->fold.holds, is_gone(e), n);
  if (n == 0) return;
  db_params_clear(p);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.holds, is_gone(e), e->customer);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.holds, is_gone(e), e->call);
  ARRAY_OF(p, DB_TID, tid, b->fold.holds, is_gone(e), e->tid);
  db_pipe_exec(db, STATEMENT_LEDGER_DELETE_HOLDS, p);
}

// An event says nothing that its call's row and its identity's do not say, but where there is more in it.
static bool has_evidence(const struct fold_call *call) {
  return call->evidence.len > 0 || !(call->flags & CALL_REPORTED) || call->revision > 0;
}

static void insert_evidence(struct batch *b, struct db *db) {
  struct db_params *p = &b->params;
  size_t n = 0;
  COUNT_OF(b->fold.calls, has_evidence(e), n);
  if (n == 0) return;
  db_params_clear(p);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.calls, has_evidence(e), e->customer);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.calls, has_evidence(e), e->id);
  ARRAY_OF(p, DB_I16, i16, b->fold.calls, has_evidence(e), (int16_t)e->revision);
  ARRAY_OF(p, DB_JSON, json, b->fold.calls, has_evidence(e), object_or_empty(e->evidence));
  db_array_begin(p, DB_JSON);
  for (size_t i = 0; i < b->fold.calls.count; i++) {
    if (!has_evidence(&b->fold.calls.at[i])) continue;
    if (b->fold.calls.at[i].admission.ptr) db_array_json(p, b->fold.calls.at[i].admission);
    else db_array_null(p);
  }
  db_array_end(p);
  db_pipe_exec(db, STATEMENT_LEDGER_INSERT_EVIDENCE, p);
}

static void insert_transfers(struct batch *b, struct db *db, const struct batch_writer *w) {
  struct db_params *p = &b->params;
  if (b->fold.transfers.count == 0) return;
  db_params_clear(p);
  db_param_i32(p, w->id);
  db_param_i64(p, w->seq + 1);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.legs, true, e->grant);
  ARRAY_OF(p, DB_I64, i64, b->fold.legs, true, e->amount);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.transfers, true, e->customer);
  ARRAY_OF(p, DB_I16, i16, b->fold.transfers, true, (int16_t)e->ordinal);
  ARRAY_OF(p, DB_I16, i16, b->fold.transfers, true, (int16_t)e->kind);
  ARRAY_OF(p, DB_I64, i64, b->fold.transfers, true, e->amount);
  ARRAY_OF(p, DB_I32, i32, b->fold.transfers, true, (int32_t)e->first_leg + 1);
  ARRAY_OF(p, DB_I32, i32, b->fold.transfers, true, (int32_t)(e->first_leg + e->leg_count));
  ARRAY_OF(p, DB_TEXT, text, b->fold.transfers, true, str_from(e->reason));
  ARRAY_OF(p, DB_I64, i64, b->fold.transfers, true, fold_customer_find(&b->fold, e->customer)->balance);
  db_pipe_exec(db, STATEMENT_LEDGER_INSERT_TRANSFERS, p);
}

static void delete_idempotency(struct batch *b, struct db *db) {
  struct db_params *p = &b->params;
  if (b->fold.released.count == 0) return;
  db_params_clear(p);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.released, true, e->customer);
  ARRAY_OF(p, DB_TEXT, text, b->fold.released, true, e->key);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.released, true, e->call);
  db_pipe_exec(db, STATEMENT_LEDGER_DELETE_IDEMPOTENCY, p);
}

static void insert_idempotency(struct batch *b, struct db *db) {
  struct db_params *p = &b->params;
  size_t n = 0;
  COUNT_OF(b->fold.idempotents, e->fresh, n);
  if (n == 0) return;
  db_params_clear(p);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.idempotents, e->fresh, e->customer);
  ARRAY_OF(p, DB_TEXT, text, b->fold.idempotents, e->fresh, e->key);
  ARRAY_OF(p, DB_BYTES, bytes, b->fold.idempotents, e->fresh, ((struct str){(const char *)e->fingerprint, 32}));
  ARRAY_OF(p, DB_UUID, uuid, b->fold.idempotents, e->fresh, e->object);
  db_pipe_exec(db, STATEMENT_LEDGER_INSERT_IDEMPOTENCY, p);
}

static void insert_identities(struct batch *b, struct db *db) {
  struct db_params *p = &b->params;
  size_t n = 0;
  COUNT_OF(b->fold.identities, e->fresh, n);
  if (n == 0) return;
  db_params_clear(p);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.identities, e->fresh, e->customer);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.identities, e->fresh, e->identity);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.identities, e->fresh, e->call);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.identities, e->fresh, e->content);
  ARRAY_OF(p, DB_TEXT, text, b->fold.identities, e->fresh, e->source);
  ARRAY_OF(p, DB_TEXT, text, b->fold.identities, e->fresh, e->id);
  db_pipe_exec(db, STATEMENT_LEDGER_INSERT_IDENTITIES, p);
}

static void insert_parts(struct batch *b, struct db *db) {
  struct db_params *p = &b->params;
  if (b->fold.parts.count == 0) return;
  db_params_clear(p);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.parts, true, e->customer);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.parts, true, e->hold);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.parts, true, e->part);
  db_pipe_exec(db, STATEMENT_LEDGER_INSERT_PARTS, p);
}

static void insert_events(struct batch *b, struct db *db) {
  struct db_params *p = &b->params;
  if (b->fold.events.count == 0) return;
  db_params_clear(p);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.events, true, e->id);
  ARRAY_OF(p, DB_UUID, uuid, b->fold.events, true, e->customer);
  ARRAY_OF(p, DB_TEXT, text, b->fold.events, true, str_from(e->type));
  ARRAY_OF(p, DB_JSON, json, b->fold.events, true, e->data);
  db_pipe_exec(db, STATEMENT_LEDGER_INSERT_EVENTS, p);
}

// Events come first: should one be known, little was written in vain.
int batch_write(struct batch *b, struct db *db, const struct batch_writer *w) {
  insert_identities(b, db);
  write_customers(b, db);
  write_buckets(b, db);
  insert_holds(b, db, w);
  update_holds(b, db, w);
  write_grants(b, db);
  insert_calls(b, db, w);
  delete_holds(b, db);
  insert_evidence(b, db);
  insert_transfers(b, db, w);
  delete_idempotency(b, db);
  insert_idempotency(b, db);
  insert_parts(b, db);
  insert_events(b, db);
  db_pipe_commit(db);
  struct db_result *results[DB_PIPELINE_MAX] = {0};
  size_t count = 0;
  int r = db_pipe_flush(db, results, &count);
  for (size_t i = 0; i < count; i++) db_result_finish(results[i]);
  if (r < 0) return FAULT_DB_UNKNOWN;
  if (r == 0 && db_pipe_committed(db)) return BATCH_DONE;
  db_pipe_rollback(db);
  return BATCH_BAD;
}
