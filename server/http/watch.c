// The watch: one thread that sees clients go away while their requests wait, and that calls the reaper. Each connection
// is in its epoll set once, edge-triggered and for hang-ups only, so that an ordinary request costs it nothing.
//
// A half-close ends a plain request that waits, as with the usual proxies. A stream may go on to a half-closed client;
// a comment is sent to it at once, and a peer that is gone altogether answers that with a reset, which is seen here
// too.
#include "base/clock.h"
#include "http/internal.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WATCH_EVENTS 64

// Calls one of the watch's callbacks, unless the owner has answered. The owner's answering waits for it to end.
static void request_call(struct http_request *r, bool gone) {
  pthread_mutex_lock(&r->lock);
  request_await_callback(r);
  struct http_watch watch = r->watch;
  void (*call)(void *) = gone ? watch.gone : watch.drained;
  bool wanted = call && !r->answered && !r->calling && !(gone && r->gone_told);
  if (wanted) {
    if (gone) r->gone_told = true;
    r->calling = true;
    r->caller = pthread_self();
    pthread_mutex_unlock(&r->lock);
    call(watch.arg);
    pthread_mutex_lock(&r->lock);
    r->calling = false;
    pthread_cond_broadcast(&r->called);
  }
  pthread_mutex_unlock(&r->lock);
}

void request_gone(struct http_request *r) {
  pthread_mutex_lock(&r->lock);
  r->gone = true;
  // A stream's connection is of no more use; a plain one waits for its owner's answer.
  if (r->streaming) request_resume(r);
  pthread_mutex_unlock(&r->lock);
  request_call(r, true);
}

void request_drained(struct http_request *r) {
  request_call(r, false);
}

void http_watch(struct http_request *r, struct http_watch watch) {
  pthread_mutex_lock(&r->lock);
  r->watch = watch;
  bool late = r->gone;
  pthread_mutex_unlock(&r->lock);
  if (late) watch_wake(r->server);
}

bool http_is_gone(const struct http_request *r) {
  return atomic_load(&r->gone);
}

void request_peer_closed(struct http_request *r, bool fully) {
  pthread_mutex_lock(&r->lock);
  bool waiting = r->given && !r->answered && !r->cut && !r->done, streaming = r->streaming;
  pthread_mutex_unlock(&r->lock);
  if (!waiting) return;
  if (fully || !streaming)
    request_gone(r);
  else
    request_comment(r, clock_mono_us());
}

void watch_conn(struct http_conn *c) {
  struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = c};
  ASSERT(epoll_ctl(c->server->watch_epoll, EPOLL_CTL_ADD, c->fd, &event) == 0);
}

void watch_unconn(struct http_conn *c) {
  (void)epoll_ctl(c->server->watch_epoll, EPOLL_CTL_DEL, c->fd, NULL);
}

void watch_wake(struct http_server *s) {
  uint64_t one = 1;
  ssize_t written = write(s->watch_event, &one, sizeof one);
  (void)written; // full means that it is awake anyway
}

static void conn_event(struct http_conn *c, uint32_t events) {
  bool fully = events & (EPOLLHUP | EPOLLERR);
  if (fully) atomic_store(&c->closed, true);
  atomic_store(&c->half_closed, true);
  struct http_request *r = conn_request(c);
  if (!r) return;
  request_peer_closed(r, fully);
  request_unref(r);
}

// An orphan whose last reference is going takes itself off the list; it must not be revived.
static bool request_ref_live(struct http_request *r) {
  int refs = atomic_load(&r->refs);
  while (refs > 0)
    if (atomic_compare_exchange_weak(&r->refs, &refs, refs + 1)) return true;
  return false;
}

static bool gone_untold(struct http_request *r) {
  return r && atomic_load(&r->gone) && !atomic_load(&r->gone_told);
}

// Requests that were lost before their owner said whom to tell.
static size_t gone_collect(struct http_server *s, struct http_request *ret[WATCH_EVENTS]) {
  size_t count = 0;
  pthread_mutex_lock(&s->conn_lock);
  for (struct http_request *r = s->orphans; r && count < WATCH_EVENTS; r = r->orphan_next)
    if (gone_untold(r) && request_ref_live(r)) ret[count++] = r;
  for (struct http_conn *c = s->conns; c && count < WATCH_EVENTS; c = c->next) {
    pthread_mutex_lock(&c->lock);
    if (gone_untold(c->request)) request_ref(ret[count++] = c->request);
    pthread_mutex_unlock(&c->lock);
  }
  pthread_mutex_unlock(&s->conn_lock);
  return count;
}

static void gone_sweep(struct http_server *s) {
  struct http_request *lost[WATCH_EVENTS];
  size_t count = gone_collect(s, lost);
  for (size_t i = 0; i < count; i++) {
    request_gone(lost[i]);
    request_unref(lost[i]);
  }
}

static void wake_event(struct http_server *s) {
  uint64_t count;
  ssize_t got = read(s->watch_event, &count, sizeof count);
  (void)got;
  gone_sweep(s);
}

static void *watch_main(void *arg) {
  struct http_server *s = arg;
  struct epoll_event events[WATCH_EVENTS];
  int64_t next_us = 0;
  bool crowd = false;
  while (!atomic_load(&s->stopping)) {
    conn_free_dead(s); // nothing collected so far is looked at again
    int count = epoll_wait(s->watch_epoll, events, WATCH_EVENTS, crowd ? HTTP_PULSE_MS : HTTP_TICK_MS);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr)
        conn_event(events[i].data.ptr, events[i].events);
      else
        wake_event(s);
    }
    crowd = pulse_pass(s);
    int64_t now_us = clock_mono_us();
    if (now_us < next_us) continue;
    next_us = now_us + HTTP_TICK_MS * 1000;
    reaper_pass(s, now_us);
    linger_pass(s, now_us);
  }
  return NULL;
}

bool watch_start(struct http_server *s) {
  s->watch_epoll = epoll_create1(EPOLL_CLOEXEC);
  s->watch_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN};
  if (s->watch_epoll < 0 || s->watch_event < 0) return false;
  if (epoll_ctl(s->watch_epoll, EPOLL_CTL_ADD, s->watch_event, &event)) return false;
  s->watch_started = pthread_create(&s->watch_thread, NULL, watch_main, s) == 0;
  return s->watch_started;
}

void watch_stop(struct http_server *s) {
  atomic_store(&s->stopping, true);
  if (!s->watch_started) return;
  watch_wake(s);
  pthread_join(s->watch_thread, NULL);
}

void watch_close(struct http_server *s) {
  conn_free_dead(s);
  if (s->watch_epoll >= 0) close(s->watch_epoll);
  if (s->watch_event >= 0) close(s->watch_event);
}
