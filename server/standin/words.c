// The rule of standin.h, and nothing cleverer: tests must be able to count as well.
#include "standin/words.h"
#include "standin/raw.h"

#define OTHER_PART_TOKENS 85

int64_t words_count(struct str s) {
  int64_t count = 0;
  bool inside = false;
  for (size_t i = 0; i < s.len; i++) {
    bool escaped = s.ptr[i] == '\\' && i + 1 < s.len;
    char c = escaped ? s.ptr[++i] : s.ptr[i];
    bool space = escaped ? c == 'n' || c == 'r' || c == 't' : c == ' ';
    count += !space && !inside;
    inside = !space;
  }
  return count;
}

int64_t words_in_content(struct str value) {
  if (raw_kind(value) == '"') return words_count(raw_inner(value));
  if (raw_kind(value) != '[') return 0;
  int64_t count = 0;
  for (struct str part, text; raw_next(&value, &part);)
    count += raw_member(part, "text", &text) ? words_count(raw_inner(text)) : OTHER_PART_TOKENS;
  return count;
}

int64_t words_in_input(struct str value) {
  if (raw_kind(value) == '"') return words_count(raw_inner(value));
  int64_t count = 0;
  for (struct str number; raw_next(&value, &number);) count++;
  return count;
}
