// What the fuzz target of receipts asks jansson: its names collide with those of json/read.h, so that it has a file of its
// own.
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

bool plain_header(const char *text, size_t len);
bool plain_key(const char *set, size_t len, const char *kid, const char *x);

static bool is_name(const json_t *value) {
  if (!json_is_string(value)) return false;
  const unsigned char *at = (const unsigned char *)json_string_value(value);
  size_t characters = 0;
  for (; *at; at++) {
    if (*at < 0x20 || *at == 0x7F || (*at == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0)) return false;
    characters += (*at & 0xC0) != 0x80;
  }
  return characters >= 1 && characters <= 200;
}

bool plain_header(const char *text, size_t len) {
  json_error_t error;
  if (len > 1024) return false;
  json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
  const char *name;
  json_t *value;
  bool sound = json_is_object(root) && json_object_get(root, "alg");
  json_object_foreach(root, name, value) {
    sound = sound && (strcmp(name, "alg") == 0 || strcmp(name, "kid") == 0 || strcmp(name, "typ") == 0) && is_name(value);
  }
  sound = sound && strcmp(json_string_value(json_object_get(root, "alg")), "EdDSA") == 0;
  json_decref(root);
  return sound;
}

// A name that is not given may be any: its thumbprint is tested elsewhere.
static bool is_key(const json_t *key, const char *kid, const char *x) {
  const json_t *name = json_object_get(key, "kid");
  const char *its = json_string_value(json_object_get(key, "x")), *kind = json_string_value(json_object_get(key, "kty"));
  return its && strcmp(its, x) == 0 && kind && strcmp(kind, "OKP") == 0 &&
         (!name || (json_is_string(name) && strcmp(json_string_value(name), kid) == 0));
}

bool plain_key(const char *set, size_t len, const char *kid, const char *x) {
  json_error_t error;
  json_t *root = json_loadb(set, len, JSON_REJECT_DUPLICATES, &error), *key;
  size_t i;
  bool found = is_key(root, kid, x);
  json_array_foreach(json_object_get(root, "keys"), i, key) {
    found = found || is_key(key, kid, x);
  }
  json_decref(root);
  return found;
}
