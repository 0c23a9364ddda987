// Reading and changing a JSON object that lies whole in memory, byte for byte: its members with their raw values, and edits
// that leave every other byte as it was. pick_read may be given anything and never reads outside of it; that its answer is
// right presumes text that scan.h has found to be valid.
#pragma once
#include "common/scan.h"

#define PICK_MEMBERS 128
#define PICK_EDITS 8

struct pick_span {
  const char *ptr;
  size_t len;
};

struct pick_member {
  struct pick_span name;  // without its quotes, escapes as written
  struct pick_span value; // raw
};

struct pick {
  struct pick_member members[PICK_MEMBERS];
  size_t count;
  const char *tail; // where a further member would be inserted
};

enum pick_answer {
  PICK_OK = 0,
  PICK_NOT_OBJECT = 1,
  PICK_DUPLICATE = 2, // the last of `members` has the name of one before it, however it is escaped
  PICK_TOO_MANY = 3,  // more than PICK_MEMBERS
};
enum pick_answer pick_read(struct pick *ret, const char *text, size_t len);

// The member's raw value; len 0: there is none.
struct pick_span pick_find(const struct pick *p, const char *name);
enum scan_kind pick_kind(struct pick_span value);

enum pick_number {
  PICK_INTEGER = 0,
  PICK_NOT_INTEGER = 1, // no number, or one with a fraction or an exponent
  PICK_OUT_OF_RANGE = 2,
};
enum pick_number pick_int(struct pick_span value, int64_t *ret);
// What is between a string's quotes, as written; `ret_escaped`: it holds escapes. False: it is not a string.
bool pick_string(struct pick_span value, struct pick_span *ret, bool *ret_escaped);
// The text of a string without its quotes, unescaped. False: it is longer than cap. Writes no NUL.
bool pick_text(struct pick_span inner, char *ret, size_t cap, size_t *ret_len);
bool pick_same(struct pick_span inner_a, struct pick_span inner_b); // equal once unescaped

// Edits of one text, which may be asked for in any order; their places and bytes are lent until pick_apply. Values and
// objects are those of the text itself or of objects inside of it. No more than PICK_EDITS.
struct pick_edit {
  size_t at, drop;
  struct pick_span put[4];
};
struct pick_edits {
  struct pick_span text;
  struct pick_edit list[PICK_EDITS];
  size_t count;
};
void pick_replace(struct pick_edits *e, struct pick_span value, struct pick_span with);
// Adds `"name":value` behind the last member of the object. `name` is written as it is.
void pick_append(struct pick_edits *e, const struct pick *object, const char *name, struct pick_span value);
// The size of the edited text; it is written where cap has room for it.
size_t pick_apply(const struct pick_edits *e, char *out, size_t cap);
