// Feeds: a line as `tollgate receipt verify` gets it; a header and a payload that are signed, whole and with one byte
// changed; a key set and the name of a key.
// Oracle: a line is taken exactly where a plain reading says so: base64url decoded bit by bit, a header that jansson reads
// and that has nothing but the three members known. What was signed verifies and comes back; with one byte changed it
// never does, nor under another key. A key that is found is one that jansson finds.
#include "base/arena.h"
#include "base/limits.h"
#include "base/mem.h"
#include "fuzz.h"
#include "json/read.h"
#include "receipt/jwks.h"
#include "receipt/jws.h"

#define ARENA_MAX (16 << 20)

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static struct crypto_signer signer, other;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FUZZ_CHECK(crypto_start(), "no randomness");
  crypto_signer_of_seed((const unsigned char *)"0123456789abcdef0123456789abcdef", &signer);
  crypto_signer_of_seed((const unsigned char *)"0123456789abcdef0123456789abcdeF", &other);
  return 0;
}

// ---- a plain reading

static bool plain_base64url(struct str text, char *ret, size_t *ret_len) {
  unsigned bits = 0, count = 0;
  *ret_len = 0;
  for (size_t i = 0; i < text.len; i++) {
    const char *digit = text.ptr[i] ? strchr(digits, text.ptr[i]) : NULL;
    if (!digit) return false;
    bits = bits << 6 | (unsigned)(digit - digits);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    ret[(*ret_len)++] = (char)(bits >> count);
    bits &= (1u << count) - 1;
  }
  return count < 6 && bits == 0;
}

bool plain_header(const char *text, size_t len); // receipt_plain.c

static bool plain_line(struct str line, char *payload, size_t *ret_payload) {
  char *part = malloc(line.len + 1);
  size_t at = 0, len = 0, n = 0;
  bool sound = part && line.len <= JWS_MAX;
  for (; sound && n < 4 && at <= line.len; n++) {
    size_t from = at;
    while (at < line.len && line.ptr[at] != '.') at++;
    struct str piece = {line.ptr + from, at - from};
    at++;
    sound = n < 3 && plain_base64url(piece, part, &len);
    if (sound && n == 0) sound = plain_header(part, len);
    if (sound && n == 1) memcpy(payload, part, *ret_payload = len);
    if (sound && n == 2) sound = len == CRYPTO_SIGNATURE_BYTES;
  }
  free(part);
  return sound && n == 3;
}

// ---- what is tried

static void line_try(struct arena *arena, struct str line) {
  struct jws j = {0};
  char *payload = malloc(line.len + 1);
  size_t len = 0;
  bool taken = jws_read(arena, line, &j, NULL) == 0, should = plain_line(line, payload, &len);
  FUZZ_CHECK(taken == should, "%.*s: taken %d, should be %d", STR_ARG(line), taken, should);
  if (taken) FUZZ_CHECK(j.payload.len == len && memcmp(j.payload.ptr, payload, len) == 0, "another payload");
  free(payload);
}

static void signed_try(struct arena *arena, struct fuzz_input *in) {
  uint64_t where = fuzz_u64(in);
  uint8_t change = fuzz_byte(in);
  struct str payload = fuzz_rest(in);
  struct buf line;
  struct jws j = {0};
  buf_init(&line, JWS_MAX);
  FUZZ_CHECK(jws_write(&line, &signer, "a-kid", "a-typ", payload), "%zu bytes do not fit", payload.len);
  FUZZ_CHECK(jws_read(arena, buf_str(&line), &j, NULL) == 0, "what was written is not taken");
  FUZZ_CHECK(str_eq(j.payload, payload) && str_eq(j.kid, STR("a-kid")) && str_eq(j.typ, STR("a-typ")), "it comes back as something else");
  FUZZ_CHECK(jws_check(&j, signer.verifier) && !jws_check(&j, other.verifier), "the wrong key verifies");
  if (change) line.data[where % line.len] = (char)(line.data[where % line.len] ^ change);
  if (change && jws_read(arena, buf_str(&line), &j, NULL) == 0)
    FUZZ_CHECK(!jws_check(&j, signer.verifier), "byte %zu is of no account", (size_t)(where % line.len));
  buf_finish(&line);
}

bool plain_key(const char *set, size_t len, const char *kid, const char *x); // receipt_plain.c

static void set_try(struct fuzz_input *in) {
  struct str kid = fuzz_until(in, '\n'), set = fuzz_rest(in);
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  unsigned char verifier[CRYPTO_PUBLIC_BYTES];
  if (!str_is_utf8(kid) || memchr(kid.ptr ? kid.ptr : "", '\0', kid.len) || json_parse(set, &root, &error) != 0) return;
  enum jwks_answer found = jwks_find(root, kid, verifier);
  if (found != JWKS_FOUND) return;
  struct buf x;
  char *name = fuzz_text(kid);
  buf_init(&x, 64);
  (void)crypto_base64url_add(&x, (struct str){(const char *)verifier, sizeof verifier});
  FUZZ_CHECK(plain_key(set.ptr, set.len, name, buf_cstr(&x)), "%s is none of its keys", name);
  buf_finish(&x);
  free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  struct arena arena;
  arena_init(&arena, ARENA_MAX);
  uint8_t what = fuzz_byte(&in);
  if (what == 's')
    signed_try(&arena, &in);
  else if (what == 'k')
    set_try(&in);
  else
    line_try(&arena, fuzz_rest(&in));
  arena_finish(&arena);
  return 0;
}
