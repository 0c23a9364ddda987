// A recursive check bounded in depth, and a skipper that trusts it: in checked text a value ends where its brackets
// close, strings aside.
#include "standin/raw.h"

#define DEPTH_MAX 200

static void eat_space(struct str *s) {
  while (s->len && memchr(" \t\r\n", s->ptr[0], 4)) s->ptr++, s->len--;
}

static bool eat(struct str *s, char c) {
  eat_space(s);
  if (!s->len || s->ptr[0] != c) return false;
  s->ptr++, s->len--;
  return true;
}

static bool eat_word(struct str *s, const char *word) {
  struct str w = str_from(word);
  if (!str_starts(*s, w)) return false;
  s->ptr += w.len, s->len -= w.len;
  return true;
}

static bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool check_escape(struct str s, size_t *at) {
  if (*at + 1 >= s.len) return false;
  char c = s.ptr[*at + 1];
  if (c != 'u') {
    *at += 2;
    return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
  }
  if (*at + 6 > s.len) return false;
  for (size_t i = 2; i < 6; i++)
    if (!is_hex(s.ptr[*at + i])) return false;
  *at += 6;
  return true;
}

static bool check_string(struct str *s) {
  if (!eat(s, '"')) return false;
  for (size_t i = 0; i < s->len;) {
    unsigned char c = (unsigned char)s->ptr[i];
    if (c == '"') {
      s->ptr += i + 1, s->len -= i + 1;
      return true;
    }
    if (c < 0x20) return false;
    if (c != '\\')
      i++;
    else if (!check_escape(*s, &i))
      return false;
  }
  return false;
}

static size_t eat_digits(struct str *s) {
  size_t n = 0;
  while (s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9') s->ptr++, s->len--, n++;
  return n;
}

static bool check_number(struct str *s) {
  eat(s, '-');
  bool zero = s->len && s->ptr[0] == '0';
  size_t digits = eat_digits(s);
  if (digits == 0 || (zero && digits > 1)) return false;
  if (s->len && s->ptr[0] == '.') {
    s->ptr++, s->len--;
    if (!eat_digits(s)) return false;
  }
  if (!s->len || (s->ptr[0] != 'e' && s->ptr[0] != 'E')) return true;
  s->ptr++, s->len--;
  if (s->len && (s->ptr[0] == '+' || s->ptr[0] == '-')) s->ptr++, s->len--;
  return eat_digits(s) > 0;
}

static bool check_value(struct str *s, int depth);

static bool check_items(struct str *s, int depth, char close, bool named) {
  if (eat(s, close)) return true;
  do {
    if (named && (!check_string(s) || !eat(s, ':'))) return false;
    if (!check_value(s, depth + 1)) return false;
  } while (eat(s, ','));
  return eat(s, close);
}

static bool check_value(struct str *s, int depth) {
  if (depth > DEPTH_MAX) return false;
  eat_space(s);
  if (!s->len) return false;
  switch (s->ptr[0]) {
  case '{':
    return eat(s, '{') && check_items(s, depth, '}', true);
  case '[':
    return eat(s, '[') && check_items(s, depth, ']', false);
  case '"':
    return check_string(s);
  case 't':
    return eat_word(s, "true");
  case 'f':
    return eat_word(s, "false");
  case 'n':
    return eat_word(s, "null");
  default:
    return check_number(s);
  }
}

bool raw_check(struct str text) {
  if (!check_value(&text, 0)) return false;
  eat_space(&text);
  return text.len == 0;
}

static size_t string_len(const char *at) {
  const char *p = at + 1;
  while (*p != '"') p += *p == '\\' ? 2 : 1;
  return (size_t)(p + 1 - at);
}

static size_t value_len(struct str s) {
  size_t depth = 0, i = 0;
  do {
    char c = s.ptr[i];
    if (c == '"')
      i += string_len(s.ptr + i);
    else if (depth == 0 && c != '{' && c != '[')
      while (i < s.len && !memchr(",]} \t\r\n", s.ptr[i], 7)) i++;
    else {
      depth += c == '{' || c == '[';
      depth -= c == '}' || c == ']';
      i++;
    }
  } while (depth && i < s.len);
  return i;
}

static struct str eat_value(struct str *s) {
  eat_space(s);
  struct str value = {s->ptr, value_len(*s)};
  s->ptr += value.len, s->len -= value.len;
  return value;
}

bool raw_member(struct str object, const char *name, struct str *ret) {
  struct str s = object, wanted = str_from(name);
  if (!eat(&s, '{')) return false;
  while (!eat(&s, '}')) {
    struct str key = raw_inner(eat_value(&s));
    eat(&s, ':');
    struct str value = eat_value(&s);
    if (str_eq(key, wanted)) {
      *ret = value;
      return true;
    }
    eat(&s, ',');
  }
  return false;
}

bool raw_next(struct str *list, struct str *ret) {
  if (!eat(list, '[') && !eat(list, ',')) return false;
  eat_space(list);
  if (eat(list, ']')) return false;
  *ret = eat_value(list);
  return true;
}

char raw_kind(struct str value) {
  char c = value.len ? value.ptr[0] : 'n';
  return c == '-' || (c >= '0' && c <= '9') ? '0' : c;
}

bool raw_is(struct str value, const char *raw) {
  return str_eq(value, str_from(raw));
}

struct str raw_inner(struct str string) {
  if (string.len < 2 || string.ptr[0] != '"') return (struct str){"", 0};
  return (struct str){string.ptr + 1, string.len - 2};
}

bool raw_int(struct str value, int64_t *ret) {
  return raw_kind(value) == '0' && str_to_i64(value, ret);
}
