// Connections in pairs, and what moves between them. Each direction is a queue of pieces with the time when they are
// due; what a link's toxics say is asked when a piece is read (latency) and when it is sent (everything else).
#include "proxy.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX (1024 * 1024)
#define DRAIN_US INT64_C(8000000)
#define TAG_PAIR 0x70616972
#define TAG_LINK 0x6c696e6b

struct handle { // what epoll points to
  int tag;
  enum side side;
  void *owner;
};

struct piece {
  struct piece *next;
  int64_t due;
  size_t len, at;
  char bytes[];
};

struct flow {
  struct piece *first, *last;
  size_t queued;
  int64_t passed, not_before;
  bool ended, shut; // the source has ended; the other side was told
};

struct pair {
  struct pair *next;
  struct link *link;
  struct handle handles[2];
  int fds[2];
  uint32_t watched[2];
  struct flow flows[2];
  struct wire wire;
  int64_t drain_until; // the client is cut; what the target says is only looked at
  int64_t hold_until;  // the answer waits
  bool connecting, dead;
};

static struct pair *pairs;
static int epoll_fd;

int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void relay_init(int fd) {
  epoll_fd = fd;
}

bool relay_owns(const void *ptr) {
  const struct handle *h = ptr;
  return h->tag == TAG_PAIR || h->tag == TAG_LINK;
}

// ---- ends

