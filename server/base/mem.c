// Allocation that cannot fail: the only place that calls malloc and its kin. When the machine has nothing left, one
// line is written without allocating and the process ends; the ledger's transactions make that a safe way to stop.
#include "base/mem.h"
#include <fcntl.h>
#include <malloc.h>
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

// ---- what is free

#define IDLE_MOST (2 * 1024 * 1024)
#define LARGE (512 * 1024)

// A thread's heap gives back what is free at its end by itself, but not by mem_give_back; and from which size on, grows with
// the largest piece that was ever freed unless it is set.
void mem_begin(void) {
  (void)mallopt(M_TRIM_THRESHOLD, LARGE);
  (void)mallopt(M_MMAP_THRESHOLD, LARGE);
}

// Of this process in memory; 0: not told.
static int64_t resident(void) {
  char text[128] = "";
  int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  const char *second = n > 0 ? strchr(text, ' ') : NULL;
  return second ? strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}

// The allocator counts as free also what it has given back, so that alone does not tell.
static int64_t unused(void) {
  struct mallinfo2 m = mallinfo2();
  return resident() - (int64_t)(m.uordblks + m.hblkhd);
}

bool mem_is_much(int64_t unused_now, int64_t *kept) {
  if (unused_now < *kept) *kept = unused_now;
  return unused_now - *kept >= IDLE_MOST;
}

void mem_give_back(int64_t *kept) {
  if (!mem_is_much(unused(), kept)) return;
  (void)malloc_trim(0);
  *kept = unused();
}
