// See sign.h.
#include "webhook/sign.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/crypto.h"

#define SECRET_PREFIX "whsec_"
#define SIGNATURE_BYTES 64

void sign_secret_make(char ret_text[SIGN_TEXT_MAX]) {
  unsigned char key[SIGN_BYTES];
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, SIGN_TEXT_MAX - 1);
  crypto_random(key, sizeof key);
  buf_puts(&text, SECRET_PREFIX);
  crypto_base64(key, sizeof key, &text);
  ASSERT(!text.full);
  memcpy(ret_text, buf_cstr(&text), text.len + 1);
  crypto_wipe(key, sizeof key);
  crypto_wipe(text.data, text.len);
}

bool sign_secret_read(struct str text, struct sign_secret *ret) {
  struct sign_secret s = {0};
  size_t len = 0;
  bool sound = text.len < sizeof s.text && str_starts(text, STR(SECRET_PREFIX));
  struct str rest = {text.ptr + 6, sound ? text.len - 6 : 0};
  sound = sound && crypto_base64_read(rest, s.key, sizeof s.key, &len) && len == SIGN_BYTES;
  if (sound) {
    memcpy(s.text, text.ptr, text.len);
    *ret = s;
  }
  crypto_wipe(&s, sizeof s);
  return sound;
}

void sign_public_print(const unsigned char key[SIGN_PUBLIC_BYTES], struct buf *out) {
  buf_puts(out, "whpk_");
  crypto_base64(key, SIGN_PUBLIC_BYTES, out);
}

static void standard_line(const struct sign_keys *keys, struct str content, struct buf *out) {
  unsigned char mac[SIGNATURE_BYTES];
  buf_puts(out, "webhook-signature: ");
  for (size_t i = 0; i < keys->count; i++) {
    crypto_hmac_sha256((struct str){(const char *)keys->secrets[i].key, SIGN_BYTES}, &content, 1, mac);
    buf_puts(out, "v1,");
    crypto_base64(mac, 32, out);
    buf_putc(out, ' ');
  }
  crypto_pair_sign(keys->pair, content, mac);
  buf_puts(out, "v1a,");
  crypto_base64(mac, SIGNATURE_BYTES, out);
  buf_putc(out, '\n');
}

static void stripe_line(const struct sign_keys *keys, struct str time, struct str body, struct buf *out) {
  const struct str parts[] = {time, STR("."), body};
  unsigned char mac[32];
  char hex[65];
  buf_printf(out, "Stripe-Signature: t=%.*s", STR_ARG(time));
  for (size_t i = 0; i < keys->count; i++) {
    crypto_hmac_sha256(str_from(keys->secrets[i].text), parts, ARRAY_LEN(parts), mac);
    crypto_hex(mac, sizeof mac, hex);
    buf_printf(out, ",v1=%s", hex);
  }
  buf_putc(out, '\n');
}

void sign_headers(const struct sign_keys *keys, struct str id, int64_t time_s, struct str body, bool stripe, struct buf *out) {
  CLEANUP(buf_finish) struct buf content;
  buf_init(&content, id.len + body.len + 64);
  buf_printf(&content, "%.*s.", STR_ARG(id));
  size_t from = content.len;
  buf_put_i64(&content, time_s);
  size_t digits = content.len - from;
  buf_putc(&content, '.');
  buf_add_str(&content, body);
  ASSERT(!content.full);
  struct str time = {content.data + from, digits};
  buf_printf(out, "webhook-id: %.*s\nwebhook-timestamp: %.*s\n", STR_ARG(id), STR_ARG(time));
  standard_line(keys, buf_str(&content), out);
  if (stripe) stripe_line(keys, time, body, out);
}
