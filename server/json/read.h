// Reading JSON from outside: strict, bounded, with errors that say where and what was expected. Wraps jansson.
// Refused with a message: bad syntax, invalid UTF-8, NUL (raw or \u0000), depth over LIMIT_JSON_DEPTH, more than
// LIMIT_JSON_NODES values (both found before any tree is built), duplicate keys, integers beyond 64 bits, trailing bytes.
#pragma once
#include "base/arena.h"
#include "base/amount.h"
#include "base/id.h"

struct json; // a parsed value: jansson's, owned by whoever holds the root

#define JSON_ERROR_MAX 256
struct json_error {
  char param[96];               // dotted path of the member at fault, "" for the body as a whole
  char message[JSON_ERROR_MAX]; // a sentence: what is wrong and what would be right
};

// 0 and the root (json_finish it), or 1 and why not.
int json_parse(struct str text, struct json **ret, struct json_error *ret_error);
void json_finish(struct json *root); // NULL is fine
static inline void json_finishp(struct json **root) { json_finish(*root); }

// A body as a table: each member's name, kind, and where its value goes. Members not in the table are refused by name.
enum json_kind {
  JSON_TEXT,     // struct str, lent by the root; 1..max characters (max 0: LIMIT_NAME), none of control
  JSON_TEXT_ANY, // struct str; may be empty, any characters
  JSON_INT,      // int64_t, min..max (max 0: no bound)
  JSON_BOOL,     // bool
  JSON_AMOUNT,   // amount; a string holding a decimal: "12.5". JSON numbers are refused
  JSON_TIME,     // int64_t microseconds; an RFC 3339 string
  JSON_ID,       // struct uuid; a TypeID with the field's prefix
  JSON_OBJECT,   // struct json *, lent
  JSON_ARRAY,    // struct json *, lent
};
struct json_field {
  const char *name;
  enum json_kind kind;
  bool required;
  bool nullable;        // null counts as given and leaves the value zero
  size_t offset;        // of the value in the target struct
  size_t given;         // of a bool that says whether the member was there; SIZE_MAX: none
  int64_t min, max;     // JSON_INT bounds, JSON_TEXT characters, JSON_AMOUNT bounds (nanocredits)
  const char *prefix;   // JSON_ID
  const char *one_of;   // JSON_TEXT: "minute|day|month": the only values taken
};
#define JSON_NOT_TOLD SIZE_MAX
// 0, or 1 with the first error. `root` must be an object. target is written only on success.
int json_decode(struct json *root, const struct json_field *fields, size_t count, void *target, size_t target_size,
                struct json_error *ret_error);

// Walking lent values.
size_t json_count(struct json *array);
struct json *json_at(struct json *array, size_t index);
struct json *json_get(struct json *object, const char *name); // NULL where missing
struct json *json_path(struct json *object, const char *path); // at a dotted path of short names; NULL where missing
bool json_is_null(struct json *value);
bool json_is_object(struct json *value); // NULL is none
bool json_text(struct json *value, struct str *ret);
bool json_int(struct json *value, int64_t *ret);
bool json_bool(struct json *value, bool *ret);
// Compact text, keys in their order; the caller owns it (mem_free). For metadata and settings only: never for bytes that
// must stay what they were.
char *json_dump(struct json *value);
char *json_dump_sorted(struct json *value); // the same with keys in the order of their bytes: one text for whatever is the same
// A number with a fraction or an exponent, as a decimal of at most 16 digits. False: it is none.
#define JSON_FRACTION_MAX 32
bool json_fraction(struct json *value, char ret[JSON_FRACTION_MAX]);
// Calls each for every member of an object, in order; stops at the first non-zero return and hands it on.
int json_each(struct json *object, int (*each)(void *arg, const char *name, struct json *value), void *arg);
