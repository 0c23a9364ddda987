// Feeds: paths and values of a form, with a NUL behind each. Oracle: read back as WHATWG reads such a form, there are
// as many fields, with the same paths and values in the same order, and nothing stands in it that is not plain or an
// escape.
#include "base/buf.h"
#include "fuzz.h"
#include "stripe/form.h"

#define FIELDS_MOST 64

static int digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static struct str decoded(struct str s, char *out) {
  size_t len = 0;
  for (size_t i = 0; i < s.len; i++) {
    bool escape = s.ptr[i] == '%';
    FUZZ_CHECK(!escape || (i + 2 < s.len && digit(s.ptr[i + 1]) >= 0 && digit(s.ptr[i + 2]) >= 0), "%.*s", STR_ARG(s));
    out[len++] = escape ? (char)(digit(s.ptr[i + 1]) * 16 + digit(s.ptr[i + 2])) : s.ptr[i];
    if (escape) i += 2;
  }
  return (struct str){out, len};
}

static void plain_check(struct str form) {
  for (size_t i = 0; i < form.len; i++) {
    char c = form.ptr[i];
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    FUZZ_CHECK(word || (c && strchr("-_.~[]%&=", c)), "%.*s", STR_ARG(form));
  }
}

static void field_check(struct str field, struct str path, struct str value) {
  const char *equals = field.len ? memchr(field.ptr, '=', field.len) : NULL;
  FUZZ_CHECK(equals != NULL, "%.*s", STR_ARG(field));
  char *out = malloc(field.len + 1);
  if (!out) abort();
  struct str got = decoded((struct str){field.ptr, (size_t)(equals - field.ptr)}, out);
  FUZZ_CHECK(str_eq(got, path), "%.*s for %.*s", STR_ARG(got), STR_ARG(path));
  got = decoded((struct str){equals + 1, field.len - (size_t)(equals + 1 - field.ptr)}, out);
  FUZZ_CHECK(str_eq(got, value), "%.*s for %.*s", STR_ARG(got), STR_ARG(value));
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fuzz_input in = fuzz_input(data, size);
  struct str paths[FIELDS_MOST], values[FIELDS_MOST], rest, field;
  struct buf form;
  size_t count = 0;
  buf_init(&form, 1 << 20);
  while (in.at < in.end && count < FIELDS_MOST) {
    paths[count] = fuzz_until(&in, '\0');
    values[count] = fuzz_until(&in, '\0');
    char *path = fuzz_text(paths[count]), *value = fuzz_copy(values[count]);
    form_text(&form, path, (struct str){value, values[count].len});
    free(path);
    free(value);
    count++;
  }
  FUZZ_CHECK(!form.full, "%zu", form.len);
  rest = buf_str(&form);
  plain_check(rest);
  for (size_t i = 0; i < count; i++) {
    FUZZ_CHECK(str_split(&rest, '&', &field), "there are %zu of %zu fields", i, count);
    field_check(field, paths[i], values[i]);
  }
  FUZZ_CHECK(rest.len == 0, "there is more behind %zu fields", count);
  buf_finish(&form);
  return 0;
}
