// /api/v1/providers.
#include "base/limits.h"
#include "price/provider.h"
#include "rest/catalogue.h"
#include "rest/endpoints.h"
#include "rest/words.h"

#define NAME_MAX_BYTES 63
#define NAME_MORE "._-" // an id is of this form too
#define URL_MAX 2000
#define SECRET_MAX (16 * 1024)
#define PRIORITY_MAX 1000000

void catalogue_refresh(struct rest_request *r, struct db *db) {
  struct book *book = NULL;
  if (book_load(db, &book) == 0) book_put(r->context->books, book);
}

bool catalogue_provider(struct rest_request *r, struct db *db, struct str text, const char *param, struct uuid *ret) {
  if (!word_is_name(text, NAME_MORE, NAME_MAX_BYTES)) {
    rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "A provider is prv_ and 26 characters, or its name.");
    return false;
  }
  int found = provider_resolve(db, text, ret);
  if (found < 0)
    rest_fault(r, found);
  else if (found != PROVIDER_DONE)
    rest_unknown(r, param, "provider");
  return found == PROVIDER_DONE;
}

static void provider_write(struct json_writer *w, const struct provider *p) {
  json_object_begin(w);
  json_member_id(w, "id", "prv", p->id);
  json_member_text(w, "object", "provider");
  json_member_str(w, "name", p->name);
  json_member_str(w, "plugin", p->plugin);
  json_member_str(w, "base_url", p->base_url);
  json_member_bool(w, "has_secret", p->has_secret);
  json_member_raw(w, "settings", p->settings);
  json_member_raw(w, "models", p->models);
  json_member_int(w, "priority", p->priority);
  json_member_bool(w, "enabled", p->enabled);
  json_member_time(w, "created_at", p->created_at);
  json_member_time(w, "updated_at", p->updated_at);
  json_object_end(w);
}

static void provider_answer(struct rest_request *r, struct db *db, int status, struct uuid id) {
  struct provider p;
  int found = provider_read(db, r->arena, id, &p);
  if (found < 0)
    rest_fault(r, found);
  else if (found != PROVIDER_DONE)
    rest_unknown(r, "id", "provider");
  if (found != PROVIDER_DONE) return;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  provider_write(&w, &p);
  rest_reply(r, status, &out);
}

// ---- the body

struct body {
  struct str name, plugin, base_url, secret;
  struct json *settings, *models;
  int64_t priority;
  bool enabled;
  bool given_name, given_plugin, given_base_url, given_secret, given_settings, given_models, given_priority,
      given_enabled;
};
#define AT(member) .offset = offsetof(struct body, member), .given = offsetof(struct body, given_##member)
static const struct json_field fields[] = {
    {.name = "name", .kind = JSON_TEXT, AT(name)},
    {.name = "base_url", .kind = JSON_TEXT, .max = URL_MAX, AT(base_url)},
    {.name = "secret", .kind = JSON_TEXT, .max = SECRET_MAX, .nullable = true, AT(secret)},
    {.name = "settings", .kind = JSON_OBJECT, AT(settings)},
    {.name = "models", .kind = JSON_OBJECT, AT(models)},
    {.name = "priority", .kind = JSON_INT, .min = 0, .max = PRIORITY_MAX, AT(priority)},
    {.name = "enabled", .kind = JSON_BOOL, AT(enabled)},
    {.name = "plugin", .kind = JSON_TEXT, AT(plugin)},
};
#define FIELDS_TO_CHANGE (ARRAY_LEN(fields) - 1) // the plugin stays

static bool wrong(struct rest_request *r, const char *param, const char *why) {
  rest_refuse(r, PROBLEM_INVALID_REQUEST, param, "%s: %s", param, why);
  return false;
}

