// The request target, decoded by us and not by libmicrohttpd: what cannot be read in one way only is refused.
#pragma once
#include "base/arena.h"
#include "http/guard.h"

#define TARGET_PARAMS_MAX 64

struct target {
  struct str
      path; // decoded: begins with '/', valid UTF-8, no control characters, no encoded '/', no "." or ".." segments
  struct str query;           // raw, without '?'
  struct http_header *params; // decoded, in order
  size_t param_count;
};

// raw and what is decoded from it live in the arena.
bool target_parse(struct str raw, struct arena *arena, struct target *ret, struct guard_refusal *ret_refusal);
