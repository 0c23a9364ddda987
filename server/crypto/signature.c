// See signature.h. Verification is libsodium's: it refuses points of small order and scalars that are not reduced, so that
// no second signature of a text can be made from the first.
#include "crypto/signature.h"
#include "base/log.h"
#include "base/mem.h"

#define crypto_hash sodium_crypto_hash
#include <sodium.h>
#undef crypto_hash

#define KDF_RECEIPTS "receipts" // never changed: published keys stand on it
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(CRYPTO_PUBLIC_BYTES == crypto_sign_ed25519_PUBLICKEYBYTES, "a public key");
_Static_assert(CRYPTO_SIGNATURE_BYTES == crypto_sign_ed25519_BYTES, "a signature");
_Static_assert(sizeof(((struct crypto_signer *)0)->secret) == crypto_sign_ed25519_SECRETKEYBYTES, "a secret key");
_Static_assert(CRYPTO_THUMBPRINT_MAX >= sodium_base64_ENCODED_LEN(crypto_hash_sha256_BYTES, VARIANT), "a thumbprint");

static const unsigned char *bytes_of(struct str s) {
  return (const unsigned char *)(s.len ? s.ptr : "");
}

void crypto_signer_of_seed(const unsigned char seed[32], struct crypto_signer *ret) {
  ASSERT(crypto_sign_ed25519_seed_keypair(ret->verifier, ret->secret, seed) == 0);
}

void crypto_signer_derive(const struct crypto_keys *keys, uint32_t version, struct crypto_signer *ret) {
  unsigned char seed[crypto_sign_ed25519_SEEDBYTES];
  ASSERT(version >= 1 && crypto_kdf_derive_from_key(seed, sizeof seed, version, KDF_RECEIPTS, keys->sign) == 0);
  crypto_signer_of_seed(seed, ret);
  sodium_memzero(seed, sizeof seed);
}

void crypto_signature_make(const struct crypto_signer *signer, struct str text, unsigned char ret[CRYPTO_SIGNATURE_BYTES]) {
  ASSERT(crypto_sign_ed25519_detached(ret, NULL, bytes_of(text), text.len, signer->secret) == 0);
}

bool crypto_signature_check(const unsigned char verifier[CRYPTO_PUBLIC_BYTES], struct str text,
                            const unsigned char signature[CRYPTO_SIGNATURE_BYTES]) {
  return crypto_sign_ed25519_verify_detached(signature, bytes_of(text), text.len, verifier) == 0;
}

// The members that an OKP key must have, in the order of their names, without a blank between.
void crypto_thumbprint(const unsigned char verifier[CRYPTO_PUBLIC_BYTES], char ret[CRYPTO_THUMBPRINT_MAX]) {
  CLEANUP(buf_finish) struct buf text;
  unsigned char hash[crypto_hash_sha256_BYTES];
  buf_init(&text, 256);
  buf_puts(&text, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
  ASSERT(crypto_base64url_add(&text, (struct str){(const char *)verifier, CRYPTO_PUBLIC_BYTES}));
  ASSERT(buf_puts(&text, "\"}"));
  ASSERT(crypto_hash_sha256(hash, bytes_of(buf_str(&text)), text.len) == 0);
  sodium_bin2base64(ret, CRYPTO_THUMBPRINT_MAX, hash, sizeof hash, VARIANT);
}

bool crypto_base64url_add(struct buf *out, struct str bytes) {
  size_t len = sodium_base64_encoded_len(bytes.len, VARIANT);
  CLEANUP(mem_freep) char *text = mem_alloc(len);
  sodium_bin2base64(text, len, bytes_of(bytes), bytes.len, VARIANT);
  return buf_puts(out, text);
}

bool crypto_base64url_read(struct str text, unsigned char *ret, size_t max, size_t *ret_len) {
  if (text.len == 0) {
    *ret_len = 0;
    return true;
  }
  // libsodium (1.0.18) takes bytes beyond ASCII for digits.
  return str_ascii_len(text) == text.len && sodium_base642bin(ret, max, text.ptr, text.len, NULL, ret_len, NULL, VARIANT) == 0;
}
