// Growing bytes with a maximum. Memory doubles up to the maximum and always has one byte more than the text, for the
// NUL. When something does not fit, what does fit of it is kept, `full` is set and everything after it is refused: the
// data stays a prefix of what was meant, so that a chain of additions needs one look at the end.
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include <stdio.h>

void buf_init(struct buf *b, size_t max) {
  ASSERT(max < SIZE_MAX / 2);
  *b = (struct buf){.max = max};
}

void buf_finish(struct buf *b) {
  mem_free(b->data);
  *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b) {
  b->len = 0;
  b->full = false;
  if (b->data) b->data[0] = '\0';
}

// Room for len bytes in all, which the caller has held against the maximum, and the NUL.
static void buf_reserve(struct buf *b, size_t len) {
  ASSERT(len <= b->max);
  if (len < b->cap) return;
  size_t cap = b->cap ? b->cap : 64;
  while (cap <= len) cap *= 2;
  if (cap > b->max + 1) cap = b->max + 1;
  b->data = mem_realloc(b->data, cap);
  b->cap = cap;
}

bool buf_add(struct buf *b, const void *data, size_t len) {
  if (b->full) return false;
  if (len > b->max - b->len) {
    b->full = true;
    len = b->max - b->len;
  }
  buf_reserve(b, b->len + len);
  if (len) memcpy(b->data + b->len, data, len);
  b->len += len;
  b->data[b->len] = '\0';
  return !b->full;
}

bool buf_add_str(struct buf *b, struct str s) {
  return buf_add(b, s.ptr, s.len);
}

bool buf_puts(struct buf *b, const char *text) {
  return buf_add(b, text, strlen(text));
}

bool buf_putc(struct buf *b, char c) {
  if (b->full || b->len + 1 >= b->cap || b->len == b->max) return buf_add(b, &c, 1);
  b->data[b->len++] = c;
  b->data[b->len] = '\0';
  return true;
}

bool buf_put_i64(struct buf *b, int64_t value) {
  char text[1 + STR_DIGITS_MAX];
  text[0] = '-';
  size_t len = str_digits(value < 0 ? UINT64_C(0) - (uint64_t)value : (uint64_t)value, text + 1);
  return value < 0 ? buf_add(b, text, 1 + len) : buf_add(b, text + 1, len);
}

bool buf_printf(struct buf *b, const char *format, ...) {
  va_list args;
  va_start(args, format);
  bool fits = buf_vprintf(b, format, args);
  va_end(args);
  return fits;
}

// Prints into the room there is; where that is too short, makes room for as much as the maximum allows and prints
// again.
bool buf_vprintf(struct buf *b, const char *format, va_list args) {
  if (b->full) return false;
  va_list again;
  va_copy(again, args);
  size_t room = b->cap - b->len;
  int printed = vsnprintf(room ? b->data + b->len : NULL, room, format, args);
  ASSERT(printed >= 0);
  size_t len = (size_t)printed;
  if (len > b->max - b->len) {
    b->full = true;
    len = b->max - b->len;
  }
  buf_reserve(b, b->len + len);
  if ((size_t)printed >= room) (void)vsnprintf(b->data + b->len, len + 1, format, again);
  va_end(again);
  b->len += len;
  return !b->full;
}

void buf_consume(struct buf *b, size_t len) {
  ASSERT(len <= b->len);
  if (len == 0) return;
  b->len -= len;
  memmove(b->data, b->data + len, b->len + 1);
}

const char *buf_cstr(struct buf *b) {
  buf_reserve(b, b->len);
  b->data[b->len] = '\0';
  return b->data;
}

char *buf_steal(struct buf *b) {
  (void)buf_cstr(b);
  char *data = b->data;
  *b = (struct buf){.max = b->max};
  return data;
}
