// The listening socket and the thread that accepts on it; each connection is handed to one of libmicrohttpd's threads in
// turn. What it would do for itself in 0.9.75: abort the process where it is told to accept no more at the wrong moment;
// lock a thread up for good that is one connection beyond its limit; and let a thread that was once without a descriptor
// accept again only when a client of its own has left.
#include "http/internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG 1024
#define LISTEN_FULL_MS 20    // how often a full server looks for room
#define LISTEN_STARVED_MS 50 // and how often one that gets no connections tries again

static int listen_try(const struct addrinfo *a) {
  int on = 1, off = 0;
  int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (a->ai_family == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static uint16_t listen_port(int fd) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  ASSERT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
  if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
  return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

bool listen_open(struct http_server *s, const struct http_config *config, struct buf *ret_error) {
  char port[8];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *list = NULL;
  (void)snprintf(port, sizeof port, "%u", config->port);
  int answer = getaddrinfo(config->host, port, &hints, &list);
  if (answer) {
    buf_printf(ret_error, "the address %s cannot be used: %s", config->host, gai_strerror(answer));
    return false;
  }
  s->listen_fd = listen_try(list);
  if (s->listen_fd < 0)
    buf_printf(ret_error, "cannot listen on %s port %s: %s", config->host, port, strerror(errno));
  else
    s->port = listen_port(s->listen_fd);
  freeaddrinfo(list);
  return s->listen_fd >= 0;
}

static bool is_full(struct http_server *s) {
  return atomic_load(&s->open) >= (int)s->connections_max;
}

static void hand_over(struct http_server *s, int fd, const struct sockaddr *address, socklen_t size) {
  conn_count(s, 1); // before a thread can count it down
  if (!conn_add(s, conn_renumber(s, fd, s->accepted++ % s->threads), address, size)) conn_count(s, -1);
}

// Until nobody waits or there is no room. False where no connection can be had for a moment: no descriptors, no memory.
static bool accept_all(struct http_server *s) {
  while (!is_full(s)) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    int fd = accept4(s->listen_fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
      hand_over(s, fd, (struct sockaddr *)&address, size);
    else if (errno == EAGAIN)
      return true;
    else if (errno != ECONNABORTED && errno != EINTR)
      return false;
  }
  return true;
}

static void *listen_main(void *arg) {
  struct http_server *s = arg;
  struct pollfd on[2] = {{.fd = s->listen_event, .events = POLLIN}, {.fd = s->listen_fd, .events = POLLIN}};
  for (bool starved = false; !(on[0].revents & POLLIN);) {
    int wait_ms = starved ? LISTEN_STARVED_MS : is_full(s) ? LISTEN_FULL_MS : -1;
    on[1].revents = 0;
    (void)poll(on, wait_ms < 0 ? 2 : 1, wait_ms);
    starved = (starved || on[1].revents) && !accept_all(s);
  }
  return NULL;
}

bool listen_start(struct http_server *s) {
  s->listen_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (s->listen_event < 0) return false;
  s->listening = pthread_create(&s->listen_thread, NULL, listen_main, s) == 0;
  return s->listening;
}

void listen_stop(struct http_server *s) {
  if (s->listening) {
    ASSERT(eventfd_write(s->listen_event, 1) == 0);
    pthread_join(s->listen_thread, NULL);
  }
  s->listening = false;
  if (s->listen_fd >= 0) close(s->listen_fd);
  if (s->listen_event >= 0) close(s->listen_event);
  s->listen_fd = s->listen_event = -1;
}
