// See jwks.h.
#include "receipt/jwks.h"
#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"
#include <stdio.h>

static void key_write(struct json_writer *w, const struct jwk *key) {
  CLEANUP(buf_finish) struct buf x;
  buf_init(&x, 64);
  (void)crypto_base64url_add(&x, (struct str){(const char *)key->verifier, sizeof key->verifier});
  json_object_begin(w);
  json_member_text(w, "kty", "OKP");
  json_member_text(w, "crv", "Ed25519");
  json_member_str(w, "x", buf_str(&x));
  json_member_text(w, "kid", key->kid);
  json_member_text(w, "use", "sig");
  json_member_text(w, "alg", "EdDSA");
  json_object_end(w);
}

void jwks_write(struct json_writer *w, const struct jwk *keys, size_t count) {
  json_object_begin(w);
  json_key(w, "keys");
  json_array_begin(w);
  for (size_t i = 0; i < count; i++) key_write(w, &keys[i]);
  json_array_end(w);
  json_object_end(w);
}

// ---- reading

// What is not told is as it should be.
static bool says(struct json *key, const char *name, const char *wanted) {
  struct str text;
  struct json *value = json_get(key, name);
  return !value || (json_text(value, &text) && str_eq(text, str_from(wanted)));
}

static bool key_read(struct json *key, struct jwk *ret) {
  struct str kind, curve, x, kid;
  size_t len = 0;
  if (!json_text(json_get(key, "kty"), &kind) || !str_eq(kind, STR("OKP"))) return false;
  if (!json_text(json_get(key, "crv"), &curve) || !str_eq(curve, STR("Ed25519"))) return false;
  if (!says(key, "use", "sig") || !says(key, "alg", "EdDSA")) return false;
  if (!json_text(json_get(key, "x"), &x) || !crypto_base64url_read(x, ret->verifier, sizeof ret->verifier, &len) ||
      len != sizeof ret->verifier)
    return false;
  if (!json_get(key, "kid"))
    crypto_thumbprint(ret->verifier, ret->kid);
  else if (!json_text(json_get(key, "kid"), &kid) || kid.len >= sizeof ret->kid)
    return false;
  else
    (void)snprintf(ret->kid, sizeof ret->kid, "%.*s", STR_ARG(kid));
  return true;
}

enum jwks_answer jwks_find(struct json *root, struct str kid, unsigned char ret[CRYPTO_PUBLIC_BYTES]) {
  struct json *keys = json_get(root, "keys");
  struct jwk key;
  if (!keys && !json_get(root, "kty")) return JWKS_NONE;
  for (size_t i = 0; i < (keys ? json_count(keys) : 1); i++) {
    if (!key_read(keys ? json_at(keys, i) : root, &key) || !str_eq(kid, str_from(key.kid))) continue;
    memcpy(ret, key.verifier, sizeof key.verifier);
    return JWKS_FOUND;
  }
  return JWKS_UNKNOWN;
}
