// Between the machine of scan.c and the watches of watch.c; nobody else includes this.
#pragma once
#include "common/scan.h"

enum scan_state {
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

// A value begins at `at`: which of the watches that led here end here. Returns those that lead further down.
uint32_t scan_value_begin(struct scan *s, enum scan_kind kind, const char *at);
// The value that `hits` were watching ends before `at`.
void scan_value_end(struct scan *s, uint32_t hits, const char *at);
// Which watches of the open container go on with its elements, or with the member whose name is in `key`.
uint32_t scan_match_elements(const struct scan *s);
uint32_t scan_match_name(const struct scan *s);
void scan_kept_add(struct scan *s, const char *bytes, size_t len);

static inline void scan_text_count(struct scan *s, uint64_t ascii, uint64_t wide) {
  if (s->owner < 0) return;
  s->hits[s->owner].ascii += ascii;
  s->hits[s->owner].wide += wide;
}
