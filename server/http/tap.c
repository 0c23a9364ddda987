// The reading of a request's outline, strict where RFC 9112 is: lines end with CR LF and hold no NUL, CR or LF; nothing
// but empty lines stands before a request; a chunk is as long as its size says, and its extension is text. What a line
// means is the guard's affair; of the two headers that delimit the body only as much is read as a sound request has in
// them, since the guard refuses any other.
//
// The bytes come from recv() itself: the program's own, in front of the C library's, which it calls. libmicrohttpd has
// no place where its reading could be seen, and calls it as everybody does; the self-test shows that it still does.
#include "http/tap.h"
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  T_BETWEEN, // before a request, or inside the CR LF of an empty line there
  T_BETWEEN_LF,
  T_FIRST, // the first line
  T_FIRST_LF,
  T_LINE, // the beginning of a header line, or the empty one
  T_NAME,
  T_VALUE,
  T_VALUE_LF,
  T_HEAD_LF, // the LF that ends the head
  T_BODY,
  T_SIZE, // the beginning of a chunk's size
  T_DIGITS,
  T_EXTENSION,
  T_SIZE_LF,
  T_CHUNK,
  T_CHUNK_CR,
  T_CHUNK_LF,
  T_TRAILER, // the beginning of a trailer line, or the empty one
  T_TRAILER_NAME,
  T_TRAILER_VALUE,
  T_TRAILER_LF,
  T_END_LF, // the LF that ends the trailers
  T_LOST,
};

static bool is_text(char c) {
  return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\t';
}

// A bit for each of the 128: all that print, but blanks and ()<>@,;:\"/[]?={}.
static bool is_token(char c) {
  static const uint32_t tokens[4] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};
  return (unsigned char)c < 0x80 && (tokens[(unsigned char)c >> 5] >> (c & 31) & 1);
}

// ---- the two headers that delimit a body

static void name_add(struct tap *t, char c) {
  if (t->name_len < sizeof t->name) t->name[t->name_len] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
  if (t->name_len <= sizeof t->name) t->name_len++;
}

static bool name_is(const struct tap *t, const char *name) {
  return t->name_len == strlen(name) && memcmp(t->name, name, t->name_len) == 0;
}

static void name_end(struct tap *t) {
  t->sized = name_is(t, "content-length");
  if (name_is(t, "transfer-encoding")) t->chunked = true;
}

// A length that leaves 64 bits wraps: by then the guard has refused it.
static void value_add(struct tap *t, char c) {
  if (t->sized && c >= '0' && c <= '9') t->length = t->length * 10 + (uint64_t)(c - '0');
}

// ---- ends

static uint8_t whole(struct tap *t) {
  t->wholes++;
  return T_BETWEEN;
}

static uint8_t head_end(struct tap *t) {
  t->heads++;
  t->left = t->length;
  if (t->chunked) return T_SIZE;
  return t->left ? T_BODY : whole(t);
}

static uint8_t first_begin(struct tap *t) {
  t->chunked = false;
  t->length = 0;
  return T_FIRST;
}

// ---- one byte

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t digit_add(struct tap *t, char c) {
  if (t->left >> 60) return T_LOST;
  t->left = t->left << 4 | (uint64_t)digit(c);
  return T_DIGITS;
}

static uint8_t line_begin(struct tap *t, char c) {
  if (c == '\r') return T_HEAD_LF;
  t->name_len = 0;
  t->sized = false;
  name_add(t, c);
  return is_token(c) ? T_NAME : T_LOST;
}

static uint8_t name_step(struct tap *t, char c) {
  if (c == ':') {
    name_end(t);
    return T_VALUE;
  }
  name_add(t, c);
  return is_token(c) ? T_NAME : T_LOST;
}

static uint8_t value_step(struct tap *t, char c) {
  if (c == '\r') return T_VALUE_LF;
  value_add(t, c);
  return is_text(c) ? T_VALUE : T_LOST;
}

static uint8_t after(char c, char wanted, uint8_t state) {
  return c == wanted ? state : T_LOST;
}

// Text up to the CR that must be followed by LF.
static uint8_t text_step(char c, uint8_t same, uint8_t then) {
  return c == '\r' ? then : is_text(c) ? same : T_LOST;
}

