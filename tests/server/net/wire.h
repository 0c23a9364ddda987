// For the tests of the outbound door: a server of raw sockets, one thread a connection, whose script may break every
// rule of HTTP; and a probe that runs one exchange and remembers what happened to it.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef WIRE_CONNECTIONS
#define WIRE_CONNECTIONS 64
#endif
#define UNUSED __attribute__((unused))

struct wire;
struct wire_connection {
  struct wire *wire;
  pthread_t thread;
  int fd, number; // from 0, in order of acceptance
  char request[65536];
  size_t request_len;
};

struct wire {
  void (*script)(struct wire_connection *c);
  int listen_fd, port;
  pthread_t thread;
  struct wire_connection *connections[WIRE_CONNECTIONS];
  atomic_int accepted, requests;
  atomic_bool stopping;
  atomic_llong sent; // bytes, by wire_pour
};

// Reads one request, head and Content-Length body (bodies beyond the buffer are read and dropped). False: closed.
UNUSED static bool wire_read(struct wire_connection *c) {
  c->request_len = 0;
  size_t want = SIZE_MAX, got = 0;
  char sink[65536];
  while (got < want) {
    bool room = c->request_len < sizeof(c->request) - 1;
    ssize_t n = room ? recv(c->fd, c->request + c->request_len, sizeof(c->request) - 1 - c->request_len, 0)
                     : recv(c->fd, sink, sizeof(sink), 0);
    if (n <= 0) return false;
    if (room) c->request_len += (size_t)n;
    got += (size_t)n;
    c->request[c->request_len] = '\0';
    char *end = strstr(c->request, "\r\n\r\n"), *length = strcasestr(c->request, "\r\nContent-Length:");
    if (want == SIZE_MAX && end) want = (size_t)(end + 4 - c->request) + (length ? strtoul(length + 17, NULL, 10) : 0);
  }
  c->wire->requests++;
  return true;
}

UNUSED static bool wire_write(struct wire_connection *c, const void *data, size_t len) {
  for (const char *at = data; len;) {
    ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);
    if (n <= 0) return false;
    at += n;
    len -= (size_t)n;
  }
  return true;
}

UNUSED static bool wire_puts(struct wire_connection *c, const char *text) {
  return wire_write(c, text, strlen(text));
}

// Sends `len` bytes or until the other side is gone, counting them.
UNUSED static void wire_pour(struct wire_connection *c, long long len) {
  char block[16384];
  memset(block, 'x', sizeof(block));
  while (len > 0 && !c->wire->stopping) {
    size_t piece = len < (long long)sizeof(block) ? (size_t)len : sizeof(block);
    ssize_t n = send(c->fd, block, piece, MSG_NOSIGNAL);
    if (n <= 0) return;
    c->wire->sent += n;
    len -= n;
  }
}

UNUSED static void wire_reset(struct wire_connection *c) {
  struct linger hard = {.l_onoff = 1};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

// Holds the connection open, silent, until the client closes it or the test ends.
UNUSED static void wire_hang(struct wire_connection *c) {
  char byte;
  while (recv(c->fd, &byte, 1, 0) > 0) {
  }
}

static void *wire_serve(void *arg) {
  struct wire_connection *c = arg;
  c->wire->script(c);
  shutdown(c->fd, SHUT_WR);
  struct linger hard;
  socklen_t size = sizeof(hard);
  getsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, &size);
  if (hard.l_onoff) { // a reset, now
    int null = dup2(fileno(stderr), c->fd);
    (void)null;
  }
  return NULL;
}

static void *wire_accept(void *arg) {
  struct wire *w = arg;
  for (int fd; (fd = accept(w->listen_fd, NULL, NULL)) >= 0;) {
    int number = w->accepted;
    struct wire_connection *c = mem_alloc(sizeof(*c));
    *c = (struct wire_connection){.wire = w, .fd = fd, .number = number};
    assert_true(number < WIRE_CONNECTIONS);
    w->connections[number] = c;
    w->accepted = number + 1; // before anything can be answered on it
    assert_int_equal(pthread_create(&c->thread, NULL, wire_serve, c), 0);
  }
  return NULL;
}

UNUSED static void wire_start(struct wire *w, void (*script)(struct wire_connection *c)) {
  *w = (struct wire){.script = script, .listen_fd = socket(AF_INET, SOCK_STREAM, 0)};
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(in);
  assert_int_equal(bind(w->listen_fd, (struct sockaddr *)&in, size), 0);
  assert_int_equal(listen(w->listen_fd, 64), 0);
  getsockname(w->listen_fd, (struct sockaddr *)&in, &size);
  w->port = ntohs(in.sin_port);
  assert_int_equal(pthread_create(&w->thread, NULL, wire_accept, w), 0);
}

