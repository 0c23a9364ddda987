// libmicrohttpd 0.9.75 collects ready sockets 128 at a time, and when it got exactly 128 it waits for more, without a
// time limit, before it serves them: with nobody else about, for ever. So each of its threads keeps one request of our
// own suspended over a socket pair, and while there are enough clients for that to happen, it is resumed and suspended
// again every few milliseconds: an event that ends any such wait.
#include "http/internal.h"
#include "http/pair.h"
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PULSE_WAIT_MS 5000
#define PULSE_SPARE_MAX 64 // tries that reached a thread which had its pulse already
#define PULSE_PATH "/-/pulse"

static bool thread_is_new(const struct http_server *s) {
  for (size_t i = 0; i < s->pulse_count; i++)
    if (pthread_equal(s->pulses[i].thread, pthread_self())) return false;
  return s->pulse_count < s->threads;
}

static void pulse_begin(struct http_request *r, void *context) {
  (void)context;
  struct http_server *s = r->server;
  pthread_mutex_lock(&s->conn_lock);
  bool take = thread_is_new(s);
  if (take) s->pulses[s->pulse_count++] = (struct http_pulse){r, pthread_self(), -1};
  pthread_mutex_unlock(&s->conn_lock);
  if (!take) http_problem(r, PROBLEM_NOT_FOUND, NULL, "This thread has its pulse.");
  atomic_fetch_add(&s->pulses_seen, 1);
}

const struct http_route *pulse_route(const struct http_request *r) {
  static const struct http_route route = {.method = "GET", .path = PULSE_PATH, .handler = pulse_begin};
  return r->conn->probe && str_eq(r->target.path, STR(PULSE_PATH)) ? &route : NULL;
}

static bool await_seen(struct http_server *s, unsigned count) {
  struct timespec moment = {0, 1000000};
  for (int waited = 0; atomic_load(&s->pulses_seen) < count; waited++) {
    if (waited >= PULSE_WAIT_MS) return false;
    (void)nanosleep(&moment, NULL);
  }
  return true;
}

static size_t pulses_taken(struct http_server *s) {
  pthread_mutex_lock(&s->conn_lock);
  size_t count = s->pulse_count;
  pthread_mutex_unlock(&s->conn_lock);
  return count;
}

#define PULSE_TEXT "GET " PULSE_PATH " HTTP/1.1\r\nHost: a\r\n\r\n"

// A thread is chosen by the descriptor's number; alternate ends of pairs, none closed meanwhile, reach them all before
// long.
bool pulse_start(struct http_server *s) {
  static const struct str text = {PULSE_TEXT, sizeof PULSE_TEXT - 1};
  int spare[PULSE_SPARE_MAX];
  size_t spare_count = 0;
  bool ok = true;
  s->pulses = mem_alloc(s->threads * sizeof *s->pulses);
  for (unsigned turn = 0; ok && s->pulse_fd_count < s->threads && spare_count < PULSE_SPARE_MAX; turn++) {
    int fd = pair_send(s, turn, text);
    ok = fd >= 0 && await_seen(s, turn + 1);
    size_t taken = pulses_taken(s);
    if (ok && taken > s->pulse_fd_count)
      s->pulses[s->pulse_fd_count++].fd = fd;
    else if (fd >= 0)
      spare[spare_count++] = fd;
  }
  for (size_t i = 0; i < spare_count; i++) close(spare[i]);
  return ok && s->pulse_fd_count == s->threads;
}

bool pulse_pass(struct http_server *s) {
  if (!atomic_load(&s->ready) || atomic_load(&s->open) < HTTP_CROWD) return false;
  for (size_t i = 0; i < s->pulse_count; i++) {
    struct http_request *r = s->pulses[i].request;
    pthread_mutex_lock(&r->lock);
    if (!r->done) request_resume(r);
    pthread_mutex_unlock(&r->lock);
  }
  return true;
}

// When the watch has ended.
void pulse_stop(struct http_server *s) {
  for (size_t i = 0; i < s->pulse_count; i++)
    http_problem(s->pulses[i].request, PROBLEM_SHUTTING_DOWN, NULL, "The service is shutting down.");
  for (size_t i = 0; i < s->pulse_fd_count; i++) close(s->pulses[i].fd);
  s->pulse_count = s->pulse_fd_count = 0;
  mem_free(s->pulses);
  s->pulses = NULL;
}
