// libmicrohttpd 0.9.75 takes its thread off the listening socket when accept meets a lack of descriptors or memory, and
// puts it back when a connection of that thread closes; a thread without connections goes on trying. Each of ours has
// one that never closes, its pulse: with no client about it would stay deaf for ever. So once a second a connection of
// our own comes and goes on each thread.
#include "http/internal.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define KNOCK_US INT64_C(1000000)

// A connection that is handed in goes to the thread that its descriptor's number names.
static int renumber(int fd, unsigned thread, unsigned threads) {
  while (fd >= 0 && (unsigned)fd % threads != thread) {
    int next = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
    close(fd);
    fd = next;
  }
  return fd;
}

// Without a descriptor for it there is another second.
static void knock(struct http_server *s, unsigned thread) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(thread + 1)}; // made up, see pair.c
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) return;
  int theirs = renumber(pair[1], thread, s->threads); // closed by libmicrohttpd, whatever it answers
  if (theirs >= 0) (void)MHD_add_connection(s->daemon, theirs, (const struct sockaddr *)&address, sizeof address);
  close(pair[0]);
}

void knock_pass(struct http_server *s, int64_t now_us) {
  if (!atomic_load(&s->ready) || atomic_load(&s->draining) || now_us < s->knock_us) return;
  s->knock_us = now_us + KNOCK_US;
  for (unsigned thread = 0; thread < s->threads; thread++) knock(s, thread);
}
