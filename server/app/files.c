// Files are replaced by renaming, so that neither a crash nor a reader in between ever meets half of one. What is
// written here may hold keys: the mode is set before the first byte.
#include "app/files.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096

static bool bytes_write(int fd, struct str text) {
  while (text.len > 0) {
    ssize_t wrote = write(fd, text.ptr, text.len);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    text.ptr += wrote, text.len -= (size_t)wrote;
  }
  return true;
}

int file_write(const char *path, struct str text, mode_t mode) {
  char beside[PATH_BYTES];
  if (snprintf(beside, sizeof beside, "%s.%d.new", path, (int)getpid()) >= PATH_BYTES) {
    errno = ENAMETOOLONG;
    return FAULT_IO;
  }
  int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return FAULT_IO;
  bool sound = fchmod(fd, mode) == 0 && bytes_write(fd, text) && fsync(fd) == 0;
  sound = close(fd) == 0 && sound;
  if (sound && rename(beside, path) == 0) return 0;
  int why = errno;
  (void)unlink(beside);
  errno = why;
  return FAULT_IO;
}

int file_read(const char *path, struct buf *ret) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FAULT_IO;
  char piece[4096];
  ssize_t got;
  while ((got = read(fd, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR))
    if (got > 0) buf_add(ret, piece, (size_t)got);
  (void)close(fd);
  return got == 0 && !ret->full ? 0 : FAULT_IO;
}

int folder_make(const char *path, mode_t mode) {
  char part[PATH_BYTES];
  size_t len = strlen(path);
  if (len == 0 || len >= sizeof part) {
    errno = ENAMETOOLONG;
    return FAULT_IO;
  }
  for (size_t i = 1; i < len; i++) {
    if (path[i] != '/') continue;
    memcpy(part, path, i);
    part[i] = '\0';
    if (mkdir(part, 0755) != 0 && errno != EEXIST) return FAULT_IO;
  }
  return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : FAULT_IO;
}
