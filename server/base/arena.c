// One request's memory: a chain of blocks, handed out from the front, zeroed as they go but for texts, freed together. Nothing is
// given back early. A large piece gets a block of its own behind the current one, so that the rest of the current one is not lost.
// Sizes count against `max` rounded up to the alignment; passing it ends the process, for requests are bounded before.
#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>

#define ARENA_BLOCK 4096

struct arena_block {
  struct arena_block *next;
  size_t used, cap;
  max_align_t data[];
};

void arena_init(struct arena *a, size_t max) {
  *a = (struct arena){.max = max};
}

void arena_finish(struct arena *a) {
  struct arena_block *next;
  for (struct arena_block *block = a->head; block; block = next) {
    next = block->next;
    mem_free(block);
  }
  *a = (struct arena){.max = a->max};
}

static struct arena_block *arena_grow(struct arena *a, size_t size) {
  bool own = a->head && size > ARENA_BLOCK / 4;
  size_t cap = size > ARENA_BLOCK / 4 ? size : ARENA_BLOCK;
  struct arena_block *block = mem_realloc(NULL, sizeof *block + cap); // what is never handed out is never touched
  block->used = 0;
  block->cap = cap;
  struct arena_block **place = own ? &a->head->next : &a->head;
  block->next = *place;
  *place = block;
  return block;
}

static void *take(struct arena *a, size_t size) {
  const size_t align = _Alignof(max_align_t);
  ASSERT(size < SIZE_MAX / 2);
  size = size ? (size + align - 1) / align * align : align;
  ASSERT(size <= a->max - a->used);
  struct arena_block *block = a->head;
  if (!block || size > block->cap - block->used) block = arena_grow(a, size);
  void *p = (char *)block->data + block->used;
  block->used += size;
  a->used += size;
  return p;
}

void *arena_alloc(struct arena *a, size_t size) {
  return memset(take(a, size), 0, size);
}

char *arena_strdup(struct arena *a, struct str s) {
  ASSERT(s.len < SIZE_MAX / 2);
  char *text = take(a, s.len + 1);
  if (s.len) memcpy(text, s.ptr, s.len);
  text[s.len] = '\0';
  return text;
}

struct str arena_str(struct arena *a, struct str s) {
  return (struct str){arena_strdup(a, s), s.len};
}

char *arena_printf(struct arena *a, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  ASSERT(len >= 0);
  char *text = take(a, (size_t)len + 1);
  (void)vsnprintf(text, (size_t)len + 1, format, again);
  va_end(again);
  va_end(args);
  return text;
}
