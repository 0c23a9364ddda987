// A connection's bytes as they come from the socket, before libmicrohttpd has changed any of them: where a request's
// head and body end, and whether every byte up to there is in its place. What libmicrohttpd passes over or takes in a
// second reading leaves no trace in what it hands out: empty lines of its own kind before a request, anything behind
// the size of a chunk, bare line ends. Here it does, and the guard asks.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tap {
  uint8_t state;
  uint8_t name_len;    // of the header line now read; beyond the longest that matters: any
  char name[17];       // in lower case
  bool sized, chunked; // what the head has told of its body
  uint64_t length, left;
  uint32_t heads, wholes; // sound so far: requests whose head has come, and whose body too
};

// After bytes that belong nowhere nothing is counted any more.
void tap_feed(struct tap *t, const char *bytes, size_t len);

// Everything that libmicrohttpd reads from fd goes to t as well, until t is NULL. False: fd is too large a number.
bool tap_set(int fd, struct tap *t);
