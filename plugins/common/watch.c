// Which paths a scanner was asked to watch, and what is told of them. A path is followed as a set of bits: at each open
// container stands which watches match so far, so that what nobody asked for costs nothing but its own bytes.
#include "common/watch.h"
#include <string.h>

static uint64_t offset_at(const struct scan *s, const char *at) {
  return s->offset + (uint64_t)(at - s->piece);
}

// Takes the lowest bit's index out of a set.
static size_t bit_take(uint32_t *set) {
  size_t index = (size_t)__builtin_ctz(*set);
  *set &= *set - 1;
  return index;
}

void scan_kept_add(struct scan *s, const char *bytes, size_t len) {
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

static void hit_begin(struct scan *s, size_t w, enum scan_kind kind, const char *at) {
  struct scan_hit *hit = &s->hits[w];
  unsigned flags = s->watches[w].flags;
  hit->count++;
  hit->kind = (uint8_t)kind;
  hit->start = hit->end = offset_at(s, at);
  hit->items = 0;
  if ((flags & SCAN_DEEP) || ((flags & SCAN_TEXT) && kind == SCAN_STRING)) s->owner = (int8_t)w;
  if (!(flags & SCAN_KEEP)) return;
  hit->kept = 0;
  hit->cut = s->kept >= 0;
  if (s->kept >= 0) return;
  s->kept = (int8_t)w;
  s->kept_depth = s->depth;
  s->from = at;
}

uint32_t scan_value_begin(struct scan *s, enum scan_kind kind, const char *at) {
  uint32_t rest = s->next, below = 0;
  s->here = 0;
  s->filled = false;
  while (rest) {
    size_t w = bit_take(&rest);
    if (s->watches[w].path[s->depth]) {
      below |= UINT32_C(1) << w;
      continue;
    }
    s->here |= UINT32_C(1) << w;
    hit_begin(s, w, kind, at);
  }
  uint32_t outer = s->depth ? s->hit[s->depth - 1] : 0;
  while (outer) s->hits[bit_take(&outer)].items++;
  return below;
}

void scan_value_end(struct scan *s, uint32_t hits, const char *at) {
  if (s->kept >= 0 && s->kept_depth == s->depth) {
    scan_kept_add(s, s->from, (size_t)(at - s->from));
    s->kept = -1;
  }
  while (hits) {
    size_t w = bit_take(&hits);
    s->hits[w].end = offset_at(s, at);
    s->hits[w].filled += s->filled;
    if ((s->watches[w].flags & SCAN_EACH) && s->each) s->each(s->context, w, s->hits[w].start, s->hits[w].end);
  }
  s->filled = false;
  s->owner = s->depth ? s->owners[s->depth - 1] : -1;
  s->state = s->depth ? S_AFTER : S_END;
}

static bool segment_is_element(const char *segment) {
  return segment[0] == '[' && segment[1] == ']' && segment[2] == '\0';
}

uint32_t scan_match_elements(const struct scan *s) {
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
uint32_t scan_match_name(const struct scan *s) {
  uint32_t rest = s->below[s->depth - 1], found = 0;
  bool fits = s->key_len <= SCAN_KEY && !memchr(s->key, '\0', s->key_len);
  while (rest) {
    size_t w = bit_take(&rest);
    const char *segment = s->watches[w].path[s->depth - 1];
    if (fits ? segment_is(segment, s->key, s->key_len) : segment_is(segment, "", 0)) found |= UINT32_C(1) << w;
  }
  return found;
}
