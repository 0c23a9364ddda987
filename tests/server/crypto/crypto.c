// Rules of the crypto: fixed derivations (stored tags and secrets stand on them), sealed values that open only where
// they belong, and digits drawn evenly. Expected values were computed with another implementation of BLAKE2b.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/mem.h"
#include "crypto/crypto.h"

#define HEX_MASTER "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void assert_hex(const void *bytes, size_t len, const char *expected) {
  char text[129];
  crypto_hex(bytes, len, text);
  assert_string_equal(text, expected);
}

static struct crypto_keys test_keys(void) {
  struct crypto_keys keys;
  assert_true(crypto_keys_derive(STR(HEX_MASTER), &keys));
  return keys;
}

static int start(void **state) {
  (void)state;
  return crypto_start() && crypto_start() ? 0 : -1;
}

static void keys_of_a_master_never_change(void **state) {
  (void)state;
  struct crypto_keys keys = test_keys();
  assert_hex(keys.pepper, 32, "ba25f526726ea1c596ceab00d8ed070cc1793b990cb8d0246bca449b0bfa39f2");
  assert_hex(keys.seal, 32, "1d489a60694071acdb49a50f0d67d32a6d0308414747dff1b2f59b176a3ddbff");
  assert_hex(keys.sign, 32, "c322c2197d1d59fa9a916c7870cd3a3bfec6a137be88b31450004e63a6237476");
}

static void a_master_is_hex_or_any_base64(void **state) {
  (void)state;
  static const char *const same[][4] = {
      {HEX_MASTER, "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"},
      {"fbfffbfffbfffbfffbfffbfffbfffbfffbfffbfffbfffbfffbfffbfffbfffbff",
       "-__7__v_-__7__v_-__7__v_-__7__v_-__7__v_-_8=", "-__7__v_-__7__v_-__7__v_-__7__v_-__7__v_-_8",
       "+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8="},
  };
  for (size_t m = 0; m < ARRAY_LEN(same); m++) {
    struct crypto_keys first, other;
    assert_true(crypto_keys_derive(str_from(same[m][0]), &first));
    for (size_t i = 1; i < 4; i++) {
      assert_true(crypto_keys_derive(str_from(same[m][i]), &other));
      assert_memory_equal(&first, &other, sizeof first);
    }
  }
}

