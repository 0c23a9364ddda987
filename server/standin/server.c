// Sockets for calls. A connection has at most one call; while it runs, nothing is read from the socket (so that what
// the call lent from the request stays where it is), only the client's leaving is watched for. Timers are the loop's of
// net/.
//
// What was really sent is known by marks: after each step, how far the output reached and how many tokens were in it.
#include "standin/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/timers.h"
#include "standin/served.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256
#define BATCH_BYTES (16 * 1024)
#define BATCH_MARKS 64
#define IN_MAX (HTTP_HEAD_MAX + HTTP_BODY_MAX)
#define OUT_MAX (66 * 1024 * 1024)
#define KEEP_MAX (64 * 1024)

struct mark {
  size_t reach;
  int64_t tokens;
};

struct conn {
  struct worker *worker;
  struct conn *next, *prev;
  int fd;
  uint32_t watched;
  bool calling, continued, dead;
  enum step then; // what follows when the output is sent
  int wait_ms;
  size_t sent, call_sent; // of the output; of the whole answer
  int64_t tokens_sent;
  struct buf in, out;
  struct net_timer timer;
  struct call call;
  size_t mark_count;
  struct mark marks[BATCH_MARKS];
};

struct worker {
  const struct standin *standin;
  pthread_t thread;
  int epoll_fd, listen_fd, stop_fd;
  bool stopping;
  struct net_timers timers;
  struct conn *conns, *dead; // the dead are freed when no event can name them any more
};

static void conn_watch(struct conn *n, uint32_t events) {
  if (n->watched == events) return;
  struct epoll_event event = {.events = events, .data.ptr = n};
  epoll_ctl(n->worker->epoll_fd, n->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, n->fd, &event);
  n->watched = events;
}

static void conn_free(struct conn *n) {
  call_finish(&n->call);
  buf_finish(&n->in);
  buf_finish(&n->out);
  mem_free(n);
}

static void conn_close(struct conn *n) {
  struct worker *w = n->worker;
  if (n->calling) served_write(&n->call, "aborted", n->tokens_sent);
  timers_disarm(&w->timers, &n->timer);
  close(n->fd);
  *(n->prev ? &n->prev->next : &w->conns) = n->next;
  if (n->next) n->next->prev = n->prev;
  n->dead = true;
  n->next = w->dead;
  w->dead = n;
}

