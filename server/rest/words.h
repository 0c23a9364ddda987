// Small helpers of the endpoints: words that stand for numbers ("active|suspended", from 1), and whether a text has a
// form.
#pragma once
#include "base/str.h"

struct str word_at(const char *words, int number); // the number-th, from 1
int word_find(const char *words, struct str word); // from 1; 0: none of them
size_t word_members(struct str object);            // of a JSON object
bool word_is_text(struct str s, size_t max);       // 1 to max characters, none of control
// A first character of [a-z0-9], then those and what `more` has; at most `max`.
bool word_is_name(struct str s, const char *more, size_t max);
// 1 to max of ASCII's printable characters, without blanks and slashes: an id that somebody else gave out.
bool word_is_opaque(struct str s, size_t max);
