// See pair.h. The addresses are made up, 0.0.0.1 and on: libmicrohttpd wants one for its limit per client, and no
// client has such a one.
#include "http/pair.h"
#include "http/internal.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

// A connection that is handed in goes to the thread that its descriptor's number names.
static int renumber(int fd, unsigned thread, unsigned threads) {
  while (fd >= 0 && (unsigned)fd % threads != thread) {
    int next = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
    close(fd);
    fd = next;
  }
  return fd;
}

int pair_open(struct http_server *s, unsigned thread) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(thread + 1)};
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) return -1;
  int theirs = renumber(pair[1], thread, s->threads); // closed by libmicrohttpd, whatever it answers
  if (theirs >= 0 &&
      MHD_add_connection(s->daemon, theirs, (const struct sockaddr *)&address, sizeof address) == MHD_YES)
    return pair[0];
  close(pair[0]);
  return -1;
}

bool pair_send(int fd, struct str request) {
  return send(fd, request.ptr, request.len, MSG_NOSIGNAL) == (ssize_t)request.len;
}
