// The loop: one thread, one epoll set for the sockets of both lanes, one heap for every timer, and a queue that other
// threads put tasks on. A wake-up costs a system call only when the loop really sleeps, so that posting to a busy loop
// is a lock and a store.
//
// A turn: tasks, then timers, then what was put off, again until nothing is left, then sleep.
#include "net/loop.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256
#define WAKE_MARK UINT64_MAX

static void loop_collect(struct net_lane *lane) {
  int left;
  for (CURLMsg *m; (m = curl_multi_info_read(lane->multi, &left));) {
    if (m->msg != CURLMSG_DONE) continue;
    char *x = NULL;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
    exchange_ended((struct net_exchange *)(void *)x, m->data.result);
  }
}

static void lane_advance(struct net_lane *lane, curl_socket_t fd, int flags) {
  int running;
  CURLMcode done = curl_multi_socket_action(lane->multi, fd, flags, &running);
  if (done == CURLM_OUT_OF_MEMORY) (void)mem_had(NULL);
  ASSERT(done == CURLM_OK);
  loop_collect(lane);
}

static void lane_on_timer(void *arg) {
  lane_advance(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int lane_set_timer(CURLM *multi, long ms, void *arg) {
  struct net_lane *lane = arg;
  (void)multi;
  if (ms < 0)
    timers_disarm(&lane->loop->timers, &lane->timer);
  else
    timers_arm(&lane->loop->timers, &lane->timer, clock_mono_us() + INT64_C(1000) * ms);
  return 0;
}

// The lane and the socket travel in the event itself: an event for a socket that is gone by the time it is looked at
// finds nothing in libcurl, where a pointer would find freed memory.
static int lane_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known) {
  struct net_lane *lane = arg;
  struct net_loop *loop = lane->loop;
  (void)easy;
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    return 0;
  }
  uint64_t mark = (uint64_t)(lane - loop->lanes) << 32 | (uint32_t)fd;
  struct epoll_event event = {.data.u64 = mark};
  if (what & CURL_POLL_IN) event.events |= EPOLLIN;
  if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
  int op = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(loop->epoll_fd, op, fd, &event) != 0 && (errno == EEXIST || errno == ENOENT))
    epoll_ctl(loop->epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
  if (!known) curl_multi_assign(lane->multi, fd, lane);
  return 0; // unwatched, it ends at its deadline; an error here would end every exchange of the lane
}

static void lane_init(struct net_lane *lane, struct net_loop *loop) {
  *lane = (struct net_lane){.loop = loop, .multi = mem_had(curl_multi_init()), .timer = {.fn = lane_on_timer, .arg = lane}};
  curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, lane_set_timer);
  curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
  curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, lane_set_socket);
  curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
  curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
  // Counts the connections in use too: with less, a busy loop would keep none open.
  curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)LIMIT_RUNNING_CALLS);
}

void loop_todo(struct net_exchange *x) {
  struct net_loop *loop = x->loop;
  if (x->in_todo) return;
  x->in_todo = true;
  x->todo_next = NULL;
  if (loop->todo_tail)
    loop->todo_tail->todo_next = x;
  else
    loop->todo_head = x;
  loop->todo_tail = x;
}

static void loop_act(struct net_loop *loop) {
  for (struct net_exchange *x; (x = loop->todo_head);) {
    loop->todo_head = x->todo_next;
    if (!loop->todo_head) loop->todo_tail = NULL;
    x->in_todo = false;
    exchange_act(x);
  }
}

static void tasks_add(struct net_tasks *tasks, struct net_task task) {
  if (tasks->count == tasks->cap) {
    tasks->cap = tasks->cap ? tasks->cap * 2 : 64;
    tasks->items = mem_realloc(tasks->items, tasks->cap * sizeof(*tasks->items));
  }
  tasks->items[tasks->count++] = task;
}

// False where nothing was posted.
static bool loop_run_posted(struct net_loop *loop) {
  pthread_mutex_lock(&loop->lock);
  struct net_tasks taken = loop->posted;
  loop->posted = loop->taken;
  pthread_mutex_unlock(&loop->lock);
  for (size_t i = 0; i < taken.count; i++) taken.items[i].fn(taken.items[i].arg);
  bool any = taken.count > 0;
  taken.count = 0;
  loop->taken = taken;
  return any;
}

static void loop_settle(struct net_loop *loop) {
  loop_run_posted(loop);
  loop_act(loop);
  for (int64_t now = clock_mono_us(); timers_next(&loop->timers) <= now;) {
    timers_run(&loop->timers, now);
    loop_act(loop);
  }
}

// How long epoll may wait; 0 where something is posted. From here until loop_awake, a post wakes.
static int loop_fall_asleep(struct net_loop *loop) {
  int64_t next = timers_next(&loop->timers), ms = -1;
  if (next != INT64_MAX) {
    ms = (next - clock_mono_us() + 999) / 1000;
    ms = ms < 0 ? 0 : ms > 60000 ? 60000 : ms;
  }
  pthread_mutex_lock(&loop->lock);
  bool wanted = loop->posted.count > 0 || loop->stopping;
  loop->asleep = !wanted;
  pthread_mutex_unlock(&loop->lock);
  return wanted ? 0 : (int)ms;
}

