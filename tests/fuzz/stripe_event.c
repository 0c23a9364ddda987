// Feeds: the body of a webhook to the JSON reader and the envelope's. Oracle: an event is seen exactly where jansson,
// asked member by member, finds what names one; what is read of it is what stands there; what is for this deployment
// and what is not are told apart.
#include "base/mem.h"
#include "fuzz.h"
#include "payment/inbox.h"
#include "json/read.h"
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#undef json_is_null
#include <jansson.h>

static const char *text_of(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  size_t len = value && json_is_string(value) ? json_string_length(value) : 0;
  return len >= 1 && len <= 255 ? json_string_value(value) : NULL;
}

static bool same(struct str got, const char *wanted) {
  return wanted ? str_eq(got, str_from(wanted)) : got.len == 0;
}

static void event_check(const json_t *root, struct json *read) {
  struct envelope e = {.created = -7};
  const char *object = text_of(root, "object"), *id = text_of(root, "id"), *type = text_of(root, "type");
  bool thin = object && strcmp(object, "v2.core.event") == 0, plain = object && strcmp(object, "event") == 0;
  bool is = id && type && (thin || plain);
  FUZZ_CHECK(envelope_read(read, &e) == is, "%s %s %s", id ? id : "no id", type ? type : "no type",
             object ? object : "no object");
  if (!is) {
    FUZZ_CHECK(e.created == -7, "what is no event was written: %lld", (long long)e.created);
    return;
  }
  const json_t *about =
      thin ? json_object_get(root, "related_object") : json_object_get(json_object_get(root, "data"), "object");
  FUZZ_CHECK(same(e.id, id) && same(e.type, type) && e.thin == thin, "%s", id);
  FUZZ_CHECK(same(e.object_id, text_of(about, "id")) && same(e.api_version, text_of(root, "api_version")), "%s", id);
  FUZZ_CHECK(e.livemode == json_is_true(json_object_get(root, "livemode")) && e.created >= 0, "%s", id);
  const json_t *created = json_object_get(root, "created");
  if (json_is_integer(created) && json_integer_value(created) >= 0)
    FUZZ_CHECK(e.created == json_integer_value(created), "%s: %lld", id, (long long)e.created);
  const char *foreign = text_of(root, "account") ? "account" : text_of(root, "context") ? "context" : NULL;
  for (int live = 0; live < 2; live++) {
    const char *wanted = foreign ? foreign : e.livemode != live ? "livemode" : NULL, *got = inbox_objection(&e, live);
    FUZZ_CHECK(got == wanted || (got && wanted && strcmp(got, wanted) == 0), "%s: %s", id, got ? got : "taken");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct json *read = NULL;
  struct json_error error;
  char *copy = fuzz_copy((struct str){(const char *)data, size});
  if (json_parse((struct str){copy, size}, &read, &error) == 0) {
    json_t *root = json_loadb(copy, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    FUZZ_CHECK(root != NULL, "%s", "jansson takes it through one door and not through the other");
    event_check(root, read);
    json_decref(root);
  }
  json_finish(read);
  free(copy);
  return 0;
}
