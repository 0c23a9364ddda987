// The scanner's machine: one state a byte outside of strings, and runs of plain text eight bytes at a step inside of
// them, which is where almost all bytes of requests and answers are.
#include "common/watch.h"
#include <string.h>

enum number { N_MINUS, N_ZERO, N_DIGITS, N_POINT, N_FRACTION, N_E, N_SIGN, N_POWER };

void scan_init(struct scan *s, const struct scan_watch *watches, size_t count, struct scan_hit *hits, char *store) {
  *s = (struct scan){.watches = watches, .watch_count = count, .hits = hits, .store = store, .owner = -1, .kept = -1};
  s->next = count >= SCAN_WATCHES ? UINT32_MAX : (UINT32_C(1) << count) - 1;
  if (count) memset(hits, 0, count * sizeof *hits);
}

static bool refuse(struct scan *s, enum scan_fault fault) {
  s->fault = (uint8_t)fault;
  s->state = S_BAD;
  return false;
}

static bool container_open(struct scan *s, enum scan_kind kind, const char *at) {
  if (s->depth == SCAN_DEPTH) return refuse(s, SCAN_TOO_DEEP);
  uint32_t below = scan_value_begin(s, kind, at);
  uint64_t bit = UINT64_C(1) << s->depth;
  s->objects = kind == SCAN_OBJECT ? s->objects | bit : s->objects & ~bit;
  s->below[s->depth] = below;
  s->hit[s->depth] = s->here;
  s->owners[s->depth] = s->owner;
  s->depth++;
  s->state = kind == SCAN_OBJECT ? S_NAME : S_FIRST;
  scan_text_count(s, 1, 0);
  return true;
}

static bool in_object(const struct scan *s) {
  return s->depth && (s->objects >> (s->depth - 1) & 1);
}

static bool container_close(struct scan *s, char closing, const char *at) {
  if (!s->depth || in_object(s) != (closing == '}')) return refuse(s, SCAN_SYNTAX);
  scan_text_count(s, 1, 0);
  s->depth--;
  scan_value_end(s, s->hit[s->depth], at);
  return true;
}

// ---- strings

// Text of the name or the value now read; names are gathered while a watch might want them.
static void string_text(struct scan *s, const char *bytes, size_t len, bool ascii) {
  scan_text_count(s, ascii ? len : 0, ascii ? 0 : len);
  s->filled = true;
  if (!s->in_key || !s->below[s->depth - 1]) return;
  if (s->key_len + len > SCAN_KEY) {
    s->key_len = SCAN_KEY + 1;
    return;
  }
  memcpy(s->key + s->key_len, bytes, len);
  s->key_len = (uint8_t)(s->key_len + len);
}

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))
static uint64_t zero_bytes(uint64_t word) {
  return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

// The end of the run of plain ASCII text at p: no quote, no backslash, nothing below a blank or beyond ASCII.
static const char *plain_end(const char *p, const char *end) {
  for (uint64_t word; end - p >= 8; p += 8) {
    memcpy(&word, p, 8);
    uint64_t low = (word - EACH_BYTE(0x20)) & ~word & EACH_BYTE(0x80);
    uint64_t special =
        low | zero_bytes(word ^ EACH_BYTE('"')) | zero_bytes(word ^ EACH_BYTE('\\')) | (word & EACH_BYTE(0x80));
    if (special) break;
  }
  while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\') p++;
  return p;
}

static bool utf_lead(struct scan *s, unsigned char c) {
  s->utf_low = 0x80;
  s->utf_high = 0xbf;
  if (c >= 0xc2 && c <= 0xdf)
    s->utf_left = 1;
  else if (c >= 0xe0 && c <= 0xef)
    s->utf_left = 2;
  else if (c >= 0xf0 && c <= 0xf4)
    s->utf_left = 3;
  else
    return false;
  if (c == 0xe0) s->utf_low = 0xa0;
  if (c == 0xed) s->utf_high = 0x9f;
  if (c == 0xf0) s->utf_low = 0x90;
  if (c == 0xf4) s->utf_high = 0x8f;
  return true;
}

static bool utf_next(struct scan *s, unsigned char c) {
  if (s->utf_left == 0) return utf_lead(s, c);
  if (c < s->utf_low || c > s->utf_high) return false;
  s->utf_low = 0x80;
  s->utf_high = 0xbf;
  s->utf_left--;
  return true;
}

// The end of the run of bytes beyond ASCII at p. Where they are not UTF-8 it is refused there.
static const char *wide_end(struct scan *s, const char *p, const char *end) {
  for (; p < end && (unsigned char)*p >= 0x80; p++) {
    if (s->lenient || utf_next(s, (unsigned char)*p)) continue;
    refuse(s, SCAN_NOT_UTF8);
    return p;
  }
  return p;
}

// Text of the string at p, up to its end, an escape, the end of the piece, or where it is refused.
static const char *string_run(struct scan *s, const char *p, const char *end) {
  while (p < end && s->state != S_BAD) {
    const char *run = p;
    p = plain_end(p, end);
    if (p > run && s->utf_left)
      refuse(s, SCAN_NOT_UTF8);
    else if (p > run && s->high)
      refuse(s, SCAN_SURROGATE);
    else if (p > run)
      string_text(s, run, (size_t)(p - run), true);
    if (s->state == S_BAD) return run;
    if (p == end || (unsigned char)*p < 0x80) return p;
    if (s->high) refuse(s, SCAN_SURROGATE);
    run = p;
    p = s->high ? p : wide_end(s, p, end);
    string_text(s, run, (size_t)(p - run), false);
  }
  return p;
}

// `at` is behind the closing quote.
static void string_end(struct scan *s, const char *at) {
  if (!s->in_key) {
    scan_value_end(s, s->here, at);
    return;
  }
  s->in_key = s->filled = false;
  s->next = s->below[s->depth - 1] ? scan_match_name(s) : 0;
  s->state = S_COLON;
}

static const char *string_step(struct scan *s, const char *p, const char *end) {
  p = string_run(s, p, end);
  if (p == end || s->state == S_BAD) return p;
  if (s->utf_left)
    refuse(s, SCAN_NOT_UTF8);
  else if (*p == '\\')
    s->state = S_ESCAPE;
  else if (*p != '"')
    refuse(s, SCAN_SYNTAX);
  else if (s->high)
    refuse(s, SCAN_SURROGATE);
  else
    string_end(s, p + 1);
  return p + 1;
}

static void string_begin(struct scan *s, bool key, const char *at) {
  s->in_key = key;
  s->key_len = 0;
  if (!key) scan_value_begin(s, SCAN_STRING, at);
  s->state = S_STRING;
}

// ---- escapes

static char escape_meaning(char c) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *at = c ? strchr(from, c) : NULL;
  return at ? to[at - from] : '\0';
}

