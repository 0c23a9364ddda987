// See text.h.
#include "code/text.h"
#include "base/log.h"
#include "crypto/crypto.h"

#define DRAWN_LEN 18
#define GROUP_LEN 5

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static char canonical(char c) {
  if (c >= 'a' && c <= 'z') c = (char)(c - 'a' + 'A');
  if (c == 'O') return '0';
  return c == 'I' || c == 'L' ? '1' : c;
}

static bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

// Of the `len` characters of a canonical text before its check sum.
static void check_write(const char *text, size_t len, char ret[2]) {
  uint32_t crc = crypto_crc32((struct str){text, len});
  ret[0] = digits[crc >> 5 & 31];
  ret[1] = digits[crc & 31];
}

bool code_canonical(struct str text, char ret[CODE_TEXT_MAX]) {
  char check[2];
  size_t len = 0;
  if (text.len > CODE_GIVEN_MAX) return false;
  for (size_t i = 0; i < text.len; i++) {
    char c = canonical(text.ptr[i]);
    if (c == '-' || c == ' ') continue;
    if (!is_plain(c) || len == CODE_PREFIX_MAX + CODE_BODY_LEN) return false;
    ret[len++] = c;
  }
  ret[len] = '\0';
  if (len < CODE_BODY_LEN) return false;
  for (size_t i = len - CODE_BODY_LEN; i < len; i++)
    if (!strchr(digits, ret[i])) return false;
  check_write(ret, len - 2, check);
  return memcmp(check, ret + len - 2, 2) == 0;
}

void code_generate(struct str prefix, char ret_text[CODE_TEXT_MAX]) {
  char text[CODE_TEXT_MAX] = "";
  unsigned char drawn[DRAWN_LEN];
  size_t len = 0;
  ASSERT(prefix.len <= CODE_PREFIX_MAX);
  for (; len < prefix.len; len++) text[len] = canonical(prefix.ptr[len]);
  crypto_random(drawn, sizeof drawn);
  for (size_t i = 0; i < DRAWN_LEN; i++) text[len++] = digits[drawn[i] & 31];
  check_write(text, len, text + len);
  // As it is shown: the prefix as it was given, and a dash before each five.
  size_t at = prefix.len;
  if (prefix.len) memcpy(ret_text, prefix.ptr, prefix.len);
  for (size_t i = 0; i < CODE_BODY_LEN; i++) {
    if (i % GROUP_LEN == 0 && at > 0) ret_text[at++] = '-';
    ret_text[at++] = text[prefix.len + i];
  }
  ret_text[at] = '\0';
  crypto_wipe(text, sizeof text);
  crypto_wipe(drawn, sizeof drawn);
}
