// Reading requests: one check of the whole text, then values are picked out of it as they stand, without a tree.
#pragma once
#include "base/str.h"

bool raw_check(struct str text); // is it one JSON value, not too deep
// All below are for text that has passed the check. A value is its raw text, a string with its quotes.
bool raw_member(struct str object, const char *name, struct str *ret); // false: no object, or no such member
bool raw_next(struct str *list, struct str *ret);                      // eats the list from the front
char raw_kind(struct str value);                                       // '{' '[' '"' '0' 't' 'f' 'n'
bool raw_is(struct str value, const char *raw);
struct str raw_inner(struct str string); // without its quotes; other values: empty
bool raw_int(struct str value, int64_t *ret);