static void side_close(struct pair *p, enum side s, bool by_reset) {
  struct linger hard = {.l_onoff = 1};
  if (p->fds[s] < 0) return;
  if (by_reset) setsockopt(p->fds[s], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(p->fds[s]);
  p->fds[s] = -1;
}

static void pair_close(struct pair *p, bool by_reset) {
  if (p->dead) return;
  side_close(p, CLIENT, by_reset);
  side_close(p, TARGET, by_reset);
  p->dead = true;
  p->link->count.open--;
}

static void flow_empty(struct flow *f) {
  for (struct piece *next; f->first; f->first = next) {
    next = f->first->next;
    free(f->first);
  }
  f->last = NULL;
  f->queued = 0;
}

static void pairs_free_dead(void) {
  for (struct pair **at = &pairs, *p; (p = *at);) {
    if (!p->dead) {
      at = &p->next;
      continue;
    }
    *at = p->next;
    flow_empty(&p->flows[UP]);
    flow_empty(&p->flows[DOWN]);
    free(p);
  }
}

void relay_cut(struct link *l, bool by_reset) {
  for (struct pair *p = pairs; p; p = p->next) {
    if (p->link != l || p->dead || p->drain_until) continue;
    pair_close(p, by_reset);
    l->count.cut++;
  }
}

void relay_half(struct link *l, enum direction d) {
  for (struct pair *p = pairs; p; p = p->next) {
    if (p->link != l || p->dead || p->drain_until || p->flows[d].ended) continue;
    p->flows[d].ended = true;
    l->count.halved++;
  }
}

// The client is gone; the target may finish what it was told.
static void drain_begin(struct pair *p) {
  side_close(p, CLIENT, true);
  flow_empty(&p->flows[DOWN]);
  p->drain_until = now_us() + DRAIN_US;
}

// ---- in

static int64_t latency(const struct toxics *t) {
  return t->latency_us + (t->jitter_us ? rand() % t->jitter_us : 0);
}

static void flow_add(struct pair *p, enum direction d, const char *bytes, size_t len) {
  struct flow *f = &p->flows[d];
  const struct toxics *t = &p->link->toxics[d];
  if (len == 0) return;
  struct piece *piece = malloc(sizeof *piece + len);
  if (!piece) abort();
  *piece = (struct piece){.due = now_us() + latency(t), .len = len};
  memcpy(piece->bytes, bytes, len);
  if (t->latency_us) p->link->count.delayed++;
  if (d == DOWN && p->hold_until > piece->due) piece->due = p->hold_until;
  if (f->last && f->last->due > piece->due) piece->due = f->last->due;
  *(f->last ? &f->last->next : &f->first) = piece;
  f->last = piece;
  f->queued += len;
}

static void flow_send(struct pair *p, enum direction d, int64_t now);

// True: the pair is not what it was, nothing more of these bytes is to be read.
static bool commit_meets(struct pair *p, const char *bytes, size_t len, size_t start, size_t from) {
  struct link *l = p->link;
  enum commit_plan plan = l->plan_left > 0 ? l->plan : COMMIT_PASS;
  l->count.commits++;
  if (plan == COMMIT_PASS) return false;
  l->plan_left--;
  if (plan == COMMIT_HOLD) {
    p->hold_until = now_us() + l->plan_us;
    l->count.commit_held++;
    return false;
  }
  bool after = plan == COMMIT_AFTER;
  flow_add(p, UP, bytes + from, (after ? len : start > from ? start : from) - from);
  flow_send(p, UP, INT64_MAX);
  if (p->dead) return true;
  if (after)
    l->count.commit_after++;
  else
    l->count.commit_before++;
  if (plan == COMMIT_BEFORE)
    pair_close(p, false);
  else
    drain_begin(p);
  return true;
}

static void take_up(struct pair *p, const char *bytes, size_t len) {
  size_t at = 0, start, end;
  while (p->link->pg && wire_up(&p->wire, bytes + at, len - at, &start, &end)) {
    if (commit_meets(p, bytes, len, at + start, 0)) return;
    at += end;
  }
  flow_add(p, UP, bytes, len);
}

static void take_down(struct pair *p, const char *bytes, size_t len) {
  int commits = p->link->pg ? wire_down(&p->wire, bytes, len) : 0;
  if (!p->drain_until)
    flow_add(p, DOWN, bytes, len);
  else if (commits) {
    p->link->count.commit_after_committed += commits;
    pair_close(p, false);
  }
}

static void side_read(struct pair *p, enum side s) {
  char block[65536];
  enum direction d = s == CLIENT ? UP : DOWN;
  ssize_t n = recv(p->fds[s], block, sizeof block, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0 || (n == 0 && p->drain_until))
    pair_close(p, true);
  else if (n == 0)
    p->flows[d].ended = true;
  else if (d == UP)
    take_up(p, block, (size_t)n);
  else
    take_down(p, block, (size_t)n);
}

// ---- out

// How much of `left` bytes may go now; *ret_pause_us until the next.
static size_t allowance(struct link *l, const struct toxics *t, size_t left, int64_t *ret_pause_us) {
  size_t n = left;
  *ret_pause_us = 0;
  if (t->slice && n > t->slice) {
    n = t->slice;
    *ret_pause_us = t->slice_us;
    l->count.sliced++;
  }
  if (t->bandwidth) {
    size_t most = (size_t)(t->bandwidth / 20 + 1);
    if (n > most) n = most;
    *ret_pause_us += (int64_t)n * 1000000 / t->bandwidth;
    l->count.throttled++;
  }
  return n;
}

static void piece_drop(struct flow *f) {
  struct piece *gone = f->first;
  f->first = gone->next;
  if (!f->first) f->last = NULL;
  free(gone);
}

static void flow_send(struct pair *p, enum direction d, int64_t now) {
  struct flow *f = &p->flows[d];
  struct link *l = p->link;
  const struct toxics *t = &l->toxics[d];
  int to = p->fds[d == UP ? TARGET : CLIENT];
  while (f->first && f->first->due <= now && f->not_before <= now && !t->silent && to >= 0) {
    int64_t pause = 0;
    size_t n = allowance(l, t, f->first->len - f->first->at, &pause);
    bool last = t->limit >= 0 && f->passed + (int64_t)n >= t->limit;
    if (last) n = f->passed < t->limit ? (size_t)(t->limit - f->passed) : 0;
    ssize_t put = n ? send(to, f->first->bytes + f->first->at, n, MSG_NOSIGNAL) : 0;
    if (put < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) return;
    if (put < 0) {
      pair_close(p, true);
      return;
    }
    f->passed += put;
    f->queued -= (size_t)put;
    f->first->at += (size_t)put;
    *(d == UP ? &l->count.bytes_up : &l->count.bytes_down) += put;
    if (last && (size_t)put == n) {
      l->count.limited++;
      pair_close(p, true);
      return;
    }
    if (pause && now != INT64_MAX) f->not_before = now + pause; // INT64_MAX: at once, whatever is due
    if (f->first->at == f->first->len) piece_drop(f);
  }
  if (f->first && t->silent) l->count.silenced++;
}

static void flow_end(struct pair *p, enum direction d) {
  struct flow *f = &p->flows[d];
  if (!f->ended || f->shut || f->first || p->link->toxics[d].silent || p->connecting) return;
  f->shut = true;
  shutdown(p->fds[d == UP ? TARGET : CLIENT], SHUT_WR);
  if (p->flows[UP].shut && p->flows[DOWN].shut) pair_close(p, false);
}

// ---- what is waited for

static void watch(struct pair *p, enum side s, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = &p->handles[s]};
  if (p->fds[s] < 0 || p->watched[s] == events) return;
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fds[s], &e);
  p->watched[s] = events;
}

