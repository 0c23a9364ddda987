// See form.h. The bytes of a form are what an Idempotency-Key stands for, so that there is one way to write each.
#include "stripe/form.h"

static void encode(struct buf *out, struct str text, const char *plain) {
  static const char digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.ptr[i];
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    char escape[] = {'%', digits[c >> 4], digits[c & 15]};
    if (word || (c != '\0' && strchr(plain, c)))
      buf_putc(out, (char)c);
    else
      buf_add(out, escape, sizeof escape);
  }
}

void form_encode(struct buf *out, struct str value) {
  encode(out, value, "-_.~");
}

void form_text(struct buf *form, const char *path, struct str value) {
  if (form->len > 0) buf_putc(form, '&');
  encode(form, str_from(path), "-_.~[]");
  buf_putc(form, '=');
  form_encode(form, value);
}

void form_int(struct buf *form, const char *path, int64_t value) {
  form_text(form, path, (struct str){"", 0});
  buf_put_i64(form, value);
}

void form_bool(struct buf *form, const char *path, bool value) {
  form_text(form, path, value ? STR("true") : STR("false"));
}

void form_id(struct buf *form, const char *path, const char *prefix, struct uuid id) {
  char text[ID_TEXT_MAX];
  id_print(prefix, id, text);
  form_text(form, path, str_from(text));
}