static void conn_reset(struct conn *n) {
  struct linger hard = {.l_onoff = 1};
  setsockopt(n->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  conn_close(n);
}

static void conn_count_sent(struct conn *n) {
  size_t i = 0;
  for (; i < n->mark_count && n->marks[i].reach <= n->sent; i++) n->tokens_sent = n->marks[i].tokens;
  n->mark_count -= i;
  memmove(n->marks, n->marks + i, n->mark_count * sizeof(n->marks[0]));
}

static size_t conn_may_send(const struct conn *n) {
  size_t left = n->out.len - n->sent;
  if (!n->call.drip_ms || !n->calling) return left;
  size_t head = n->call_sent < n->call.head_len ? n->call.head_len - n->call_sent : 1;
  return head < left ? head : left;
}

// True when all is sent. Otherwise it has closed the connection or waits: for the socket, or for the next drop.
static bool conn_flush(struct conn *n) {
  while (n->sent < n->out.len) {
    ssize_t put = send(n->fd, n->out.data + n->sent, conn_may_send(n), MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN) {
      conn_close(n);
      return false;
    }
    if (put < 0) {
      conn_watch(n, EPOLLOUT | EPOLLRDHUP);
      return false;
    }
    n->sent += (size_t)put;
    n->call_sent += (size_t)put;
    conn_count_sent(n);
    if (n->calling && n->call.drip_ms && n->sent < n->out.len) {
      conn_watch(n, EPOLLRDHUP);
      timers_arm(&n->worker->timers, &n->timer, clock_mono_us() + INT64_C(1000) * n->call.drip_ms);
      return false;
    }
  }
  n->sent = 0;
  if (n->out.cap > KEEP_MAX) buf_finish(&n->out);
  buf_clear(&n->out);
  return true;
}

// Steps until there is a batch to send, or nothing more yet.
static void conn_fill(struct conn *n) {
  n->mark_count = 0;
  while (n->then == STEP_MORE && n->out.len < BATCH_BYTES && n->mark_count < BATCH_MARKS) {
    n->then = call_step(&n->call, &n->out, &n->wait_ms);
    n->marks[n->mark_count++] = (struct mark){n->out.len, n->call.tokens};
  }
  ASSERT(!n->out.full);
}

static void conn_next_request(struct conn *n);

static void conn_call_over(struct conn *n) {
  served_write(&n->call, "finished", n->call.tokens);
  n->calling = false;
  bool last = n->call.request.close;
  buf_consume(&n->in, n->call.request.size);
  if (n->in.len == 0 && n->in.cap > KEEP_MAX) buf_finish(&n->in);
  if (last) {
    shutdown(n->fd, SHUT_WR);
    conn_close(n);
    return;
  }
  conn_next_request(n);
}

static void conn_then(struct conn *n) {
  switch (n->then) {
  case STEP_MORE:
    return;
  case STEP_WAIT:
    n->then = STEP_MORE;
    conn_watch(n, EPOLLRDHUP);
    timers_arm(&n->worker->timers, &n->timer, clock_mono_us() + INT64_C(1000) * n->wait_ms);
    return;
  case STEP_END:
    conn_call_over(n);
    return;
  case STEP_CLOSE:
    conn_close(n);
    return;
  case STEP_RESET:
    conn_reset(n);
    return;
  case STEP_HANG:
    conn_watch(n, EPOLLRDHUP);
    return;
  }
}

static void conn_run(struct conn *n) {
  do {
    if (n->out.len == 0) conn_fill(n);
    if (!conn_flush(n)) return;
  } while (n->then == STEP_MORE);
  conn_then(n);
}

static void conn_on_timer(void *arg) {
  conn_run(arg);
}

static void conn_begin_call(struct conn *n, const struct http_request *request) {
  n->calling = true;
  n->then = STEP_MORE;
  n->call_sent = 0;
  n->tokens_sent = 0;
  n->continued = false;
  call_begin(&n->call, request);
  served_write(&n->call, "started", 0);
  conn_run(n);
}

static void conn_next_request(struct conn *n) {
  struct http_request request = {0};
  int answer = http_parse(buf_str(&n->in), &request);
  if (answer > 0) {
    conn_begin_call(n, &request);
    return;
  }
  if (answer < 0 || n->in.full) {
    conn_close(n);
    return;
  }
  if (request.expects && !n->continued) {
    n->continued = true;
    buf_puts(&n->out, "HTTP/1.1 100 Continue\r\n\r\n");
    if (!conn_flush(n)) return;
  }
  conn_watch(n, EPOLLIN | EPOLLRDHUP);
}

static void conn_read(struct conn *n) {
  char block[65536];
  ssize_t got = recv(n->fd, block, sizeof(block), 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    conn_close(n);
    return;
  }
  buf_add(&n->in, block, (size_t)got);
  conn_next_request(n);
}

static void conn_on_event(struct conn *n, uint32_t events) {
  if (n->dead) return;
  if (n->calling && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
    conn_close(n);
  else if (n->calling)
    conn_run(n);
  else
    conn_read(n);
}

static void worker_add(struct worker *w, int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  struct conn *n = mem_alloc(sizeof(*n));
  n->worker = w;
  n->fd = fd;
  n->timer = (struct net_timer){.fn = conn_on_timer, .arg = n};
  buf_init(&n->in, IN_MAX);
  buf_init(&n->out, OUT_MAX);
  call_init(&n->call, w->standin);
  n->next = w->conns;
  if (n->next) n->next->prev = n;
  w->conns = n;
  conn_watch(n, EPOLLIN | EPOLLRDHUP);
}

static void worker_accept(struct worker *w) {
  for (int i = 0; i < 16; i++) {
    int fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
      worker_add(w, fd);
    else {
      if (errno == EMFILE || errno == ENFILE) poll(NULL, 0, 10); // else it would spin
      return;
    }
  }
}

static void worker_free_dead(struct worker *w) {
  for (struct conn *n; (n = w->dead);) {
    w->dead = n->next;
    conn_free(n);
  }
}

static int worker_wait_ms(struct worker *w) {
  int64_t next = timers_next(&w->timers);
  if (next == INT64_MAX) return -1;
  int64_t ms = (next - clock_mono_us() + 999) / 1000;
  return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

static void worker_on_event(struct worker *w, const struct epoll_event *event) {
  if (event->data.ptr == w)
    worker_accept(w);
  else if (event->data.ptr == &w->stop_fd)
    w->stopping = true;
  else
    conn_on_event(event->data.ptr, event->events);
}

static void *worker_main(void *arg) {
  struct worker *w = arg;
  struct epoll_event events[EVENTS_AT_ONCE];
  while (!w->stopping) {
    int count = epoll_wait(w->epoll_fd, events, EVENTS_AT_ONCE, worker_wait_ms(w));
    for (int i = 0; i < count; i++) worker_on_event(w, &events[i]);
    timers_run(&w->timers, clock_mono_us());
    worker_free_dead(w);
  }
  while (w->conns) conn_close(w->conns);
  worker_free_dead(w);
  return NULL;
}

struct worker *worker_create(const struct standin *standin, int listen_fd, int stop_fd) {
  struct worker *w = mem_alloc(sizeof(*w));
  w->standin = standin;
  w->listen_fd = listen_fd;
  w->stop_fd = stop_fd;
  w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  ASSERT(w->epoll_fd >= 0);
  struct epoll_event accepting = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = w};
  struct epoll_event stop = {.events = EPOLLIN, .data.ptr = &w->stop_fd};
  ASSERT(epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, listen_fd, &accepting) == 0);
  ASSERT(epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, stop_fd, &stop) == 0);
  ASSERT(pthread_create(&w->thread, NULL, worker_main, w) == 0);
  return w;
}

void worker_destroy(struct worker *w) {
  if (!w) return;
  pthread_join(w->thread, NULL);
  timers_finish(&w->timers);
  close(w->epoll_fd);
  mem_free(w);
}
