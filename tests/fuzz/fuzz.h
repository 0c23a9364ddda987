// What the fuzz targets share: the entry that libFuzzer calls, a check that ends the process where an oracle objects,
// and reading decisions off the front of an input.
#pragma once
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv); // where a target has something to set up; once

// Says what was wrong, with values, and aborts: to libFuzzer that is a finding.
#define FUZZ_CHECK(holds, ...)                                                                                         \
  do {                                                                                                                 \
    if (!(holds)) {                                                                                                    \
      fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, #holds);                                        \
      fprintf(stderr, __VA_ARGS__);                                                                                    \
      fputc('\n', stderr);                                                                                             \
      abort();                                                                                                         \
    }                                                                                                                  \
  } while (0)

struct fuzz_input {
  const uint8_t *at, *end;
};

static inline struct fuzz_input fuzz_input(const uint8_t *data, size_t size) {
  return (struct fuzz_input){data, data + size};
}

// The next byte; 0 where there is none.
static inline uint8_t fuzz_byte(struct fuzz_input *in) {
  return in->at < in->end ? *in->at++ : 0;
}

// The next eight bytes as a number, most significant first.
static inline uint64_t fuzz_u64(struct fuzz_input *in) {
  uint64_t n = 0;
  for (int i = 0; i < 8; i++) n = n << 8 | fuzz_byte(in);
  return n;
}

// All that is left.
static inline struct str fuzz_rest(struct fuzz_input *in) {
  struct str rest = {(const char *)in->at, (size_t)(in->end - in->at)};
  in->at = in->end;
  return rest;
}

// Up to the next byte `stop`, which is taken too.
static inline struct str fuzz_until(struct fuzz_input *in, uint8_t stop) {
  const uint8_t *from = in->at;
  while (in->at < in->end && *in->at != stop) in->at++;
  struct str piece = {(const char *)from, (size_t)(in->at - from)};
  if (in->at < in->end) in->at++;
  return piece;
}

// A copy in memory of exactly its size, so that a sanitizer sees every byte that is read beyond it. The caller frees
// it.
static inline char *fuzz_copy(struct str s) {
  char *copy = malloc(s.len ? s.len : 1);
  if (!copy) abort();
  if (s.len) memcpy(copy, s.ptr, s.len);
  return copy;
}

// The same with a NUL behind it.
static inline char *fuzz_text(struct str s) {
  char *copy = malloc(s.len + 1);
  if (!copy) abort();
  if (s.len) memcpy(copy, s.ptr, s.len);
  copy[s.len] = '\0';
  return copy;
}

// Where an input is cut in pieces, decided by one byte of it: 0 nowhere, 1 behind each byte, else at places that follow
// from the byte. Returns how long the piece at `done` is; `left` > 0.
static inline size_t fuzz_piece(uint8_t how, size_t done, size_t left) {
  if (how == 0) return left;
  if (how == 1) return 1;
  uint64_t mixed = (done + 1) * UINT64_C(0x9E3779B97F4A7C15) + how * UINT64_C(0xBF58476D1CE4E5B9);
  mixed ^= mixed >> 29;
  size_t piece = 1 + (size_t)(mixed % (how < 128 ? 16 : 1024));
  return piece < left ? piece : left;
}
