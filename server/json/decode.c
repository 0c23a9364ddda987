// A body held against its table: every member is named there or refused, every value is of its kind and within its
// bounds, or the first that is not is named together with what would be right. Values are gathered in a copy of the
// target, so that a body that is refused leaves no half of itself behind.
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/tree.h"
#include <inttypes.h>

typedef const struct json_field *field;

static int refuse(field f, struct json_error *error, const char *what) {
  return json_refuse(error, str_from(f->name), "%s", what);
}

static int choose(field f, struct str text, struct json_error *error) {
  struct str left = str_from(f->one_of), choice;
  CLEANUP(buf_finish) struct buf list;
  buf_init(&list, 160);
  while (str_split(&left, '|', &choice)) {
    if (str_eq(choice, text)) return 0;
    buf_printf(&list, "%s%.*s", list.len ? ", " : "", STR_ARG(choice));
  }
  return json_refuse(error, str_from(f->name), "Must be one of: %s.", buf_cstr(&list));
}

static int text_bounds(field f, struct str text, struct json_error *error) {
  uint64_t least = f->min > 1 ? (uint64_t)f->min : 1, most = f->max > 0 ? (uint64_t)f->max : LIMIT_NAME;
  uint64_t len = str_utf8_count(text);
  if (len < least && least == 1) return refuse(f, error, "Must not be empty.");
  if (len < least || len > most)
    return json_refuse(error, str_from(f->name), "Must have %" PRIu64 " to %" PRIu64 " characters.", least, most);
  if (str_has_control(text)) return refuse(f, error, "Must not hold control characters.");
  return 0;
}

static int take_text(field f, struct json *value, void *out, struct json_error *error) {
  struct str text;
  if (!json_text(value, &text)) return refuse(f, error, "Must be a string.");
  if (f->one_of && choose(f, text, error)) return 1;
  if (!f->one_of && f->kind == JSON_TEXT && text_bounds(f, text, error)) return 1;
  if (f->kind == JSON_TEXT_ANY && f->max > 0 && str_utf8_count(text) > (uint64_t)f->max)
    return json_refuse(error, str_from(f->name), "Must have at most %" PRId64 " characters.", f->max);
  memcpy(out, &text, sizeof text);
  return 0;
}

static int take_int(field f, struct json *value, void *out, struct json_error *error) {
  int64_t number;
  if (!json_int(value, &number)) return refuse(f, error, "Must be an integer, without quotes, fraction or exponent.");
  if ((f->min != 0 || f->max != 0) && number < f->min)
    return json_refuse(error, str_from(f->name), "Must be at least %" PRId64 ".", f->min);
  if (f->max != 0 && number > f->max)
    return json_refuse(error, str_from(f->name), "Must be at most %" PRId64 ".", f->max);
  memcpy(out, &number, sizeof number);
  return 0;
}

static int take_bool(field f, struct json *value, void *out, struct json_error *error) {
  if (json_shape(value) != SHAPE_BOOL) return refuse(f, error, "Must be true or false.");
  bool truth = json_truth(value);
  memcpy(out, &truth, sizeof truth);
  return 0;
}

static int take_amount(field f, struct json *value, void *out, struct json_error *error) {
  struct str text;
  amount a;
  char bound[AMOUNT_TEXT_MAX];
  if (!json_text(value, &text)) return refuse(f, error, "Must be a string holding a decimal, such as \"12.5\".");
  if (!amount_parse(text, &a))
    return refuse(f, error, "Must be a plain decimal with at most nine digits after the point, such as \"12.5\".");
  if ((f->min != 0 || f->max != 0) && a < f->min) {
    amount_print(f->min, bound);
    return json_refuse(error, str_from(f->name), "Must be at least %s.", bound);
  }
  if (f->max != 0 && a > f->max) {
    amount_print(f->max, bound);
    return json_refuse(error, str_from(f->name), "Must be at most %s.", bound);
  }
  bool bounded = f->min != 0 || f->max != 0;
  if (bounded && f->min >= 0 && str_starts(text, STR("-"))) return refuse(f, error, "Must have no sign."); // -0
  memcpy(out, &a, sizeof a);
  return 0;
}

