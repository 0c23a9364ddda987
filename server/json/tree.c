// The door to jansson: `struct json` is its json_t behind a cast, here and nowhere else. Its hash seed is drawn before
// the first parse, and its memory comes from base/mem, so that running out ends the process as it does everywhere. Its
// messages quote the text; what is told to the client is its code and the place.
#include "json/tree.h"
#include "base/log.h"
#include "base/mem.h"
#include <pthread.h>

// The table's kinds and jansson's types share two names. From here on they mean jansson's.
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#include <jansson.h>
#include <stdio.h>
#undef json_is_null
#undef json_is_object

static pthread_once_t started = PTHREAD_ONCE_INIT;

static void tree_start(void) {
  json_set_alloc_funcs(mem_alloc, mem_free);
  json_object_seed(0); // from the kernel: names that collide cannot be prepared
}

static json_t *tree(struct json *value) {
  return (json_t *)value;
}

static const json_t *tree_const(const struct json *value) {
  return (const json_t *)value;
}

static struct json *lent(json_t *value) {
  return (struct json *)value;
}

static const char *what_is_wrong(enum json_error_code code) {
  if (code == json_error_duplicate_key) return "A member is given twice";
  if (code == json_error_numeric_overflow) return "A number is too large: integers have at most 64 bits";
  if (code == json_error_null_character || code == json_error_null_byte_in_key) return "Text cannot hold \\u0000";
  if (code == json_error_invalid_utf8) return "Text holds half of a surrogate pair";
  if (code == json_error_premature_end_of_input) return "The JSON ends too early";
  if (code == json_error_end_of_input_expected) return "Something follows the end of the JSON";
  return "The JSON is malformed";
}

int json_parse(struct str text, struct json **ret, struct json_error *ret_error) {
  if (!json_prescan(text, ret_error)) return 1;
  pthread_once(&started, tree_start);
  json_error_t error;
  json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
  if (!root)
    return json_refuse(ret_error, STR(""), "%s (line %d, column %d).", what_is_wrong(json_error_code(&error)),
                       error.line, error.column);
  *ret = lent(root);
  return 0;
}

void json_finish(struct json *root) {
  json_decref(tree(root));
}

enum json_shape json_shape(const struct json *value) {
  switch (json_typeof(tree_const(value))) {
  case JSON_OBJECT:
    return SHAPE_OBJECT;
  case JSON_ARRAY:
    return SHAPE_ARRAY;
  case JSON_STRING:
    return SHAPE_TEXT;
  case JSON_INTEGER:
    return SHAPE_INT;
  case JSON_REAL:
    return SHAPE_REAL;
  case JSON_TRUE:
  case JSON_FALSE:
    return SHAPE_BOOL;
  case JSON_NULL:
    return SHAPE_NULL;
  }
  return SHAPE_NULL;
}

bool json_truth(const struct json *value) {
  return json_is_true(tree_const(value));
}

// Of an object, its members: each of jansson's two counts is 0 for what is not its own.
size_t json_count(struct json *array) {
  return json_array_size(tree(array)) + json_object_size(tree(array));
}

struct json *json_at(struct json *array, size_t index) {
  return lent(json_array_get(tree(array), index));
}

struct json *json_get(struct json *object, const char *name) {
  return lent(json_object_get(tree(object), name));
}

struct json *json_path(struct json *object, const char *path) {
  struct str rest = str_from(path), part;
  while (object && str_split(&rest, '.', &part)) {
    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", STR_ARG(part));
    object = json_get(object, name);
  }
  return object;
}

bool json_is_null(struct json *value) {
  return value && json_shape(value) == SHAPE_NULL;
}

bool json_is_object(struct json *value) {
  return value && json_shape(value) == SHAPE_OBJECT;
}

bool json_text(struct json *value, struct str *ret) {
  if (!value || json_shape(value) != SHAPE_TEXT) return false;
  *ret = (struct str){json_string_value(tree(value)), json_string_length(tree(value))};
  return true;
}

bool json_int(struct json *value, int64_t *ret) {
  if (!value || json_shape(value) != SHAPE_INT) return false;
  *ret = json_integer_value(tree(value));
  return true;
}

bool json_bool(struct json *value, bool *ret) {
  if (!value || json_shape(value) != SHAPE_BOOL) return false;
  *ret = json_truth(value);
  return true;
}

char *json_dump(struct json *value) {
  return mem_had(json_dumps(tree(value), JSON_COMPACT | JSON_ENCODE_ANY)); // what was parsed can be printed
}

char *json_dump_sorted(struct json *value) {
  return mem_had(json_dumps(tree(value), JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS));
}

bool json_fraction(struct json *value, char ret[JSON_FRACTION_MAX]) {
  if (!value || json_shape(value) != SHAPE_REAL) return false;
  size_t len = json_dumpb(tree(value), ret, JSON_FRACTION_MAX - 1, JSON_ENCODE_ANY | JSON_REAL_PRECISION(16));
  ASSERT(len > 0 && len < JSON_FRACTION_MAX);
  ret[len] = '\0';
  return true;
}

int json_each(struct json *object, int (*each)(void *arg, const char *name, struct json *value), void *arg) {
  const char *name;
  json_t *value;
  int answer = 0;
  json_object_foreach(tree(object), name, value) {
    answer = each(arg, name, lent(value));
    if (answer != 0) break;
  }
  return answer;
}
