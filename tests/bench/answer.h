// Reads one HTTP/1.1 answer as it comes, in whatever pieces: its status, where it ends, and the time stamps that
// upstream.c writes into a stream's words as "T<nanoseconds>".
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum answer_place { ANSWER_LINE, ANSWER_BODY, ANSWER_CHUNK_LINE, ANSWER_CHUNK, ANSWER_TRAILER, ANSWER_WHOLE };

struct answer {
  enum answer_place place;
  int status; // 0: its first line has not come
  bool head;  // the head has come to its end
  bool chunked;
  int64_t left; // bytes of the body, or of the chunk
  char line[128];
  size_t line_len;
  unsigned matched; // of ANSWER_MARK
  bool in_stamp;
  int64_t stamp;
};

#define ANSWER_MARK ":\"T"

struct answer_stamps {
  void (*told)(void *arg, int64_t stamp);
  void *arg;
};

static inline void answer_stamp_byte(struct answer *a, char c, const struct answer_stamps *stamps) {
  if (a->in_stamp && c >= '0' && c <= '9') {
    a->stamp = a->stamp * 10 + (c - '0');
    return;
  }
  if (a->in_stamp) stamps->told(stamps->arg, a->stamp);
  a->in_stamp = false;
  a->matched = c == ANSWER_MARK[a->matched] ? a->matched + 1 : c == ANSWER_MARK[0];
  if (a->matched < sizeof ANSWER_MARK - 1) return;
  a->matched = 0;
  a->in_stamp = true;
  a->stamp = 0;
}

static inline void answer_head_line(struct answer *a) {
  if (!a->status)
    a->status = a->line_len > 12 ? atoi(a->line + 9) : -1;
  else if (strncasecmp(a->line, "content-length:", 15) == 0)
    a->left = atoll(a->line + 15);
  else if (strncasecmp(a->line, "transfer-encoding:", 18) == 0)
    a->chunked = strcasestr(a->line, "chunked") != NULL;
  else if (a->line_len == 0) {
    a->head = true;
    a->place = a->chunked ? ANSWER_CHUNK_LINE : a->left > 0 ? ANSWER_BODY : ANSWER_WHOLE;
  }
}

// A line of the head, of a chunk's size, or behind the last chunk. The one behind a chunk is empty.
static inline void answer_line(struct answer *a) {
  a->line[a->line_len] = '\0';
  if (a->place == ANSWER_LINE)
    answer_head_line(a);
  else if (a->place == ANSWER_TRAILER && a->line_len == 0)
    a->place = ANSWER_WHOLE;
  else if (a->place == ANSWER_CHUNK_LINE && a->line_len > 0) {
    a->left = strtoll(a->line, NULL, 16);
    a->place = a->left > 0 ? ANSWER_CHUNK : ANSWER_TRAILER;
  }
  a->line_len = 0;
}

static inline void answer_line_byte(struct answer *a, char c) {
  if (c == '\n')
    answer_line(a);
  else if (c != '\r' && a->line_len + 1 < sizeof a->line)
    a->line[a->line_len++] = c;
}

// True once the answer is whole. `stamps` may be NULL.
static inline bool answer_push(struct answer *a, const char *bytes, size_t len, const struct answer_stamps *stamps) {
  for (size_t i = 0; i < len && a->place != ANSWER_WHOLE; i++) {
    if (a->place != ANSWER_BODY && a->place != ANSWER_CHUNK) {
      answer_line_byte(a, bytes[i]);
      continue;
    }
    size_t take = len - i < (size_t)a->left ? len - i : (size_t)a->left;
    for (size_t k = 0; stamps && k < take; k++) answer_stamp_byte(a, bytes[i + k], stamps);
    a->left -= (int64_t)take;
    i += take - 1;
    if (a->left == 0) a->place = a->place == ANSWER_CHUNK ? ANSWER_CHUNK_LINE : ANSWER_WHOLE;
  }
  return a->place == ANSWER_WHOLE;
}
