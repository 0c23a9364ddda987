// What a newcomer's service holds, made over its own API. Everything is looked for first, so that a second start keeps
// it.
#include "app/bootstrap.h"
#include "app/dev.h"
#include "app/exit.h"
#include "app/files.h"
#include "app/out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "db/db.h"
#include "db/migrate.h"
#include "price/provider.h"
#include "json/read.h"
#include "json/write.h"
#include <stdlib.h>
#include <time.h>

#define PROVIDER "openai"
#define OPENAI_URL "https://api.openai.com"
#define STATEMENT_MS 10000
#define TEXT_MAX (64 * 1024)
#define VISIBLE_MS 10000 // until the prices have reached the gateway

// Public list prices in dollars for a million tokens; the charge has a fifth on top, one credit being a dollar.
static const struct {
  const char *model;
  int max_input, max_output;
  struct {
    const char *meter, *charge, *cost;
  } rates[3];
} catalogue[] = {
    {"gpt-4o-mini",
     128000,
     16384,
     {{"input_tokens", "0.18", "0.15"}, {"cached_input_tokens", "0.09", "0.075"}, {"output_tokens", "0.72", "0.6"}}},
    {"gpt-4o",
     128000,
     16384,
     {{"input_tokens", "3", "2.5"}, {"cached_input_tokens", "1.5", "1.25"}, {"output_tokens", "12", "10"}}},
    {"text-embedding-3-small", 0, 0, {{"input_tokens", "0.024", "0.02"}}},
};
const char *const seed_models = "gpt-4o-mini, gpt-4o, text-embedding-3-small";

// ---- before the service starts: straight in the database

static int provider_put(struct dev *d, struct db *db, struct arena *arena, const struct crypto_keys *keys) {
  const char *secret = getenv("OPENAI_API_KEY");
  bool real = d->stand_in_url[0] == '\0';
  struct provider p = {
      .name = STR(PROVIDER), .plugin = STR("openai"), .priority = PROVIDER_PRIORITY_DEFAULT, .enabled = true};
  p.base_url = real ? STR(OPENAI_URL) : str_from(d->stand_in_url);
  p.secret = real && secret ? str_from(secret) : STR("sk-stand-in");
  int r = provider_resolve(db, p.name, &p.id);
  if (r == PROVIDER_DONE) return provider_update(db, arena, keys, PROVIDER_BASE_URL | PROVIDER_SECRET, &p);
  p.id = uuid_local(clock_wall_us());
  return r == PROVIDER_UNKNOWN ? provider_create(db, arena, keys, &p) : r;
}

static bool provider_ensure(struct dev *d) {
  CLEANUP(buf_finish) struct buf why;
  struct crypto_keys keys;
  struct arena arena;
  buf_init(&why, 4096);
  struct db *db = db_connect(d->cluster.url, STATEMENT_MS, STATEMENT_MS, STATEMENT_MS, &why);
  if (!db) {
    out_error("%s", buf_cstr(&why));
    return false;
  }
  arena_init(&arena, TEXT_MAX);
  bool sound = crypto_keys_derive(str_from(d->master), &keys) && db_begin(db) == 0 &&
               provider_put(d, db, &arena, &keys) == PROVIDER_DONE && db_commit(db) == 0;
  if (!sound) out_error("the provider cannot be written: %s", db_error(db));
  crypto_wipe(&keys, sizeof keys);
  arena_finish(&arena);
  db_destroy(db);
  return sound;
}

static bool shape_ensure(struct dev *d) {
  CLEANUP(buf_finish) struct buf why;
  struct migrate_status status;
  buf_init(&why, 4096);
  struct db *db = db_connect_bare(d->cluster.url, &why);
  if (!db) {
    out_error("%s", buf_cstr(&why));
    return false;
  }
  int r = migrate_run(db, NULL, NULL, &status);
  if (r != 0) out_error("%s", r < 0 ? db_error(db) : status.detail);
  db_destroy(db);
  return r == 0;
}

