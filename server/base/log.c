// The log's one writer. A line is built on the stack and leaves in one write(2), no longer than a pipe takes whole, so
// lines of several threads do not mix and no lock is held. Text from outside is escaped in both forms: a value can
// neither end a line nor begin another. What is too long is cut between characters, and the line still closes.
#include "base/log.h"
#include "base/clock.h"
#include "base/str.h"
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 // PIPE_BUF
#define LINE_TAIL 8         // kept free for what closes a line
#define MESSAGE_MAX_BYTES 3072

static _Atomic int least_level = LOG_INFO;
static _Atomic bool as_json = false;
static _Thread_local char context[64];

struct line {
  char text[LINE_MAX_BYTES];
  size_t len;
};

void log_open(enum log_level least, _Bool json) {
  atomic_store(&least_level, (int)least);
  atomic_store(&as_json, json);
}

void log_context(const char *request_id) {
  (void)snprintf(context, sizeof context, "%s", request_id ? request_id : "");
}

static void line_raw(struct line *l, const char *text, size_t len) {
  if (len > sizeof l->text - l->len) return;
  memcpy(l->text + l->len, text, len);
  l->len += len;
}

static void line_puts(struct line *l, const char *text) {
  line_raw(l, text, strlen(text));
}

// One character as it may stand in a line: itself, an escape, or U+FFFD for a byte that is no UTF-8. Returns the bytes
// read.
static size_t escape_next(struct str s, char ret[8]) {
  unsigned char c = (unsigned char)s.ptr[0];
  size_t len = str_utf8_len(s);
  if (c == '"' || c == '\\')
    (void)snprintf(ret, 8, "\\%c", c);
  else if (c == '\n')
    (void)snprintf(ret, 8, "\\n");
  else if (c < 0x20 || c == 0x7F)
    (void)snprintf(ret, 8, "\\u%04x", (unsigned)c);
  else if (len == 0)
    (void)snprintf(ret, 8, "\xEF\xBF\xBD");
  else if (len == 2 && c == 0xC2 && (unsigned char)s.ptr[1] < 0xA0)
    (void)snprintf(ret, 8, "\\u%04x", (unsigned)(unsigned char)s.ptr[1]);
  else
    (void)snprintf(ret, 8, "%.*s", (int)len, s.ptr);
  return len ? len : 1;
}

static void line_escaped(struct line *l, const char *text) {
  struct str s = str_from(text);
  char piece[8];
  while (s.len > 0) {
    size_t read = escape_next(s, piece);
    if (strlen(piece) + LINE_TAIL > sizeof l->text - l->len) return;
    line_puts(l, piece);
    s.ptr += read, s.len -= read;
  }
}

static const char *level_name(enum log_level level) {
  switch (level) {
  case LOG_DEBUG:
    return "debug";
  case LOG_INFO:
    return "info";
  case LOG_WARN:
    return "warn";
  case LOG_ERROR:
    return "error";
  }
  return "error";
}

static void line_json(struct line *l, const char *level, const char *event, const char *message) {
  char now[CLOCK_TEXT_MAX];
  clock_print(clock_wall_us(), now);
  line_puts(l, "{\"time\":\""), line_puts(l, now);
  line_puts(l, "\",\"level\":\""), line_puts(l, level);
  line_puts(l, "\",\"event\":\""), line_escaped(l, event);
  if (context[0]) line_puts(l, "\",\"request_id\":\""), line_escaped(l, context);
  line_puts(l, "\",\"message\":\""), line_escaped(l, message);
  line_puts(l, "\"}\n");
}

static void line_text(struct line *l, const char *level, const char *event, const char *message) {
  char now[CLOCK_TEXT_MAX];
  clock_print(clock_wall_us(), now);
  line_puts(l, now), line_puts(l, " "), line_puts(l, level);
  line_puts(l, " "), line_escaped(l, event);
  if (context[0]) line_puts(l, " request_id="), line_escaped(l, context);
  line_puts(l, ": "), line_escaped(l, message);
  line_puts(l, "\n");
}

void log_write(enum log_level level, const char *event, const char *format, ...) {
  if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;
  int saved = errno;
  char message[MESSAGE_MAX_BYTES];
  struct line line = {.len = 0};
  va_list args;
  va_start(args, format);
  (void)vsnprintf(message, sizeof message, format, args);
  va_end(args);
  (atomic_load(&as_json) ? line_json : line_text)(&line, level_name(level), event, message);
  ssize_t written;
  do written = write(STDERR_FILENO, line.text, line.len);
  while (written < 0 && errno == EINTR);
  errno = saved;
}

_Noreturn void log_assert_failed(const char *expr, const char *file, int line) {
  log_write(LOG_ERROR, "process.assertion", "%s does not hold at %s:%d", expr, file, line);
  abort();
}
