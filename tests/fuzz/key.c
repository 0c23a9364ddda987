// Feeds: the text of an API key; a text of one whose check sum is made to fit; a typed id.
// Oracle: a key is taken exactly where a plain reading of its form says so, with a check sum computed bit by bit; its
// parts are where they must be. An id is read exactly where its 26 digits make 128 bits, and is printed as it was.
#include "customer/key.h"
#include "base/id.h"
#include "fuzz.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char id_digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

static uint32_t crc_reference(const char *text, size_t len) {
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < len; i++) {
    crc ^= (unsigned char)text[i];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
  }
  return ~crc;
}

static void crc_write(const char *text, char ret[6]) {
  uint32_t crc = crc_reference(text, 67);
  for (int i = 5; i >= 0; i--, crc /= 62) ret[i] = digits[crc % 62];
}

static bool all_in(const char *text, size_t len, const char *set) {
  for (size_t i = 0; i < len; i++)
    if (text[i] == '\0' || !strchr(set, text[i])) return false;
  return true;
}

static bool reference(struct str s, bool *ret_admin) {
  char crc[6];
  if (s.len != 73) return false;
  crc_write(s.ptr, crc);
  *ret_admin = memcmp(s.ptr, "tlgad_live_", 11) == 0;
  return (*ret_admin || memcmp(s.ptr, "tlgsk_live_", 11) == 0) && all_in(s.ptr + 11, 12, digits) && s.ptr[23] == '_' &&
         all_in(s.ptr + 24, 43, digits) && memcmp(s.ptr + 67, crc, 6) == 0;
}

static void key_check(struct str s) {
  struct key_parts parts = {0};
  bool admin = false, sound = reference(s, &admin);
  FUZZ_CHECK(key_parse(s, &parts) == sound, "\"%.*s\"", STR_ARG(s));
  if (!sound) return;
  FUZZ_CHECK(parts.kind == (admin ? KEY_OPERATOR : KEY_CUSTOMER), "\"%.*s\"", STR_ARG(s));
  FUZZ_CHECK(parts.public_id.ptr == s.ptr + 11 && parts.public_id.len == 12, "\"%.*s\"", STR_ARG(s));
  FUZZ_CHECK(parts.last4.ptr == s.ptr + 63 && parts.last4.len == 4, "\"%.*s\"", STR_ARG(s));
}

// A sound key of the input's bytes; and the same with one character changed, which no check sum forgives.
static void made_check(struct fuzz_input *in) {
  char text[74];
  memcpy(text, fuzz_byte(in) % 2 ? "tlgad_live_" : "tlgsk_live_", 11);
  size_t at = fuzz_byte(in) % 73;
  char other = (char)fuzz_byte(in);
  for (int i = 11; i < 67; i++) text[i] = i == 23 ? '_' : digits[fuzz_byte(in) % 62];
  crc_write(text, text + 67);
  struct str key = {text, 73};
  struct key_parts parts;
  FUZZ_CHECK(key_parse(key, &parts), "%.*s is refused", STR_ARG(key));
  key_check(key);
  if (text[at] == other) return;
  text[at] = other;
  FUZZ_CHECK(!key_parse(key, &parts), "%.*s is taken", STR_ARG(key));
  key_check((struct str){text, 72});
}

static bool id_reference(struct str s, struct uuid *ret) {
  if (s.len != 30 || memcmp(s.ptr, "cus_", 4) != 0 || !all_in(s.ptr + 4, 26, id_digits) || s.ptr[4] > '7') return false;
  *ret = (struct uuid){{0}};
  for (size_t bit = 0; bit < 128; bit++) {
    size_t from = bit + 2; // of 130
    size_t digit = (size_t)(strchr(id_digits, s.ptr[4 + from / 5]) - id_digits);
    if (digit >> (4 - from % 5) & 1) ret->b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
  }
  return true;
}

static void id_check(struct str s) {
  struct uuid got = {{0}}, wanted = {{0}};
  char text[ID_TEXT_MAX];
  bool sound = id_reference(s, &wanted);
  FUZZ_CHECK(id_parse("cus", s, &got) == sound, "\"%.*s\"", STR_ARG(s));
  if (!sound) return;
  FUZZ_CHECK(uuid_eq(got, wanted), "\"%.*s\"", STR_ARG(s));
  id_print("cus", got, text);
  FUZZ_CHECK(str_eq(str_from(text), s), "\"%.*s\" is printed as %s", STR_ARG(s), text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  uint8_t mode = fuzz_byte(&in) % 3;
  if (mode == 1) {
    made_check(&in);
    return 0;
  }
  struct str rest = fuzz_rest(&in);
  char *copy = fuzz_copy(rest);
  if (mode == 2)
    id_check((struct str){copy, rest.len});
  else
    key_check((struct str){copy, rest.len});
  free(copy);
  return 0;
}
