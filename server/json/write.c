// Streaming JSON. One bit a level remembers whether a value stands before: a value in an array, and a name in an
// object, put the comma; a name clears the bit again, so that its value puts none. The root is level 0 and takes one
// value. Text is escaped as little as JSON asks, in runs; what is no UTF-8 becomes U+FFFD, byte for byte.
#include "json/write.h"
#include "base/clock.h"
#include "base/log.h"

#define DEPTH_MAX 63

static void separate(struct json_writer *w) {
  uint64_t bit = UINT64_C(1) << w->depth;
  ASSERT(w->depth > 0 || !(w->has_member & bit));
  if (w->has_member & bit) buf_putc(w->out, ',');
  w->has_member |= bit;
}

static void level_begin(struct json_writer *w, char opening) {
  separate(w);
  ASSERT(w->depth < DEPTH_MAX);
  buf_putc(w->out, opening);
  w->depth++;
  w->has_member &= ~(UINT64_C(1) << w->depth);
}

static void level_end(struct json_writer *w, char closing) {
  ASSERT(w->depth > 0);
  buf_putc(w->out, closing);
  w->depth--;
}

void json_object_begin(struct json_writer *w) {
  level_begin(w, '{');
}

void json_object_end(struct json_writer *w) {
  level_end(w, '}');
}

void json_array_begin(struct json_writer *w) {
  level_begin(w, '[');
}

void json_array_end(struct json_writer *w) {
  level_end(w, ']');
}

static void escape_put(struct buf *out, char c) {
  switch (c) {
  case '"':
    buf_puts(out, "\\\"");
    break;
  case '\\':
    buf_puts(out, "\\\\");
    break;
  case '\n':
    buf_puts(out, "\\n");
    break;
  case '\r':
    buf_puts(out, "\\r");
    break;
  case '\t':
    buf_puts(out, "\\t");
    break;
  default:
    if ((unsigned char)c >= 0x80)
      buf_puts(out, "\xEF\xBF\xBD");
    else
      buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
  }
}

static bool is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

// How many bytes at the front go out as they are.
static size_t plain_len(struct str s) {
  size_t len = 0, step = 0;
  do {
    len += step;
    while (len < s.len && is_plain((unsigned char)s.ptr[len])) len++;
    step = str_utf8_len((struct str){s.ptr + len, s.len - len});
  } while (step > 1);
  return len;
}

static void string_put(struct buf *out, struct str s) {
  buf_putc(out, '"');
  while (s.len > 0) {
    size_t plain = plain_len(s);
    buf_add(out, s.ptr, plain);
    s.ptr += plain, s.len -= plain;
    if (s.len == 0) break;
    escape_put(out, s.ptr[0]);
    s.ptr++, s.len--;
  }
  buf_putc(out, '"');
}

void json_key(struct json_writer *w, const char *key) {
  ASSERT(w->depth > 0);
  separate(w);
  string_put(w->out, str_from(key));
  buf_putc(w->out, ':');
  w->has_member &= ~(UINT64_C(1) << w->depth);
}

void json_put_str(struct json_writer *w, struct str s) {
  separate(w);
  string_put(w->out, s);
}

void json_put_raw(struct json_writer *w, struct str json) {
  separate(w);
  buf_add_str(w->out, json);
}

void json_put_null(struct json_writer *w) {
  json_put_raw(w, STR("null"));
}

void json_put_text(struct json_writer *w, const char *text) {
  if (text)
    json_put_str(w, str_from(text));
  else
    json_put_null(w);
}

void json_put_int(struct json_writer *w, int64_t value) {
  separate(w);
  buf_put_i64(w->out, value);
}

void json_put_bool(struct json_writer *w, bool value) {
  json_put_raw(w, value ? STR("true") : STR("false"));
}

void json_put_amount(struct json_writer *w, amount a) {
  char text[AMOUNT_TEXT_MAX];
  amount_print(a, text);
  json_put_text(w, text);
}

void json_put_time(struct json_writer *w, int64_t wall_us) {
  char text[CLOCK_TEXT_MAX];
  clock_print(wall_us, text);
  json_put_text(w, wall_us > 0 ? text : NULL);
}

void json_put_id(struct json_writer *w, const char *prefix, struct uuid id) {
  char text[ID_TEXT_MAX];
  id_print(prefix, id, text);
  json_put_text(w, uuid_is_nil(id) ? NULL : text);
}

void json_member_str(struct json_writer *w, const char *key, struct str s) {
  json_key(w, key);
  json_put_str(w, s);
}

void json_member_text(struct json_writer *w, const char *key, const char *text) {
  json_key(w, key);
  json_put_text(w, text);
}

void json_member_int(struct json_writer *w, const char *key, int64_t value) {
  json_key(w, key);
  json_put_int(w, value);
}

void json_member_bool(struct json_writer *w, const char *key, bool value) {
  json_key(w, key);
  json_put_bool(w, value);
}

void json_member_amount(struct json_writer *w, const char *key, amount a) {
  json_key(w, key);
  json_put_amount(w, a);
}

void json_member_time(struct json_writer *w, const char *key, int64_t wall_us) {
  json_key(w, key);
  json_put_time(w, wall_us);
}

void json_member_id(struct json_writer *w, const char *key, const char *prefix, struct uuid id) {
  json_key(w, key);
  json_put_id(w, prefix, id);
}

void json_member_raw(struct json_writer *w, const char *key, struct str json) {
  json_key(w, key);
  json_put_raw(w, json);
}
