// Feeds: a Stripe-Signature header and a body; a header put together of pieces that matter, with the right signature
// among them. Oracle: a plain reading of the header, element by element, that compares signatures as texts.
#include "crypto/crypto.h"
#include "fuzz.h"
#include "stripe/signature.h"

#define NOW INT64_C(1700000000)
#define TOLERANCE 300
#define HEADER_MOST 8192
static const char *const secrets[] = {"whsec_one", "whsec_two"};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  return !crypto_start();
}

static void mac_write(const char *secret, struct str time, struct str body, char ret[65]) {
  const struct str parts[] = {time, STR("."), body};
  unsigned char mac[32];
  crypto_hmac_sha256(str_from(secret), parts, 3, mac);
  crypto_hex(mac, sizeof mac, ret);
}

// ---- the plain reading

static bool all_of(struct str s, const char *set) {
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] == '\0' || !strchr(set, s.ptr[i])) return false;
  return s.len > 0;
}

struct reading {
  struct str time, macs[HEADER_MOST];
  size_t times, mac_count;
  bool broken;
};

static struct str after(struct str s, size_t n) {
  return (struct str){s.ptr + n, s.len - n};
}

static void element_read(struct str e, struct reading *r) {
  while (e.len > 0 && e.ptr[0] == ' ') e = after(e, 1);
  bool is_time = str_starts(e, STR("t=")), is_mac = str_starts(e, STR("v1="));
  if (is_time) r->time = after(e, 2), r->times++;
  if (is_mac && e.len == 67 && all_of(after(e, 3), "0123456789abcdef")) r->macs[r->mac_count++] = after(e, 3);
  if (str_eq(e, STR("t")) || str_eq(e, STR("v1"))) r->broken = true;
}

static bool reads(struct str header, struct reading *r) {
  size_t elements = 0, from = 0;
  *r = (struct reading){.times = 0};
  for (size_t i = 0; i <= header.len; i++) {
    if (i < header.len && header.ptr[i] != ',') continue;
    if (i < header.len || i > from) elements++, element_read((struct str){header.ptr + from, i - from}, r);
    from = i + 1;
  }
  return header.len <= 4096 && elements <= 20 && !r->broken && r->times == 1 && r->mac_count > 0 && r->time.len <= 12 &&
         all_of(r->time, "0123456789") && r->time.ptr[0] != '0';
}

static enum signature_verdict verdict(struct str header, struct str body) {
  static struct reading r;
  char mac[65], digits[16] = "";
  bool match = false;
  if (!reads(header, &r)) return SIGNATURE_MALFORMED;
  for (size_t s = 0; s < 2; s++) {
    mac_write(secrets[s], r.time, body, mac);
    for (size_t i = 0; i < r.mac_count; i++) match |= str_eq(r.macs[i], (struct str){mac, 64});
  }
  if (!match) return SIGNATURE_WRONG;
  memcpy(digits, r.time.ptr, r.time.len);
  long long apart = atoll(digits) - NOW;
  return apart > TOLERANCE || apart < -TOLERANCE ? SIGNATURE_STALE : SIGNATURE_SOUND;
}

static void check(struct str header, struct str body) {
  struct signature_secrets two;
  char *header_copy = fuzz_copy(header), *body_copy = fuzz_copy(body);
  FUZZ_CHECK(signature_secrets_read(STR("whsec_one, whsec_two"), &two) && two.count == 2, "%zu", two.count);
  int got = (int)signature_check((struct str){header_copy, header.len}, (struct str){body_copy, body.len}, &two, NOW,
                                 TOLERANCE);
  int wanted = (int)verdict(header, body);
  FUZZ_CHECK(got == wanted, "\"%.*s\" is judged %d, not %d", STR_ARG(header), got, wanted);
  free(header_copy);
  free(body_copy);
}

// ---- headers of pieces

static void made_check(struct fuzz_input *in) {
  static const char *const times[] = {"1700000000", "1700000300", "1699999699", "999999999999",
                                      "0",          "1",          "01700000000"};
  static const char *const pieces[] = {",", " ", "t", "v1", "=", "v0=", "v1=", ",t=", ",v1=", "0", "x", ",,"};
  static char header[HEADER_MOST];
  size_t len = 0, many = fuzz_byte(in) % 40;
  const char *time = times[fuzz_byte(in) % 7];
  const uint8_t *choices = in->at;
  for (size_t i = 0; i < many; i++) (void)fuzz_byte(in);
  struct str body = fuzz_rest(in);
  for (const uint8_t *at = choices; at < choices + many && at < in->end && len < HEADER_MOST - 100; at++) {
    char mac[65];
    size_t kind = *at % 20;
    mac_write(secrets[*at / 20 % 2], str_from(time), body, mac);
    const char *piece = kind < 12 ? pieces[kind] : kind < 16 ? time : mac;
    if (kind == 19) mac[*at % 64] ^= 1;
    len += (size_t)snprintf(header + len, HEADER_MOST - len, "%s", piece);
  }
  check((struct str){header, len}, body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  if (fuzz_byte(&in) % 2) {
    made_check(&in);
    return 0;
  }
  struct str header = fuzz_until(&in, '\n');
  check(header, fuzz_rest(&in));
  return 0;
}
