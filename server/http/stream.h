// What a stream has been given and the client's socket has not yet taken: a chain of pieces, and what the watch must
// know to keep a silent one alive.
#pragma once
#include "base/str.h"
#include <stdint.h>
#include <sys/types.h>

#define STREAM_PENDING_MAX (16 * 1024 * 1024) // beyond: the caller has no bound of its own, and the stream is given up

struct stream_piece;
struct stream {
  struct stream_piece *first, *last;
  _Atomic size_t pending;
  bool above;         // pending has been above the mark since drained was last called
  bool events;        // text/event-stream
  char tail[2];       // the last two bytes given, without CR
  bool started;       // anything was given
  int64_t written_us; // when something was last given
};

void stream_append(struct stream *s, struct str bytes);
size_t stream_take(struct stream *s, char *out, size_t max);
void stream_drop(struct stream *s);
// Between two events, where a comment harms none.
bool stream_between_events(const struct stream *s);
