// The text of a key. Whatever has the right length is read to its end: all checks are made and only their sum is told,
// so that the time taken says nothing of where a text went wrong.
#include "customer/key.h"
#include "base/log.h"
#include "crypto/crypto.h"

// tlg sk _live_ <id> _ <secret> <crc>
enum {
  AT_KIND = 3,
  AT_ENVIRONMENT = 5,
  AT_ID = 11,
  AT_GAP = AT_ID + KEY_ID_LEN,
  AT_SECRET = AT_GAP + 1,
  SECRET_LEN = 43,
  AT_CRC = AT_SECRET + SECRET_LEN,
  CRC_LEN = 6,
  LAST_LEN = 4,
};
_Static_assert(AT_CRC + CRC_LEN == KEY_TEXT_LEN, "a key's parts add up to its length");

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void crc_print(const char *text, char ret[CRC_LEN]) {
  uint32_t crc = crypto_crc32((struct str){text, AT_CRC});
  for (int i = CRC_LEN - 1; i >= 0; i--, crc /= 62) ret[i] = digits[crc % 62];
}

static bool is_base62(const char *text, size_t len) {
  bool sound = true;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    sound &= (c >= '0' && c <= '9') | (c >= 'A' && c <= 'Z') | (c >= 'a' && c <= 'z');
  }
  return sound;
}

bool key_parse(struct str text, struct key_parts *ret) {
  char crc[CRC_LEN];
  if (text.len != KEY_TEXT_LEN) return false;
  bool customer = memcmp(text.ptr + AT_KIND, "sk", 2) == 0, admin = memcmp(text.ptr + AT_KIND, "ad", 2) == 0;
  crc_print(text.ptr, crc);
  bool sound = customer | admin;
  sound &= memcmp(text.ptr, KEY_BRAND, AT_KIND) == 0;
  sound &= memcmp(text.ptr + AT_ENVIRONMENT, "_live_", AT_ID - AT_ENVIRONMENT) == 0;
  sound &= is_base62(text.ptr + AT_ID, KEY_ID_LEN) & (text.ptr[AT_GAP] == '_');
  sound &= is_base62(text.ptr + AT_SECRET, SECRET_LEN);
  sound &= memcmp(text.ptr + AT_CRC, crc, CRC_LEN) == 0;
  if (!sound) return false;
  *ret = (struct key_parts){
      .kind = customer ? KEY_CUSTOMER : KEY_OPERATOR,
      .public_id = {text.ptr + AT_ID, KEY_ID_LEN},
      .last4 = {text.ptr + AT_CRC - LAST_LEN, LAST_LEN},
  };
  return true;
}

void key_generate(enum key_kind kind, char ret_text[KEY_TEXT_LEN + 1]) {
  memcpy(ret_text, KEY_BRAND, AT_KIND);
  memcpy(ret_text + AT_KIND, kind == KEY_OPERATOR ? "ad" : "sk", 2);
  memcpy(ret_text + AT_ENVIRONMENT, "_live_", AT_ID - AT_ENVIRONMENT);
  crypto_random_base62(ret_text + AT_ID, KEY_ID_LEN);
  ret_text[AT_GAP] = '_';
  crypto_random_base62(ret_text + AT_SECRET, SECRET_LEN);
  crc_print(ret_text, ret_text + AT_CRC);
  ret_text[KEY_TEXT_LEN] = '\0';
}