static void pair_watch(struct pair *p, int64_t now) {
  for (int s = 0; s < 2; s++) {
    struct flow *in = &p->flows[s == CLIENT ? UP : DOWN], *out = &p->flows[s == CLIENT ? DOWN : UP];
    const struct toxics *in_toxics = &p->link->toxics[s == CLIENT ? UP : DOWN],
                        *out_toxics = &p->link->toxics[s == CLIENT ? DOWN : UP];
    bool reads = !in->ended && in->queued < QUEUE_MAX && !in_toxics->silent && !p->connecting;
    bool writes = out->first && out->first->due <= now && out->not_before <= now && !out_toxics->silent;
    if (s == TARGET && p->connecting) writes = true;
    watch(p, (enum side)s, (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u));
  }
}

static int64_t pair_next(const struct pair *p) {
  int64_t next = p->drain_until ? p->drain_until : INT64_MAX;
  for (int d = 0; d < 2; d++) {
    const struct flow *f = &p->flows[d];
    if (!f->first || p->link->toxics[d].silent) continue;
    int64_t at = f->first->due > f->not_before ? f->first->due : f->not_before;
    if (at < next) next = at;
  }
  return next;
}

int relay_run(void) {
  int64_t now = now_us(), next = INT64_MAX;
  for (struct pair *p = pairs; p; p = p->next) {
    for (int d = 0; d < 2 && !p->dead; d++) {
      if (!p->connecting) flow_send(p, (enum direction)d, now);
      if (!p->dead) flow_end(p, (enum direction)d);
    }
    if (!p->dead && p->drain_until && now >= p->drain_until) pair_close(p, true);
    if (p->dead) continue;
    pair_watch(p, now);
    int64_t at = pair_next(p);
    if (at > now && at < next) next = at;
  }
  pairs_free_dead();
  return next == INT64_MAX ? -1 : (int)((next - now + 999) / 1000);
}

// ---- new ones

static int target_connect(int port) {
  struct sockaddr_in in = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&in, sizeof in) == 0 || errno == EINPROGRESS) return fd;
  close(fd);
  return -1;
}

static void pair_add(struct link *l, int client, int target) {
  struct pair *p = calloc(1, sizeof *p);
  if (!p) abort();
  p->link = l;
  p->fds[CLIENT] = client;
  p->fds[TARGET] = target;
  p->connecting = true;
  wire_init(&p->wire);
  for (int s = 0; s < 2; s++) {
    p->handles[s] = (struct handle){TAG_PAIR, (enum side)s, p};
    struct epoll_event e = {.events = s == TARGET ? EPOLLOUT : 0, .data.ptr = &p->handles[s]};
    p->watched[s] = e.events;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fds[s], &e);
  }
  p->next = pairs;
  pairs = p;
  l->count.open++;
}

static void refuse(struct link *l, int client) {
  struct linger hard = {.l_onoff = 1};
  setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(client);
  l->count.refused++;
}

static void link_accept(struct link *l) {
  int on = 1;
  for (int client; (client = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int target = l->down ? -1 : target_connect(l->target);
    if (target < 0) {
      refuse(l, client);
      continue;
    }
    l->count.accepted++;
    pair_add(l, client, target);
  }
}

bool relay_listen(struct link *l, int port) {
  struct sockaddr_in in = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof in;
  int on = 1;
  l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (l->fd < 0) return false;
  setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(l->fd, (struct sockaddr *)&in, size) != 0 || listen(l->fd, 1024) != 0) return false;
  if (getsockname(l->fd, (struct sockaddr *)&in, &size) != 0) return false;
  l->port = ntohs(in.sin_port);
  struct handle *h = calloc(1, sizeof *h);
  if (!h) abort();
  *h = (struct handle){.tag = TAG_LINK, .owner = l};
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = h};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, l->fd, &e) == 0;
}

// ---- events

static void connected(struct pair *p) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(p->fds[TARGET], SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) pair_close(p, true);
  p->connecting = false;
}

void relay_event(void *ptr, uint32_t events) {
  struct handle *h = ptr;
  if (h->tag == TAG_LINK) {
    link_accept(h->owner);
    return;
  }
  struct pair *p = h->owner;
  if (p->dead || p->fds[h->side] < 0) return;
  if (h->side == TARGET && p->connecting)
    connected(p);
  else if (events & EPOLLIN)
    side_read(p, h->side);
  else if (events & (EPOLLHUP | EPOLLERR))
    pair_close(p, true);
}
