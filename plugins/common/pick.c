// A walk over one object's own members; what lies deeper is passed over by counting brackets outside of strings. Edits
// are kept in the order of their places, so that applying them is one pass.
#include "common/pick.h"
#include <string.h>

static const char *blanks_end(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
  return p;
}

// p is behind the opening quote; what comes back is behind the closing one, or end.
static const char *string_end(const char *p, const char *end) {
  while (p < end) {
    const char *quote = memchr(p, '"', (size_t)(end - p));
    const char *escape = memchr(p, '\\', (size_t)((quote ? quote : end) - p));
    if (!escape) return quote ? quote + 1 : end;
    if (end - escape < 2) return end;
    p = escape + 2;
  }
  return end;
}

static const char *value_end(const char *p, const char *end) {
  size_t depth = 0;
  for (; p < end; p++) {
    if (*p == '"')
      p = string_end(p + 1, end) - 1;
    else if (*p == '{' || *p == '[')
      depth++;
    else if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
      return p;
    else if (*p == '}' || *p == ']')
      depth--;
  }
  return p;
}

static struct pick_span span(const char *from, const char *to) {
  return (struct pick_span){from, (size_t)(to - from)};
}

static struct pick_span trimmed(const char *from, const char *to) {
  while (to > from && (to[-1] == ' ' || to[-1] == '\n' || to[-1] == '\r' || to[-1] == '\t')) to--;
  return span(from, to);
}

// One member at p, which is behind { or a comma. NULL: there is none.
static const char *member_read(const char *p, const char *end, struct pick_member *ret) {
  p = blanks_end(p, end);
  if (p == end || *p != '"') return NULL;
  const char *name = p + 1;
  p = string_end(name, end);
  if (p == name || p[-1] != '"') return NULL;
  ret->name = span(name, p - 1);
  p = blanks_end(p, end);
  if (p == end || *p != ':') return NULL;
  const char *value = blanks_end(p + 1, end);
  p = value_end(value, end);
  ret->value = trimmed(value, p);
  return p;
}

static bool known(const struct pick *p, struct pick_span name) {
  for (size_t i = 0; i < p->count; i++)
    if (pick_same(p->members[i].name, name)) return true;
  return false;
}

enum pick_answer pick_read(struct pick *ret, const char *text, size_t len) {
  const char *end = text + len, *p = blanks_end(text, end);
  ret->count = 0;
  if (p == end || *p != '{') return PICK_NOT_OBJECT;
  ret->tail = ++p;
  struct pick_member member;
  while ((p = member_read(p, end, &member))) {
    if (ret->count == PICK_MEMBERS) return PICK_TOO_MANY;
    bool twice = known(ret, member.name);
    ret->members[ret->count++] = member;
    if (twice) return PICK_DUPLICATE;
    ret->tail = member.value.ptr + member.value.len;
    if (p == end || *p != ',') break;
    p++;
  }
  return PICK_OK;
}

struct pick_span pick_find(const struct pick *p, const char *name) {
  struct pick_span wanted = {name, strlen(name)};
  for (size_t i = 0; i < p->count; i++)
    if (pick_same(p->members[i].name, wanted)) return p->members[i].value;
  return (struct pick_span){NULL, 0};
}

enum scan_kind pick_kind(struct pick_span value) {
  switch (value.len ? value.ptr[0] : '\0') {
  case '{':
    return SCAN_OBJECT;
  case '[':
    return SCAN_ARRAY;
  case '"':
    return SCAN_STRING;
  case 't':
    return SCAN_TRUE;
  case 'f':
    return SCAN_FALSE;
  case 'n':
    return SCAN_NULL;
  case '\0':
    return SCAN_NOTHING;
  default:
    return SCAN_NUMBER;
  }
}

enum pick_number pick_int(struct pick_span value, int64_t *ret) {
  bool negative = value.len && value.ptr[0] == '-', large = false;
  int64_t sum = 0; // kept negative: there is one more of those
  if (pick_kind(value) != SCAN_NUMBER || value.len == negative) return PICK_NOT_INTEGER;
  for (size_t i = negative; i < value.len; i++) {
    if (value.ptr[i] < '0' || value.ptr[i] > '9') return PICK_NOT_INTEGER;
    if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, value.ptr[i] - '0', &sum)) large = true;
  }
  if (large || (!negative && sum == INT64_MIN)) return PICK_OUT_OF_RANGE;
  *ret = negative ? sum : -sum;
  return PICK_INTEGER;
}

// ---- text

bool pick_string(struct pick_span value, struct pick_span *ret, bool *ret_escaped) {
  if (pick_kind(value) != SCAN_STRING || value.len < 2) return false;
  *ret = (struct pick_span){value.ptr + 1, value.len - 2};
  *ret_escaped = memchr(ret->ptr, '\\', ret->len) != NULL;
  return true;
}

