// The door to libsodium: random bytes, keyed tags, sealing at rest. Keys come from the master key by crypto_kdf, one
// number each, so that learning one tells nothing of another. Copies of secrets made on the way are wiped.
#include "crypto/crypto.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

// libsodium has functions of these names, which are not used here.
#define crypto_hash sodium_crypto_hash
#include <sodium.h>
#undef crypto_hash

#define MASTER_BYTES crypto_kdf_KEYBYTES
#define KDF_CONTEXT "tollgate"
enum { KDF_PEPPER = 1, KDF_SEAL = 2, KDF_SIGN = 3 }; // never renumber: stored tags and secrets stand on them

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define MAC_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES

static const unsigned char key_personal[crypto_generichash_blake2b_PERSONALBYTES] = "apikey.v1";
static const unsigned char code_personal[crypto_generichash_blake2b_PERSONALBYTES] = "redeem.v1";

bool crypto_start(void) {
  return sodium_init() >= 0;
}

static bool master_read_hex(struct str text, unsigned char ret[MASTER_BYTES]) {
  size_t len = 0;
  return text.len == 2 * MASTER_BYTES && sodium_hex2bin(ret, MASTER_BYTES, text.ptr, text.len, NULL, &len, NULL) == 0 &&
         len == MASTER_BYTES;
}

static bool master_read_base64(struct str text, unsigned char ret[MASTER_BYTES]) {
  static const int variants[] = {sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
                                 sodium_base64_VARIANT_URLSAFE, sodium_base64_VARIANT_URLSAFE_NO_PADDING};
  if (str_ascii_len(text) < text.len) return false; // libsodium (1.0.18) takes bytes beyond ASCII for digits
  for (size_t i = 0; text.len > 0 && i < ARRAY_LEN(variants); i++) {
    size_t len = 0;
    if (sodium_base642bin(ret, MASTER_BYTES, text.ptr, text.len, NULL, &len, NULL, variants[i]) == 0 &&
        len == MASTER_BYTES)
      return true;
  }
  return false;
}

bool crypto_keys_derive(struct str master, struct crypto_keys *ret) {
  unsigned char key[MASTER_BYTES];
  bool valid = master_read_hex(master, key) || master_read_base64(master, key);
  if (valid) {
    ASSERT(crypto_kdf_derive_from_key(ret->pepper, sizeof ret->pepper, KDF_PEPPER, KDF_CONTEXT, key) == 0);
    ASSERT(crypto_kdf_derive_from_key(ret->seal, sizeof ret->seal, KDF_SEAL, KDF_CONTEXT, key) == 0);
    ASSERT(crypto_kdf_derive_from_key(ret->sign, sizeof ret->sign, KDF_SIGN, KDF_CONTEXT, key) == 0);
  }
  sodium_memzero(key, sizeof key);
  return valid;
}

void crypto_random(void *out, size_t len) {
  randombytes_buf(out, len);
}

// Bytes from 248 up are thrown away: 248 is the largest multiple of 62 in a byte, so every digit is equally likely.
void crypto_random_base62(char *out, size_t len) {
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  unsigned char bytes[64];
  size_t done = 0;
  while (done < len) {
    randombytes_buf(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes && done < len; i++)
      if (bytes[i] < 248) out[done++] = digits[bytes[i] % 62];
  }
  sodium_memzero(bytes, sizeof bytes);
}

static const unsigned char *bytes_of(struct str s) {
  return (const unsigned char *)(s.len ? s.ptr : "");
}

static void tag(const struct crypto_keys *keys, const unsigned char *personal, struct str text, unsigned char *ret) {
  ASSERT(crypto_generichash_blake2b_salt_personal(ret, CRYPTO_TAG_BYTES, bytes_of(text), text.len, keys->pepper,
                                                  sizeof keys->pepper, NULL, personal) == 0);
}

void crypto_tag(const struct crypto_keys *keys, struct str text, unsigned char ret[CRYPTO_TAG_BYTES]) {
  tag(keys, key_personal, text, ret);
}

void crypto_tag_code(const struct crypto_keys *keys, struct str text, unsigned char ret[CRYPTO_TAG_BYTES]) {
  tag(keys, code_personal, text, ret);
}

bool crypto_tag_equal(const unsigned char a[CRYPTO_TAG_BYTES], const unsigned char b[CRYPTO_TAG_BYTES]) {
  return sodium_memcmp(a, b, CRYPTO_TAG_BYTES) == 0;
}

