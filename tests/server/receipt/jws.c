// A signed line is taken in one spelling only: RFC 8037's own example is, and nothing that differs from it in one byte; no
// other algorithm, no header that asks for more, nothing in front of it or behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"
#include "receipt/jwks.h"
#include "receipt/jws.h"

// RFC 8037, appendix A.
#define RFC_SEED "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define RFC_KEY "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define RFC_KID "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
#define RFC_LINE                                                                                                       \
  "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iy"  \
  "lGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static struct arena arena;

static int begin(void **state) {
  (void)state;
  arena_init(&arena, 64 << 20);
  return crypto_start() ? 0 : -1;
}

static int end(void **state) {
  (void)state;
  arena_finish(&arena);
  return 0;
}

static struct crypto_signer rfc_signer(void) {
  unsigned char seed[32];
  size_t len;
  struct crypto_signer s;
  assert_true(crypto_base64url_read(STR(RFC_SEED), seed, sizeof seed, &len));
  crypto_signer_of_seed(seed, &s);
  return s;
}

static bool is_good(struct str line) {
  struct jws j;
  return jws_read(&arena, line, &j, NULL) == 0 && jws_check(&j, rfc_signer().verifier);
}

// A line with this header, honestly signed: only the header decides whether it is taken.
static struct str signed_with(const char *header) {
  struct crypto_signer s = rfc_signer();
  unsigned char signature[CRYPTO_SIGNATURE_BYTES];
  struct buf out;
  buf_init(&out, 64 * 1024);
  assert_true(crypto_base64url_add(&out, str_from(header)) && buf_putc(&out, '.') && crypto_base64url_add(&out, STR("{}")));
  crypto_signature_make(&s, buf_str(&out), signature);
  assert_true(buf_putc(&out, '.') && crypto_base64url_add(&out, (struct str){(const char *)signature, sizeof signature}));
  struct str line = arena_str(&arena, buf_str(&out));
  buf_finish(&out);
  return line;
}

static void the_example_of_rfc_8037_verifies(void **state) {
  (void)state;
  struct jws j;
  assert_int_equal(jws_read(&arena, STR(RFC_LINE), &j, NULL), 0);
  assert_true(str_eq(j.payload, STR("Example of Ed25519 signing")));
  assert_null(j.kid.ptr);
  assert_null(j.typ.ptr);
  assert_true(jws_check(&j, rfc_signer().verifier));
}

static void a_changed_byte_is_refused_wherever_it_is(void **state) {
  (void)state;
  static const char others[] = "ABab01-_.=+/ \n";
  char line[] = RFC_LINE;
  for (size_t i = 0; i < sizeof line - 1; i++)
    for (size_t k = 0; k <= sizeof others; k++) {
      char was = line[i], is = k < sizeof others ? others[k] : (char)(was ^ 1);
      if (is == was) continue;
      line[i] = is;
      assert_false(is_good((struct str){line, sizeof line - 1}));
      line[i] = was;
    }
  assert_true(is_good((struct str){line, sizeof line - 1}));
}

static void a_byte_more_or_less_is_refused(void **state) {
  (void)state;
  static const char *const more[] = {"", ".", "A", "=", "==", " ", "\n", ".A", "..", "\0"};
  struct buf line;
  buf_init(&line, 4096);
  for (size_t i = 0; i < sizeof RFC_LINE - 1; i++) {
    buf_clear(&line);
    (void)(buf_add(&line, RFC_LINE, i) && buf_puts(&line, &RFC_LINE[i + 1]));
    assert_false(is_good(buf_str(&line)));
    assert_false(is_good((struct str){RFC_LINE, i}));
  }
  for (size_t i = 0; i < ARRAY_LEN(more); i++)
    for (size_t front = 0; front < 2; front++) {
      size_t len = i + 1 == ARRAY_LEN(more) ? 1 : strlen(more[i]);
      buf_clear(&line);
      if (front) buf_add(&line, more[i], len);
      buf_puts(&line, RFC_LINE);
      if (!front) buf_add(&line, more[i], len);
      assert_int_equal(is_good(buf_str(&line)), len == 0);
    }
  buf_finish(&line);
}

static void only_eddsa_is_taken_whatever_is_signed(void **state) {
  (void)state;
  static const char *const algorithms[] = {"none", "None", "HS256", "RS256", "ES256", "Ed25519", "eddsa", "EdDSA ", ""};
  struct buf header, why;
  struct jws j;
  buf_init(&header, 256);
  buf_init(&why, 256);
  for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
    buf_clear(&header);
    buf_clear(&why);
    buf_printf(&header, "{\"alg\":\"%s\"}", algorithms[i]);
    assert_int_equal(jws_read(&arena, signed_with(buf_cstr(&header)), &j, &why), 1);
    assert_true(why.len > 10);
  }
  assert_true(is_good(signed_with("{\"alg\":\"EdDSA\"}")));
  assert_int_equal(jws_read(&arena, STR("eyJhbGciOiJub25lIn0.e30."), &j, &why), 1);
  buf_finish(&header);
  buf_finish(&why);
}