// The provider's address changes from start to start, and so it is right before the first call.
bool seed_prepare(struct dev *d) {
  return shape_ensure(d) && provider_ensure(d);
}

// ---- requests

// The parsed answer where it is a success (json_finish it); NULL else. Told on stderr unless `quiet`.
struct json *seed_ask(struct dev *d, const char *method, const char *path, struct buf *body, bool quiet) {
  struct api_request request = {.method = method, .path = path, .body = body ? buf_str(body) : (struct str){0}};
  CLEANUP(api_answer_finish) struct api_answer answer;
  struct json *root = NULL;
  struct json_error why;
  bool came = api_send(d->api, &request, &answer);
  if (!quiet && api_judge(d->api, &answer) != EXIT_FINE) return NULL;
  if (!came || answer.status >= 400 || json_parse(buf_str(&answer.body), &root, &why) != 0) return NULL;
  return root;
}

static bool member_copy(struct json *root, const char *path, char *ret, size_t size) {
  struct str text;
  if (!json_text(json_path(root, path), &text) || text.len >= size) return false;
  memcpy(ret, text.ptr, text.len);
  ret[text.len] = '\0';
  return true;
}

// ---- what was kept

static void notes_read(struct dev *d) {
  char path[DEV_PATH + 32];
  CLEANUP(buf_finish) struct buf text;
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error why;
  buf_init(&text, TEXT_MAX);
  (void)snprintf(path, sizeof path, "%s/dev.json", d->folder);
  if (file_read(path, &text) != 0 || json_parse(buf_str(&text), &root, &why) != 0) return;
  (void)member_copy(root, "admin_key", d->admin_key, sizeof d->admin_key);
  (void)member_copy(root, "customer_id", d->customer_id, sizeof d->customer_id);
  (void)member_copy(root, "customer_key", d->customer_key, sizeof d->customer_key);
}

static bool notes_write(const struct dev *d) {
  char path[DEV_PATH + 32];
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, TEXT_MAX);
  struct json_writer w = json_writer(&text);
  json_object_begin(&w);
  json_member_text(&w, "admin_key", d->admin_key);
  json_member_text(&w, "customer_id", d->customer_id);
  json_member_text(&w, "customer_key", d->customer_key);
  json_object_end(&w);
  buf_putc(&text, '\n');
  (void)snprintf(path, sizeof path, "%s/dev.json", d->folder);
  bool written = file_write(path, buf_str(&text), 0600) == 0;
  if (!written) out_error("%s cannot be written", path);
  return written;
}

// ---- who and what

static bool key_works(struct dev *d, const char *key, const char *path) {
  if (!*key) return false;
  api_key(d->api, key);
  struct json *root = seed_ask(d, "GET", path, NULL, true);
  json_finish(root);
  return root != NULL;
}

static bool operator_ensure(struct dev *d) {
  if (key_works(d, d->admin_key, "/api/v1/customers?limit=1")) return true;
  struct crypto_keys keys;
  struct bootstrap made;
  if (!crypto_keys_derive(str_from(d->master), &keys)) return false;
  bool sound = bootstrap_key(d->cluster.url, &keys, "tollgate dev", true, &made) == EXIT_FINE;
  crypto_wipe(&keys, sizeof keys);
  if (!sound) return false;
  memcpy(d->admin_key, made.text, sizeof made.text);
  api_key(d->api, d->admin_key);
  return true;
}

static void price_write(size_t i, struct buf *body) {
  struct json_writer w = json_writer(body);
  json_object_begin(&w);
  json_member_text(&w, "provider", PROVIDER);
  json_member_text(&w, "model", catalogue[i].model);
  if (catalogue[i].max_input) json_member_int(&w, "max_input_tokens", catalogue[i].max_input);
  if (catalogue[i].max_output) json_member_int(&w, "max_output_tokens", catalogue[i].max_output);
  json_key(&w, "rates");
  json_array_begin(&w);
  for (size_t r = 0; r < ARRAY_LEN(catalogue[i].rates) && catalogue[i].rates[r].meter; r++) {
    json_object_begin(&w);
    json_member_text(&w, "meter", catalogue[i].rates[r].meter);
    json_member_int(&w, "per", 1000000);
    json_member_text(&w, "charge", catalogue[i].rates[r].charge);
    json_member_text(&w, "cost", catalogue[i].rates[r].cost);
    json_object_end(&w);
  }
  json_array_end(&w);
  json_object_end(&w);
}

