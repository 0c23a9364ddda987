// One client connection: a place in the server's list, by which the reaper finds it, and in the watch's epoll set.
// Leaving the list and closing the descriptor exclude the reaper by the same lock, so that it never shuts down a
// stranger's.
#include "base/clock.h"
#include "http/internal.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void conn_link(struct http_server *s, struct http_conn *c) {
  pthread_mutex_lock(&s->conn_lock);
  c->prev = s->conns_last;
  if (s->conns_last)
    s->conns_last->next = c;
  else
    s->conns = c;
  s->conns_last = c;
  pthread_mutex_unlock(&s->conn_lock);
}

// The memory goes to the watch thread, which may hold an event of this connection.
static void conn_unlink(struct http_server *s, struct http_conn *c) {
  pthread_mutex_lock(&s->conn_lock);
  if (c->prev)
    c->prev->next = c->next;
  else
    s->conns = c->next;
  if (c->next)
    c->next->prev = c->prev;
  else
    s->conns_last = c->prev;
  watch_unconn(c);
  c->next = s->dead;
  s->dead = c;
  pthread_mutex_unlock(&s->conn_lock);
}

// A pair of our own is no client.
static bool is_probe(int fd) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  return getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.ss_family == AF_UNIX;
}

int conn_renumber(const struct http_server *s, int fd, unsigned thread) {
  while ((unsigned)fd % s->threads != thread) {
    int next = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
    if (next < 0) break;
    close(fd);
    fd = next;
  }
  return fd;
}

bool conn_add(struct http_server *s, int fd, const struct sockaddr *address, socklen_t size) {
  atomic_fetch_add(&s->handed, 1);
  if (MHD_add_connection(s->daemon, fd, address, size) == MHD_YES) return true;
  atomic_fetch_sub(&s->handed, 1);
  return false;
}

void conn_count(struct http_server *s, int change) {
  atomic_fetch_add(&s->open, change);
  metric_add(METRIC_HTTP_CONNECTIONS, change);
}

static void conn_open(struct http_server *s, struct MHD_Connection *mhd, void **context) {
  struct http_conn *c = mem_alloc(sizeof *c);
  int on = 1;
  atomic_fetch_sub(&s->handed, 1);
  c->server = s;
  c->mhd = mhd;
  c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
  c->probe = is_probe(c->fd);
  if (!c->probe) (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  pthread_mutex_init(&c->lock, NULL);
  conn_set(c, CONN_HEADER, clock_mono_us() + s->header_us);
  *context = c;
  if (!tap_set(c->fd, &c->tap)) (void)shutdown(c->fd, SHUT_RDWR);
  watch_conn(c);
  conn_link(s, c);
}

// libmicrohttpd 0.9.75 closes a connection without saying that its request is over, where it has to refuse it twice.
static void conn_close(struct http_server *s, struct http_conn *c) {
  void *left = c->request;
  if (left) handler_completed(s, c->mhd, &left, MHD_REQUEST_TERMINATED_WITH_ERROR);
  (void)tap_set(c->fd, NULL);
  if (!c->probe) conn_count(s, -1);
  conn_unlink(s, c);
}

void conn_notify(void *server, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code) {
  if (code == MHD_CONNECTION_NOTIFY_STARTED)
    conn_open(server, mhd, context);
  else if (*context)
    conn_close(server, *context);
}

struct http_conn *conn_of(struct MHD_Connection *mhd) {
  return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void conn_set(struct http_conn *c, enum conn_phase phase, int64_t deadline_us) {
  atomic_store_explicit(&c->deadline_us, 0, memory_order_relaxed);
  atomic_store_explicit(&c->phase, (int)phase, memory_order_relaxed);
  atomic_fetch_add_explicit(&c->turn, 1, memory_order_release);
  atomic_store_explicit(&c->deadline_us, deadline_us, memory_order_release);
}

struct http_request *conn_request(struct http_conn *c) {
  pthread_mutex_lock(&c->lock);
  struct http_request *r = c->request;
  if (r) request_ref(r);
  pthread_mutex_unlock(&c->lock);
  return r;
}

void conn_free_dead(struct http_server *s) {
  pthread_mutex_lock(&s->conn_lock);
  struct http_conn *c = s->dead, *next;
  s->dead = NULL;
  pthread_mutex_unlock(&s->conn_lock);
  for (; c; c = next) {
    next = c->next;
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
  }
}
