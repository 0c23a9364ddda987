// An incremental reader of server-sent events in constant memory: lines end with LF, CRLF or CR, a blank line ends an event,
// the data lines of one event are joined with LF, and a cut may come anywhere. Data is lent piece by piece as it lies in the
// input, so that no length of a line or an event is too much. Whole and split input give the same bytes and the same events.
//
// To make that so, a CR ends its line only when the next byte is known not to be its LF.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sse_token {
  SSE_MORE, // the input is used up
  SSE_DATA, // a piece of the event's data
  SSE_NAME, // a piece of the value of its "event:" line
  SSE_END,  // a blank line: *at stands behind it. Comments alone make an event without data
};

struct sse {
  uint8_t state, field_len, kind;
  bool has_data, cr, begun;
  char field[12];
};

static inline void sse_init(struct sse *s) { *s = (struct sse){0}; }
// The next token of [*at, end); *at moves behind what was used. With SSE_DATA and SSE_NAME its bytes, which may be none.
enum sse_token sse_next(struct sse *s, const char **at, const char *end, const char **ret_bytes, size_t *ret_len);
// No more bytes come: SSE_END where the last byte was a CR that ended an event, else SSE_MORE.
enum sse_token sse_finish(struct sse *s);
