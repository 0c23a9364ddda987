// The guard leans on how libmicrohttpd 0.9.75 lays out what it parsed. A library that does it otherwise must not be
// found out by an attacker: before the port is announced, four forged requests and an ordinary one go in over a socket
// pair.
#include "http/internal.h"
#include "http/pair.h"
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SELFTEST_WAIT_MS 5000

struct probe {
  const char *name;
  struct str request;
  bool refused;
};

#define TEXT(literal)                                                                                                  \
  { (literal), sizeof(literal) - 1 }
#define HEAD " /-/self-test HTTP/1.1\r\nHost: a\r\n"

// The ordinary one comes first: a guard that refuses everything would pass the others.
static const struct probe probes[] = {
    {"an ordinary request", TEXT("GET" HEAD "X-A:b\r\n\r\n"), false},
    {"a folded header", TEXT("GET" HEAD "X-Inter: b\r\n nal: c\r\n\r\n"), true},
    {"a NUL in a header", TEXT("GET" HEAD "X-A: b\0c\r\n\r\n"), true},
    {"a line of nothing before a request", TEXT("\0x\r\nGET" HEAD "\r\n"), true},
    {"a smuggled request", TEXT("POST" HEAD "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), true},
};

// The first bytes of the answer: "HTTP/1.1 400".
static bool first_line(int fd, char ret[12]) {
  size_t len = 0;
  while (len < 12) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, SELFTEST_WAIT_MS) <= 0) return false;
    ssize_t got = recv(fd, ret + len, 12 - len, 0);
    if (got <= 0) return false;
    len += (size_t)got;
  }
  return true;
}

static bool probe_passes(struct http_server *s, const struct probe *p) {
  char line[12];
  int fd = pair_open(s, 0);
  if (fd < 0) return false;
  bool ok = pair_send(fd, p->request) && first_line(fd, line) &&
            memcmp(line, p->refused ? "HTTP/1.1 400" : "HTTP/1.1 404", 12) == 0;
  close(fd);
  return ok;
}

bool selftest_run(struct http_server *s, struct buf *ret_error) {
  for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
    if (probe_passes(s, &probes[i])) continue;
    buf_printf(ret_error, "the HTTP guard's self-test fails with this libmicrohttpd (%s): %s is answered wrongly",
               MHD_get_version(), probes[i].name);
    return false;
  }
  return true;
}
