// The scanner's machine: one state a byte outside of strings, and runs of plain text eight bytes at a step inside of them,
// which is where almost all bytes of requests and answers are. Which watches may still match is a set of bits for each
// open container, so that a member that nobody asked for costs no comparison but that of its name.
#include "common/scan.h"
#include <string.h>

enum state {
  S_VALUE,   // a value must come
  S_FIRST,   // after [: a value or ]
  S_NAME,    // after { : a name or }
  S_MEMBER,  // after , in an object: a name
  S_COLON,
  S_AFTER,   // after a value: , or the end of the container
  S_STRING,
  S_ESCAPE,
  S_HEX,
  S_LITERAL,
  S_NUMBER,
  S_END,     // the whole value has been read
  S_BAD,
};

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

// ---- watches

// Takes the lowest bit's index out of a set.
static size_t bit_take(uint32_t *set) {
  size_t index = (size_t)__builtin_ctz(*set);
  *set &= *set - 1;
  return index;
}

static void text_count(struct scan *s, uint64_t ascii, uint64_t wide) {
  if (s->owner < 0) return;
  s->hits[s->owner].ascii += ascii;
  s->hits[s->owner].wide += wide;
}

static void kept_add(struct scan *s, const char *bytes, size_t len) {
  struct scan_hit *hit = &s->hits[s->kept];
  const struct scan_watch *watch = &s->watches[s->kept];
  if (hit->cut) return;
  if (len > (size_t)watch->room - hit->kept) {
    hit->cut = true;
    hit->kept = 0;
    return;
  }
  memcpy(s->store + watch->at + hit->kept, bytes, len);
  hit->kept = (uint16_t)(hit->kept + len);
}

static void hit_begin(struct scan *s, size_t w, enum scan_kind kind, uint64_t start) {
  struct scan_hit *hit = &s->hits[w];
  unsigned flags = s->watches[w].flags;
  hit->count++;
  hit->kind = (uint8_t)kind;
  hit->start = hit->end = start;
  hit->items = 0;
  if ((flags & SCAN_DEEP) || ((flags & SCAN_TEXT) && kind == SCAN_STRING)) s->owner = (int8_t)w;
  if ((flags & SCAN_KEEP) && s->kept < 0) {
    hit->kept = 0;
    hit->cut = false;
    s->kept = (int8_t)w;
    s->kept_depth = s->depth;
  }
}

// A value begins at `start`: which of the watches that led here end here. Returns those that lead further down.
static uint32_t value_begin(struct scan *s, enum scan_kind kind, uint64_t start) {
  uint32_t rest = s->next, below = 0;
  s->here = 0;
  s->kind = (uint8_t)kind;
  s->owner = s->depth ? s->owners[s->depth - 1] : -1;
  while (rest) {
    size_t w = bit_take(&rest);
    if (s->watches[w].path[s->depth]) {
      below |= UINT32_C(1) << w;
      continue;
    }
    s->here |= UINT32_C(1) << w;
    hit_begin(s, w, kind, start);
  }
  uint32_t outer = s->depth ? s->hit[s->depth - 1] : 0;
  while (outer) s->hits[bit_take(&outer)].items++;
  return below;
}

// What was kept up to here is taken out of the piece; `from` is where it begins in it.
static void value_end(struct scan *s, uint32_t hits, uint64_t end, const char **from, const char *at) {
  if (s->kept >= 0 && s->kept_depth == s->depth) {
    kept_add(s, *from, (size_t)(at - *from));
    s->kept = -1;
  }
  while (hits) {
    size_t w = bit_take(&hits);
    s->hits[w].end = end;
    if ((s->watches[w].flags & SCAN_EACH) && s->each) s->each(s->context, w, s->hits[w].start, end);
  }
  s->owner = s->depth ? s->owners[s->depth - 1] : -1;
  s->state = s->depth ? S_AFTER : S_END;
}

static bool container_open(struct scan *s, enum scan_kind kind, uint64_t start) {
  if (s->depth == SCAN_DEPTH) return refuse(s, SCAN_TOO_DEEP);
  uint32_t below = value_begin(s, kind, start);
  uint64_t bit = UINT64_C(1) << s->depth;
  s->objects = kind == SCAN_OBJECT ? s->objects | bit : s->objects & ~bit;
  s->below[s->depth] = below;
  s->hit[s->depth] = s->here;
  s->owners[s->depth] = s->owner;
  s->depth++;
  s->state = kind == SCAN_OBJECT ? S_NAME : S_FIRST;
  text_count(s, 1, 0);
  return true;
}

static bool in_object(const struct scan *s) {
  return s->depth && (s->objects >> (s->depth - 1) & 1);
}

