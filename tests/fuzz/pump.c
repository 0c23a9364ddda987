// See pump.h. What the watch's thread does in the service (freeing closed connections, letting go of lingering ones) is
// done here behind each connection.
#include "pump.h"
#include "fuzz.h"
#include "http/internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_MAX (4 * 1024 * 1024)
#define MOVES_MAX 100000 // more for one connection is a server that never comes to rest

void pump_init(struct pump *p, const struct http_route *routes, size_t count) {
  struct http_config config = {.routes = routes, .route_count = count, .body_ask = p->body_ask};
  struct http_server *s = server_new(&config);
  s->threads = 0;
  s->watch_epoll = epoll_create1(EPOLL_CLOEXEC);
  s->watch_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  s->daemon = server_daemon(s, &config, MHD_USE_EPOLL);
  FUZZ_CHECK(s->daemon && s->watch_epoll >= 0 && s->watch_event >= 0, "the server does not start");
  atomic_store(&s->ready, true);
  p->server = s;
  buf_init(&p->out, OUT_MAX);
}

static int pair_open(struct pump *p) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(1)};
  int pair[2];
  FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0, "no socket pair");
  bool added = conn_add(p->server, pair[1], (const struct sockaddr *)&address, sizeof address);
  FUZZ_CHECK(added && p->server->conns, "the connection is not taken");
  p->server->conns->probe = false; // a client like any other: it has deadlines
  atomic_fetch_add(&p->server->open, 1);
  return pair[0];
}

static size_t unread_there(int fd) {
  int bytes = 0;
  return ioctl(fd, TIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

static void read_all(struct pump *p, int fd) {
  char piece[16 * 1024];
  ssize_t got;
  while ((got = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0)
    FUZZ_CHECK(buf_add(&p->out, piece, (size_t)got), "an answer without end");
  if (got == 0 || errno != EAGAIN) p->ended = true;
}

// Until twice running nothing has moved: a second time, because what is resumed is only looked at in the next round.
static void settle(struct pump *p, int fd) {
  for (int still = 0, moves = 0; still < 2; moves++) {
    size_t out = p->out.len, in = unread_there(fd);
    bool ended = p->ended;
    FUZZ_CHECK(moves < MOVES_MAX, "the server does not come to rest");
    FUZZ_CHECK(MHD_run(p->server->daemon) == MHD_YES, "libmicrohttpd stops");
    if (p->idle) p->idle(p->arg);
    read_all(p, fd);
    still = out == p->out.len && in == unread_there(fd) && ended == p->ended ? still + 1 : 0;
  }
}

// Where the server takes no more for the moment, it has to come to rest first: a request may wait for its answer.
static void room_make(struct pump *p, int fd) {
  size_t before = unread_there(fd);
  settle(p, fd);
  linger_pass(p->server, 0); // what is sent to a refused upload is thrown away
  FUZZ_CHECK(p->ended || unread_there(fd) < before, "the server takes no more");
}

static void send_all(struct pump *p, int fd, struct str bytes, uint8_t how) {
  for (size_t done = 0; done < bytes.len && !p->ended;) {
    size_t piece = fuzz_piece(how, done, bytes.len - done);
    ssize_t sent = send(fd, bytes.ptr + done, piece, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) break; // closed: what is not read is not judged
    if (sent < 0) room_make(p, fd);
    if (sent > 0) done += (size_t)sent;
    if (done < bytes.len) (void)MHD_run(p->server->daemon);
  }
}

static void close_ours(struct pump *p, int fd) {
  close(fd);
  for (int moves = 0; p->server->conns; moves++) {
    FUZZ_CHECK(moves < 1000, "a closed connection stays");
    (void)MHD_run(p->server->daemon);
    if (p->idle) p->idle(p->arg);
  }
  FUZZ_CHECK(atomic_load(&p->server->open) == 0 && !p->server->orphans, "something of a closed connection stays");
  FUZZ_CHECK(atomic_load(&p->server->parked) == 0, "a closed connection is still suspended");
  conn_free_dead(p->server);
}

static void deadline_pass(struct pump *p, int fd) {
  reaper_pass(p->server, INT64_MAX / 2);
  settle(p, fd);
  FUZZ_CHECK(p->ended, "a connection lives on beyond its deadline");
}

void pump_exchange(struct pump *p, struct str bytes, uint8_t how) {
  buf_clear(&p->out);
  p->ended = false;
  int fd = pair_open(p);
  send_all(p, fd, bytes, how);
  settle(p, fd);
  linger_finish(p->server); // these, too, end by themselves
  settle(p, fd);
  bool ended = p->ended;
  if (!ended) deadline_pass(p, fd);
  p->ended = ended;
  close_ours(p, fd);
}
