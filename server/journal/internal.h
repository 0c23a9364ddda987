// What the files of this folder share.
#pragma once
#include "base/vec.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include <pthread.h>

#define FILE_NAME_MAX 64
#define FILE_FORMAT "%u.journal"

enum kept_state { KEPT_OWNED, KEPT_FREE, KEPT_TAKEN, KEPT_REFUSED };
struct kept {
  uint64_t sequence;
  uint32_t place;
  size_t offset, len; // of the text
  enum kept_state state;
};
typedef vec(struct kept) kept_list; // by sequence

struct journal {
  int folder, lock, refusals; // descriptors; refusals: of refused.jsonl
  unsigned char name[16];
  struct segment segments[LIMIT_JOURNAL_SEGMENTS];
  size_t opened; // of them
  pthread_t thread;
  bool started;
  pthread_mutex_t mutex; // guards all below, and of each segment all but what the thread alone writes
  pthread_cond_t wake;
  struct journal_entry *first, *last;
  struct segment *current; // NULL: none yet
  kept_list kept;
  uint64_t next_sequence, next_number;
  size_t reserved, refused; // refused: lines in refused.jsonl
  bool broken, closing;
};

// open.c
void journal_free(struct journal *j);
// journal.c
bool journal_start(struct journal *j);
