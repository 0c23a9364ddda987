// One file of the journal: preallocated, begun anew when all that it held is settled.
#pragma once
#include "base/buf.h"
#include "journal/record.h"

struct segment {
  int fd;
  uint32_t place;
  uint64_t number; // 0: blank
  size_t end;      // where the next record goes
  size_t open;     // entries in it that are not settled yet
};
#define SEGMENT_ENTRIES ((LIMIT_JOURNAL_SEGMENT - SEGMENT_HEAD) / RECORD_SPACE(LIMIT_JOURNAL_ENTRY))

// Opens or makes the file, and sees to it that all of its bytes are there to be written. FAULT_IO with errno.
int segment_open(struct segment *s, int folder, const char *name, uint32_t place);
void segment_close(struct segment *s);
// Maps what of the file was ever written, for reading; segment_unmap it. FAULT_IO with errno.
int segment_map(const struct segment *s, struct str *ret);
void segment_unmap(struct str bytes);
// Empties it and gives it a new number: durable when this returns. Whatever is interrupted leaves it blank.
int segment_begin(struct segment *s, const unsigned char journal[16], uint64_t number);
// What follows its end reads as zero afterwards.
int segment_clear_tail(const struct segment *s);
// Writes at its end; durable only after segment_sync.
int segment_append(struct segment *s, struct str bytes);
int segment_sync(const struct segment *s);
int segment_read(const struct segment *s, size_t offset, size_t len, char *ret);
