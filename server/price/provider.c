// Providers in the database.
#include "price/provider.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"

#define SEALED_MAX (64 * 1024)

struct str provider_secret_context(struct arena *arena, struct uuid id) {
  char text[ID_TEXT_MAX];
  id_print("prv", id, text);
  return str_from(arena_printf(arena, "providers.secret|%s", text));
}

// 0 with the sealed secret in the arena, ptr NULL where there is none; FAULT_CRYPTO.
static int seal(struct arena *arena, const struct crypto_keys *crypto, const struct provider *p, struct str *ret) {
  *ret = (struct str){0};
  if (!p->secret.ptr) return 0;
  CLEANUP(buf_finish) struct buf sealed;
  buf_init(&sealed, SEALED_MAX);
  if (!crypto_seal(crypto, provider_secret_context(arena, p->id), p->secret, &sealed)) return FAULT_CRYPTO;
  *ret = arena_str(arena, buf_str(&sealed));
  return 0;
}

// The catalogue's row is locked first: who writes providers does it one after the other. A name that is taken is found
// by no row being written, not by an error, which would tell PostgreSQL's log what was given.
static int run(struct db *db, enum statement_id statement, const struct db_params *params) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (db_run(db, STATEMENT_CATALOGUE_BUMP, NULL, NULL) != 0) return FAULT_DB;
  if (db_run(db, statement, params, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? PROVIDER_DONE : PROVIDER_NAME_TAKEN;
}

static struct str object_or_empty(struct str json) {
  return json.len ? json : STR("{}");
}

int provider_create(struct db *db, struct arena *arena, const struct crypto_keys *crypto, const struct provider *p) {
  struct str sealed;
  int r = seal(arena, crypto, p, &sealed);
  if (r != 0) return r;
  CLEANUP(db_params_finish) struct db_params params;
  db_params_init(&params);
  db_param_uuid(&params, p->id);
  db_param_text(&params, p->name);
  db_param_text(&params, p->plugin);
  db_param_text(&params, p->base_url);
  if (sealed.ptr)
    db_param_bytes(&params, sealed);
  else
    db_param_null(&params);
  db_param_json(&params, object_or_empty(p->settings));
  db_param_json(&params, object_or_empty(p->models));
  db_param_i32(&params, p->priority);
  db_param_bool(&params, p->enabled);
  return run(db, STATEMENT_PROVIDER_INSERT, &params);
}

int provider_update(struct db *db, struct arena *arena, const struct crypto_keys *crypto, unsigned members,
                    const struct provider *p) {
  struct str sealed;
  int r = seal(arena, crypto, p, &sealed);
  if (r != 0) return r;
  CLEANUP(db_params_finish) struct db_params params;
  db_params_init(&params);
  db_param_i32(&params, (int32_t)members);
  db_param_uuid(&params, p->id);
  db_param_text(&params, p->name);
  db_param_text(&params, p->base_url);
  if (sealed.ptr)
    db_param_bytes(&params, sealed);
  else
    db_param_null(&params);
  db_param_json(&params, object_or_empty(p->settings));
  db_param_json(&params, object_or_empty(p->models));
  db_param_i32(&params, p->priority);
  db_param_bool(&params, p->enabled);
  return run(db, STATEMENT_PROVIDER_UPDATE, &params);
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct provider *ret) {
  *ret = (struct provider){
      .id = db_uuid(r, row, 0),
      .name = arena_str(arena, db_text(r, row, 1)),
      .plugin = arena_str(arena, db_text(r, row, 2)),
      .base_url = arena_str(arena, db_text(r, row, 3)),
      .settings = arena_str(arena, db_text(r, row, 4)),
      .models = arena_str(arena, db_text(r, row, 5)),
      .has_secret = db_bool(r, row, 6),
      .enabled = db_bool(r, row, 7),
      .priority = (int32_t)db_i64(r, row, 8),
      .created_at = db_time(r, row, 9),
      .updated_at = db_time(r, row, 10),
  };
}

int provider_read(struct db *db, struct arena *arena, struct uuid id, struct provider *ret) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_uuid(&params, id);
  if (db_run(db, STATEMENT_PROVIDER_READ, &params, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return PROVIDER_UNKNOWN;
  row_read(r, 0, arena, ret);
  return PROVIDER_DONE;
}

int provider_list(struct db *db, struct arena *arena, struct uuid before, size_t max, struct provider **ret,
                  size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&params);
  db_param_uuid_or_null(&params, before);
  db_param_i64(&params, (int64_t)max);
  if (db_run(db, STATEMENT_PROVIDER_LIST, &params, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

int provider_resolve(struct db *db, struct str text, struct uuid *ret) {
  CLEANUP(db_params_finish) struct db_params params;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct uuid id = UUID_NIL;
  (void)id_parse("prv", text, &id);
  db_params_init(&params);
  db_param_text(&params, text);
  db_param_uuid(&params, id);
  if (db_run(db, STATEMENT_PROVIDER_RESOLVE, &params, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return PROVIDER_UNKNOWN;
  *ret = db_uuid(r, 0, 0);
  return PROVIDER_DONE;
}
