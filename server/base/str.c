// Borrowed text: comparing, cutting, reading numbers. An empty str may have a NULL pointer, which the C library's
// memory functions do not take, so lengths are looked at first. Nothing here knows of locales: text is bytes, letters
// are ASCII.
#include "base/str.h"

bool str_eq(struct str a, struct str b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b) {
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++)
    if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) return false;
  return true;
}

bool str_starts(struct str s, struct str prefix) {
  return s.len >= prefix.len && str_eq((struct str){s.ptr, prefix.len}, prefix);
}

bool str_ends(struct str s, struct str suffix) {
  if (s.len < suffix.len) return false;
  return suffix.len == 0 || str_eq((struct str){s.ptr + (s.len - suffix.len), suffix.len}, suffix);
}

bool str_split(struct str *s, char sep, struct str *ret_head) {
  if (s->len == 0) return false;
  const char *at = memchr(s->ptr, sep, s->len);
  if (!at) {
    *ret_head = *s;
    *s = (struct str){s->ptr + s->len, 0};
    return true;
  }
  size_t head = (size_t)(at - s->ptr);
  *ret_head = (struct str){s->ptr, head};
  *s = (struct str){at + 1, s->len - head - 1};
  return true;
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

struct str str_trim(struct str s) {
  while (s.len > 0 && is_blank(s.ptr[0])) s.ptr++, s.len--;
  while (s.len > 0 && is_blank(s.ptr[s.len - 1])) s.len--;
  return s;
}

// Counts downwards: the negative side of int64 is the longer one, so that both ends can be read.
bool str_to_i64(struct str s, int64_t *ret) {
  bool negative = s.len > 0 && s.ptr[0] == '-';
  int64_t value = 0;
  if (s.len == (negative ? 1u : 0u)) return false;
  for (size_t i = negative; i < s.len; i++) {
    if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    if (__builtin_sub_overflow(value, s.ptr[i] - '0', &value)) return false;
  }
  if (!negative && __builtin_sub_overflow(0, value, &value)) return false;
  *ret = value;
  return true;
}

bool str_to_u32(struct str s, uint32_t *ret) {
  int64_t value;
  if (s.len == 0 || s.ptr[0] == '-') return false;
  if (!str_to_i64(s, &value) || value > UINT32_MAX) return false;
  *ret = (uint32_t)value;
  return true;
}

size_t str_digits(uint64_t value, char ret[STR_DIGITS_MAX]) {
  char backwards[STR_DIGITS_MAX];
  size_t count = 0;
  do backwards[count++] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  for (size_t i = 0; i < count; i++) ret[i] = backwards[count - 1 - i];
  return count;
}

// Eight at a time: most text is nothing else.
size_t str_ascii_len(struct str s) {
  size_t len = 0;
  for (uint64_t eight; s.len - len >= sizeof eight; len += sizeof eight) {
    memcpy(&eight, s.ptr + len, sizeof eight);
    if (eight & UINT64_C(0x8080808080808080)) break;
  }
  while (len < s.len && (unsigned char)s.ptr[len] < 0x80) len++;
  return len;
}

// What may follow a lead byte (Unicode, table 3-7): only the second byte's range differs, and it is what keeps out
// overlong forms (E0, F0), surrogates (ED) and values beyond U+10FFFF (F4).
static size_t utf8_shape(unsigned char lead, unsigned char *ret_low, unsigned char *ret_high) {
  *ret_low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  *ret_high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead <= 0xF4 ? 4 : 0;
}

size_t str_utf8_len(struct str s) {
  unsigned char low, high;
  if (s.len == 0) return 0;
  size_t len = utf8_shape((unsigned char)s.ptr[0], &low, &high);
  if (len == 0 || len > s.len) return 0;
  for (size_t i = 1; i < len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c < low || c > high) return 0;
    low = 0x80, high = 0xBF;
  }
  return len;
}

bool str_is_utf8(struct str s) {
  for (;;) {
    size_t len = str_ascii_len(s);
    if (len == s.len) return true;
    s.ptr += len, s.len -= len;
    len = str_utf8_len(s);
    if (len == 0) return false;
    s.ptr += len, s.len -= len;
  }
}

size_t str_utf8_count(struct str s) {
  size_t count = 0;
  for (size_t i = 0; i < s.len; i++) count += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
  return count;
}

bool str_is_printable(struct str s) {
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7E) return false;
  return true;
}

// C1 is U+0080 to U+009F: C2 and a byte below A0.
bool str_has_control(struct str s) {
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.ptr[i];
    if (c < 0x20 || c == 0x7F) return true;
    if (c == 0xC2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xA0) return true;
  }
  return false;
}
