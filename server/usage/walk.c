// A batch cut into its events before any of them is read: each is then parsed alone, so that what is wrong with one says
// nothing of the others, and no tree is larger than one event's. Only quotes and brackets are told apart here.
#include "base/limits.h"
#include "usage/event.h"

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void blanks_skip(struct usage_walk *w) {
  while (w->at < w->text.len && is_blank(w->text.ptr[w->at])) w->at++;
}

static struct str trimmed(struct str s) {
  while (s.len > 0 && is_blank(s.ptr[s.len - 1])) s.len--;
  while (s.len > 0 && is_blank(s.ptr[0])) s.ptr++, s.len--;
  return s;
}

static int line_next(struct usage_walk *w, struct str *ret) {
  while (w->at < w->text.len) {
    const char *from = w->text.ptr + w->at, *end = memchr(from, '\n', w->text.len - w->at);
    size_t len = end ? (size_t)(end - from) : w->text.len - w->at;
    w->at += len + (end != NULL);
    *ret = trimmed((struct str){from, len});
    if (ret->len == 0) continue;
    w->count++;
    return 0;
  }
  return 1;
}

// Where the value that begins at `at` ends: before a comma or a bracket that is not its own. The text's length where it has no end.
static size_t value_end(struct str text, size_t at) {
  int64_t depth = 0;
  for (; at < text.len; at++) {
    char c = text.ptr[at];
    if (c == '"') {
      for (at++; at < text.len && text.ptr[at] != '"'; at++)
        if (text.ptr[at] == '\\') at++;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      depth--;
    } else if (c == ',' && depth == 0) {
      return at;
    }
  }
  return text.len;
}

static int refuse(const char **ret_why, const char *why) {
  *ret_why = why;
  return 2;
}

static int array_end(struct usage_walk *w, const char **ret_why) {
  w->at++;
  blanks_skip(w);
  return w->at == w->text.len ? 1 : refuse(ret_why, "Something follows the end of the array.");
}

static int element_next(struct usage_walk *w, struct str *ret, const char **ret_why) {
  blanks_skip(w);
  bool first = w->count == 0;
  if (w->at == w->text.len) return refuse(ret_why, "The array has no end.");
  if (first) {
    if (w->text.ptr[w->at] != '[') return refuse(ret_why, "A batch is a JSON array of events.");
    w->at++;
    blanks_skip(w);
    if (w->at < w->text.len && w->text.ptr[w->at] == ']') return array_end(w, ret_why);
  } else {
    if (w->text.ptr[w->at] == ']') return array_end(w, ret_why);
    if (w->text.ptr[w->at] != ',') return refuse(ret_why, "The array is malformed.");
    w->at++;
    blanks_skip(w);
  }
  size_t end = value_end(w->text, w->at);
  if (end == w->text.len) return refuse(ret_why, "The array has no end.");
  *ret = trimmed((struct str){w->text.ptr + w->at, end - w->at});
  if (ret->len == 0) return refuse(ret_why, "An element of the array is missing.");
  w->at = end;
  w->count++;
  return 0;
}

int usage_walk_next(struct usage_walk *walk, struct str *ret, const char **ret_why) {
  return walk->lines ? line_next(walk, ret) : element_next(walk, ret, ret_why);
}
