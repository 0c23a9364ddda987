// See words.h.
#include "rest/words.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/read.h"

struct str word_at(const char *words, int number) {
  struct str rest = str_from(words), word = {0};
  for (int i = 0; i < number; i++) ASSERT(str_split(&rest, '|', &word));
  return word;
}

int word_find(const char *words, struct str word) {
  struct str rest = str_from(words), one;
  for (int i = 1; str_split(&rest, '|', &one); i++)
    if (str_eq(one, word)) return i;
  return 0;
}

static int count_one(void *arg, const char *name, struct json *value) {
  (void)name;
  (void)value;
  ++*(size_t *)arg;
  return 0;
}

size_t word_members(struct str object) {
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error error;
  size_t count = 0;
  ASSERT(json_parse(object, &root, &error) == 0);
  (void)json_each(root, count_one, &count);
  return count;
}

bool word_is_text(struct str s, size_t max) {
  return s.len > 0 && str_utf8_count(s) <= max && !str_has_control(s);
}

bool word_is_name(struct str s, const char *more, size_t max) {
  if (s.len == 0 || s.len > max) return false;
  for (size_t i = 0; i < s.len; i++) {
    char c = s.ptr[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain && (i == 0 || c == '\0' || !strchr(more, c))) return false;
  }
  return true;
}

bool word_is_opaque(struct str s, size_t max) {
  if (s.len == 0 || s.len > max) return false;
  for (size_t i = 0; i < s.len; i++)
    if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '/') return false;
  return true;
}
