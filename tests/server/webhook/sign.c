// Signatures against vectors of others: those of the Standard Webhooks' reference service, and one of Stripe's libraries.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "crypto/crypto.h"
#include "webhook/sign.h"

#define PAIR "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="

static int start(void **state) {
  (void)state;
  return crypto_start() ? 0 : -1;
}

// A secret of any length, as others give them out: ours have 32 bytes, and those are all that is read.
static struct sign_keys keys_with(struct str secret_text) {
  struct sign_keys keys = {.count = 1};
  size_t len = 0;
  memcpy(keys.secrets[0].text, secret_text.ptr, secret_text.len);
  assert_true(crypto_base64_read((struct str){secret_text.ptr + 6, secret_text.len - 6}, keys.secrets[0].key, SIGN_BYTES, &len));
  assert_true(crypto_base64_read(STR(PAIR), keys.pair, SIGN_PAIR_BYTES, &len) && len == SIGN_PAIR_BYTES);
  return keys;
}

static void the_reference_services_vectors(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  buf_init(&out, 4096);
  // The secret has 24 bytes; a key of HMAC with zeros behind it is the same key.
  struct sign_keys keys = keys_with(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  sign_headers(&keys, STR("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330, STR("{\"test\": 2432232314}"), false, &out);
  assert_string_equal(buf_cstr(&out),
                      "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\n"
                      "webhook-timestamp: 1614265330\n"
                      "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "
                      "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==\n");
}

static void a_public_key_is_the_second_half_of_its_pair(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  struct sign_keys keys = keys_with(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
  buf_init(&out, 4096);
  sign_public_print(keys.pair + 32, &out);
  assert_string_equal(buf_cstr(&out), "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=");
}

static void stripes_scheme_takes_the_text_for_the_key(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf out;
  struct sign_keys keys = {.count = 1, .secrets = {{.text = "whsec_test_secret"}}};
  buf_init(&out, 4096);
  sign_headers(&keys, STR("evt_1"), 1700000000, STR("{\"id\":\"evt_1\",\"object\":\"event\"}"), true, &out);
  assert_non_null(strstr(buf_cstr(&out), "\nStripe-Signature: t=1700000000,v1=0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd\n"));
}

static size_t count_of(struct buf *text, const char *part) {
  size_t count = 0;
  for (const char *at = buf_cstr(text); (at = strstr(at, part)); at++) count++;
  return count;
}

static void while_two_secrets_live_both_sign(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf both;
  CLEANUP(buf_finish) struct buf second;
  char text[SIGN_TEXT_MAX];
  struct sign_keys keys = {.count = 2};
  unsigned char public[32];
  buf_init(&both, 4096);
  buf_init(&second, 4096);
  crypto_pair_make(keys.pair, public);
  for (int i = 0; i < 2; i++) {
    sign_secret_make(text);
    assert_true(sign_secret_read(str_from(text), &keys.secrets[i]));
  }
  sign_headers(&keys, STR("evt_1"), 1, STR("{}"), true, &both);
  assert_int_equal(count_of(&both, "v1,"), 2);
  assert_int_equal(count_of(&both, "v1a,"), 1);
  assert_int_equal(count_of(&both, ",v1="), 2);
  keys.secrets[0] = keys.secrets[1];
  keys.count = 1;
  sign_headers(&keys, STR("evt_1"), 1, STR("{}"), true, &second);
  char *alone = strstr(buf_cstr(&second), "v1,"), *end = strchr(alone, ' ');
  *end = '\0';
  assert_non_null(strstr(buf_cstr(&both), alone));
}

static void secrets_are_random_and_read_back(void **state) {
  (void)state;
  char a[SIGN_TEXT_MAX], b[SIGN_TEXT_MAX];
  struct sign_secret read;
  sign_secret_make(a);
  sign_secret_make(b);
  assert_string_not_equal(a, b);
  assert_true(str_starts(str_from(a), STR("whsec_")));
  assert_true(sign_secret_read(str_from(a), &read));
  assert_string_equal(read.text, a);
  static const char *const bad[] = {"", "whsec_", "whsec_AAAA", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
                                    "whsec_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4", "whsec_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=="};
  for (size_t i = 0; i < ARRAY_LEN(bad); i++) assert_false(sign_secret_read(str_from(bad[i]), &read));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_reference_services_vectors),
      cmocka_unit_test(a_public_key_is_the_second_half_of_its_pair),
      cmocka_unit_test(stripes_scheme_takes_the_text_for_the_key),
      cmocka_unit_test(while_two_secrets_live_both_sign),
      cmocka_unit_test(secrets_are_random_and_read_back),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
