// Absolute deadlines. libmicrohttpd only knows an idle timer, which one byte a second keeps from ever firing. Ten times
// a second every connection's deadline is looked at, and a late one is shut down; its server thread sees that and
// closes it. A connection that is being written to has no deadline but must move: the kernel counts the bytes its peer
// has confirmed.
#include "base/clock.h"
#include "http/internal.h"
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define REAPER_VISITS 64
#define SHED_AGE_US 500000 // a head may take so long even when connections are scarce

// Requests to be looked at when the list's lock has been left.
struct visits {
  struct http_request *lost[REAPER_VISITS], *silent[REAPER_VISITS];
  size_t lost_count, silent_count;
};

static uint64_t bytes_confirmed(const struct http_conn *c) {
  struct tcp_info info = {0};
  socklen_t size = sizeof info;
  return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_acked : 0;
}

static bool bytes_waiting(struct http_conn *c) {
  int queued = 0;
  if (atomic_load(&c->phase) == CONN_WRITE) return true;
  if (ioctl(c->fd, SIOCOUTQ, &queued) == 0 && queued > 0) return true;
  pthread_mutex_lock(&c->lock);
  bool pending = c->request && atomic_load(&c->request->stream.pending) > 0;
  pthread_mutex_unlock(&c->lock);
  return pending;
}

static bool is_stalled(struct http_conn *c, int64_t now_us) {
  uint64_t acked = bytes_confirmed(c);
  if (acked != c->acked || !bytes_waiting(c)) {
    c->acked = acked;
    c->progress_us = now_us;
    return false;
  }
  return now_us - c->progress_us > c->server->write_stall_us;
}

static void conn_cut(struct http_conn *c) {
  metric_add(METRIC_HTTP_DEADLINES, 1);
  (void)shutdown(c->fd, SHUT_RDWR);
  conn_set(c, CONN_WORK, 0); // once
}

static void visit(struct http_conn *c, struct http_request *list[REAPER_VISITS], size_t *count) {
  if (*count == REAPER_VISITS) return;
  struct http_request *r = conn_request(c);
  if (r) list[(*count)++] = r;
}

static void check_writing(struct http_conn *c, int phase, int64_t now_us, struct visits *v) {
  unsigned turn = atomic_load(&c->turn);
  int64_t often_us = c->server->write_stall_us / 4 < 1000000 ? c->server->write_stall_us / 4 : 1000000;
  if (turn != c->turn_seen) {
    c->turn_seen = turn;
    c->progress_us = c->checked_us = now_us;
    return;
  }
  if (now_us - c->checked_us < often_us) return;
  c->checked_us = now_us;
  if (is_stalled(c, now_us)) {
    if (phase == CONN_STREAM) visit(c, v->lost, &v->lost_count);
    conn_cut(c);
  } else if (phase == CONN_STREAM) {
    visit(c, v->silent, &v->silent_count);
  }
}

static void check_conn(struct http_conn *c, int64_t now_us, struct visits *v) {
  int phase = atomic_load(&c->phase);
  int64_t deadline_us = atomic_load(&c->deadline_us);
  if (c->probe) return;
  if (deadline_us && now_us > deadline_us)
    conn_cut(c);
  else if (phase == CONN_WRITE || phase == CONN_STREAM)
    check_writing(c, phase, now_us, v);
}

// Where connections are scarce, the oldest of those that have not yet sent a request make room.
static void shed(struct http_server *s, int64_t now_us) {
  int over = atomic_load(&s->open) - (int)(s->connections_max / 5 * 4);
  for (struct http_conn *c = s->conns; c && over > 0; c = c->next) {
    int phase = atomic_load(&c->phase);
    if (c->probe || (phase != CONN_HEADER && phase != CONN_IDLE)) continue;
    if (atomic_load(&c->deadline_us) - now_us > s->header_us - SHED_AGE_US && phase == CONN_HEADER) continue;
    conn_cut(c);
    over--;
  }
}

static bool is_silent(struct http_request *r, int64_t now_us) {
  pthread_mutex_lock(&r->lock);
  bool silent = now_us - r->stream.written_us >= HTTP_KEEPALIVE_US;
  pthread_mutex_unlock(&r->lock);
  return silent;
}

void reaper_pass(struct http_server *s, int64_t now_us) {
  struct visits v;
  v.lost_count = v.silent_count = 0;
  pthread_mutex_lock(&s->conn_lock);
  for (struct http_conn *c = s->conns; c; c = c->next) check_conn(c, now_us, &v);
  shed(s, now_us);
  pthread_mutex_unlock(&s->conn_lock);
  for (size_t i = 0; i < v.lost_count; i++) {
    request_gone(v.lost[i]);
    request_unref(v.lost[i]);
  }
  for (size_t i = 0; i < v.silent_count; i++) {
    if (is_silent(v.silent[i], now_us)) request_comment(v.silent[i], now_us);
    request_unref(v.silent[i]);
  }
}
