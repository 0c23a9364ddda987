// `tollgate keys bootstrap`. Whoever has the database's address and the master key may do what an operator may do: this
// is for the first key of an installation, and for the day when the last one was lost.
#include "app/bootstrap.h"
#include "app/command.h"
#include "app/out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "customer/keys.h"
#include "db/db.h"
#include "db/migrate.h"
#include "json/write.h"

#define ARENA_MAX (1024 * 1024)
#define STATEMENT_MS 10000
#define KEYS_LOOKED_AT 1000

static bool key_works(const struct key_row *row) {
  return row->revoked_at == 0 && (row->expires_at == 0 || row->expires_at > clock_wall_us());
}

// 0: none; 1: there is one; or a fault.
static int operator_exists(struct db *db) {
  struct arena arena;
  struct key_row *rows = NULL;
  size_t count = 0;
  bool found = false;
  arena_init(&arena, ARENA_MAX);
  int r = keys_list(db, &arena, &UUID_NIL, UUID_NIL, KEYS_LOOKED_AT, &rows, &count);
  for (size_t i = 0; r == 0 && i < count; i++) found = found || key_works(&rows[i]);
  arena_finish(&arena);
  return r == 0 ? found : r;
}

static int key_make(struct db *db, const struct crypto_keys *keys, const char *name, struct bootstrap *ret) {
  struct bootstrap made = {.id = keys_id(UUID_NIL, clock_wall_us())};
  int r = db_begin(db);
  if (r == 0) r = keys_create(db, keys, UUID_NIL, made.id, str_from(name), 0, made.text);
  if (r == 0) r = keys_tell(db, made.id, EVENT_KEY_CREATED);
  if (r == 0)
    r = db_commit(db);
  else
    db_rollback(db);
  if (r == 0) *ret = made;
  crypto_wipe(&made, sizeof made);
  return r;
}

static bool shape_is_current(const char *url) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  struct db *db = db_connect_bare(url, &why);
  if (!db) {
    out_error("the database cannot be reached: %s", buf_cstr(&why));
    return false;
  }
  struct migrate_status status;
  int r = migrate_status(db, &status);
  if (r != 0) out_error("%s", db_error(db));
  db_destroy(db);
  if (r == 0 && status.state != MIGRATE_CURRENT) out_error("%s; `tollgate migrate` goes first", status.detail);
  return r == 0 && status.state == MIGRATE_CURRENT;
}

int bootstrap_key(const char *url, const struct crypto_keys *keys, const char *name, bool force,
                  struct bootstrap *ret) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  if (!shape_is_current(url)) return EXIT_FAILED;
  struct db *db = db_connect(url, STATEMENT_MS, STATEMENT_MS, STATEMENT_MS, &why);
  if (!db) {
    out_error("the database cannot be used: %s", buf_cstr(&why));
    return EXIT_NETWORK;
  }
  int exists = force ? 0 : operator_exists(db);
  int r = exists == 0 ? key_make(db, keys, name, ret) : exists;
  if (r < 0) out_error("%s", db_error(db));
  db_destroy(db);
  if (exists > 0)
    out_error("there is an operator key already: it can make others (`tollgate keys create --operator`). --force makes "
              "one all the same");
  return r == 0 ? EXIT_FINE : exists > 0 ? EXIT_CONFLICT : EXIT_FAILED;
}

static void key_print(const struct bootstrap *key, const char *name) {
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 4096);
  struct key_parts parts;
  if (!key_parse(str_from(key->text), &parts)) return;
  struct json_writer w = json_writer(&out);
  json_object_begin(&w);
  json_member_id(&w, "id", "key", key->id);
  json_member_text(&w, "object", "key");
  json_member_text(&w, "customer", NULL);
  json_member_bool(&w, "operator", true);
  json_member_text(&w, "name", name);
  json_member_str(&w, "public_id", parts.public_id);
  json_member_str(&w, "last4", parts.last4);
  json_member_text(&w, "secret", key->text);
  json_object_end(&w);
  (void)puts(buf_cstr(&out));
  crypto_wipe(out.data, out.len);
}

int bootstrap_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  if (!config_require(&in->config, SETTING_DATABASE_URL, &why) ||
      !config_require(&in->config, SETTING_MASTER_KEY, &why)) {
    out_error("%.*s", (int)why.len - 1, why.data);
    return EXIT_USAGE;
  }
  struct crypto_keys keys;
  struct bootstrap key;
  const char *name = args_text(&in->args, "name");
  if (!name) name = "first operator key";
  if (!crypto_keys_derive(str_from(config_text(&in->config, SETTING_MASTER_KEY)), &keys)) return EXIT_USAGE;
  int code = bootstrap_key(config_text(&in->config, SETTING_DATABASE_DIRECT_URL), &keys, name,
                           args_flag(&in->args, "force"), &key);
  crypto_wipe(&keys, sizeof keys);
  if (code != EXIT_FINE) return code;
  if (in->json)
    key_print(&key, name);
  else
    (void)puts(key.text);
  out_note("the secret is shown this once. export TOLLGATE_ADMIN_KEY to use it");
  crypto_wipe(&key, sizeof key);
  return EXIT_FINE;
}
