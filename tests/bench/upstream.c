// A provider that costs next to nothing: reads a chat request and answers with a stream of --chunks events, one every
// --interval-us, each of them carrying the time it was sent at (CLOCK_MONOTONIC, nanoseconds), then the usage and the
// terminator. One thread; all streams have one interval, so that who began first is always due first.
//
//   upstream --port-file FILE --chunks N --interval-us U
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256
#define SECOND INT64_C(1000000000)
#define REQUEST_MAX (64 * 1024)

struct stream {
  int fd;
  struct stream *next; // by due; or among the free
  int64_t due;
  int sent; // chunks; -1: no request is being answered
  bool gone;
  size_t len;
  char request[];
};

static struct {
  const char *port_file;
  int chunks, interval_us;
  int epoll_fd, listen_fd;
  struct stream *first, *last;
} up = {.chunks = 100, .interval_us = 50000};

static int64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

static _Noreturn void die(const char *what) {
  fprintf(stderr, "upstream: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void put(struct stream *s, const char *text, size_t len) {
  if (send(s->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) s->gone = true; // a reader so far behind is none
}

// ---- what is sent

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
static const char event[] = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                            "\"model\":\"bench\",\"choices\":[";

static void put_event(struct stream *s, const char *choice, const char *rest) {
  char text[512], framed[600];
  int len = snprintf(text, sizeof text, "%s%s]%s}\n\n", event, choice, rest);
  int all = snprintf(framed, sizeof framed, "%x\r\n%s\r\n", (unsigned)len, text);
  put(s, framed, (size_t)all);
}

static void put_word(struct stream *s) {
  char choice[160];
  (void)snprintf(choice, sizeof choice, "{\"index\":0,\"delta\":{\"content\":\"T%" PRId64 " \"},\"finish_reason\":null}", clock_ns());
  put_event(s, choice, "");
}

static void put_end(struct stream *s) {
  static const char done[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
  char usage[160];
  (void)snprintf(usage, sizeof usage, ",\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":%d,\"total_tokens\":%d}", up.chunks, 12 + up.chunks);
  put_event(s, "{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "");
  put_event(s, "", usage);
  put(s, done, sizeof done - 1);
}

// ---- the schedule

static void stream_line_up(struct stream *s, int64_t due) {
  s->due = due;
  s->next = NULL;
  if (up.last) up.last->next = s;
  else up.first = s;
  up.last = s;
}

static void stream_free(struct stream *s) {
  if (s->fd >= 0) close(s->fd);
  free(s);
}

static void stream_turn(struct stream *s) {
  bool more = s->sent < up.chunks;
  if (!s->gone && more) put_word(s);
  if (!s->gone && !more) put_end(s);
  s->sent = more ? s->sent + 1 : -1;
  if (s->gone) stream_free(s);
  else if (more) stream_line_up(s, s->due + up.interval_us * INT64_C(1000));
}

static void streams_advance(void) {
  for (struct stream *s; (s = up.first) && s->due <= clock_ns();) {
    up.first = s->next;
    if (!up.first) up.last = NULL;
    stream_turn(s);
  }
}

// ---- requests

static bool request_is_whole(const struct stream *s) {
  const char *end = memmem(s->request, s->len, "\r\n\r\n", 4), *length = strcasestr(s->request, "content-length:");
  return end && length && (size_t)(end - s->request) + 4 + strtoul(length + 15, NULL, 10) <= s->len;
}

// While it is answered it is in the schedule, which frees it.
static void stream_close(struct stream *s) {
  close(s->fd);
  s->fd = -1;
  s->gone = true;
  if (s->sent < 0) stream_free(s);
}

static void stream_read(struct stream *s) {
  ssize_t got = recv(s->fd, s->request + s->len, REQUEST_MAX - s->len, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    stream_close(s);
    return;
  }
  s->len += (size_t)got;
  s->request[s->len] = '\0';
  if (!request_is_whole(s)) return;
  s->len = 0;
  s->sent = 0;
  put(s, head, sizeof head - 1);
  stream_line_up(s, clock_ns() + up.interval_us * INT64_C(1000));
}

static void accept_all(void) {
  int on = 1;
  for (int fd; (fd = accept4(up.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    struct stream *s = malloc(sizeof *s + REQUEST_MAX + 1); // what is not written to is not touched
    if (!s) die("memory");
    *s = (struct stream){.fd = fd, .sent = -1};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(up.epoll_fd, EPOLL_CTL_ADD, fd, &e);
  }
}

static void serve(void) {
  struct epoll_event events[EVENTS_AT_ONCE];
  for (;;) {
    int64_t left = up.first ? up.first->due - clock_ns() : SECOND;
    struct timespec t = {.tv_sec = left > 0 ? left / SECOND : 0, .tv_nsec = left > 0 ? left % SECOND : 0};
    int count = epoll_pwait2(up.epoll_fd, events, EVENTS_AT_ONCE, &t, NULL);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr) stream_read(events[i].data.ptr);
      else accept_all();
    }
    streams_advance();
  }
}

// ---- the command

static int listen_any(void) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof in;
  up.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (up.listen_fd < 0 || bind(up.listen_fd, (struct sockaddr *)&in, sizeof in) || listen(up.listen_fd, 4096) ||
      getsockname(up.listen_fd, (struct sockaddr *)&in, &size))
    die("listen");
  return ntohs(in.sin_port);
}

static void port_write(int port) {
  char aside[4096];
  (void)snprintf(aside, sizeof aside, "%s.new", up.port_file);
  FILE *f = fopen(aside, "w");
  if (!f || fprintf(f, "%d\n", port) < 0 || fclose(f) || rename(aside, up.port_file)) die(up.port_file);
}

int main(int argc, char **argv) {
  static const struct option known[] = {{"port-file", required_argument, NULL, 'f'},
                                        {"chunks", required_argument, NULL, 'c'},
                                        {"interval-us", required_argument, NULL, 'i'},
                                        {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (option == 'f') up.port_file = optarg;
    if (option == 'c') up.chunks = atoi(optarg);
    if (option == 'i') up.interval_us = atoi(optarg);
    if (option == '?') return 2;
  }
  if (!up.port_file) {
    fprintf(stderr, "upstream: --port-file is needed\n");
    return 2;
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
  up.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  int port = listen_any();
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
  if (up.epoll_fd < 0 || epoll_ctl(up.epoll_fd, EPOLL_CTL_ADD, up.listen_fd, &e)) die("epoll");
  port_write(port);
  serve();
}
