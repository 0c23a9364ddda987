// The crypto the service needs, from libsodium. Keys for each purpose are derived from the one master key
// (crypto_kdf, BLAKE2b), so that none is used for two things.
#pragma once
#include "base/buf.h"

#define CRYPTO_TAG_BYTES 32
struct crypto_keys {
  unsigned char pepper[32]; // tags of API keys and redeem codes
  unsigned char seal[32];   // secrets at rest
  unsigned char sign[32];   // what signing keys come from (signature.h)
};

// Once, before threads: libsodium's own set-up. False where the machine gives no randomness.
bool crypto_start(void);
// master: 32 bytes as 64 hex digits or as base64 (either alphabet, padded or not). False where it is neither.
bool crypto_keys_derive(struct str master, struct crypto_keys *ret);
void crypto_random(void *out, size_t len);
void crypto_random_base62(char *out, size_t len); // unbiased; no NUL added
// BLAKE2b-256, keyed with the pepper, over the whole key text (hardening: a database writer cannot mint keys).
void crypto_tag(const struct crypto_keys *keys, struct str text, unsigned char ret[CRYPTO_TAG_BYTES]);
// The same for redeem codes: the tag of a text as a code says nothing of its tag as a key.
void crypto_tag_code(const struct crypto_keys *keys, struct str text, unsigned char ret[CRYPTO_TAG_BYTES]);
bool crypto_tag_equal(const unsigned char a[CRYPTO_TAG_BYTES], const unsigned char b[CRYPTO_TAG_BYTES]); // constant time
void crypto_hash(struct str text, unsigned char ret[32]); // BLAKE2b-256, unkeyed: fingerprints and checksums
// BLAKE2b-128, unkeyed, of the parts with a zero byte between each two: names that stand for long texts.
void crypto_hash_short(const struct str *parts, size_t count, unsigned char ret[16]);
// HMAC-SHA256 (RFC 2104) of the parts, one behind the other; the key may have any length. Compared with crypto_tag_equal.
void crypto_hmac_sha256(struct str key, const struct str *parts, size_t count, unsigned char ret[32]);
// Ed25519 (RFC 8032). A secret is libsodium's: seed and public key.
void crypto_pair_make(unsigned char ret_secret[64], unsigned char ret_public[32]);
void crypto_pair_sign(const unsigned char secret[64], struct str message, unsigned char ret[64]);
// RFC 4648 section 4, with padding.
void crypto_base64(const void *bytes, size_t len, struct buf *out);
bool crypto_base64_read(struct str text, void *ret, size_t max, size_t *ret_len); // false: it is none, or longer than max
uint32_t crypto_crc32(struct str text);                   // IEEE 802.3, reflected: typo check of keys (RFC 1952 section 8)
// XChaCha20-Poly1305-IETF: nonce (24) | ciphertext | tag (16). context is bound as additional data: where the value
// stands ("providers.secret|<uuid>"), so that a sealed value cannot be moved to another row.
bool crypto_seal(const struct crypto_keys *keys, struct str context, struct str plain, struct buf *ret_sealed);
int crypto_open(const struct crypto_keys *keys, struct str context, struct str sealed, struct buf *ret_plain); // FAULT_CRYPTO
void crypto_wipe(void *p, size_t len);
void crypto_hex(const void *bytes, size_t len, char *ret_text); // 2 * len digits and a NUL