static bool container_close(struct scan *s, char c, uint64_t end, const char **from, const char *at) {
  if (!s->depth || in_object(s) != (c == '}')) return refuse(s, SCAN_SYNTAX);
  s->owner = s->owners[s->depth - 1];
  text_count(s, 1, 0);
  s->depth--;
  value_end(s, s->hit[s->depth], end, from, at);
  return true;
}

static bool segment_is_element(const char *segment) {
  return segment[0] == '[' && segment[1] == ']' && segment[2] == '\0';
}

static uint32_t match_elements(const struct scan *s) {
  uint32_t rest = s->below[s->depth - 1], found = 0;
  while (rest) {
    size_t w = bit_take(&rest);
    if (segment_is_element(s->watches[w].path[s->depth - 1])) found |= UINT32_C(1) << w;
  }
  return found;
}

static bool segment_is(const char *segment, const char *name, size_t len) {
  if (segment[0] == '*' && segment[1] == '\0') return true;
  return strncmp(segment, name, len) == 0 && segment[len] == '\0' && !segment_is_element(segment);
}

// The name in s->key, of more than SCAN_KEY bytes if key_len says so: only "*" takes that.
static uint32_t match_name(const struct scan *s) {
  uint32_t rest = s->below[s->depth - 1], found = 0;
  bool fits = s->key_len <= SCAN_KEY && !memchr(s->key, '\0', s->key_len);
  while (rest) {
    size_t w = bit_take(&rest);
    const char *segment = s->watches[w].path[s->depth - 1];
    if (fits ? segment_is(segment, s->key, s->key_len) : segment_is(segment, "", 0)) found |= UINT32_C(1) << w;
  }
  return found;
}

// ---- strings

// Text of the name or the value now read; names are gathered while a watch might want them.
static void string_text(struct scan *s, const char *bytes, size_t len, bool ascii) {
  text_count(s, ascii ? len : 0, ascii ? 0 : len);
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
    uint64_t special = low | zero_bytes(word ^ EACH_BYTE('"')) | zero_bytes(word ^ EACH_BYTE('\\')) | (word & EACH_BYTE(0x80));
    if (special) break;
  }
  while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\') p++;
  return p;
}

static bool utf_lead(struct scan *s, unsigned char c) {
  s->utf_low = 0x80;
  s->utf_high = 0xbf;
  if (c >= 0xc2 && c <= 0xdf) s->utf_left = 1;
  else if (c >= 0xe0 && c <= 0xef) s->utf_left = 2;
  else if (c >= 0xf0 && c <= 0xf4) s->utf_left = 3;
  else return false;
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

// The run of bytes beyond ASCII at p. NULL: they are not UTF-8.
static const char *wide_end(struct scan *s, const char *p, const char *end) {
  for (; p < end && (unsigned char)*p >= 0x80; p++)
    if (!s->lenient && !utf_next(s, (unsigned char)*p)) return NULL;
  return p;
}

// The string's closing quote was read; `end` is behind it.
static void string_end(struct scan *s, uint64_t end, const char **from, const char *at) {
  if (s->in_key) {
    s->in_key = false;
    s->next = s->below[s->depth - 1] ? match_name(s) : 0;
    s->state = S_COLON;
    return;
  }
  value_end(s, s->here, end, from, at);
}

// Text of the string at p, up to its end, an escape, or the end of the piece. NULL: refused.
static const char *string_run(struct scan *s, const char *p, const char *end) {
  while (p < end) {
    const char *run = p;
    p = plain_end(p, end);
    if (p > run) {
      if (s->utf_left || s->high) return NULL;
      string_text(s, run, (size_t)(p - run), true);
    }
    if (p == end || (unsigned char)*p < 0x80) break;
    if (s->high) return NULL;
    run = p;
    p = wide_end(s, p, end);
    if (!p) return NULL;
    string_text(s, run, (size_t)(p - run), false);
  }
  return p;
}

static bool string_broken(struct scan *s) {
  return refuse(s, s->utf_left || !s->high ? SCAN_NOT_UTF8 : SCAN_SURROGATE);
}

static bool string_step(struct scan *s, const char **p, const char *piece, const char *end, const char **from) {
  uint64_t filled = s->owner >= 0 ? s->hits[s->owner].ascii + s->hits[s->owner].wide : 0;
  const char *at = string_run(s, *p, end);
  if (!at) return string_broken(s);
  (void)filled;
  *p = at;
  if (at == end) return true;
  if (*at != '\\' && *at != '"') return refuse(s, SCAN_SYNTAX);
  if (s->utf_left) return refuse(s, SCAN_NOT_UTF8);
  *p = at + 1;
  if (*at == '\\') {
    s->state = S_ESCAPE;
    return true;
  }
  if (s->high) return refuse(s, SCAN_SURROGATE);
  string_end(s, s->offset + (uint64_t)(*p - piece), from, *p);
  return true;
}
