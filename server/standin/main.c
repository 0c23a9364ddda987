// The command: options, the listening socket, the threads, and waiting for the signal that ends it.
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "standin/server.h"
#include "standin/standin.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MAX 16

static bool read_number(const char *text, int max, int *ret) {
  int64_t value;
  if (!str_to_i64(str_from(text), &value) || value < 0 || value > max) return false;
  *ret = (int)value;
  return true;
}

static const struct option options[] = {
    {"host", required_argument, NULL, 'h'},
    {"port", required_argument, NULL, 'p'},
    {"port-file", required_argument, NULL, 'f'},
    {"threads", required_argument, NULL, 't'},
    {"latency-ms", required_argument, NULL, 'l'},
    {"chunk-ms", required_argument, NULL, 'c'},
    {"log", required_argument, NULL, 'o'},
    {"log-sync", no_argument, NULL, 's'},
    {"replay", required_argument, NULL, 'r'},
    {"pause-ms", required_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

static bool option_take(struct standin *s, int option) {
  switch (option) {
  case 'h':
    s->host = optarg;
    return true;
  case 'p':
    return read_number(optarg, 65535, &s->port);
  case 'f':
    s->port_file = optarg;
    return true;
  case 't':
    return read_number(optarg, THREADS_MAX, &s->threads) && s->threads > 0;
  case 'l':
    return read_number(optarg, 3600000, &s->latency_ms);
  case 'c':
    return read_number(optarg, 3600000, &s->chunk_ms);
  case 'o':
    s->log = optarg;
    return true;
  case 's':
    s->log_sync = true;
    return true;
  case 'r':
    s->replay = optarg;
    return true;
  case 'w':
    return read_number(optarg, 60000, &s->pause_ms);
  default:
    return false;
  }
}

static bool options_read(struct standin *s, int argc, char **argv) {
  *s = (struct standin){.host = "127.0.0.1", .threads = 2, .pause_ms = 2, .log_fd = -1};
  optind = 0; // from the start, also when another command read its options before
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
    if (!option_take(s, option)) {
      if (option != '?') fprintf(stderr, "stand-in: an option's value is wrong: %s\n", optarg);
      return false;
    }
  if (optind == argc) return true;
  fprintf(stderr, "stand-in: not understood: %s\n", argv[optind]);
  return false;
}

// -1 where it cannot listen; *ret_port is the one it got.
static int listen_on(const struct standin *s, int *ret_port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
  socklen_t size = sizeof(in);
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  bool good = inet_pton(AF_INET, s->host, &in.sin_addr) == 1 && bind(fd, (struct sockaddr *)&in, size) == 0 &&
              listen(fd, 4096) == 0 && getsockname(fd, (struct sockaddr *)&in, &size) == 0;
  if (!good) {
    close(fd);
    return -1;
  }
  *ret_port = ntohs(in.sin_port);
  return fd;
}

// Written aside and renamed: whoever sees the file reads a whole number.
static bool port_file_write(const char *path, int port) {
  if (!path) return true;
  char aside[4096];
  if (snprintf(aside, sizeof(aside), "%s.new", path) >= (int)sizeof(aside)) return false;
  FILE *f = fopen(aside, "we");
  if (!f) return false;
  bool good = fprintf(f, "%d\n", port) > 0;
  good = fclose(f) == 0 && good;
  return good && rename(aside, path) == 0;
}

static void files_allow_many(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void serve_until_signal(const struct standin *s, int listen_fd, const sigset_t *ends) {
  struct worker *workers[THREADS_MAX];
  int signal_number, stop_fd = eventfd(0, EFD_CLOEXEC);
  ASSERT(stop_fd >= 0);
  for (int i = 0; i < s->threads; i++) workers[i] = worker_create(s, listen_fd, stop_fd);
  sigwait(ends, &signal_number);
  ASSERT(eventfd_write(stop_fd, 1) == 0);
  for (int i = 0; i < s->threads; i++) worker_destroy(workers[i]);
  close(stop_fd);
}

static bool log_start(struct standin *s) {
  if (!s->log) return true;
  s->log_fd = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return s->log_fd >= 0;
}

static int complain(const char *what) {
  fprintf(stderr, "stand-in: %s: %s\n", what, strerror(errno));
  return 1;
}

int standin_main(int argc, char **argv) {
  struct standin s;
  if (!options_read(&s, argc, argv)) return 2;
  s.seed = (uint64_t)clock_wall_us() << 12 ^ (uint64_t)getpid() << 40;
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);
  files_allow_many();
  if (!log_start(&s)) return complain(s.log);
  int port = 0, fd = listen_on(&s, &port);
  if (fd < 0) return complain("cannot listen");
  if (!port_file_write(s.port_file, port)) return complain(s.port_file);
  if (!s.port_file) {
    printf("stand-in listens on http://%s:%d\n", s.host, port);
    fflush(stdout);
  }
  serve_until_signal(&s, fd, &ends);
  close(fd);
  if (s.log_fd >= 0) close(s.log_fd);
  return 0;
}
