// Plain JSON in one pass: no escapes, whole numbers of up to 18 digits, few members, little depth. The first byte that is anything
// else ends the pass without a word.
#include "usage/value.h"
#include "base/log.h"
#include "base/mem.h"

#define DEPTH_MAX 8
#define MEMBERS_MAX 32 // their names are held against each other
#define DIGITS_MAX 18

struct pass {
  struct arena *arena;
  const char *at, *end;
  bool ascii;
  int depth;
};

static void blanks_skip(struct pass *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t')) p->at++;
}

static bool skip(struct pass *p, char c) {
  blanks_skip(p);
  if (p->at == p->end || *p->at != c) return false;
  p->at++;
  return true;
}

static bool string_read(struct pass *p, struct str *ret) {
  if (!skip(p, '"')) return false;
  const char *from = p->at;
  for (; p->at < p->end; p->at++) {
    unsigned char c = (unsigned char)*p->at;
    if (c == '"') {
      *ret = (struct str){from, (size_t)(p->at++ - from)};
      return true;
    }
    if (c == '\\' || c < ' ') return false;
    if (c >= 0x80) p->ascii = false;
  }
  return false;
}

static bool int_read(struct pass *p, struct usage_value *v) {
  const char *from = p->at;
  if (*p->at == '-') p->at++;
  const char *digits = p->at;
  int64_t number = 0;
  for (; p->at < p->end && *p->at >= '0' && *p->at <= '9' && p->at - digits < DIGITS_MAX; p->at++) number = number * 10 + (*p->at - '0');
  ptrdiff_t count = p->at - digits;
  if (count == 0 || (*digits == '0' && (count > 1 || from < digits))) return false;
  *v = (struct usage_value){.kind = USAGE_INT, .text = {from, (size_t)(p->at - from)}, .number = from < digits ? -number : number};
  return true;
}

static bool word_read(struct pass *p, struct str word, enum usage_kind kind, struct usage_value *v) {
  if ((size_t)(p->end - p->at) < word.len || memcmp(p->at, word.ptr, word.len) != 0) return false;
  *v = (struct usage_value){.kind = kind, .text = word};
  p->at += word.len;
  return true;
}

static bool value_read(struct pass *p, struct usage_value *v);

static bool is_new(const struct usage_value *first, struct str name) {
  size_t count = 0;
  for (const struct usage_value *m = first; m; m = m->next, count++)
    if (str_eq(m->name, name)) return false;
  return count < MEMBERS_MAX;
}

static bool object_read(struct pass *p, struct usage_value *v) {
  struct usage_value **last = &v->first;
  p->at++;
  if (skip(p, '}')) return true;
  do {
    struct str name;
    if (!string_read(p, &name) || !is_new(v->first, name) || !skip(p, ':')) return false;
    struct usage_value *member = arena_alloc(p->arena, sizeof *member);
    if (!value_read(p, member)) return false;
    member->name = name;
    *last = member;
    last = &member->next;
  } while (skip(p, ','));
  return skip(p, '}');
}

// An array's elements are looked at by nobody: they only have to be sound.
static bool array_read(struct pass *p) {
  struct usage_value element;
  p->at++;
  if (skip(p, ']')) return true;
  do {
    if (!value_read(p, &element)) return false;
  } while (skip(p, ','));
  return skip(p, ']');
}

static bool tree_read(struct pass *p, struct usage_value *v) {
  const char *from = p->at;
  *v = (struct usage_value){.kind = *from == '{' ? USAGE_OBJECT : USAGE_OTHER};
  if (p->depth == DEPTH_MAX) return false;
  p->depth++;
  if (!(v->kind == USAGE_OBJECT ? object_read(p, v) : array_read(p))) return false;
  p->depth--;
  v->text = (struct str){from, (size_t)(p->at - from)};
  return true;
}

static bool value_read(struct pass *p, struct usage_value *v) {
  blanks_skip(p);
  if (p->at == p->end) return false;
  switch (*p->at) {
  case '"':
    *v = (struct usage_value){.kind = USAGE_TEXT};
    return string_read(p, &v->text);
  case '{':
  case '[':
    return tree_read(p, v);
  case 't':
    return word_read(p, STR("true"), USAGE_OTHER, v);
  case 'f':
    return word_read(p, STR("false"), USAGE_OTHER, v);
  case 'n':
    return word_read(p, STR("null"), USAGE_NULL, v);
  default:
    return int_read(p, v);
  }
}

static struct usage_value *plain_read(struct arena *arena, struct str text) {
  if (text.len == 0) return NULL;
  struct pass p = {.arena = arena, .at = text.ptr, .end = text.ptr + text.len, .ascii = true};
  struct usage_value *root = arena_alloc(arena, sizeof *root);
  if (!value_read(&p, root)) return NULL;
  blanks_skip(&p);
  return p.at == p.end && (p.ascii || str_is_utf8(text)) ? root : NULL;
}

// ---- what is not plain

struct members {
  struct arena *arena;
  struct usage_value **last;
};

static int member_add(void *arg, const char *name, struct json *tree) {
  struct members *m = arg;
  *m->last = usage_value_of(m->arena, tree);
  (*m->last)->name = str_from(name);
  m->last = &(*m->last)->next;
  return 0;
}

static enum usage_kind kind_of(struct json *tree, struct usage_value *v) {
  if (json_is_null(tree)) return USAGE_NULL;
  if (json_int(tree, &v->number)) return USAGE_INT;
  if (json_text(tree, &v->text)) return USAGE_TEXT;
  return json_is_object(tree) ? USAGE_OBJECT : USAGE_OTHER;
}

struct usage_value *usage_value_of(struct arena *arena, struct json *tree) {
  struct usage_value *v = arena_alloc(arena, sizeof *v);
  v->tree = tree;
  v->kind = kind_of(tree, v);
  if (v->kind == USAGE_OBJECT) (void)json_each(tree, member_add, &(struct members){arena, &v->first});
  return v;
}

int usage_json_read(struct arena *arena, struct str text, struct usage_json *ret, struct json_error *ret_error) {
  *ret = (struct usage_json){.root = plain_read(arena, text)};
  if (ret->root) return 0;
  if (json_parse(text, &ret->tree, ret_error) != 0) return 1;
  ret->root = usage_value_of(arena, ret->tree);
  return 0;
}

void usage_json_finish(struct usage_json *json) {
  json_finish(json->tree);
  json->tree = NULL;
}

static struct str dump(struct arena *arena, struct json *tree) {
  CLEANUP(mem_freep) char *text = json_dump_sorted(tree);
  return arena_str(arena, str_from(text));
}

struct str usage_value_json(struct arena *arena, const struct usage_value *value) {
  if (value->tree) return dump(arena, value->tree);
  if (value->kind == USAGE_TEXT) return (struct str){value->text.ptr - 1, value->text.len + 2}; // with its quotes
  bool nested = value->text.ptr[0] == '{' || value->text.ptr[0] == '[';
  if (!nested) return value->text;
  CLEANUP(json_finishp) struct json *tree = NULL;
  struct json_error why;
  ASSERT(json_parse(value->text, &tree, &why) == 0); // what the pass has taken is sound
  return dump(arena, tree);
}
