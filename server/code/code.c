// See code.h. A batch is one statement over arrays.
#include "code/code.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"

static void text_make(const struct crypto_keys *keys, struct str prefix, char text[CODE_TEXT_MAX],
                      unsigned char tag[CRYPTO_TAG_BYTES], char last4[CODE_LAST_LEN]) {
  char canonical[CODE_TEXT_MAX];
  code_generate(prefix, text);
  ASSERT(code_canonical(str_from(text), canonical));
  crypto_tag_code(keys, str_from(canonical), tag);
  memcpy(last4, text + strlen(text) - CODE_LAST_LEN, CODE_LAST_LEN);
  crypto_wipe(canonical, sizeof canonical);
}

int codes_create(struct db *db, const struct crypto_keys *keys, const struct code *as, const struct uuid *ids, size_t count,
                 char (*ret_texts)[CODE_TEXT_MAX]) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(mem_freep) unsigned char(*tags)[CRYPTO_TAG_BYTES] = mem_alloc(count * sizeof *tags);
  CLEANUP(mem_freep) char(*lasts)[CODE_LAST_LEN] = mem_alloc(count * sizeof *lasts);
  ASSERT(count >= 1 && count <= CODES_MAX && as->amount > 0);
  for (size_t i = 0; i < count; i++) text_make(keys, as->prefix, ret_texts[i], tags[i], lasts[i]);
  db_params_init(&p);
  db_array_begin(&p, DB_UUID);
  for (size_t i = 0; i < count; i++) db_array_uuid(&p, ids[i]);
  db_array_end(&p);
  db_array_begin(&p, DB_BYTES);
  for (size_t i = 0; i < count; i++) db_array_bytes(&p, (struct str){(const char *)tags[i], CRYPTO_TAG_BYTES});
  db_array_end(&p);
  db_array_begin(&p, DB_TEXT);
  for (size_t i = 0; i < count; i++) db_array_text(&p, (struct str){lasts[i], CODE_LAST_LEN});
  db_array_end(&p);
  db_param_uuid_or_null(&p, as->batch);
  db_param_text(&p, as->prefix.ptr ? as->prefix : STR(""));
  db_param_text(&p, as->name.ptr ? as->name : STR(""));
  db_param_i64(&p, as->amount);
  db_param_i32(&p, (int32_t)as->most);
  db_param_i32(&p, (int32_t)as->expires_after_days);
  db_param_time_or_null(&p, as->expires_at);
  return db_run(db, STATEMENT_CODE_INSERT, &p, NULL) == 0 ? 0 : FAULT_DB;
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct code *ret) {
  *ret = (struct code){
      .id = db_uuid(r, row, 0),
      .batch = db_uuid(r, row, 1),
      .prefix = arena_str(arena, db_text(r, row, 2)),
      .last4 = arena_str(arena, db_text(r, row, 3)),
      .name = arena_str(arena, db_text(r, row, 4)),
      .amount = db_i64(r, row, 5),
      .most = db_i64(r, row, 6),
      .redeemed = db_i64(r, row, 7),
      .expires_after_days = db_i64(r, row, 8),
      .enabled = db_bool(r, row, 9),
      .expires_at = db_time(r, row, 10),
      .created_at = db_time(r, row, 11),
  };
}

int code_read(struct db *db, struct arena *arena, struct uuid id, struct code *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_CODE_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  row_read(r, 0, arena, ret);
  return 0;
}

int code_list(struct db *db, struct arena *arena, struct uuid batch, struct uuid before, size_t max, struct code **ret,
              size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  bool all = uuid_is_nil(batch);
  db_params_init(&p);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (!all) db_param_uuid(&p, batch);
  if (db_run(db, all ? STATEMENT_CODE_LIST : STATEMENT_CODE_LIST_BATCH, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, (*ret_count + 1) * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

int code_update(struct db *db, unsigned members, const struct code *c) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_i32(&p, (int32_t)members);
  db_param_uuid(&p, c->id);
  db_param_text(&p, c->name.ptr ? c->name : STR(""));
  db_param_bool(&p, c->enabled);
  if (db_run(db, STATEMENT_CODE_UPDATE, &p, &r) != 0) return FAULT_DB;
  return db_affected(r) == 1 ? 0 : 1;
}