static void escape_step(struct scan *s, char c) {
  char meaning = escape_meaning(c);
  s->state = S_STRING;
  if (c == 'u') {
    s->hex = 0;
    s->hex_left = 4;
    s->state = S_HEX;
  } else if (!meaning)
    refuse(s, SCAN_SYNTAX);
  else if (s->high)
    refuse(s, SCAN_SURROGATE);
  else
    string_text(s, &meaning, 1, true);
}

static void code_point(struct scan *s, uint32_t c) {
  char text[4];
  size_t len = scan_utf_write(c, text);
  string_text(s, text, len, len == 1);
}

// Four digits of \u have been read.
static void unit_end(struct scan *s) {
  uint32_t unit = s->hex, high = s->high;
  bool first = unit >= 0xd800 && unit < 0xdc00, second = unit >= 0xdc00 && unit < 0xe000;
  s->state = S_STRING;
  s->high = 0;
  if (s->lenient)
    code_point(s, unit);
  else if (unit == 0)
    refuse(s, SCAN_NUL);
  else if (second != (high != 0))
    refuse(s, SCAN_SURROGATE);
  else if (first)
    s->high = (uint16_t)unit;
  else
    code_point(s, high ? 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00) : unit);
}

static void hex_step(struct scan *s, char c) {
  int digit = c >= '0' && c <= '9'   ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                     : -1;
  if (digit < 0) {
    refuse(s, SCAN_SYNTAX);
    return;
  }
  s->hex = (uint16_t)(s->hex << 4 | digit);
  if (--s->hex_left == 0) unit_end(s);
}

// ---- numbers and words

// The state after one more character of a number, or -1: it is not part of the number.
static int number_next(enum number n, char c) {
  bool digit = c >= '0' && c <= '9', e = c == 'e' || c == 'E';
  switch (n) {
  case N_MINUS:
    return c == '0' ? N_ZERO : digit ? N_DIGITS : -1;
  case N_ZERO:
    return c == '.' ? N_POINT : e ? N_E : -1;
  case N_DIGITS:
    return digit ? N_DIGITS : c == '.' ? N_POINT : e ? N_E : -1;
  case N_POINT:
    return digit ? N_FRACTION : -1;
  case N_FRACTION:
    return digit ? N_FRACTION : e ? N_E : -1;
  case N_E:
    return c == '+' || c == '-' ? N_SIGN : digit ? N_POWER : -1;
  case N_SIGN:
    return digit ? N_POWER : -1;
  case N_POWER:
    return digit ? N_POWER : -1;
  }
  return -1;
}

static bool number_whole(const struct scan *s) {
  return s->number == N_ZERO || s->number == N_DIGITS || s->number == N_FRACTION || s->number == N_POWER;
}

static const char *number_step(struct scan *s, const char *p, const char *end) {
  const char *run = p;
  for (int next; p < end && (next = number_next((enum number)s->number, *p)) >= 0; p++) s->number = (uint8_t)next;
  scan_text_count(s, (uint64_t)(p - run), 0);
  if (p == end) return p;
  if (number_whole(s))
    scan_value_end(s, s->here, p);
  else
    refuse(s, SCAN_SYNTAX);
  return p;
}

