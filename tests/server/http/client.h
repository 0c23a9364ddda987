// A bare client for the HTTP tests: it sends exactly the bytes it is given and reads what comes, with a time limit on
// everything. And the server under test, on a port of its own.
#pragma once
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "http/problem.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENT_WAIT_MS 20000

static inline struct http_server *server_start(struct http_config config) {
  struct buf error;
  buf_init(&error, 1000);
  config.host = "127.0.0.1";
  if (!config.threads) config.threads = 2;
  struct http_server *s = http_server_create(&config, &error);
  if (!s) print_error("%s\n", buf_cstr(&error));
  assert_non_null(s);
  buf_finish(&error);
  return s;
}

static inline void sleep_ms(int ms) {
  struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
  (void)nanosleep(&t, NULL);
}

// True as soon as the value is there.
static inline bool await_int(_Atomic int *value, int wanted, int bound_ms) {
  for (int waited = 0; atomic_load(value) != wanted; waited += 2) {
    if (waited >= bound_ms) return false;
    sleep_ms(2);
  }
  return true;
}

static inline int client_connect(const struct http_server *s) {
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(http_server_port(s)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// False where the peer does not take it.
static inline bool client_send(int fd, struct str bytes) {
  for (size_t sent = 0; sent < bytes.len;) {
    ssize_t n = send(fd, bytes.ptr + sent, bytes.len - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += (size_t)n;
  }
  return true;
}

static inline bool client_readable(int fd, int bound_ms) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, bound_ms) > 0;
}

// Reads once. 0: the end, or a reset; -1: nothing came in time.
static inline ssize_t client_some(int fd, struct buf *in, int bound_ms) {
  char piece[4096];
  if (!client_readable(fd, bound_ms)) return -1;
  ssize_t n = recv(fd, piece, sizeof piece, 0);
  if (n > 0) buf_add(in, piece, (size_t)n);
  return n > 0 ? n : 0;
}

// Everything up to the end. False where the end does not come in time.
static inline bool client_until_closed(int fd, struct buf *in) {
  ssize_t n;
  while ((n = client_some(fd, in, CLIENT_WAIT_MS)) > 0) continue;
  return n == 0;
}

static inline bool client_until(int fd, struct buf *in, const char *text) {
  while (!in->len || !memmem(in->data, in->len, text, strlen(text)))
    if (client_some(fd, in, CLIENT_WAIT_MS) <= 0) return false;
  return true;
}

// One answer with a Content-Length, taken off the front of `in`; its body replaces *ret_body. The status, or 0.
static inline int client_answer(int fd, struct buf *in, struct buf *ret_body) {
  buf_clear(ret_body);
  if (!client_until(fd, in, "\r\n\r\n")) return 0;
  const char *head_end = strstr(buf_cstr(in), "\r\n\r\n"), *length = strcasestr(in->data, "\r\nContent-Length: ");
  size_t head = (size_t)(head_end - in->data) + 4,
         body = length && length < head_end ? strtoul(length + 18, NULL, 10) : 0;
  int status = atoi(in->data + 9);
  while (in->len < head + body)
    if (client_some(fd, in, CLIENT_WAIT_MS) <= 0) return 0;
  buf_add(ret_body, in->data + head, body);
  buf_consume(in, head + body);
  return status;
}

// The next answer has this status, and these in its head and its body.
static inline void client_expect(int fd, int status, const char *head_part, const char *body_part) {
  struct buf in, body;
  buf_init(&in, 10000);
  buf_init(&body, 10000);
  assert_true(client_until(fd, &in, "\r\n\r\n"));
  assert_non_null(strstr(buf_cstr(&in), head_part));
  assert_int_equal(client_answer(fd, &in, &body), status);
  assert_non_null(strstr(buf_cstr(&body), body_part));
  buf_finish(&in);
  buf_finish(&body);
}

// Sends on a connection of its own and reads to the end or to the first pause; how many answers there were, and in `in`
// all of them.
static inline int client_exchange(const struct http_server *s, struct str bytes, struct buf *in) {
  int fd = client_connect(s), count = 0;
  (void)client_send(fd, bytes);
  (void)client_until_closed(fd, in);
  close(fd);
  for (const char *at = buf_cstr(in); (at = strstr(at, "HTTP/1.1 ")); at++) count += at[9] >= '1' && at[9] <= '5';
  return count;
}