// https://host[:port][/path], without credentials, query or fragment. A slash at its end is dropped.
static bool url_check(struct rest_request *r, struct str *url) {
  struct str rest = *url;
  if (str_starts(rest, STR("https://")))
    rest.ptr += 8, rest.len -= 8;
  else if (str_starts(rest, STR("http://")))
    rest.ptr += 7, rest.len -= 7;
  else
    return wrong(r, "base_url", "must begin with https:// or http://.");
  if (!str_is_printable(rest)) return wrong(r, "base_url", "must be ASCII.");
  for (size_t i = 0; i < rest.len; i++)
    if (strchr(" @?#\\\"<>^`{|}", rest.ptr[i]))
      return wrong(r, "base_url", "must have no credentials, query, fragment or spaces.");
  while (rest.len > 0 && rest.ptr[rest.len - 1] == '/') rest.len--, url->len--;
  return rest.len > 0 && rest.ptr[0] != '/' && rest.ptr[0] != ':' ? true : wrong(r, "base_url", "has no host.");
}

static int model_member(void *arg, const char *name, struct json *value) {
  struct str text;
  (void)arg;
  return !word_is_text(str_from(name), LIMIT_NAME) || !json_text(value, &text) || !word_is_text(text, LIMIT_NAME);
}

static bool body_check(struct rest_request *r, struct body *b) {
  if (b->given_name && (!word_is_name(b->name, NAME_MORE, NAME_MAX_BYTES)))
    return wrong(r, "name", "must be 1 to 63 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit.");
  if (b->given_base_url && !url_check(r, &b->base_url)) return false;
  if (!str_is_printable(b->secret)) return wrong(r, "secret", "must be ASCII: it is sent in a header.");
  if (b->models && json_each(b->models, model_member, NULL) != 0)
    return wrong(r, "models",
                 "must be an object of strings: the model as sold, and the provider's name of it, each of 1 to 200 "
                 "characters.");
  return true;
}

static bool plugin_check(struct rest_request *r, struct body *b) {
  const struct plugin_registry *plugins = r->context->plugins;
  const struct tollgate_plugin *plugin = plugin_by_name(plugins, b->plugin);
  if (plugin == &plugin_none) {
    if (b->given_base_url || b->given_secret) return wrong(r, b->given_base_url ? "base_url" : "secret", "must not be given with the plugin none: nobody is spoken to.");
    b->base_url = STR("");
    return true;
  }
  if (plugin && !b->given_base_url) {
    if (!plugin->base_url) return wrong(r, "base_url", "is missing, and this plugin knows no address of its own.");
    b->base_url = str_from(plugin->base_url);
  }
  if (plugin) return true;
  CLEANUP(buf_finish) struct buf known;
  buf_init(&known, 512);
  for (size_t i = 0; i < plugin_count(plugins); i++)
    buf_printf(&known, "%s, ", plugin_at(plugins, i)->name);
  rest_refuse(r, PROBLEM_INVALID_REQUEST, "plugin", "plugin: there is no plugin \"%.*s\" here. Loaded: %s" PLUGIN_NONE " (of what is only priced, and reported as events).",
              STR_ARG(b->plugin), known.len ? buf_cstr(&known) : "");
  return false;
}

static struct str object_text(struct rest_request *r, struct json *object) {
  if (!object) return STR("{}");
  char *text = json_dump(object);
  struct str copy = arena_str(r->arena, str_from(text));
  mem_free(text);
  return copy;
}

static struct provider body_provider(struct rest_request *r, const struct body *b, struct uuid id) {
  return (struct provider){
      .id = id,
      .name = b->name,
      .plugin = b->plugin,
      .base_url = b->base_url,
      .settings = object_text(r, b->settings),
      .models = object_text(r, b->models),
      .secret = b->secret,
      .priority = b->given_priority ? (int32_t)b->priority : PROVIDER_PRIORITY_DEFAULT,
      .enabled = b->given_enabled ? b->enabled : true,
  };
}

// ---- endpoints

