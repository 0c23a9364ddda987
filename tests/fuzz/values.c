// An event's JSON, read in one pass or not, is what the strict reader says it is.
#include "values.h"
#include "base/mem.h"
#include "fuzz.h"
#include "usage/value.h"

static void same_check(const struct usage_value *a, const struct usage_value *b) {
  FUZZ_CHECK(a->kind == b->kind && str_eq(a->name, b->name), "%.*s is of another kind", STR_ARG(a->name));
  FUZZ_CHECK(a->kind != USAGE_INT || a->number == b->number, "%.*s is another number", STR_ARG(a->name));
  FUZZ_CHECK(a->kind != USAGE_TEXT || str_eq(a->text, b->text), "%.*s is another text", STR_ARG(a->name));
  const struct usage_value *x = a->first, *y = b->first;
  for (; x && y; x = x->next, y = y->next) same_check(x, y);
  FUZZ_CHECK(!x && !y, "%.*s has other members", STR_ARG(a->name));
}

void values_check(struct arena *arena, struct str text) {
  struct usage_json json;
  struct json_error why;
  CLEANUP(json_finishp) struct json *tree = NULL;
  bool sound = json_parse(text, &tree, &why) == 0;
  FUZZ_CHECK((usage_json_read(arena, text, &json, &why) == 0) == sound, "read otherwise: %s", why.message);
  if (!sound) return;
  same_check(json.root, usage_value_of(arena, tree));
  struct str out = usage_value_json(arena, json.root);
  CLEANUP(json_finishp) struct json *again = NULL;
  FUZZ_CHECK(json_parse(out, &again, &why) == 0, "its JSON is none: %s", why.message);
  FUZZ_CHECK(str_eq(out, usage_value_json(arena, usage_value_of(arena, tree))) && str_eq(out, usage_value_json(arena, usage_value_of(arena, again))),
             "its JSON has more than one form");
  usage_json_finish(&json);
}