UNUSED static void wire_stop(struct wire *w) {
  w->stopping = true;
  shutdown(w->listen_fd, SHUT_RDWR);
  pthread_join(w->thread, NULL);
  for (int i = 0; i < w->accepted; i++) {
    struct wire_connection *c = w->connections[i];
    shutdown(c->fd, SHUT_RDWR);
    pthread_join(c->thread, NULL);
    close(c->fd);
    mem_free(c);
  }
  close(w->listen_fd);
}

// What happened to one exchange.
struct probe {
  struct net_loop *loop;
  struct net_spec spec;
  char url[256];
  struct net_exchange *x;
  void (*on_head)(struct probe *p);
  void (*on_data)(struct probe *p);
  void (*on_done)(struct probe *p);
  int status, heads, datas, dones;
  struct buf headers, body;
  atomic_llong bytes;
  atomic_int resumes; // on their way
  enum net_end end;
  bool sent;
  char detail[256];
  sem_t over;
  size_t at_once; // takes no more at a time, and then pauses; 0: everything
  int rest_ms;    // for so long; 0: for ever
};

static void probe_resume_after(struct probe *p, int ms);

static void probe_head(void *arg, int status, const struct net_header *headers, size_t count) {
  struct probe *p = arg;
  p->status = status;
  p->heads++;
  for (size_t i = 0; i < count; i++)
    buf_printf(&p->headers, "%.*s=%.*s\n", STR_ARG(headers[i].name), STR_ARG(headers[i].value));
  if (p->on_head) p->on_head(p);
}

static size_t probe_data(void *arg, struct str bytes) {
  struct probe *p = arg;
  bool less = p->at_once && bytes.len > p->at_once;
  if (less) {
    bytes.len = p->at_once;
    net_pause(p->x);
    if (p->rest_ms) probe_resume_after(p, p->rest_ms);
  }
  p->datas++;
  p->bytes += (long long)bytes.len;
  buf_add_str(&p->body, bytes);
  if (p->on_data) p->on_data(p);
  return bytes.len;
}

static void probe_done(void *arg, enum net_end end, const char *detail) {
  struct probe *p = arg;
  p->dones++;
  p->end = end;
  p->sent = net_sent(p->x);
  p->x = NULL; // it ends with this
  snprintf(p->detail, sizeof(p->detail), "%s", detail);
  if (p->on_done) p->on_done(p);
  sem_post(&p->over);
}

static const struct net_events probe_events = {probe_head, probe_data, probe_done};

UNUSED static void probe_init(struct probe *p, struct net_loop *loop, int port) {
  *p = (struct probe){.loop = loop, .end = (enum net_end)99};
  snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%d/path", port);
  p->spec = (struct net_spec){.method = "GET", .url = p->url, .trust = NET_OPERATOR};
  buf_init(&p->headers, 256 * 1024);
  buf_init(&p->body, 16 * 1024 * 1024);
  sem_init(&p->over, 0, 0);
}

UNUSED static void probe_finish(struct probe *p) {
  buf_finish(&p->headers);
  buf_finish(&p->body);
  sem_destroy(&p->over);
}

UNUSED static void probe_begin(void *arg) {
  struct probe *p = arg;
  p->x = net_start(p->loop, &p->spec, &probe_events, p);
}

UNUSED static void probe_start(struct probe *p) {
  net_post(p->loop, probe_begin, p);
}

UNUSED static void probe_wait(struct probe *p) {
  while (sem_wait(&p->over) != 0) {
  }
  while (p->resumes > 0) poll(NULL, 0, 1);
}

UNUSED static void probe_run(struct probe *p) {
  probe_start(p);
  probe_wait(p);
}

// Resumes by a task or a timer may come after the end.
UNUSED static void probe_resume(void *arg) {
  struct probe *p = arg;
  if (p->x) net_resume(p->x);
  p->resumes--;
}

UNUSED static void probe_resume_after(struct probe *p, int ms) {
  p->resumes++;
  net_after(p->loop, ms, probe_resume, p);
}

UNUSED static void probe_resume_by_post(struct probe *p) {
  p->resumes++;
  net_post(p->loop, probe_resume, p);
}

UNUSED static void task_signal(void *arg) {
  sem_post(arg);
}

// Everything posted so far has run.
UNUSED static void loop_flush(struct net_loop *loop) {
  sem_t passed;
  sem_init(&passed, 0, 0);
  net_post(loop, task_signal, &passed);
  while (sem_wait(&passed) != 0) {
  }
  sem_destroy(&passed);
}

UNUSED static bool wait_until(bool (*holds)(void *arg), void *arg, int ms) {
  for (int i = 0; i < ms; i++) {
    if (holds(arg)) return true;
    poll(NULL, 0, 1);
  }
  return holds(arg);
}
