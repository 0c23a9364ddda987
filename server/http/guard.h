// The pure guard: decides over one request's head whether it is well-formed and unambiguous, before any body byte is
// read and before any handler runs. It takes what libmicrohttpd parsed and how many bytes it parsed that from.
#pragma once
#include "http/problem.h"

struct guard_head {
  struct str method, target, version; // as received
  const struct http_header *headers;  // as received, in order; the pointers matter (see guard.c)
  size_t header_count;
  bool header_overflow; // there were more than LIMIT_HEADERS
  size_t size;          // bytes received up to and including the empty line
};

struct guard_frame {
  int64_t length; // announced; -1: none
  bool chunked, expects_continue;
};

struct guard_refusal {
  enum problem problem;
  const char *why; // a sentence, static
};

// True: the head is sound and *ret_frame says how its body is delimited. False: *ret_refusal.
bool guard_check(const struct guard_head *head, struct guard_frame *ret_frame, struct guard_refusal *ret_refusal);