static void a_header_that_asks_for_more_is_refused(void **state) {
  (void)state;
  static const char *const headers[] = {
      "{\"alg\":\"EdDSA\",\"crit\":[\"exp\"],\"exp\":1}",
      "{\"alg\":\"EdDSA\",\"b64\":false}",
      "{\"alg\":\"EdDSA\",\"jwk\":" RFC_KEY "}",
      "{\"alg\":\"EdDSA\",\"jku\":\"https://x/\"}",
      "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}",
      "{\"alg\":[\"EdDSA\"]}",
      "{\"alg\":\"EdDSA\",\"kid\":7}",
      "{\"alg\":\"EdDSA\"} ",
      "{\"kid\":\"a\"}",
      "[]",
      "\"EdDSA\"",
      "{}",
      "",
  };
  for (size_t i = 0; i < ARRAY_LEN(headers); i++)
    assert_int_equal(is_good(signed_with(headers[i])), strcmp(headers[i], "{\"alg\":\"EdDSA\"} ") == 0); // JSON all the same
  struct buf header;
  buf_init(&header, 4096);
  buf_puts(&header, "{\"alg\":\"EdDSA\",\"kid\":\"");
  for (int i = 0; i < 150; i++) buf_puts(&header, "abcdefgh");
  buf_puts(&header, "\"}");
  assert_false(is_good(signed_with(buf_cstr(&header))));
  buf_finish(&header);
}

static void what_is_written_is_read_back(void **state) {
  (void)state;
  struct crypto_signer s = rfc_signer();
  struct buf line;
  struct jws j;
  buf_init(&line, 4096);
  assert_true(jws_write(&line, &s, RFC_KID, "a-kind", STR("{\"a\":\"\xc3\xa9\"}")));
  assert_int_equal(jws_read(&arena, buf_str(&line), &j, NULL), 0);
  assert_true(str_eq(j.kid, STR(RFC_KID)) && str_eq(j.typ, STR("a-kind")) && str_eq(j.payload, STR("{\"a\":\"\xc3\xa9\"}")));
  assert_true(jws_check(&j, s.verifier));
  s.verifier[0] ^= 1;
  assert_false(jws_check(&j, s.verifier));
  buf_finish(&line);
  buf_init(&line, 60);
  assert_false(jws_write(&line, &s, RFC_KID, "a-kind", STR("{}")));
  buf_finish(&line);
}

// ---- key sets

static int find(const char *set, const char *kid) {
  struct json *root = NULL;
  struct json_error error;
  unsigned char verifier[CRYPTO_PUBLIC_BYTES];
  assert_int_equal(json_parse(str_from(set), &root, &error), 0);
  int found = (int)jwks_find(root, str_from(kid), verifier);
  if (found == JWKS_FOUND) assert_memory_equal(verifier, rfc_signer().verifier, sizeof verifier);
  json_finish(root);
  return found;
}

static void a_key_is_found_by_its_name_or_its_thumbprint(void **state) {
  (void)state;
#define X "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define OKP "\"kty\":\"OKP\",\"crv\":\"Ed25519\","
  assert_int_equal(find(RFC_KEY, RFC_KID), JWKS_FOUND);
  assert_int_equal(find("{\"keys\":[" RFC_KEY "]}", RFC_KID), JWKS_FOUND);
  assert_int_equal(find("{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k\",\"n\":\"AA\"},{" OKP X ",\"kid\":\"k\"}]}", "k"), JWKS_FOUND);
  static const char *const others[] = {
      "{\"keys\":[]}",
      "{\"keys\":[7,null,[],{}]}",
      "{\"keys\":{\"k\":{" OKP X ",\"kid\":\"k\"}}}",
      "{\"keys\":[{" OKP X ",\"kid\":7}]}",
      "{\"keys\":[{" OKP X ",\"kid\":\"K\"}]}",
      "{\"keys\":[{" OKP X ",\"kid\":\"k\",\"use\":\"enc\"}]}",
      "{\"keys\":[{" OKP X ",\"kid\":\"k\",\"alg\":\"ES256\"}]}",
      "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"Ed25519\"," X ",\"kid\":\"k\"}]}",
      "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\"," X ",\"kid\":\"k\"}]}",
      "{\"keys\":[{" OKP "\"x\":\"11qY\",\"kid\":\"k\"}]}",
      "{\"keys\":[{" OKP "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=\",\"kid\":\"k\"}]}",
  };
  for (size_t i = 0; i < ARRAY_LEN(others); i++) assert_int_equal(find(others[i], "k"), JWKS_UNKNOWN);
  static const char *const none[] = {"{}", "[]", "7", "{\"key\":[]}"};
  for (size_t i = 0; i < ARRAY_LEN(none); i++) assert_int_equal(find(none[i], "k"), JWKS_NONE);
}

static void a_written_set_is_read_back(void **state) {
  (void)state;
  struct jwk key = {.kid = "a"}, other = {.kid = "b"};
  struct buf text;
  memcpy(key.verifier, rfc_signer().verifier, sizeof key.verifier);
  buf_init(&text, 4096);
  struct json_writer w = json_writer(&text);
  jwks_write(&w, (struct jwk[]){other, key}, 2);
  assert_int_equal(find(buf_cstr(&text), "a"), JWKS_FOUND);
  assert_int_equal(find(buf_cstr(&text), "c"), JWKS_UNKNOWN);
  buf_finish(&text);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
  const struct CMUnitTest tests[] = {
      TEST(the_example_of_rfc_8037_verifies),
      TEST(a_changed_byte_is_refused_wherever_it_is),
      TEST(a_byte_more_or_less_is_refused),
      TEST(only_eddsa_is_taken_whatever_is_signed),
      TEST(a_header_that_asks_for_more_is_refused),
      TEST(what_is_written_is_read_back),
      TEST(a_key_is_found_by_its_name_or_its_thumbprint),
      TEST(a_written_set_is_read_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
