// Files that ride in the binary: migrations/*.sql in order of number, then api/openapi.yaml. Ends with a NULL path.
#pragma once
#include <stddef.h>

struct embedded_file {
  const char *path, *text;
  size_t size;
};
extern const struct embedded_file embedded_files[];
