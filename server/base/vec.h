// A growing array that keeps its memory between uses. Elements move when it grows: remember indexes, not pointers.
#pragma once
#include "base/mem.h"
#include <string.h>

#define vec(type)                                                                                                      \
  struct {                                                                                                             \
    type *at;                                                                                                          \
    size_t count, cap;                                                                                                 \
  }

static inline void vec_grow(void **at, size_t count, size_t *cap, size_t size) {
  if (count < *cap) return;
  *cap = *cap ? *cap * 2 : 16;
  *at = mem_realloc(*at, *cap * size);
}
// A pointer to a new, zeroed last element.
#define vec_add(v)                                                                                                     \
  (vec_grow((void **)&(v)->at, (v)->count, &(v)->cap, sizeof *(v)->at),                                               \
   memset(&(v)->at[(v)->count], 0, sizeof *(v)->at), &(v)->at[(v)->count++])
#define vec_clear(v) ((v)->count = 0)
#define vec_finish(v) (mem_free((v)->at), (v)->at = NULL, (v)->count = (v)->cap = 0)
