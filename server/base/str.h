// A borrowed run of bytes: pointer and length, not NUL-terminated, never owned.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
  const char *ptr;
  size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_ARG(s) (int)(s).len, (s).ptr // for "%.*s"

static inline struct str str_from(const char *text) { return (struct str){text, text ? strlen(text) : 0}; }
bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); // ASCII only
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
// The part before the first `sep` goes to *ret_head; s becomes what follows. False where nothing is left.
bool str_split(struct str *s, char sep, struct str *ret_head);
struct str str_trim(struct str s);                // spaces and tabs
bool str_to_i64(struct str s, int64_t *ret);      // whole string, decimal, no leading '+', range checked
bool str_to_u32(struct str s, uint32_t *ret);
#define STR_DIGITS_MAX 20
size_t str_digits(uint64_t value, char ret[STR_DIGITS_MAX]); // its decimal digits, without a NUL; how many
size_t str_ascii_len(struct str s);               // bytes at its front that are below 0x80
bool str_is_utf8(struct str s);                   // strict: no overlong forms, surrogates or values beyond U+10FFFF
size_t str_utf8_len(struct str s);                // bytes of the well-formed UTF-8 sequence at its front; 0: none
size_t str_utf8_count(struct str s);              // characters of well-formed UTF-8
bool str_is_printable(struct str s);               // ASCII from space to tilde: what a header may carry
bool str_has_control(struct str s);               // C0, DEL or C1 in well-formed UTF-8