static void anything_else_is_no_master(void **state) {
  (void)state;
  static const char *const texts[] = {"",
                                      "password",
                                      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
                                      HEX_MASTER "20",
                                      " " HEX_MASTER,
                                      HEX_MASTER "\n",
                                      "0g0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                                      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
                                      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw\xc3\xa9h8=",
                                      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==",
                                      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ=="};
  struct crypto_keys keys;
  for (size_t i = 0; i < ARRAY_LEN(texts); i++) assert_false(crypto_keys_derive(str_from(texts[i]), &keys));
  assert_false(crypto_keys_derive((struct str){NULL, 0}, &keys));
}

static void a_tag_is_keyed_and_personal(void **state) {
  (void)state;
  struct crypto_keys keys = test_keys();
  unsigned char tag[CRYPTO_TAG_BYTES], other[CRYPTO_TAG_BYTES];
  crypto_tag(&keys, STR("tlgsk_test"), tag);
  assert_hex(tag, sizeof tag, "df27e8031b6b96a5d681afdd922c314edb04b960685243241dcb56744a2dd46f");
  crypto_tag(&keys, STR("tlgsk_tesu"), other);
  assert_false(crypto_tag_equal(tag, other));
  memcpy(other, tag, sizeof tag);
  assert_true(crypto_tag_equal(tag, other));
  other[31] ^= 1;
  assert_false(crypto_tag_equal(tag, other));
  crypto_tag_code(&keys, STR("tlgsk_test"), other);
  assert_hex(other, sizeof other, "dbf908192a23d07cd3fbcafc42e5ade19885eca0a8578f5988b9d0d30d5e5c9c");
}

static void hashes_are_blake2b_256(void **state) {
  (void)state;
  unsigned char hash[32];
  crypto_hash((struct str){NULL, 0}, hash);
  assert_hex(hash, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  crypto_hash(STR("abc"), hash);
  assert_hex(hash, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

static void mac_is(struct str key, struct str message, const char *hex) {
  unsigned char mac[32];
  char text[65];
  for (size_t cut = 0; cut <= message.len; cut++) {
    const struct str parts[] = {{message.ptr, cut}, {message.ptr + cut, message.len - cut}};
    crypto_hmac_sha256(key, parts, 2, mac);
    crypto_hex(mac, sizeof mac, text);
    assert_string_equal(text, hex);
  }
}

// RFC 4231, cases 1, 2 and 6.
static void macs_are_hmac_sha256_whatever_the_keys_length_and_wherever_the_message_is_cut(void **state) {
  (void)state;
  char b[20], a[131];
  memset(b, 0x0b, sizeof b);
  memset(a, 0xaa, sizeof a);
  mac_is((struct str){b, sizeof b}, STR("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  mac_is(STR("Jefe"), STR("what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  mac_is((struct str){a, sizeof a}, STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void the_checksum_is_the_common_crc32(void **state) {
  (void)state;
  assert_int_equal(crypto_crc32(STR("123456789")), 0xCBF43926);
  assert_int_equal(crypto_crc32((struct str){NULL, 0}), 0);
  assert_int_equal(crypto_crc32(STR("The quick brown fox jumps over the lazy dog")), 0x414FA339);
  assert_int_equal(crypto_crc32(STR("\xFF\xFF\xFF\xFF")), 0xFFFFFFFF);
}

static void what_was_sealed_opens(void **state) {
  (void)state;
  struct crypto_keys keys = test_keys();
  char text[300];
  crypto_random(text, sizeof text);
  for (size_t len = 0; len <= sizeof text; len += 25) {
    CLEANUP(buf_finish) struct buf sealed, plain;
    buf_init(&sealed, 1000);
    buf_init(&plain, 1000);
    assert_true(crypto_seal(&keys, STR("providers.secret|1"), (struct str){text, len}, &sealed));
    assert_int_equal(sealed.len, 24 + len + 16);
    assert_int_equal(crypto_open(&keys, STR("providers.secret|1"), buf_str(&sealed), &plain), 0);
    assert_true(str_eq(buf_str(&plain), (struct str){text, len}));
  }
}

static void a_sealed_value_is_bound_to_key_place_and_every_bit(void **state) {
  (void)state;
  struct crypto_keys keys = test_keys(), others = keys;
  CLEANUP(buf_finish) struct buf sealed, plain;
  buf_init(&sealed, 1000);
  buf_init(&plain, 1000);
  others.seal[0] ^= 1;
  assert_true(crypto_seal(&keys, STR("row|1"), STR("secret"), &sealed));
  assert_int_equal(crypto_open(&others, STR("row|1"), buf_str(&sealed), &plain), FAULT_CRYPTO);
  assert_int_equal(crypto_open(&keys, STR("row|2"), buf_str(&sealed), &plain), FAULT_CRYPTO);
  assert_int_equal(crypto_open(&keys, STR(""), buf_str(&sealed), &plain), FAULT_CRYPTO);
  for (size_t bit = 0; bit < sealed.len * 8; bit++) {
    sealed.data[bit / 8] = (char)(sealed.data[bit / 8] ^ (1 << bit % 8));
    assert_int_equal(crypto_open(&keys, STR("row|1"), buf_str(&sealed), &plain), FAULT_CRYPTO);
    sealed.data[bit / 8] = (char)(sealed.data[bit / 8] ^ (1 << bit % 8));
  }
  for (size_t len = 0; len < sealed.len; len++)
    assert_int_equal(crypto_open(&keys, STR("row|1"), (struct str){sealed.data, len}, &plain), FAULT_CRYPTO);
  assert_int_equal(plain.len, 0);
  assert_int_equal(crypto_open(&keys, STR("row|1"), buf_str(&sealed), &plain), 0);
}

static void sealing_twice_gives_two_texts(void **state) {
  (void)state;
  struct crypto_keys keys = test_keys();
  CLEANUP(buf_finish) struct buf a, b;
  buf_init(&a, 100);
  buf_init(&b, 100);
  assert_true(crypto_seal(&keys, STR("r"), STR("same"), &a) && crypto_seal(&keys, STR("r"), STR("same"), &b));
  assert_false(str_eq(buf_str(&a), buf_str(&b)));
}

static void what_does_not_fit_is_not_begun(void **state) {
  (void)state;
  struct crypto_keys keys = test_keys();
  CLEANUP(buf_finish) struct buf sealed, small;
  buf_init(&small, 5);
  buf_init(&sealed, 46);
  assert_true(crypto_seal(&keys, STR("r"), STR("secret"), &sealed));
  assert_false(crypto_seal(&keys, STR("r"), STR("secret"), &sealed));
  assert_int_equal(sealed.len, 46);
  assert_int_equal(crypto_open(&keys, STR("r"), buf_str(&sealed), &small), FAULT_CRYPTO);
  assert_int_equal(small.len, 0);
}

// 62,000 draws: each digit is expected a thousand times, with a deviation of 31; six of those are never seen.
static void base62_digits_are_drawn_evenly(void **state) {
  (void)state;
  static char text[62000];
  int seen[256] = {0}, kinds = 0;
  crypto_random_base62(text, sizeof text);
  for (size_t i = 0; i < sizeof text; i++) seen[(unsigned char)text[i]]++;
  for (int c = 0; c < 256; c++) {
    bool digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (digit)
      assert_in_range(seen[c], 800, 1200);
    else
      assert_int_equal(seen[c], 0);
    kinds += seen[c] > 0;
  }
  assert_int_equal(kinds, 62);
}

static void secrets_can_be_wiped(void **state) {
  (void)state;
  struct crypto_keys keys = test_keys(), zero;
  memset(&zero, 0, sizeof zero);
  crypto_wipe(&keys, sizeof keys);
  assert_memory_equal(&keys, &zero, sizeof keys);
}

// RFC 8032 7.1, test 2: the pair and its signature of one byte.
static void ed25519_signs_as_the_rfc_has_it(void **state) {
  (void)state;
  static const unsigned char pair[64] = {
      0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e, 0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab,
      0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8, 0xa6, 0xfb, 0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7,
      0x4d, 0x1b, 0x7e, 0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c};
  unsigned char signature[64], other[64], public[32];
  crypto_pair_sign(pair, STR("\x72"), signature);
  assert_hex(signature, 64, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  crypto_pair_make(other, public);
  assert_memory_equal(other + 32, public, 32);
  assert_memory_not_equal(other, pair, 64);
}

static void base64_is_rfc_4648s_with_padding(void **state) {
  (void)state;
  static const char *const table[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8="}};
  char read[8];
  size_t len;
  for (size_t i = 0; i < ARRAY_LEN(table); i++) {
    CLEANUP(buf_finish) struct buf out;
    buf_init(&out, 64);
    struct str plain = str_from(table[i][0]);
    crypto_base64(plain.ptr, plain.len, &out);
    assert_string_equal(buf_cstr(&out), table[i][1]);
    if (plain.len == 0) continue;
    assert_true(crypto_base64_read(buf_str(&out), read, sizeof read, &len));
    assert_true(str_eq((struct str){read, len}, plain));
  }
  static const char *const bad[] = {"", "Zg", "Zg=", "Zg===", "Zh==", "-_8=", "Zm9v ", "Zm9vYmFyYmF6"};
  for (size_t i = 0; i < ARRAY_LEN(bad); i++)
    if (crypto_base64_read(str_from(bad[i]), read, sizeof read, &len)) fail_msg("%s", bad[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ed25519_signs_as_the_rfc_has_it),
      cmocka_unit_test(base64_is_rfc_4648s_with_padding),
      cmocka_unit_test(keys_of_a_master_never_change),
      cmocka_unit_test(a_master_is_hex_or_any_base64),
      cmocka_unit_test(anything_else_is_no_master),
      cmocka_unit_test(a_tag_is_keyed_and_personal),
      cmocka_unit_test(hashes_are_blake2b_256),
      cmocka_unit_test(macs_are_hmac_sha256_whatever_the_keys_length_and_wherever_the_message_is_cut),
      cmocka_unit_test(the_checksum_is_the_common_crc32),
      cmocka_unit_test(what_was_sealed_opens),
      cmocka_unit_test(a_sealed_value_is_bound_to_key_place_and_every_bit),
      cmocka_unit_test(sealing_twice_gives_two_texts),
      cmocka_unit_test(what_does_not_fit_is_not_begun),
      cmocka_unit_test(base62_digits_are_drawn_evenly),
      cmocka_unit_test(secrets_can_be_wiped),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
