// A growing run of bytes with a maximum. Overflow is remembered in `full`, so that a chain of additions is checked once.
#pragma once
#include "base/str.h"
#include <stdarg.h>

struct buf {
  char *data; // NUL-terminated whenever len > 0 or after buf_cstr
  size_t len, cap, max;
  bool full; // something did not fit; what is in data is a prefix
};

void buf_init(struct buf *b, size_t max);
void buf_finish(struct buf *b);
void buf_clear(struct buf *b); // keeps the memory
bool buf_add(struct buf *b, const void *data, size_t len);
bool buf_add_str(struct buf *b, struct str s);
bool buf_puts(struct buf *b, const char *text);
bool buf_putc(struct buf *b, char c);
bool buf_put_i64(struct buf *b, int64_t value); // in decimal
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
void buf_consume(struct buf *b, size_t len); // drops len bytes from the front
const char *buf_cstr(struct buf *b);         // lent until the next change
static inline struct str buf_str(const struct buf *b) { return (struct str){b->data, b->len}; }
char *buf_steal(struct buf *b); // the caller frees; b is empty afterwards
