// A TCP proxy that breaks what passes through it, on command. One thread, one epoll, nothing but libc.
//
//   fault_proxy SOCKET       listens for commands on the Unix socket; a line is a command, a line is its answer:
//
//   link NAME PORT TARGET [pg]       from 127.0.0.1:PORT (0: any) to 127.0.0.1:TARGET; ok PORT. pg: COMMITs are seen
//   target NAME PORT                 where new connections go from now on
//   toxic NAME up|down latency MS [JITTER] | bandwidth BYTES_A_SECOND | slicer BYTES US | limit BYTES | silent
//                                    up: from the client to the target. limit: of each new connection, then a reset
//   clear NAME                       all of that off, and whatever else was set; up again
//   cut NAME reset|close|half-up|half-down
//                                    what is open now: a TCP reset, an orderly end, or an end of one direction
//   down NAME                        what is open is reset, what comes is refused, until clear
//   commit NAME before|before-silent|after|hold COUNT [MS]
//                                    for the next COUNT COMMITs (0: none any more):
//                                    before         both sides are cut before the COMMIT is handed on
//                                    before-silent  the client is cut, the server never hears of it (for 8 s)
//                                    after          the COMMIT is handed on and the client is cut at once; the answer
//                                    is
//                                                   waited for and thrown away
//                                    hold           the answer comes MS later
//   count NAME                       ok name=number ...: what was done so far
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum direction { UP, DOWN };
enum side { CLIENT, TARGET };

struct toxics {
  int64_t latency_us, jitter_us;
  int64_t bandwidth; // bytes a second; 0: as fast as it goes
  size_t slice;      // bytes at once; 0: all
  int64_t slice_us;  // between two slices
  int64_t limit;     // bytes; -1: none
  bool silent;
};

enum commit_plan { COMMIT_PASS, COMMIT_BEFORE, COMMIT_BEFORE_SILENT, COMMIT_AFTER, COMMIT_HOLD };

//  name: printed and counted
#define COUNTERS(X)                                                                                                    \
  X(accepted)                                                                                                          \
  X(open)                                                                                                              \
  X(refused)                                                                                                           \
  X(bytes_up)                                                                                                          \
  X(bytes_down)                                                                                                        \
  X(delayed)                                                                                                           \
  X(throttled)                                                                                                         \
  X(sliced)                                                                                                            \
  X(limited)                                                                                                           \
  X(silenced)                                                                                                          \
  X(cut)                                                                                                               \
  X(halved)                                                                                                            \
  X(commits)                                                                                                           \
  X(commit_before)                                                                                                     \
  X(commit_after)                                                                                                      \
  X(commit_after_committed)                                                                                            \
  X(commit_held)

struct counters {
#define X(name) int64_t name;
  COUNTERS(X)
#undef X
};

struct link {
  struct link *next;
  char name[32];
  int fd, port, target;
  bool pg, down;
  struct toxics toxics[2];
  enum commit_plan plan;
  int plan_left;
  int64_t plan_us;
  struct counters count;
};

// ---- wire.c: as much of PostgreSQL's protocol as it takes to see a COMMIT
struct framing {
  unsigned char head[8];
  size_t head_len;
  bool startup; // the first message has no type
  char type;
  uint32_t left;
  char text[160]; // how the message begins
  size_t text_len;
};
struct wire {
  struct framing frames[2];
  bool opaque;    // encrypted, or no such protocol
  bool ssl_asked; // one byte answers it
  char commit_statements[8][64],
      commit_portals[8][64]; // names of what is COMMIT; first byte 1 where used, then the name
};
void wire_init(struct wire *w);
// Reads on. True where a message that commits ends inside: *ret_start and *ret_end are its place in these bytes (start
// 0 where it began in earlier ones). What follows it is not read: hand it in again.
bool wire_up(struct wire *w, const char *bytes, size_t len, size_t *ret_start, size_t *ret_end);
// How many times the server said COMMIT in these bytes.
int wire_down(struct wire *w, const char *bytes, size_t len);

// ---- relay.c
void relay_init(int epoll_fd);
bool relay_listen(struct link *l, int port);   // sets l->fd and l->port
void relay_cut(struct link *l, bool by_reset); // what is open now
void relay_half(struct link *l, enum direction d);
void relay_event(void *ptr, uint32_t events); // what epoll says of something of relay.c's
bool relay_owns(const void *ptr);
int relay_run(void); // moves what is due; milliseconds until there is more to do, -1: nothing to wait for
int64_t now_us(void);

// ---- control.c
bool control_listen(const char *path, int epoll_fd);
bool control_owns(const void *ptr);
void control_event(void *ptr);
