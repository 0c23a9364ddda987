// Keys in the database. The directory finds a key's customer by its public id; it is written with the key, and is never
// taken back: a revoked key is still known, and refused.
#include "customer/keys.h"
#include "base/log.h"
#include "base/mem.h"
#include "db/db.h"

#define TOLD_MAX (64 * 1024)

struct uuid keys_id(struct uuid customer, int64_t now_us) {
  struct uuid id = uuid_v7(now_us);
  memcpy(id.b + 12, customer.b + 12, 4);
  return id;
}

static int directory_insert(struct db *db, struct str public_id, struct uuid customer, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_text(&p, public_id);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  return db_run(db, STATEMENT_KEY_INSERT_DIRECTORY, &p, NULL) == 0 ? 0 : FAULT_DB;
}

int keys_create(struct db *db, const struct crypto_keys *crypto, struct uuid customer, struct uuid id, struct str name,
                int64_t expires_at, char ret_text[KEY_TEXT_LEN + 1]) {
  CLEANUP(db_params_finish) struct db_params p;
  struct key_parts parts;
  unsigned char tag[CRYPTO_TAG_BYTES];
  char text[KEY_TEXT_LEN + 1];
  enum key_kind kind = uuid_is_nil(customer) ? KEY_OPERATOR : KEY_CUSTOMER;
  key_generate(kind, text);
  ASSERT(key_parse(str_from(text), &parts) && parts.kind == kind);
  crypto_tag(crypto, str_from(text), tag);
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  db_param_text(&p, parts.public_id);
  db_param_bytes(&p, (struct str){(const char *)tag, sizeof tag});
  db_param_text(&p, kind == KEY_OPERATOR ? STR("ad") : STR("sk"));
  db_param_text(&p, parts.last4);
  db_param_text(&p, name.ptr ? name : STR(""));
  db_param_time_or_null(&p, expires_at);
  int r =
      db_run(db, STATEMENT_KEY_INSERT, &p, NULL) == 0 ? directory_insert(db, parts.public_id, customer, id) : FAULT_DB;
  if (r == 0) memcpy(ret_text, text, sizeof text);
  crypto_wipe(text, sizeof text);
  return r;
}

static void row_read(const struct db_result *r, size_t row, struct arena *arena, struct key_row *ret) {
  *ret = (struct key_row){
      .customer_id = db_uuid(r, row, 0),
      .id = db_uuid(r, row, 1),
      .kind = db_bool(r, row, 2) ? KEY_OPERATOR : KEY_CUSTOMER,
      .public_id = arena_str(arena, db_text(r, row, 3)),
      .last4 = arena_str(arena, db_text(r, row, 4)),
      .name = arena_str(arena, db_text(r, row, 5)),
      .created_at = db_time(r, row, 6),
      .expires_at = db_time(r, row, 7),
      .revoked_at = db_time(r, row, 8),
  };
}

int keys_read(struct db *db, struct arena *arena, struct uuid id, struct key_row *ret) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_KEY_READ, &p, &r) != 0) return FAULT_DB;
  if (db_rows(r) == 0) return 1;
  row_read(r, 0, arena, ret);
  return 0;
}

int keys_list(struct db *db, struct arena *arena, const struct uuid *customer, struct uuid before, size_t max,
              struct key_row **ret, size_t *ret_count) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid_or_null(&p, before);
  db_param_i64(&p, (int64_t)max);
  if (customer) db_param_uuid(&p, *customer);
  if (db_run(db, customer ? STATEMENT_KEY_LIST_CUSTOMER : STATEMENT_KEY_LIST, &p, &r) != 0) return FAULT_DB;
  *ret_count = db_rows(r);
  *ret = arena_alloc(arena, *ret_count * sizeof **ret);
  for (size_t i = 0; i < *ret_count; i++) row_read(r, i, arena, &(*ret)[i]);
  return 0;
}

int keys_lock(struct db *db, struct uuid customer, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  if (db_run(db, STATEMENT_KEY_LOCK, &p, &r) != 0 || db_rows(r) != 1) return FAULT_DB;
  return db_bool(r, 0, 0);
}

int keys_revoke(struct db *db, struct uuid customer, struct uuid id) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_uuid(&p, customer);
  db_param_uuid(&p, id);
  return db_run(db, STATEMENT_KEY_REVOKE, &p, NULL) == 0 ? 0 : FAULT_DB;
}

void keys_write(struct json_writer *w, const struct key_row *k, const char *secret) {
  json_object_begin(w);
  json_member_id(w, "id", "key", k->id);
  json_member_text(w, "object", "key");
  json_member_id(w, "customer", "cus", k->customer_id);
  json_member_bool(w, "operator", k->kind == KEY_OPERATOR);
  json_member_str(w, "name", k->name);
  json_member_str(w, "public_id", k->public_id);
  json_member_str(w, "last4", k->last4);
  json_member_time(w, "created_at", k->created_at);
  json_member_time(w, "expires_at", k->expires_at);
  json_member_time(w, "revoked_at", k->revoked_at);
  if (secret) json_member_text(w, "secret", secret);
  json_object_end(w);
}

int keys_tell(struct db *db, struct uuid id, enum event_type what) {
  int wanted = event_wanted(db);
  if (wanted <= 0) return wanted;
  CLEANUP(arena_finish) struct arena arena;
  CLEANUP(buf_finish) struct buf out;
  struct key_row k;
  arena_init(&arena, TOLD_MAX);
  buf_init(&out, TOLD_MAX);
  if (keys_read(db, &arena, id, &k) != 0) return FAULT_DB;
  struct json_writer w = json_writer(&out);
  keys_write(&w, &k, NULL);
  return event_add(db, k.customer_id, what, buf_str(&out));
}