static void literal_step(struct scan *s, const char *at) {
  if (*at != *s->literal) {
    refuse(s, SCAN_SYNTAX);
    return;
  }
  scan_text_count(s, 1, 0);
  if (*++s->literal == '\0') scan_value_end(s, s->here, at + 1);
}

static void scalar_begin(struct scan *s, const char *at) {
  static const struct {
    const char *rest;
    enum scan_kind kind;
  } words[] = {{"true", SCAN_TRUE}, {"false", SCAN_FALSE}, {"null", SCAN_NULL}};
  if (*at == '-' || (*at >= '0' && *at <= '9')) {
    scan_value_begin(s, SCAN_NUMBER, at);
    s->number = *at == '-' ? N_MINUS : *at == '0' ? N_ZERO : N_DIGITS;
    s->state = S_NUMBER;
    scan_text_count(s, 1, 0);
    return;
  }
  for (size_t i = 0; i < 3; i++) {
    if (*at != words[i].rest[0]) continue;
    scan_value_begin(s, words[i].kind, at);
    s->literal = words[i].rest + 1;
    s->state = S_LITERAL;
    scan_text_count(s, 1, 0);
    return;
  }
  refuse(s, SCAN_SYNTAX);
}

// ---- structure

static void value_step(struct scan *s, const char *at) {
  if (s->state == S_FIRST && *at == ']') {
    container_close(s, *at, at + 1);
    return;
  }
  if (s->state == S_FIRST) s->next = s->below[s->depth - 1] ? scan_match_elements(s) : 0;
  switch (*at) {
  case '{':
    container_open(s, SCAN_OBJECT, at);
    break;
  case '[':
    container_open(s, SCAN_ARRAY, at);
    break;
  case '"':
    string_begin(s, false, at);
    break;
  default:
    scalar_begin(s, at);
    break;
  }
}

static void name_step(struct scan *s, const char *at) {
  if (*at == '"')
    string_begin(s, true, at);
  else if (*at == '}' && s->state == S_NAME)
    container_close(s, *at, at + 1);
  else
    refuse(s, SCAN_SYNTAX);
}

static void after_step(struct scan *s, const char *at) {
  if (*at != ',') {
    if (*at == '}' || *at == ']')
      container_close(s, *at, at + 1);
    else
      refuse(s, SCAN_SYNTAX);
    return;
  }
  scan_text_count(s, 1, 0);
  s->state = in_object(s) ? S_MEMBER : S_VALUE;
  if (s->state == S_VALUE) s->next = s->below[s->depth - 1] ? scan_match_elements(s) : 0;
}

static void colon_step(struct scan *s, char c) {
  if (c != ':') {
    refuse(s, SCAN_SYNTAX);
    return;
  }
  scan_text_count(s, 1, 0);
  s->state = S_VALUE;
}

static void structure_step(struct scan *s, const char *at) {
  if (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') return;
  switch ((enum scan_state)s->state) {
  case S_VALUE:
  case S_FIRST:
    value_step(s, at);
    break;
  case S_NAME:
  case S_MEMBER:
    name_step(s, at);
    break;
  case S_COLON:
    colon_step(s, *at);
    break;
  case S_AFTER:
    after_step(s, at);
    break;
  case S_END:
  case S_STRING:
  case S_ESCAPE:
  case S_HEX:
  case S_LITERAL:
  case S_NUMBER:
  case S_BAD:
    refuse(s, SCAN_SYNTAX);
    break;
  }
}

static const char *step(struct scan *s, const char *p, const char *end) {
  switch ((enum scan_state)s->state) {
  case S_STRING:
    return string_step(s, p, end);
  case S_NUMBER:
    return number_step(s, p, end);
  case S_ESCAPE:
    escape_step(s, *p);
    break;
  case S_HEX:
    hex_step(s, *p);
    break;
  case S_LITERAL:
    literal_step(s, p);
    break;
  case S_VALUE:
  case S_FIRST:
  case S_NAME:
  case S_MEMBER:
  case S_COLON:
  case S_AFTER:
  case S_END:
  case S_BAD:
    structure_step(s, p);
    break;
  }
  return p + 1;
}

enum scan_answer scan_push(struct scan *s, const char *bytes, size_t len) {
  if (s->state == S_BAD) return SCAN_BAD;
  s->piece = s->from = bytes;
  const char *p = bytes, *end = bytes + len;
  while (p < end && s->state != S_BAD) p = step(s, p, end);
  if (s->kept >= 0 && s->state != S_BAD) scan_kept_add(s, s->from, (size_t)(end - s->from));
  s->offset += (size_t)(p - bytes);
  s->piece = s->from = NULL;
  return s->state == S_BAD ? SCAN_BAD : s->state == S_END ? SCAN_DONE : SCAN_MORE;
}

enum scan_answer scan_finish(struct scan *s) {
  if (s->state == S_NUMBER && s->depth == 0 && number_whole(s)) {
    s->piece = s->from = "";
    scan_value_end(s, s->here, s->piece);
  }
  if (s->state == S_END) return SCAN_DONE;
  refuse(s, s->fault ? (enum scan_fault)s->fault : SCAN_SYNTAX);
  return SCAN_BAD;
}
