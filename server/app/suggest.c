// The distance counts insertions, deletions, replacements and swapped neighbours (optimal string alignment), over words
// short enough that three rows of it fit on the stack.
#include "app/suggest.h"

#define WORD_MAX 48

static unsigned least3(unsigned a, unsigned b, unsigned c) {
  unsigned least = a < b ? a : b;
  return least < c ? least : c;
}

static unsigned word_distance(const char *a, const char *b) {
  size_t a_len = strlen(a), b_len = strlen(b);
  if (a_len > WORD_MAX || b_len > WORD_MAX) return WORD_MAX;
  unsigned rows[3][WORD_MAX + 1];
  unsigned *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= b_len; j++) last[j] = before[j] = (unsigned)j;
  for (size_t i = 1; i <= a_len; i++) {
    now[0] = (unsigned)i;
    for (size_t j = 1; j <= b_len; j++) {
      unsigned differs = a[i - 1] != b[j - 1];
      now[j] = least3(last[j] + 1, now[j - 1] + 1, last[j - 1] + differs);
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && before[j - 2] + 1 < now[j]) now[j] = before[j - 2] + 1;
    }
    unsigned *spare = before;
    before = last, last = now, now = spare;
  }
  return last[b_len];
}

const char *suggest_word(const char *typed, const char *const *words, size_t count) {
  const char *best = NULL;
  unsigned least = strlen(typed) <= 4 ? 2 : 3; // closer than this
  if (strlen(typed) > 10) least = 4;
  for (size_t i = 0; i < count; i++) {
    unsigned distance = word_distance(typed, words[i]);
    if (distance < least) least = distance, best = words[i];
  }
  return best;
}
