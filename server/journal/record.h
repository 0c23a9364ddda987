// How a segment of the journal looks, and how it is read. Pure: bytes in, findings out; nothing a file may hold makes it
// crash or take memory.
//
// A segment is one block of 512 bytes that says which it is, then records, each on a multiple of 64 bytes:
//
//   segment   "TGJRNL" and two digits of the format's version, journal 16, place 4, number 8, checksum 8
//   record    magic 4, length 4, sequence 8, number 8, checksum 8 (of these), hash 32 (of these and the payload); payload
//
// All numbers are little-endian; checksums are the first bytes of BLAKE2b, because it is at hand and there is nothing
// faster to be won: an entry costs an fsync. The rest of a segment is zero, so what a torn write left out reads as zero,
// while a flipped bit does not: that is how the two are told apart where the last record is not sound.
#pragma once
#include "base/limits.h"
#include "base/str.h"

#define RECORD_HEAD 64
#define RECORD_ALIGN 64
#define RECORD_SPACE(len) (RECORD_HEAD + ((len) + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN)
#define SEGMENT_HEAD 512

struct segment_name {
  unsigned char journal[16]; // which journal's
  uint32_t place;            // which file of it: a copy under another name is found by this
  uint64_t number;           // counts up each time a file is begun anew
};
void segment_head_write(const struct segment_name *name, unsigned char ret[SEGMENT_HEAD]);
bool segment_head_read(struct str bytes, struct segment_name *ret); // false: not sound

// Writes RECORD_SPACE(payload.len) bytes.
void record_write(unsigned char *ret, uint64_t number, uint64_t sequence, struct str payload);

struct record {
  uint64_t sequence;
  size_t offset; // of the record in the segment
  struct str payload;
};
struct segment_scan {
  bool blank;  // the head is zero: nothing was begun here, whatever follows
  bool named;  // the head is sound
  struct segment_name name;
  size_t end;  // where the next record would go: after the last sound one
  size_t records;
  bool torn;   // after `end` stands a record that was not wholly written: nobody was told that it was
  size_t flipped; // places where a record stood that is not what was written
};
// Reads a whole segment, or what is left of one. Records are told in order; those of another number are none of this
// segment's: what stood there before it was begun anew.
void segment_scan(struct str bytes, struct segment_scan *ret, void (*each)(void *arg, const struct record *r), void *arg);
