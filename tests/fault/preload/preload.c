// Preloaded into a server: its wall clock can be moved, and calls into the system can be made to fail, the n-th one
// from now, for as many as are wanted. What is to happen stands in a page that the rig maps too (FAULT_PAGE names its
// file); without one everything passes.
#include "page.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct page nothing;
static struct page *page = &nothing;

static void *next_of(const char *name) {
  return dlsym(RTLD_NEXT, name);
}

// The real function, looked up at its first use.
#define REAL(type, name, ...)                                                                                          \
  static type (*real)(__VA_ARGS__);                                                                                    \
  if (!real) *(void **)&real = next_of(name)

__attribute__((constructor)) static void page_map(void) {
  const char *path = getenv("FAULT_PAGE");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  struct page *mapped = mmap(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED && mapped->magic == PAGE_MAGIC) page = mapped;
}

enum verdict { PASS, FAIL, SHORT };

// Whether this call is one that fails; errno is then set.
static enum verdict meet(enum point which) {
  struct point_state *p = &page->points[which];
  if (page == &nothing) return PASS;
  atomic_fetch_add_explicit(&p->seen, 1, memory_order_relaxed);
  if (atomic_load_explicit(&p->times, memory_order_acquire) <= 0) return PASS;
  if (atomic_fetch_sub(&p->skip, 1) > 0) return PASS;
  if (atomic_fetch_sub(&p->times, 1) <= 0) return PASS;
  atomic_fetch_add(&p->failed, 1);
  int64_t error = atomic_load(&p->error);
  if (error == 0) return SHORT;
  errno = (int)error;
  return FAIL;
}

static size_t shortened(enum verdict v, size_t len) {
  return v == SHORT && len > 1 ? len / 2 : len;
}

static int exhausted(int fd) {
  if (fd < 0 && errno == EMFILE) atomic_fetch_add(&page->exhausted, 1);
  return fd;
}

// ---- the wall clock

static int64_t moved(void) {
  int64_t us = atomic_load_explicit(&page->wall_us, memory_order_relaxed);
  if (us) atomic_fetch_add_explicit(&page->wall_reads, 1, memory_order_relaxed);
  return us;
}

EXPORT int clock_gettime(clockid_t which, struct timespec *ret) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int r = real(which, ret);
  int64_t us = which == CLOCK_REALTIME ? moved() : 0;
  if (r != 0 || us == 0) return r;
  int64_t all = (int64_t)ret->tv_sec * 1000000 + ret->tv_nsec / 1000 + us;
  ret->tv_sec = all / 1000000;
  ret->tv_nsec = all % 1000000 * 1000 + ret->tv_nsec % 1000;
  return 0;
}

EXPORT time_t time(time_t *ret) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (ret) *ret = now.tv_sec;
  return now.tv_sec;
}

EXPORT int gettimeofday(struct timeval *restrict ret, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  *ret = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

// ---- memory. Under a sanitizer, which brings an allocator of its own, this part is left out.

#ifndef PRELOAD_WITHOUT_MALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static void *given(void *memory) {
  if (!memory) atomic_fetch_add(&page->no_memory, 1);
  return memory;
}

EXPORT void *malloc(size_t size) {
  return meet(POINT_MALLOC) == PASS ? given(__libc_malloc(size)) : NULL;
}

EXPORT void *calloc(size_t count, size_t size) {
  return meet(POINT_MALLOC) == PASS ? given(__libc_calloc(count, size)) : NULL;
}

EXPORT void *realloc(void *old, size_t size) {
  return meet(POINT_MALLOC) == PASS ? given(__libc_realloc(old, size)) : NULL;
}
#endif

// ---- files. An eventfd, by which threads wake each other, never fails and is never half written: those are let alone.

static bool is_file(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

EXPORT ssize_t write(int fd, const void *bytes, size_t len) {
  REAL(ssize_t, "write", int, const void *, size_t);
  enum verdict v = is_file(fd) ? meet(POINT_WRITE) : PASS;
  return v == FAIL ? -1 : real(fd, bytes, shortened(v, len));
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  enum verdict v = meet(POINT_WRITE);
  return v == FAIL ? -1 : real(fd, bytes, shortened(v, len), at);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at) {
  return pwrite64(fd, bytes, len, at);
}

EXPORT int fdatasync(int fd) {
  REAL(int, "fdatasync", int);
  return meet(POINT_FSYNC) == FAIL ? -1 : real(fd);
}

EXPORT int fsync(int fd) {
  REAL(int, "fsync", int);
  return meet(POINT_FSYNC) == FAIL ? -1 : real(fd);
}

static mode_t mode_of(int flags, va_list args) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...) {
  REAL(int, "open", const char *, int, ...);
  va_list args;
  va_start(args, flags);
  mode_t mode = mode_of(flags, args);
  va_end(args);
  return meet(POINT_OPEN) == FAIL ? -1 : exhausted(real(path, flags, mode));
}

EXPORT int openat(int dir, const char *path, int flags, ...) {
  REAL(int, "openat", int, const char *, int, ...);
  va_list args;
  va_start(args, flags);
  mode_t mode = mode_of(flags, args);
  va_end(args);
  return meet(POINT_OPEN) == FAIL ? -1 : exhausted(real(dir, path, flags, mode));
}

// ---- sockets

EXPORT int socket(int domain, int type, int protocol) {
  REAL(int, "socket", int, int, int);
  return meet(POINT_SOCKET) == FAIL ? -1 : exhausted(real(domain, type, protocol));
}

EXPORT int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags) {
  REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int);
  return meet(POINT_ACCEPT) == FAIL ? -1 : exhausted(real(fd, address.__sockaddr__, size, flags));
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size) {
  REAL(int, "connect", int, const struct sockaddr *, socklen_t);
  return meet(POINT_CONNECT) == FAIL ? -1 : real(fd, address.__sockaddr__, size);
}

// A connection that failed for good is at an end, also for whoever looks at it by another call.
static ssize_t failed(int fd) {
  int error = errno;
  if (error != EINTR) shutdown(fd, SHUT_RDWR);
  errno = error;
  return -1;
}

EXPORT ssize_t send(int fd, const void *bytes, size_t len, int flags) {
  REAL(ssize_t, "send", int, const void *, size_t, int);
  enum verdict v = meet(POINT_SEND);
  return v == FAIL ? failed(fd) : real(fd, bytes, shortened(v, len), flags);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
  return meet(POINT_SEND) == FAIL ? failed(fd) : real(fd, message, flags);
}

EXPORT ssize_t recv(int fd, void *ret, size_t len, int flags) {
  REAL(ssize_t, "recv", int, void *, size_t, int);
  enum verdict v = meet(POINT_RECV);
  return v == FAIL ? failed(fd) : real(fd, ret, shortened(v, len), flags);
}

// ---- waiting

EXPORT int poll(struct pollfd *fds, nfds_t count, int ms) {
  REAL(int, "poll", struct pollfd *, nfds_t, int);
  return meet(POINT_POLL) == FAIL ? -1 : real(fds, count, ms);
}

EXPORT int epoll_wait(int fd, struct epoll_event *ret, int max, int ms) {
  REAL(int, "epoll_wait", int, struct epoll_event *, int, int);
  return meet(POINT_EPOLL_WAIT) == FAIL ? -1 : real(fd, ret, max, ms);
}
