// Public keys as others read them: a JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037).
#pragma once
#include "base/arena.h"
#include "crypto/signature.h"

struct json;
struct json_writer;

struct jwk {
  char kid[CRYPTO_THUMBPRINT_MAX];
  unsigned char verifier[CRYPTO_PUBLIC_BYTES];
};
void jwks_write(struct json_writer *w, const struct jwk *keys, size_t count);

enum jwks_answer {
  JWKS_FOUND = 0,
  JWKS_UNKNOWN = 1, // none of the set's keys has this name
  JWKS_NONE = 2,    // this is no key set
};
// The Ed25519 key named kid, in a set or in a single key. One without a name is known by its thumbprint; keys of other
// kinds, and those that are not for signatures, are passed over.
enum jwks_answer jwks_find(struct json *root, struct str kid, unsigned char ret[CRYPTO_PUBLIC_BYTES]);
