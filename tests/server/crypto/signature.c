// Rules of signatures: the signer of a master key and version never changes, what is published of it are RFC 8037's texts,
// and one changed bit anywhere is refused. Expected values of our own keys were computed with Node.js and hashlib.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/signature.h"

#define HEX_MASTER "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static int start(void **state) {
  (void)state;
  return crypto_start() ? 0 : -1;
}

static void assert_hex(const void *bytes, size_t len, const char *expected) {
  char text[129];
  crypto_hex(bytes, len, text);
  assert_string_equal(text, expected);
}

static struct crypto_signer signer(uint32_t version) {
  struct crypto_keys keys;
  struct crypto_signer made;
  assert_true(crypto_keys_derive(STR(HEX_MASTER), &keys));
  crypto_signer_derive(&keys, version, &made);
  return made;
}

// RFC 8037, appendix A.1.
static struct crypto_signer rfc_signer(void) {
  unsigned char seed[32];
  size_t len = 0;
  struct crypto_signer made;
  assert_true(crypto_base64url_read(STR("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"), seed, sizeof seed, &len));
  assert_int_equal(len, 32);
  crypto_signer_of_seed(seed, &made);
  return made;
}

static void a_versions_signer_never_changes(void **state) {
  (void)state;
  static const char *const verifiers[] = {"54bd9adf5cdfae1ae86babfeb612fa7bc3b7ad477ea0788d87e3d700f0b3b052",
                                          "f2d2a5d90e13178fd82efac19d7aff3ec5629394faef521272448db7de30bc5d"};
  static const char *const thumbprints[] = {"iSqAhb_llxUgtpXUh2p8EB6NIxXAtBGwZvN9RDcYdqk",
                                            "lmE1t5cyQIxkRYkRcQvctAOJ5E9C8B3KHRRYsWcsSEc"};
  static const char *const signatures[] = {
      "1ffa61ac18cf4089e40c88fd1bc47236db7a083a39898087b14ce473bebadb2411c8ac3608f55b410ea06db385fa65efaad6619e7c5dbc64797"
      "a7900f277e004",
      "0a6d839e58d1e483c9f72b3ca2c8d9dfd2b93f0138c2e9b7758170f547fd7ba61eb7925c01f2e20c920f29fb04cf3f7ac79a9dbfe5d724051ad"
      "38667cdbf0408"};
  for (uint32_t version = 1; version <= 2; version++) {
    struct crypto_signer s = signer(version);
    char thumbprint[CRYPTO_THUMBPRINT_MAX], hex[2 * CRYPTO_SIGNATURE_BYTES + 1];
    unsigned char signature[CRYPTO_SIGNATURE_BYTES];
    assert_hex(s.verifier, sizeof s.verifier, verifiers[version - 1]);
    crypto_thumbprint(s.verifier, thumbprint);
    assert_string_equal(thumbprint, thumbprints[version - 1]);
    crypto_signature_make(&s, STR("text"), signature);
    crypto_hex(signature, sizeof signature, hex);
    assert_string_equal(hex, signatures[version - 1]);
  }
}

static void keys_and_thumbprints_are_those_of_rfc_8037(void **state) {
  (void)state;
  struct crypto_signer s = rfc_signer();
  char thumbprint[CRYPTO_THUMBPRINT_MAX];
  CLEANUP(buf_finish) struct buf x;
  buf_init(&x, 64);
  assert_true(crypto_base64url_add(&x, (struct str){(const char *)s.verifier, sizeof s.verifier}));
  assert_string_equal(buf_cstr(&x), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  crypto_thumbprint(s.verifier, thumbprint);
  assert_string_equal(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

static void a_changed_bit_is_refused_wherever_it_is(void **state) {
  (void)state;
  struct crypto_signer s = signer(1);
  char text[] = "what was signed";
  struct str whole = {text, sizeof text - 1};
  unsigned char signature[CRYPTO_SIGNATURE_BYTES];
  crypto_signature_make(&s, whole, signature);
  assert_true(crypto_signature_check(s.verifier, whole, signature));
  for (size_t bit = 0; bit < sizeof signature * 8; bit++) {
    signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
    assert_false(crypto_signature_check(s.verifier, whole, signature));
    signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
  for (size_t bit = 0; bit < whole.len * 8; bit++) {
    text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
    assert_false(crypto_signature_check(s.verifier, whole, signature));
    text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
  }
  struct crypto_signer other = signer(2);
  assert_false(crypto_signature_check(other.verifier, whole, signature));
  assert_false(crypto_signature_check(s.verifier, (struct str){text, whole.len - 1}, signature));
  assert_true(crypto_signature_check(s.verifier, whole, signature));
}

// The group's order added to the scalar: the same equation, another signature. A key of small order: it would pass for
// many texts.
static void a_second_form_of_a_signature_is_refused(void **state) {
  (void)state;
  static const unsigned char order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                          0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
  static const unsigned char small[32] = {1};
  struct crypto_signer s = signer(1);
  unsigned char signature[CRYPTO_SIGNATURE_BYTES];
  crypto_signature_make(&s, STR("text"), signature);
  unsigned carry = 0;
  for (size_t i = 0; i < 32; i++) {
    carry += (unsigned)signature[32 + i] + order[i];
    signature[32 + i] = (unsigned char)carry;
    carry >>= 8;
  }
  assert_false(crypto_signature_check(s.verifier, STR("text"), signature));
  memset(signature, 0, sizeof signature);
  signature[0] = 1;
  assert_false(crypto_signature_check(small, STR("text"), signature));
}

static void base64url_has_one_text_for_each_run_of_bytes(void **state) {
  (void)state;
  static const char *const none[] = {"=", "A", "AA==", "AAA=", "AB", "AAB", "A A", "AA\n", " AA", "AA+A", "AA/A", "AAAAA",
                                     "A\x80" "AA", "AA\xff" "A", "\xc3\xa9" "AA"};
  unsigned char bytes[64], back[64];
  size_t len = 0;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(255 - i * 5);
  for (size_t n = 0; n <= sizeof bytes; n++) {
    CLEANUP(buf_finish) struct buf text;
    buf_init(&text, 128);
    assert_true(crypto_base64url_add(&text, (struct str){(const char *)bytes, n}));
    assert_true(crypto_base64url_read(buf_str(&text), back, sizeof back, &len));
    assert_int_equal(len, n);
    assert_memory_equal(bytes, back, n);
    if (n > 0) assert_false(crypto_base64url_read(buf_str(&text), back, n - 1, &len));
  }
  for (size_t i = 0; i < ARRAY_LEN(none); i++)
    assert_false(crypto_base64url_read(str_from(none[i]), back, sizeof back, &len));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_versions_signer_never_changes),
      cmocka_unit_test(keys_and_thumbprints_are_those_of_rfc_8037),
      cmocka_unit_test(a_changed_bit_is_refused_wherever_it_is),
      cmocka_unit_test(a_second_form_of_a_signature_is_refused),
      cmocka_unit_test(base64url_has_one_text_for_each_run_of_bytes),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