static bool written(struct rest_request *r, int result, struct str name) {
  if (result < 0)
    rest_fault(r, result);
  else if (result == PROVIDER_NAME_TAKEN)
    rest_refuse(r, PROBLEM_CONFLICT, "name", "There is a provider \"%.*s\" already.", STR_ARG(name));
  return result == PROVIDER_DONE;
}

static void provider_post(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct uuid id = rest_new_id(r);
  if (!rest_body(r, fields, ARRAY_LEN(fields), &body, sizeof body)) return;
  if (!body.given_name || !body.given_plugin) {
    (void)wrong(r, body.given_name ? "plugin" : "name", "is missing.");
    return;
  }
  if (!body_check(r, &body) || !plugin_check(r, &body) || !rest_write_begin(r, UUID_NIL, &id)) return;
  if (!r->replayed) {
    struct provider p = body_provider(r, &body, id);
    if (!written(r, provider_create(db, r->arena, r->context->keys, &p), p.name) || !rest_write_end(r, UUID_NIL))
      return;
    catalogue_refresh(r, db);
  }
  provider_answer(r, db, 201, id);
}

static bool provider_path(struct rest_request *r, struct db *db, struct uuid *ret) {
  return catalogue_provider(r, db, http_path_segment(r->http, 0), "id", ret);
}

static void provider_patch(struct rest_request *r, struct db *db) {
  struct body body = {0};
  struct uuid id;
  if (!provider_path(r, db, &id) || !rest_body(r, fields, FIELDS_TO_CHANGE, &body, sizeof body) ||
      !body_check(r, &body))
    return;
  unsigned members = (body.given_name ? PROVIDER_NAME : 0u) | (body.given_base_url ? PROVIDER_BASE_URL : 0u) |
                     (body.given_secret ? PROVIDER_SECRET : 0u) | (body.given_settings ? PROVIDER_SETTINGS : 0u) |
                     (body.given_models ? PROVIDER_MODELS : 0u) | (body.given_priority ? PROVIDER_PRIORITY : 0u) |
                     (body.given_enabled ? PROVIDER_ENABLED : 0u);
  struct uuid object = id;
  if (!rest_write_begin(r, UUID_NIL, &object)) return;
  if (!r->replayed) {
    struct provider p = body_provider(r, &body, id);
    if (!written(r, provider_update(db, r->arena, r->context->keys, members, &p), p.name) ||
        !rest_write_end(r, UUID_NIL))
      return;
    catalogue_refresh(r, db);
  }
  provider_answer(r, db, 200, id);
}

static void provider_get(struct rest_request *r, struct db *db) {
  struct uuid id;
  if (provider_path(r, db, &id)) provider_answer(r, db, 200, id);
}

static void provider_list_get(struct rest_request *r, struct db *db) {
  struct rest_page page;
  struct provider *list = NULL;
  size_t count = 0;
  if (!rest_page(r, &page)) return;
  int fault = provider_list(db, r->arena, page.before, page.limit + 1, &list, &count);
  if (fault != 0) {
    rest_fault(r, fault);
    return;
  }
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, REST_ANSWER_MAX);
  struct json_writer w = json_writer(&out);
  size_t shown = rest_shown(&page, count);
  rest_list_begin(&w);
  for (size_t i = 0; i < shown; i++) provider_write(&w, &list[i]);
  rest_list_end(&w, r, &page, count, shown ? list[shown - 1].id : UUID_NIL);
  rest_reply(r, 200, &out);
}

const struct rest_endpoint rest_providers[] = {
    {"POST", "/api/v1/providers", REST_OPERATOR, REST_PRIMARY, NULL, provider_post},
    {"GET", "/api/v1/providers", REST_OPERATOR, REST_PRIMARY, "limit|cursor", provider_list_get},
    {"GET", "/api/v1/providers/{id}", REST_OPERATOR, REST_PRIMARY, NULL, provider_get},
    {"PATCH", "/api/v1/providers/{id}", REST_OPERATOR, REST_PRIMARY, NULL, provider_patch},
    {0},
};
