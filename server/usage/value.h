// JSON as an event is read from it: values that lie in the arena and point into the text. What apps usually send is read in one pass;
// all else, and everything that is wrong, goes through json/read.h, whose rules and messages are the only ones.
#pragma once
#include "base/arena.h"
#include "json/read.h"

enum usage_kind { USAGE_NULL, USAGE_INT, USAGE_TEXT, USAGE_OBJECT, USAGE_OTHER }; // a fraction, true, false, an array
struct usage_value {
  enum usage_kind kind;
  struct str name;                   // of a member of an object
  struct str text;                   // USAGE_TEXT: what it says; of the rest, what stands in the JSON, where `tree` is NULL
  int64_t number;                    // USAGE_INT
  struct usage_value *first, *next;  // an object's members, in their order; the next one of the same object
  struct json *tree;                 // where it was read by json/read.h
};

struct usage_json {
  struct usage_value *root;
  struct json *tree;
};

// 0, or 1 with why not. Values live as long as the arena and the text, those of a tree until usage_json_finish.
int usage_json_read(struct arena *arena, struct str text, struct usage_json *ret, struct json_error *ret_error);
void usage_json_finish(struct usage_json *json);
// The same of a tree that is there already, which has to outlive it.
struct usage_value *usage_value_of(struct arena *arena, struct json *tree);
// Its JSON in one form, whatever blanks and order it came in: in the arena or the text.
struct str usage_value_json(struct arena *arena, const struct usage_value *value);