static bool loop_awake(struct net_loop *loop) {
  pthread_mutex_lock(&loop->lock);
  loop->asleep = false;
  bool stopping = loop->stopping;
  pthread_mutex_unlock(&loop->lock);
  return !stopping;
}

static void loop_on_event(struct net_loop *loop, const struct epoll_event *event) {
  if (event->data.u64 == WAKE_MARK) {
    uint64_t count;
    ssize_t got = read(loop->wake_fd, &count, sizeof(count));
    (void)got; // it is non-blocking and only a signal
    return;
  }
  int flags = 0;
  if (event->events & EPOLLIN) flags |= CURL_CSELECT_IN;
  if (event->events & EPOLLOUT) flags |= CURL_CSELECT_OUT;
  if (event->events & (EPOLLERR | EPOLLHUP)) flags |= CURL_CSELECT_ERR | CURL_CSELECT_IN;
  lane_advance(&loop->lanes[event->data.u64 >> 32], (curl_socket_t)(event->data.u64 & UINT32_MAX), flags);
}

static void loop_cancel_all(struct net_loop *loop) {
  for (struct net_exchange *x = loop->running; x; x = x->next) net_cancel(x);
  loop_act(loop);
  ASSERT(!loop->running);
}

static void *loop_main(void *arg) {
  struct net_loop *loop = arg;
  struct epoll_event events[EVENTS_AT_ONCE];
  do {
    loop_settle(loop);
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE, loop_fall_asleep(loop));
    ASSERT(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) loop_on_event(loop, &events[i]);
  } while (loop_awake(loop));
  // What was posted may cancel or resume what runs, so it goes first.
  while (loop_run_posted(loop)) loop_act(loop);
  loop_cancel_all(loop);
  return NULL;
}

static void curl_start(void) {
  ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

// Signals are for the threads that wait for them; a broken pipe inside TLS is an error code, not a signal.
static void loop_start_thread(struct net_loop *loop, const char *name) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  ASSERT(pthread_create(&loop->thread, NULL, loop_main, loop) == 0);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  char shown[16] = {0};
  strncpy(shown, name, sizeof(shown) - 1);
  pthread_setname_np(loop->thread, shown);
}

struct net_loop *net_loop_create(const char *name) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, curl_start);
  struct net_loop *loop = mem_alloc(sizeof(*loop));
  pthread_mutex_init(&loop->lock, NULL);
  loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ASSERT(loop->epoll_fd >= 0 && loop->wake_fd >= 0);
  struct epoll_event wake = {.events = EPOLLIN, .data.u64 = WAKE_MARK};
  ASSERT(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &wake) == 0);
  for (size_t i = 0; i < NET_LANES; i++) lane_init(&loop->lanes[i], loop);
  loop_start_thread(loop, name);
  return loop;
}

void net_loop_open(struct net_loop *loop, const struct net_ranges *ranges) {
  loop->open = *ranges;
}

static void loop_wake(struct net_loop *loop) {
  uint64_t one = 1;
  ssize_t put = write(loop->wake_fd, &one, sizeof(one));
  (void)put; // fails only where it is awake already
}

// A task that waits for its time: owns itself.
struct later {
  struct net_timer timer;
  struct net_task task;
};

static void later_run(void *arg) {
  struct later *later = arg;
  struct net_task task = later->task;
  mem_free(later);
  task.fn(task.arg);
}

void net_after(struct net_loop *loop, int ms, void (*fn)(void *arg), void *arg) {
  ASSERT(net_on_loop(loop));
  struct later *later = mem_alloc(sizeof(*later));
  later->timer = (struct net_timer){.fn = later_run, .arg = later};
  later->task = (struct net_task){fn, arg};
  timers_arm(&loop->timers, &later->timer, clock_mono_us() + INT64_C(1000) * (ms > 0 ? ms : 0));
}

// What net_after left behind is dropped with the loop.
static void loop_free_timers(struct net_loop *loop) {
  for (size_t i = 1; i <= loop->timers.count; i++)
    if (loop->timers.heap[i]->fn == later_run) mem_free(loop->timers.heap[i]->arg);
  timers_finish(&loop->timers);
}

void net_loop_destroy(struct net_loop *loop) {
  if (!loop) return;
  pthread_mutex_lock(&loop->lock);
  loop->stopping = true;
  pthread_mutex_unlock(&loop->lock);
  loop_wake(loop);
  pthread_join(loop->thread, NULL);
  for (struct net_exchange *x; (x = loop->spare);) {
    loop->spare = x->next;
    exchange_free(x);
  }
  for (size_t i = 0; i < NET_LANES; i++) curl_multi_cleanup(loop->lanes[i].multi);
  loop_free_timers(loop);
  mem_free(loop->posted.items);
  mem_free(loop->taken.items);
  close(loop->epoll_fd);
  close(loop->wake_fd);
  pthread_mutex_destroy(&loop->lock);
  mem_free(loop);
}

void net_post(struct net_loop *loop, void (*fn)(void *arg), void *arg) {
  pthread_mutex_lock(&loop->lock);
  tasks_add(&loop->posted, (struct net_task){fn, arg});
  bool wake = loop->asleep;
  loop->asleep = false;
  pthread_mutex_unlock(&loop->lock);
  if (wake) loop_wake(loop);
}

bool net_on_loop(const struct net_loop *loop) {
  return pthread_equal(pthread_self(), loop->thread);
}
