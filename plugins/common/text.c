// The two things that scanning and picking share: how a character is written, and the words for a fault.
#include "common/scan.h"

size_t scan_utf_write(uint32_t c, char ret[4]) {
  if (c < 0x80) {
    ret[0] = (char)c;
    return 1;
  }
  size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
  for (size_t i = more; i > 0; i--, c >>= 6) ret[i] = (char)(0x80 | (c & 0x3f));
  ret[0] = (char)(lead[more] | c);
  return more + 1;
}

const char *scan_fault_text(enum scan_fault fault) {
  switch (fault) {
  case SCAN_FINE:
    return "fine";
  case SCAN_SYNTAX:
    return "not valid JSON";
  case SCAN_TOO_DEEP:
    return "nested too deeply";
  case SCAN_NOT_UTF8:
    return "not valid UTF-8";
  case SCAN_NUL:
    return "a NUL character in a string";
  case SCAN_SURROGATE:
    return "half of a surrogate pair in a string";
  }
  return "not valid JSON";
}
