// See envelope.h. Old versions lack what newer ones have, and newer ones move things about: only what names the event
// is asked for.
#include "stripe/envelope.h"
#include "base/clock.h"

static bool text_at(struct json *object, const char *name, struct str *ret) {
  return json_text(json_get(object, name), ret) && ret->len > 0 && ret->len <= ENVELOPE_TEXT_MAX;
}

static int64_t created_read(struct json *value) {
  struct str text;
  int64_t seconds = 0, us;
  if (json_int(value, &seconds) && seconds >= 0) return seconds;
  return json_text(value, &text) && clock_parse(text.ptr, text.len, &us) ? us / 1000000 : 0;
}

bool envelope_read(struct json *root, struct envelope *ret) {
  struct envelope e = {.object_id = STR(""), .api_version = STR("")};
  struct str kind, text;
  if (!text_at(root, "object", &kind) || !text_at(root, "id", &e.id) || !text_at(root, "type", &e.type)) return false;
  e.thin = str_eq(kind, STR("v2.core.event"));
  if (!e.thin && !str_eq(kind, STR("event"))) return false;
  struct json *object = e.thin ? json_get(root, "related_object") : json_get(json_get(root, "data"), "object");
  if (object && text_at(object, "id", &text)) e.object_id = text;
  if (text_at(root, "api_version", &text)) e.api_version = text;
  if (text_at(root, "context", &text)) e.foreign = "context";
  if (text_at(root, "account", &text)) e.foreign = "account";
  (void)json_bool(json_get(root, "livemode"), &e.livemode);
  e.created = created_read(json_get(root, "created"));
  *ret = e;
  return true;
}