static uint8_t head_step(struct tap *t, char c) {
  switch (t->state) {
  case T_BETWEEN:
    return c == '\r' ? T_BETWEEN_LF : is_token(c) ? first_begin(t) : T_LOST;
  case T_BETWEEN_LF:
    return after(c, '\n', T_BETWEEN);
  case T_FIRST:
    return text_step(c, T_FIRST, T_FIRST_LF);
  case T_FIRST_LF:
  case T_VALUE_LF:
    return after(c, '\n', T_LINE);
  case T_LINE:
    return line_begin(t, c);
  case T_NAME:
    return name_step(t, c);
  case T_VALUE:
    return value_step(t, c);
  case T_HEAD_LF:
    return c == '\n' ? head_end(t) : T_LOST;
  default:
    return T_LOST;
  }
}

static uint8_t chunk_step(struct tap *t, char c) {
  switch (t->state) {
  case T_SIZE:
    t->left = 0;
    return digit(c) >= 0 ? digit_add(t, c) : T_LOST;
  case T_DIGITS:
    if (digit(c) >= 0) return digit_add(t, c);
    return c == ';' ? T_EXTENSION : after(c, '\r', T_SIZE_LF);
  case T_EXTENSION:
    return text_step(c, T_EXTENSION, T_SIZE_LF);
  case T_SIZE_LF:
    return after(c, '\n', t->left ? T_CHUNK : T_TRAILER);
  case T_CHUNK_CR:
    return after(c, '\r', T_CHUNK_LF);
  case T_CHUNK_LF:
    return after(c, '\n', T_SIZE);
  case T_TRAILER:
    return c == '\r' ? T_END_LF : is_token(c) ? T_TRAILER_NAME : T_LOST;
  case T_TRAILER_NAME:
    return c == ':' ? T_TRAILER_VALUE : is_token(c) ? T_TRAILER_NAME : T_LOST;
  case T_TRAILER_VALUE:
    return text_step(c, T_TRAILER_VALUE, T_TRAILER_LF);
  case T_TRAILER_LF:
    return after(c, '\n', T_TRAILER);
  case T_END_LF:
    return c == '\n' ? whole(t) : T_LOST;
  default:
    return T_LOST;
  }
}

// The body's own bytes are passed over; returns how many.
static size_t body_skip(struct tap *t, size_t len) {
  size_t step = t->left < len ? (size_t)t->left : len;
  t->left -= step;
  if (t->left == 0) t->state = t->state == T_BODY ? whole(t) : T_CHUNK_CR;
  return step;
}

// Most of a head: the first line, and values of which nothing is read, up to what is no text.
static size_t text_skip(const struct tap *t, const char *bytes, size_t len) {
  size_t n = 0;
  if (t->state != T_FIRST && (t->state != T_VALUE || t->sized)) return 0;
  while (n < len && is_text(bytes[n])) n++;
  return n;
}

void tap_feed(struct tap *t, const char *bytes, size_t len) {
  for (size_t i = 0; i < len && t->state != T_LOST;) {
    size_t text = text_skip(t, bytes + i, len - i);
    if (text > 0)
      i += text;
    else if (t->state == T_BODY || t->state == T_CHUNK)
      i += body_skip(t, len - i);
    else
      t->state = t->state < T_BODY ? head_step(t, bytes[i++]) : chunk_step(t, bytes[i++]);
  }
}

// ---- where the bytes come from

#define TAP_FDS (1 << 20) // a page of this is touched only where a descriptor falls into it
static struct tap *_Atomic taps[TAP_FDS];

bool tap_set(int fd, struct tap *t) {
  if (fd < 0 || fd >= TAP_FDS) return false;
  taps[fd] = t;
  return true;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags); // <sys/socket.h> may define it inline

__attribute__((visibility("default"))) ssize_t recv(int fd, void *buffer, size_t size, int flags) {
  ssize_t got = (ssize_t)syscall(SYS_recvfrom, fd, buffer, size, flags, NULL, NULL);
  struct tap *t = got > 0 && fd >= 0 && fd < TAP_FDS ? taps[fd] : NULL;
  if (t) tap_feed(t, buffer, (size_t)got);
  return got;
}
