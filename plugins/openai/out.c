// Writing into lent memory. Room is asked for once, before anything is written or changed.
#include "openai/openai.h"
#include <string.h>

bool out_room(struct tollgate_out *o, size_t len) {
  if (len <= o->cap - o->len) return true;
  o->need = o->len + len;
  return false;
}

void out_add(struct tollgate_out *o, const char *bytes, size_t len) {
  if (len == 0 || len > o->cap - o->len) return;
  memcpy(o->ptr + o->len, bytes, len);
  o->len += len;
}

void out_text(struct tollgate_out *o, const char *text) {
  out_add(o, text, strlen(text));
}

static void out_char(struct tollgate_out *o, char c) {
  static const char hex[] = "0123456789abcdef";
  const unsigned char u = (unsigned char)c;
  char code[6] = {'\\', 'u', '0', '0', hex[u >> 4], hex[u & 15]};
  if (u < 0x20) {
    out_add(o, code, sizeof code);
    return;
  }
  if (c == '"' || c == '\\') out_add(o, "\\", 1);
  out_add(o, &c, 1);
}

void out_json(struct tollgate_out *o, struct tollgate_slice text) {
  out_add(o, "\"", 1);
  for (size_t i = 0; i < text.len; i++) out_char(o, text.ptr[i]);
  out_add(o, "\"", 1);
}