static uint32_t hex_read(const char *p) {
  uint32_t sum = 0;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    sum = sum << 4 | (uint32_t)(c >= '0' && c <= '9' ? c - '0' : ((c | 0x20) - 'a' + 10) & 15);
  }
  return sum;
}

// *at is behind the backslash and the u. The pair's second half is taken along.
static size_t unit_read(struct pick_span s, size_t *at, char ret[4]) {
  if (s.len - *at < 4) {
    *at = s.len;
    return 0;
  }
  uint32_t c = hex_read(s.ptr + *at);
  *at += 4;
  if (c >= 0xd800 && c < 0xdc00 && s.len - *at >= 6 && s.ptr[*at] == '\\' && s.ptr[*at + 1] == 'u') {
    uint32_t second = hex_read(s.ptr + *at + 2);
    if (second >= 0xdc00 && second < 0xe000) {
      *at += 6;
      c = 0x10000 + ((c - 0xd800) << 10) + (second - 0xdc00);
    }
  }
  return scan_utf_write(c, ret);
}

// The next character: its bytes, or one byte of it where it is not escaped.
static size_t char_read(struct pick_span s, size_t *at, char ret[4]) {
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  ret[0] = s.ptr[(*at)++];
  if (ret[0] != '\\' || *at == s.len) return 1;
  ret[0] = s.ptr[(*at)++];
  if (ret[0] == 'u') return unit_read(s, at, ret);
  const char *known_escape = ret[0] ? strchr(from, ret[0]) : NULL;
  if (known_escape) ret[0] = to[known_escape - from];
  return 1;
}

bool pick_text(struct pick_span inner, char *ret, size_t cap, size_t *ret_len) {
  size_t len = 0;
  for (size_t at = 0; at < inner.len;) {
    char text[4];
    size_t step = char_read(inner, &at, text);
    if (step > cap - len) return false;
    memcpy(ret + len, text, step);
    len += step;
  }
  *ret_len = len;
  return true;
}

struct reader {
  struct pick_span text;
  size_t at, left, used;
  char bytes[4];
};

// The next byte of the unescaped text, or -1 at its end.
static int byte_read(struct reader *r) {
  while (r->left == 0) {
    if (r->at >= r->text.len) return -1;
    r->left = char_read(r->text, &r->at, r->bytes);
    r->used = 0;
  }
  r->left--;
  return (unsigned char)r->bytes[r->used++];
}

bool pick_same(struct pick_span inner_a, struct pick_span inner_b) {
  if (!memchr(inner_a.ptr, '\\', inner_a.len) && !memchr(inner_b.ptr, '\\', inner_b.len))
    return inner_a.len == inner_b.len && memcmp(inner_a.ptr, inner_b.ptr, inner_a.len) == 0;
  struct reader a = {.text = inner_a}, b = {.text = inner_b};
  int x, y;
  do {
    x = byte_read(&a);
    y = byte_read(&b);
  } while (x == y && x >= 0);
  return x == y;
}

// ---- edits

static struct pick_edit *edit_insert(struct pick_edits *e, size_t at) {
  size_t i = e->count++;
  for (; i > 0 && e->list[i - 1].at > at; i--) e->list[i] = e->list[i - 1];
  e->list[i] = (struct pick_edit){.at = at};
  return &e->list[i];
}

void pick_replace(struct pick_edits *e, struct pick_span value, struct pick_span with) {
  struct pick_edit *edit = edit_insert(e, (size_t)(value.ptr - e->text.ptr));
  edit->drop = value.len;
  edit->put[0] = with;
}

void pick_append(struct pick_edits *e, const struct pick *object, const char *name, struct pick_span value) {
  size_t at = (size_t)(object->tail - e->text.ptr);
  bool first = object->count == 0;
  for (size_t i = 0; i < e->count; i++)
    if (e->list[i].at == at && e->list[i].drop == 0) first = false;
  struct pick_edit *edit = edit_insert(e, at);
  edit->put[0] = first ? (struct pick_span){"\"", 1} : (struct pick_span){",\"", 2};
  edit->put[1] = (struct pick_span){name, strlen(name)};
  edit->put[2] = (struct pick_span){"\":", 2};
  edit->put[3] = value;
}

static size_t put(char *out, size_t cap, size_t len, const char *bytes, size_t count) {
  if (count && len <= cap && count <= cap - len) memcpy(out + len, bytes, count);
  return len + count;
}

size_t pick_apply(const struct pick_edits *e, char *out, size_t cap) {
  size_t len = 0, from = 0;
  for (size_t i = 0; i < e->count; i++) {
    const struct pick_edit *edit = &e->list[i];
    len = put(out, cap, len, e->text.ptr + from, edit->at - from);
    for (size_t k = 0; k < 4; k++) len = put(out, cap, len, edit->put[k].ptr, edit->put[k].len);
    from = edit->at + edit->drop;
  }
  return put(out, cap, len, e->text.ptr + from, e->text.len - from);
}
