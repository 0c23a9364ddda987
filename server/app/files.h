// Small files of our own: read whole, written so that a reader sees the old text or the new one.
#pragma once
#include "base/buf.h"
#include <sys/types.h>

// Writes beside it, syncs, renames. 0 or FAULT_IO (errno tells).
int file_write(const char *path, struct str text, mode_t mode);
int file_read(const char *path, struct buf *ret); // 0 or FAULT_IO
int folder_make(const char *path, mode_t mode);   // with its parents (0755); 0 or FAULT_IO
