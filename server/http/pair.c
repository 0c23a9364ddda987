// See pair.h. The addresses are made up, 0.0.0.1 and on: libmicrohttpd wants one for its limit per client, and no
// client has such a one.
#include "http/pair.h"
#include "http/internal.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

int pair_send(struct http_server *s, unsigned turn, struct str request) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(turn + 1)};
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) return -1;
  int ours = pair[turn % 2], theirs = pair[1 - turn % 2]; // theirs is closed by libmicrohttpd, whatever it answers
  if (MHD_add_connection(s->daemon, theirs, (const struct sockaddr *)&address, sizeof address) == MHD_YES &&
      send(ours, request.ptr, request.len, MSG_NOSIGNAL) == (ssize_t)request.len)
    return ours;
  close(ours);
  return -1;
}