// A price that the newcomer has changed stays as it is.
static bool price_ensure(struct dev *d, size_t i) {
  char path[160];
  CLEANUP(buf_finish) struct buf body;
  buf_init(&body, TEXT_MAX);
  (void)snprintf(path, sizeof path, "/api/v1/prices?provider=" PROVIDER "&model=%s&limit=1", catalogue[i].model);
  CLEANUP(json_finishp) struct json *list = seed_ask(d, "GET", path, NULL, false);
  if (!list) return false;
  if (json_count(json_get(list, "data")) > 0) return true;
  price_write(i, &body);
  struct json *root = seed_ask(d, "POST", "/api/v1/prices", &body, false);
  json_finish(root);
  return root != NULL;
}

static bool customer_make(struct dev *d) {
  CLEANUP(buf_finish) struct buf body;
  buf_init(&body, TEXT_MAX);
  buf_puts(&body, "{\"name\":\"Demo\",\"external_id\":\"demo\"}");
  CLEANUP(json_finishp) struct json *made = seed_ask(d, "POST", "/api/v1/customers", &body, false);
  if (!made || !member_copy(made, "id", d->customer_id, sizeof d->customer_id)) return false;
  buf_clear(&body);
  buf_printf(&body,
             "{\"customer\":\"%s\",\"amount\":\"" DEV_DEMO_CREDITS
             "\",\"source\":\"promotion\",\"reason\":\"to try things\"}",
             d->customer_id);
  struct json *grant = seed_ask(d, "POST", "/api/v1/grants", &body, false);
  json_finish(grant);
  return grant != NULL;
}

static bool customer_ensure(struct dev *d) {
  CLEANUP(json_finishp) struct json *found = seed_ask(d, "GET", "/api/v1/customers/ext:demo", NULL, true);
  if (found) return member_copy(found, "id", d->customer_id, sizeof d->customer_id);
  return customer_make(d);
}

static bool customer_key_ensure(struct dev *d) {
  bool works = key_works(d, d->customer_key, "/api/v1/balance");
  api_key(d->api, d->admin_key);
  if (works) return true;
  CLEANUP(buf_finish) struct buf body;
  buf_init(&body, TEXT_MAX);
  buf_printf(&body, "{\"customer\":\"%s\",\"name\":\"tollgate dev\"}", d->customer_id);
  CLEANUP(json_finishp) struct json *made = seed_ask(d, "POST", "/api/v1/keys", &body, false);
  return made && member_copy(made, "secret", d->customer_key, sizeof d->customer_key);
}

// Until the gateway has read the prices.
static bool models_await(struct dev *d) {
  const struct timespec pause = {0, 20000000};
  api_key(d->api, d->customer_key);
  size_t seen = 0;
  for (int64_t until = clock_mono_us() + VISIBLE_MS * INT64_C(1000); seen < ARRAY_LEN(catalogue);) {
    CLEANUP(json_finishp) struct json *models = seed_ask(d, "GET", "/v1/models", NULL, true);
    seen = json_count(json_get(models, "data"));
    if (seen < ARRAY_LEN(catalogue) && clock_mono_us() > until) break;
    (void)nanosleep(&pause, NULL);
  }
  api_key(d->api, d->admin_key);
  if (seen == 0) out_error("the gateway offers no models");
  return seen > 0;
}

bool seed_run(struct dev *d) {
  notes_read(d);
  if (!operator_ensure(d)) return false;
  for (size_t i = 0; i < ARRAY_LEN(catalogue); i++)
    if (!price_ensure(d, i)) return false;
  return customer_ensure(d) && customer_key_ensure(d) && notes_write(d) && models_await(d);
}
