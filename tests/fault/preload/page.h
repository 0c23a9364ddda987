// The page that the rig and a preloaded process share: what is to fail, and how often it did. The rig writes it through
// a file that it maps (tests/fault/preload.py knows the same layout); all fields are 8 bytes.
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#define PAGE_MAGIC INT64_C(0x544746415553)

//  calls that can be made to fail
#define POINTS(X)                                                                                                      \
  X(MALLOC)                                                                                                            \
  X(WRITE)                                                                                                             \
  X(FSYNC)                                                                                                             \
  X(CONNECT)                                                                                                           \
  X(SEND)                                                                                                              \
  X(RECV)                                                                                                              \
  X(SOCKET)                                                                                                            \
  X(ACCEPT)                                                                                                            \
  X(OPEN)                                                                                                              \
  X(POLL)                                                                                                              \
  X(EPOLL_WAIT)

enum point {
#define X(name) POINT_##name,
  POINTS(X)
#undef X
      POINT_COUNT
};

struct point_state {
  _Atomic int64_t times; // how many are to fail; written last, for it arms the point
  _Atomic int64_t skip;  // how many pass before
  _Atomic int64_t error; // errno; 0: not a failure but a short count
  _Atomic int64_t seen, failed;
};

struct page {
  int64_t magic;
  _Atomic int64_t wall_us;    // added to the wall clock
  _Atomic int64_t wall_reads; // how often somebody read it so
  _Atomic int64_t exhausted;  // real EMFILEs that the process met
  _Atomic int64_t no_memory;  // allocations that really failed
  struct point_state points[POINT_COUNT];
};
