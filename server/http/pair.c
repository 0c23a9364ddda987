// See pair.h. The addresses are made up, 0.0.0.1 and on: libmicrohttpd wants one for its limit per client, and no
// client has such a one.
#include "http/pair.h"
#include "http/internal.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

int pair_open(struct http_server *s, unsigned thread) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(thread + 1)};
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) return -1;
  if (conn_add(s, conn_renumber(s, pair[1], thread), (const struct sockaddr *)&address, sizeof address)) return pair[0];
  close(pair[0]);
  return -1;
}

bool pair_send(int fd, struct str request) {
  return send(fd, request.ptr, request.len, MSG_NOSIGNAL) == (ssize_t)request.len;
}
