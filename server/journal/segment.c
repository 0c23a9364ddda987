// A file of the journal, and what a crash may leave of each step: every call says how durable its work is.
#include "journal/segment.h"
#include "base/fault.h"
#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZEROS (64 * 1024)

static int write_at(int fd, const char *bytes, size_t len, size_t offset) {
  while (len > 0) {
    ssize_t wrote = pwrite(fd, bytes, len, (off_t)offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote == 0) errno = ENOSPC;
    if (wrote <= 0) return FAULT_IO;
    bytes += wrote;
    offset += (size_t)wrote;
    len -= (size_t)wrote;
  }
  return 0;
}

int segment_open(struct segment *s, int folder, const char *name, uint32_t place) {
  struct stat is;
  *s = (struct segment){.place = place, .end = SEGMENT_HEAD};
  s->fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (s->fd < 0) return FAULT_IO;
  int why = fstat(s->fd, &is) != 0 ? errno : !S_ISREG(is.st_mode) ? EINVAL : is.st_size > LIMIT_JOURNAL_SEGMENT ? EFBIG : 0;
  if (why == 0) why = posix_fallocate(s->fd, 0, LIMIT_JOURNAL_SEGMENT);
  if (why == 0) return 0;
  segment_close(s);
  errno = why;
  return FAULT_IO;
}

void segment_close(struct segment *s) {
  if (s->fd >= 0) (void)close(s->fd);
  s->fd = -1;
}

// The end of the last run of data: what was preallocated and never written is none, where the file system can tell.
static size_t data_end(int fd) {
  off_t at = 0, hole = LIMIT_JOURNAL_SEGMENT;
  for (off_t data; (data = lseek(fd, at, SEEK_DATA)) >= 0; at = hole) {
    hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0 || hole >= LIMIT_JOURNAL_SEGMENT) return LIMIT_JOURNAL_SEGMENT;
  }
  return errno == ENXIO ? (size_t)at : LIMIT_JOURNAL_SEGMENT;
}

int segment_map(const struct segment *s, struct str *ret) {
  size_t len = data_end(s->fd);
  if (len < SEGMENT_HEAD) len = SEGMENT_HEAD;
  void *at = mmap(NULL, len, PROT_READ, MAP_SHARED, s->fd, 0);
  if (at == MAP_FAILED) return FAULT_IO;
  *ret = (struct str){at, len};
  return 0;
}

void segment_unmap(struct str bytes) {
  union {
    const char *lent;
    void *mapped;
  } at = {.lent = bytes.ptr};
  if (bytes.ptr) (void)munmap(at.mapped, bytes.len);
}

static int zero_range(int fd, size_t from) {
  static const char zeros[ZEROS];
  size_t len = LIMIT_JOURNAL_SEGMENT - from;
  if (fallocate(fd, FALLOC_FL_ZERO_RANGE, (off_t)from, (off_t)len) == 0) return 0;
  if (errno != EOPNOTSUPP && errno != ENOSYS) return FAULT_IO;
  for (size_t part; len > 0; from += part, len -= part) {
    part = len < ZEROS ? len : ZEROS;
    if (write_at(fd, zeros, part, from) != 0) return FAULT_IO;
  }
  return 0;
}

int segment_clear_tail(const struct segment *s) {
  return zero_range(s->fd, s->end) == 0 && fdatasync(s->fd) == 0 ? 0 : FAULT_IO;
}

// First blank, then empty, then named: at each instant it is the old one, none, or the new one.
int segment_begin(struct segment *s, const unsigned char journal[16], uint64_t number) {
  unsigned char head[SEGMENT_HEAD] = {0};
  struct segment_name name = {.place = s->place, .number = number};
  memcpy(name.journal, journal, sizeof name.journal);
  s->end = SEGMENT_HEAD;
  if (s->number && (write_at(s->fd, (const char *)head, sizeof head, 0) != 0 || fdatasync(s->fd) != 0)) return FAULT_IO;
  if (zero_range(s->fd, SEGMENT_HEAD) != 0 || fdatasync(s->fd) != 0) return FAULT_IO;
  segment_head_write(&name, head);
  if (write_at(s->fd, (const char *)head, sizeof head, 0) != 0 || fdatasync(s->fd) != 0) return FAULT_IO;
  s->number = number;
  return 0;
}

int segment_append(struct segment *s, struct str bytes) {
  if (write_at(s->fd, bytes.ptr, bytes.len, s->end) != 0) return FAULT_IO;
  s->end += bytes.len;
  return 0;
}

int segment_sync(const struct segment *s) {
  return fdatasync(s->fd) == 0 ? 0 : FAULT_IO;
}

int segment_read(const struct segment *s, size_t offset, size_t len, char *ret) {
  while (len > 0) {
    ssize_t got = pread(s->fd, ret, len, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return FAULT_IO;
    ret += got;
    offset += (size_t)got;
    len -= (size_t)got;
  }
  return 0;
}
