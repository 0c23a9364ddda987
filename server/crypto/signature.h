// Signatures that anybody can check: Ed25519 (RFC 8032), and the texts that keys and signatures travel in (base64url, RFC
// 7515; a key's thumbprint, RFC 7638). Signing keys come from the master key, one for each version, so that a new one can
// take the place of an old one and the old one's signatures still be checked.
#pragma once
#include "crypto/crypto.h"

#define CRYPTO_PUBLIC_BYTES 32
#define CRYPTO_SIGNATURE_BYTES 64
#define CRYPTO_THUMBPRINT_MAX 48 // 43 characters and a NUL

struct crypto_signer {
  unsigned char secret[64]; // crypto_wipe it
  unsigned char verifier[CRYPTO_PUBLIC_BYTES];
};
// version >= 1. The same master key and version are the same signer for ever.
void crypto_signer_derive(const struct crypto_keys *keys, uint32_t version, struct crypto_signer *ret);
void crypto_signer_of_seed(const unsigned char seed[32], struct crypto_signer *ret);
void crypto_signature_make(const struct crypto_signer *signer, struct str text, unsigned char ret[CRYPTO_SIGNATURE_BYTES]);
// False also for keys and signatures that are no canonical points and scalars.
bool crypto_signature_check(const unsigned char verifier[CRYPTO_PUBLIC_BYTES], struct str text,
                            const unsigned char signature[CRYPTO_SIGNATURE_BYTES]);

// The RFC 7638 thumbprint of a public key as an OKP key (RFC 8037): what a signature names its key by.
void crypto_thumbprint(const unsigned char verifier[CRYPTO_PUBLIC_BYTES], char ret[CRYPTO_THUMBPRINT_MAX]);

// base64url without padding. Decoding is strict: no other characters, no bits left over, so that each run of bytes has one
// text. False where it is none, or longer than `max` bytes.
bool crypto_base64url_add(struct buf *out, struct str bytes);
bool crypto_base64url_read(struct str text, unsigned char *ret, size_t max, size_t *ret_len);
