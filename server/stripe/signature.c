// The header is read strictly: Stripe sends one form, and libraries that forgave others have disagreed about what they
// mean. What is not t or v1 is passed over whatever it says, or whoever can alter a header could choose a weaker
// scheme. Every signature is held against every secret, without stopping at the first that fits, and the time is judged
// last: how long an answer takes says nothing of what was wrong.
#include "stripe/signature.h"
#include "base/log.h"
#include "crypto/crypto.h"

#define MAC_BYTES 32
#define TIME_DIGITS_MAX 12

struct header {
  struct str time; // its digits; ptr NULL: none yet
  int64_t seconds;
  unsigned char macs[SIGNATURE_ELEMENTS_MAX][MAC_BYTES];
  size_t mac_count;
};

bool signature_secrets_read(struct str text, struct signature_secrets *ret) {
  struct str one;
  *ret = (struct signature_secrets){.count = 0};
  while (str_split(&text, ',', &one)) {
    one = str_trim(one);
    if (one.len == 0 || ret->count == SIGNATURE_SECRETS_MAX) return false;
    ret->at[ret->count++] = one;
  }
  return ret->count > 0;
}

// ---- reading the header

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool mac_read(struct str text, unsigned char ret[MAC_BYTES]) {
  if (text.len != MAC_BYTES * (size_t)2) return false;
  for (size_t i = 0; i < MAC_BYTES; i++) {
    int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    ret[i] = (unsigned char)(high << 4 | low);
  }
  return true;
}

// Digits, and none of them a zero in front: what is signed is the text, and there is one text for a time.
static bool time_read(struct str text, struct header *h) {
  if (h->time.ptr || text.len == 0 || text.len > TIME_DIGITS_MAX || text.ptr[0] == '0') return false;
  for (size_t i = 0; i < text.len; i++)
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
  h->time = text;
  return str_to_i64(text, &h->seconds);
}

static bool element_read(struct str element, struct header *h) {
  while (element.len > 0 && element.ptr[0] == ' ') element.ptr++, element.len--;
  const char *equals = element.len ? memchr(element.ptr, '=', element.len) : NULL;
  struct str name = {element.ptr, equals ? (size_t)(equals - element.ptr) : element.len};
  struct str value = equals ? (struct str){equals + 1, element.len - name.len - 1} : (struct str){"", 0};
  if (str_eq(name, STR("t"))) return time_read(value, h);
  if (!str_eq(name, STR("v1"))) return true;
  if (!equals) return false;
  if (mac_read(value, h->macs[h->mac_count])) h->mac_count++;
  return true;
}

static bool header_read(struct str text, struct header *ret) {
  struct str element;
  size_t count = 0;
  ret->time = (struct str){0};
  ret->mac_count = 0;
  if (text.len > SIGNATURE_HEADER_MAX) return false;
  while (str_split(&text, ',', &element))
    if (++count > SIGNATURE_ELEMENTS_MAX || !element_read(element, ret)) return false;
  return ret->time.ptr && ret->mac_count > 0;
}

// ---- judging it

static bool macs_match(const struct header *h, struct str body, const struct signature_secrets *secrets) {
  const struct str parts[] = {h->time, STR("."), body};
  bool match = false;
  for (size_t s = 0; s < secrets->count; s++) {
    unsigned char mac[MAC_BYTES];
    crypto_hmac_sha256(secrets->at[s], parts, 3, mac);
    for (size_t i = 0; i < h->mac_count; i++) match |= crypto_tag_equal(mac, h->macs[i]);
  }
  return match;
}

enum signature_verdict signature_check(struct str header, struct str body, const struct signature_secrets *secrets,
                                       int64_t now_s, int64_t tolerance_s) {
  struct header h;
  ASSERT(secrets->count > 0 && tolerance_s > 0);
  if (!header_read(header, &h)) return SIGNATURE_MALFORMED;
  bool match = macs_match(&h, body, secrets);
  bool timely = h.seconds >= now_s - tolerance_s && h.seconds <= now_s + tolerance_s;
  if (!match) return SIGNATURE_WRONG;
  return timely ? SIGNATURE_SOUND : SIGNATURE_STALE;
}