static int take_time(field f, struct json *value, void *out, struct json_error *error) {
  struct str text;
  int64_t wall_us;
  if (!json_text(value, &text) || !clock_parse(text.ptr, text.len, &wall_us) || wall_us <= 0) // 0 stands for no time
    return refuse(f, error, "Must be a time after 1970 as in RFC 3339, such as \"2026-11-21T08:00:00Z\".");
  memcpy(out, &wall_us, sizeof wall_us);
  return 0;
}

static int take_id(field f, struct json *value, void *out, struct json_error *error) {
  struct str text;
  struct uuid id;
  if (!json_text(value, &text) || !id_parse(f->prefix, text, &id))
    return json_refuse(error, str_from(f->name), "Must be an id that begins with %s_.", f->prefix);
  memcpy(out, &id, sizeof id);
  return 0;
}

static int take_tree(field f, struct json *value, void *out, struct json_error *error) {
  if (f->kind == JSON_OBJECT && json_shape(value) != SHAPE_OBJECT) return refuse(f, error, "Must be an object.");
  if (f->kind == JSON_ARRAY && json_shape(value) != SHAPE_ARRAY) return refuse(f, error, "Must be an array.");
  memcpy(out, &value, sizeof(struct json *));
  return 0;
}

static const struct kind {
  size_t size;
  int (*take)(field f, struct json *value, void *out, struct json_error *error);
} kinds[] = {
    [JSON_TEXT] = {sizeof(struct str), take_text},     [JSON_TEXT_ANY] = {sizeof(struct str), take_text},
    [JSON_INT] = {sizeof(int64_t), take_int},          [JSON_BOOL] = {sizeof(bool), take_bool},
    [JSON_AMOUNT] = {sizeof(amount), take_amount},     [JSON_TIME] = {sizeof(int64_t), take_time},
    [JSON_ID] = {sizeof(struct uuid), take_id},        [JSON_OBJECT] = {sizeof(struct json *), take_tree},
    [JSON_ARRAY] = {sizeof(struct json *), take_tree},
};

static int field_take(field f, struct json *root, char *target, size_t size, struct json_error *error) {
  const struct kind *kind = &kinds[f->kind];
  struct json *value = json_get(root, f->name);
  ASSERT(f->offset <= size && kind->size <= size - f->offset);
  if (!value) return f->required ? refuse(f, error, "This member is required.") : 0;
  if (json_is_null(value)) {
    if (!f->nullable) return refuse(f, error, "Must not be null.");
    memset(target + f->offset, 0, kind->size);
  } else if (kind->take(f, value, target + f->offset, error)) {
    return 1;
  }
  if (f->given != JSON_NOT_TOLD) {
    ASSERT(f->given < size);
    memcpy(target + f->given, &(bool){true}, sizeof(bool));
  }
  return 0;
}

struct table {
  const struct json_field *fields;
  size_t count;
  struct json_error *error;
};

// Names are listed as far as they fit; the message is for a person who mistyped one of them.
static int refuse_name(const struct table *t, const char *name) {
  CLEANUP(buf_finish) struct buf list;
  buf_init(&list, 160);
  for (size_t i = 0; i < t->count; i++) buf_printf(&list, "%s%s", i ? ", " : "", t->fields[i].name);
  return json_refuse(t->error, str_from(name), "There is no such member here. Known: %s%s.", buf_cstr(&list),
                     list.full ? "..." : "");
}

static int name_check(void *arg, const char *name, struct json *value) {
  const struct table *t = arg;
  (void)value;
  for (size_t i = 0; i < t->count; i++)
    if (strcmp(t->fields[i].name, name) == 0) return 0;
  return refuse_name(t, name);
}

int json_decode(struct json *root, const struct json_field *fields, size_t count, void *target, size_t target_size,
                struct json_error *ret_error) {
  if (!root || json_shape(root) != SHAPE_OBJECT) return json_refuse(ret_error, STR(""), "A JSON object is expected.");
  struct table table = {fields, count, ret_error};
  if (json_each(root, name_check, &table)) return 1;
  CLEANUP(mem_freep) char *copy = mem_dup(target, target_size);
  for (size_t i = 0; i < count; i++)
    if (field_take(&fields[i], root, copy, target_size, ret_error)) return 1;
  memcpy(target, copy, target_size);
  return 0;
}