void crypto_hash(struct str text, unsigned char ret[32]) {
  ASSERT(crypto_generichash_blake2b(ret, 32, bytes_of(text), text.len, NULL, 0) == 0);
}

void crypto_hash_short(const struct str *parts, size_t count, unsigned char ret[16]) {
  static const unsigned char between;
  crypto_generichash_blake2b_state state;
  ASSERT(crypto_generichash_blake2b_init(&state, NULL, 0, 16) == 0);
  for (size_t i = 0; i < count; i++) {
    if (i > 0) ASSERT(crypto_generichash_blake2b_update(&state, &between, 1) == 0);
    ASSERT(crypto_generichash_blake2b_update(&state, bytes_of(parts[i]), parts[i].len) == 0);
  }
  ASSERT(crypto_generichash_blake2b_final(&state, ret, 16) == 0);
}

void crypto_hmac_sha256(struct str key, const struct str *parts, size_t count, unsigned char ret[32]) {
  crypto_auth_hmacsha256_state state;
  (void)crypto_auth_hmacsha256_init(&state, bytes_of(key), key.len);
  for (size_t i = 0; i < count; i++) (void)crypto_auth_hmacsha256_update(&state, bytes_of(parts[i]), parts[i].len);
  (void)crypto_auth_hmacsha256_final(&state, ret);
  sodium_memzero(&state, sizeof state);
}

void crypto_pair_make(unsigned char ret_secret[64], unsigned char ret_public[32]) {
  ASSERT(crypto_sign_keypair(ret_public, ret_secret) == 0);
}

void crypto_pair_sign(const unsigned char secret[64], struct str message, unsigned char ret[64]) {
  ASSERT(crypto_sign_detached(ret, NULL, bytes_of(message), message.len, secret) == 0);
}

void crypto_base64(const void *bytes, size_t len, struct buf *out) {
  size_t size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
  CLEANUP(mem_freep) char *text = mem_alloc(size);
  sodium_bin2base64(text, size, bytes, len, sodium_base64_VARIANT_ORIGINAL);
  buf_puts(out, text);
  sodium_memzero(text, size);
}

bool crypto_base64_read(struct str text, void *ret, size_t max, size_t *ret_len) {
  return text.len > 0 &&
         sodium_base642bin(ret, max, text.ptr, text.len, NULL, ret_len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
}

// Half a byte at a time: a table of sixteen, and keys are short.
uint32_t crypto_crc32(struct str text) {
  static const uint32_t table[16] = {
      0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
      0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
  };
  uint32_t crc = 0xFFFFFFFF;
  for (size_t i = 0; i < text.len; i++) {
    crc ^= (unsigned char)text.ptr[i];
    crc = crc >> 4 ^ table[crc & 15];
    crc = crc >> 4 ^ table[crc & 15];
  }
  return ~crc;
}

// Adds all or nothing: half a sealed value is of no use.
static bool add_whole(struct buf *b, const unsigned char *data, size_t len) {
  return !b->full && len <= b->max - b->len && buf_add(b, data, len);
}

bool crypto_seal(const struct crypto_keys *keys, struct str context, struct str plain, struct buf *ret_sealed) {
  size_t len = NONCE_BYTES + plain.len + MAC_BYTES;
  CLEANUP(mem_freep) unsigned char *sealed = mem_alloc(len);
  randombytes_buf(sealed, NONCE_BYTES);
  ASSERT(crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_BYTES, NULL, bytes_of(plain), plain.len,
                                                    bytes_of(context), context.len, NULL, sealed, keys->seal) == 0);
  return add_whole(ret_sealed, sealed, len);
}

int crypto_open(const struct crypto_keys *keys, struct str context, struct str sealed, struct buf *ret_plain) {
  if (sealed.len < NONCE_BYTES + MAC_BYTES) return FAULT_CRYPTO;
  size_t len = sealed.len - NONCE_BYTES - MAC_BYTES;
  const unsigned char *nonce = bytes_of(sealed);
  CLEANUP(mem_freep) unsigned char *plain = mem_alloc(len);
  bool opens =
      crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, nonce + NONCE_BYTES, sealed.len - NONCE_BYTES,
                                                 bytes_of(context), context.len, nonce, keys->seal) == 0;
  opens = opens && add_whole(ret_plain, plain, len);
  sodium_memzero(plain, len);
  return opens ? 0 : FAULT_CRYPTO;
}

void crypto_wipe(void *p, size_t len) {
  sodium_memzero(p, len);
}

void crypto_hex(const void *bytes, size_t len, char *ret_text) {
  sodium_bin2hex(ret_text, 2 * len + 1, bytes, len);
}
