// CloudEvents' binary mode: attributes are HTTP headers, whose values may be in double quotes and have percent signs before two
// hexadecimal digits for bytes that a header cannot have; the data is the body.
#include "base/limits.h"
#include "base/mem.h"
#include "usage/internal.h"

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// One round of each: "%2525" is "%25". False where it is not well-formed, or no UTF-8.
static bool decode(struct arena *arena, struct str value, struct str *ret) {
  bool quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
  if (quoted) value.ptr++, value.len -= 2;
  char *out = arena_alloc(arena, value.len + 1);
  size_t len = 0;
  for (size_t i = 0; i < value.len; i++) {
    char c = value.ptr[i];
    if (quoted && c == '\\' && i + 1 < value.len) {
      c = value.ptr[++i];
    } else if (quoted && (c == '"' || c == '\\')) {
      return false;
    }
    out[len++] = c;
  }
  size_t kept = 0;
  for (size_t i = 0; i < len; i++) {
    if (out[i] != '%') {
      out[kept++] = out[i];
      continue;
    }
    int high = i + 2 < len ? hex(out[i + 1]) : -1, low = i + 2 < len ? hex(out[i + 2]) : -1;
    if (high < 0 || low < 0) return false;
    out[kept++] = (char)(high << 4 | low);
    i += 2;
  }
  *ret = (struct str){out, kept};
  return str_is_utf8(*ret);
}

static int attribute(const struct usage_reading *r, const char *name, struct str value, bool required, struct str *ret) {
  struct str text;
  if (!value.ptr) return required ? usage_refuse(r, name, "The header ce-%s is missing.", name) : 0;
  if (!decode(r->arena, value, &text)) return usage_refuse(r, name, "The header ce-%s is not UTF-8 in percent-encoding.", name);
  return usage_text(r, name, text, ret);
}

static int attributes_read(const struct usage_reading *r, const struct usage_attributes *a) {
  struct usage_event *e = r->event;
  struct str version = {0}, time = {0};
  if (a->twice) return usage_refuse(r, a->twice, "The header ce-%s is there more than once.", a->twice);
  if (attribute(r, "specversion", a->specversion, true, &version)) return 1;
  if (!str_eq(version, STR("1.0"))) return usage_refuse(r, "specversion", "ce-specversion must be 1.0.");
  if (attribute(r, "id", a->id, true, &e->id) || attribute(r, "source", a->source, true, &e->source)) return 1;
  if (attribute(r, "type", a->type, true, &e->type) || attribute(r, "subject", a->subject, false, &e->customer)) return 1;
  if (e->customer.len) e->customer_from = "subject";
  if (attribute(r, "time", a->time, false, &time)) return 1;
  return time.len ? usage_time(r, "time", time) : 0;
}

int usage_read_binary(struct arena *arena, const struct usage_words *words, const struct usage_attributes *attributes, struct str data,
                      struct usage_event *ret, struct usage_error *ret_error) {
  CLEANUP(arena_finish) struct arena scratch;
  CLEANUP(usage_json_finish) struct usage_json json = {0};
  struct usage_reading r = {arena, &scratch, words, USAGE_CLOUDEVENT, ret, ret_error};
  struct json_error why;
  arena_init(&scratch, LIMIT_REQUEST_ARENA);
  *ret = (struct usage_event){0};
  if (data.len > LIMIT_EVENT) return usage_refuse(&r, "", "An event may have at most %d bytes.", LIMIT_EVENT);
  if (attributes_read(&r, attributes)) return 1;
  if (data.len > 0 && usage_json_read(&scratch, data, &json, &why) != 0)
    return usage_refuse(&r, "data", "The body, which is the event's data, is not JSON that can be taken: %s", why.message);
  return usage_data(&r, "data", json.root);
}
