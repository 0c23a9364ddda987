// libmicrohttpd 0.9.75 collects ready sockets 128 at a time, and when it got exactly 128 it waits for more, without a
// time limit, before it serves them: with nobody else about, for ever. What was to wake it, a request that is resumed
// or the order to stop, may be one of the 128. So each of its threads has a connection of our own, on which a request is
// sent every few milliseconds while there are enough clients for that to happen: an event that ends any such wait. It
// goes on until libmicrohttpd has stopped.
#include "http/internal.h"
#include "http/pair.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PULSE_WAIT_MS 5000
#define PULSE_TEXT "GET /-/pulse HTTP/1.1\r\nHost: a\r\n\r\n" // nothing is at this path

static bool pulse_send(int fd) {
  static const struct str text = {PULSE_TEXT, sizeof PULSE_TEXT - 1};
  return fd >= 0 && pair_send(fd, text);
}

// Its thread answers.
static bool pulse_begin(struct http_server *s, unsigned thread) {
  int fd = s->pulses[thread] = pair_open(s, thread);
  struct pollfd answer = {.fd = fd, .events = POLLIN};
  return pulse_send(fd) && poll(&answer, 1, PULSE_WAIT_MS) == 1;
}

bool pulse_start(struct http_server *s) {
  bool ok = true;
  s->pulses = mem_alloc(s->threads * sizeof *s->pulses);
  for (unsigned i = 0; i < s->threads; i++) s->pulses[i] = -1;
  for (unsigned i = 0; ok && i < s->threads; i++) ok = pulse_begin(s, i);
  return ok;
}

static void drop_answers(int fd) {
  char answers[4096];
  while (recv(fd, answers, sizeof answers, 0) > 0) {}
}

// A socket full of requests is as good as one more. Where libmicrohttpd has closed it, another takes its place.
static void pulse(struct http_server *s, unsigned thread) {
  int *fd = &s->pulses[thread];
  if (*fd >= 0) drop_answers(*fd);
  if (pulse_send(*fd) || (*fd >= 0 && errno == EAGAIN)) return;
  pthread_mutex_lock(&s->adding);
  if (*fd >= 0) close(*fd);
  *fd = s->closed ? -1 : pair_open(s, thread);
  pthread_mutex_unlock(&s->adding);
}

bool pulse_pass(struct http_server *s) {
  if (!atomic_load(&s->ready) || atomic_load(&s->open) < HTTP_CROWD) return false;
  for (unsigned i = 0; i < s->threads; i++) pulse(s, i);
  return true;
}

void pulse_stop(struct http_server *s) {
  for (unsigned i = 0; s->pulses && i < s->threads; i++)
    if (s->pulses[i] >= 0) close(s->pulses[i]);
  mem_free(s->pulses);
  s->pulses = NULL;
}
