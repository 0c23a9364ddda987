// Allocation that cannot fail: the only place that calls malloc and its kin. When the machine has nothing left, one
// line is written without allocating and the process ends; the ledger's transactions make that a safe way to stop.
#include "base/mem.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void mem_exhausted(void) {
  static const char line[] = "tollgate: out of memory\n";
  ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
  (void)written; // there is nobody left to tell
  abort();
}

void *mem_alloc(size_t size) {
  void *p = calloc(1, size ? size : 1);
  if (!p) mem_exhausted();
  return p;
}

void *mem_realloc(void *old, size_t size) {
  void *p = realloc(old, size ? size : 1);
  if (!p) mem_exhausted();
  return p;
}

void *mem_dup(const void *data, size_t size) {
  void *p = mem_alloc(size);
  if (size) memcpy(p, data, size);
  return p;
}

char *mem_strdup(const char *text) {
  return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t len) {
  if (len == SIZE_MAX) mem_exhausted();
  char *p = mem_alloc(len + 1);
  if (len) memcpy(p, text, len);
  return p;
}

void *mem_had(void *p) {
  if (!p) mem_exhausted();
  return p;
}

void mem_free(void *p) {
  free(p);
}
