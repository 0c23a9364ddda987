// Open-loop load: request i is due at start + i / rate, whatever the answers do. One that finds every connection busy
// waits, and its time counts from when it was due; so a server that stalls is charged for all that it kept waiting, where
// a closed loop would just ask less. Of streams it measures how old each stamped chunk is when it comes.
//
//   pace --port P --rate R --seconds S [--connections C] [--count N] [--stamps] [--wait S] --key K --body FILE
//
// --count: no more requests than that; "open" is printed once that many answers have begun. SIGTERM ends it early. The
// result is one JSON object on stdout; durations are nanoseconds.
#include "answer.h"
#include "histogram.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256
#define SECOND INT64_C(1000000000)

struct options {
  int port, rate, seconds, connections, wait_s;
  int64_t count;
  bool stamps;
  const char *key, *body;
};

struct connection {
  int fd; // -1: not connected
  bool busy;
  int64_t due; // of the request it carries
  struct answer answer;
};

struct run {
  struct options options;
  char *request;
  size_t request_len;
  struct sockaddr_in address;
  int epoll_fd;
  struct connection *connections;
  int *idle; // a ring: who has rested longest goes first
  int idle_at, idle_count;
  int64_t start, now, issued, begun, answered, refused, broken;
  int64_t busiest; // requests that were due and not yet sent, at most
  struct histogram whole, first, chunk;
};

static volatile sig_atomic_t stop;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int64_t clock_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

static _Noreturn void die(const char *what) {
  fprintf(stderr, "pace: %s: %s\n", what, strerror(errno));
  exit(1);
}

// ---- the request

static char *file_read(const char *path, size_t *ret_len) {
  FILE *f = fopen(path, "r");
  char *text = malloc(1 << 20);
  if (!f || !text) die(path);
  *ret_len = fread(text, 1, 1 << 20, f);
  fclose(f);
  return text;
}

static void request_make(struct run *r) {
  size_t body_len;
  char *body = file_read(r->options.body, &body_len);
  r->request = malloc(body_len + 1024);
  if (!r->request) die("memory");
  int head = snprintf(r->request, 1024,
                      "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      r->options.port, r->options.key, body_len);
  memcpy(r->request + head, body, body_len);
  r->request_len = (size_t)head + body_len;
  free(body);
}

// ---- connections

static void connection_close(struct connection *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

static void connection_open(struct run *r, struct connection *c) {
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket");
  if (connect(c->fd, (struct sockaddr *)&r->address, sizeof r->address)) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, c->fd, &event)) die("epoll");
}

static void connection_rest(struct run *r, struct connection *c) {
  c->busy = false;
  r->idle[(r->idle_at + r->idle_count++) % r->options.connections] = (int)(c - r->connections);
}

static void connection_send(struct run *r, struct connection *c, int64_t due) {
  if (c->fd < 0) connection_open(r, c);
  c->busy = true;
  c->due = due;
  memset(&c->answer, 0, sizeof c->answer);
  ssize_t put = send(c->fd, r->request, r->request_len, MSG_NOSIGNAL);
  if (put == (ssize_t)r->request_len) return;
  r->broken++;
  connection_close(c);
  connection_rest(r, c);
}

// ---- answers

static void on_stamp(void *arg, int64_t stamp) {
  struct run *r = arg;
  histogram_add(&r->chunk, r->now - stamp);
}

static void answer_ends(struct run *r, struct connection *c) {
  bool good = c->answer.status == 200;
  r->answered++;
  if (good) histogram_add(&r->whole, r->now - c->due);
  else r->refused++;
  connection_rest(r, c);
}

static void answer_begins(struct run *r, struct connection *c) {
  histogram_add(&r->first, r->now - c->due);
  if (++r->begun == r->options.count) {
    printf("open\n");
    fflush(stdout);
  }
}

static void connection_lost(struct run *r, struct connection *c) {
  connection_close(c);
  if (!c->busy) return; // it reconnects when it is needed
  r->broken++;
  connection_rest(r, c);
}

static void connection_read(struct run *r, struct connection *c) {
  static char block[256 * 1024];
  struct answer_stamps stamps = {on_stamp, r};
  ssize_t got = recv(c->fd, block, sizeof block, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0 || !c->busy) {
    connection_lost(r, c);
    return;
  }
  bool had = c->answer.head;
  r->now = clock_ns();
  bool whole = answer_push(&c->answer, block, (size_t)got, r->options.stamps ? &stamps : NULL);
  if (!had && c->answer.head) answer_begins(r, c);
  if (whole) answer_ends(r, c);
}

// ---- the schedule

static int64_t due_at(const struct run *r, int64_t i) {
  return r->start + i * SECOND / r->options.rate;
}

static bool is_over(const struct run *r) {
  if (r->options.count && r->issued >= r->options.count) return true;
  return r->now >= r->start + r->options.seconds * SECOND;
}

static void send_due(struct run *r) {
  while (!is_over(r) && r->idle_count > 0 && due_at(r, r->issued) <= r->now) {
    struct connection *c = &r->connections[r->idle[r->idle_at]];
    r->idle_at = (r->idle_at + 1) % r->options.connections;
    r->idle_count--;
    connection_send(r, c, due_at(r, r->issued++));
    r->now = clock_ns();
  }
  int64_t due = (r->now - r->start) * r->options.rate / SECOND;
  if (r->options.count && due > r->options.count) due = r->options.count;
  if (!is_over(r) && due - r->issued > r->busiest) r->busiest = due - r->issued;
}

static void wait_and_read(struct run *r, int64_t until) {
  struct epoll_event events[EVENTS_AT_ONCE];
  int64_t left = until - clock_ns();
  struct timespec t = {.tv_sec = left > 0 ? left / SECOND : 0, .tv_nsec = left > 0 ? left % SECOND : 0};
  int count = epoll_pwait2(r->epoll_fd, events, EVENTS_AT_ONCE, &t, NULL);
  for (int i = 0; i < count; i++) connection_read(r, events[i].data.ptr);
  r->now = clock_ns();
}

// What is due and has no connection is sent as soon as one is free; what was never answered counts as it stands.
static void run_all(struct run *r) {
  r->start = r->now = clock_ns();
  for (send_due(r); !is_over(r) && !stop; send_due(r))
    wait_and_read(r, r->idle_count ? due_at(r, r->issued) : r->now + SECOND / 10);
  int64_t last = r->options.count ? r->start + r->options.seconds * SECOND : r->now + r->options.wait_s * SECOND;
  while (r->idle_count < r->options.connections && r->now < last && !stop)
    wait_and_read(r, r->now + SECOND / 10 < last ? r->now + SECOND / 10 : last);
}

static void result_print(struct run *r) {
  int64_t unanswered = r->options.connections - r->idle_count;
  for (int i = 0; i < r->options.connections; i++)
    if (r->connections[i].busy && !r->options.count) histogram_add(&r->whole, r->now - r->connections[i].due);
  printf("{\"seconds_us\":%" PRId64 ",\"issued\":%" PRId64 ",\"answered\":%" PRId64 ",\"refused\":%" PRId64
         ",\"broken\":%" PRId64 ",\"unanswered\":%" PRId64 ",\"behind\":%" PRId64 ",",
         (r->now - r->start) / 1000, r->issued, r->answered, r->refused, r->broken, unanswered, r->busiest);
  histogram_print(&r->whole, "whole");
  printf(",");
  histogram_print(&r->first, "first");
  printf(",");
  histogram_print(&r->chunk, "chunk");
  printf("}\n");
}

// ---- the command

static bool option_take(struct options *o, int option) {
  switch (option) {
  case 'p': o->port = atoi(optarg); return true;
  case 'r': o->rate = atoi(optarg); return true;
  case 's': o->seconds = atoi(optarg); return true;
  case 'c': o->connections = atoi(optarg); return true;
  case 'n': o->count = atoll(optarg); return true;
  case 't': o->stamps = true; return true;
  case 'w': o->wait_s = atoi(optarg); return true;
  case 'k': o->key = optarg; return true;
  case 'b': o->body = optarg; return true;
  default: return false;
  }
}

static bool options_read(struct options *o, int argc, char **argv) {
  static const struct option known[] = {{"port", required_argument, NULL, 'p'},    {"rate", required_argument, NULL, 'r'},
                                        {"seconds", required_argument, NULL, 's'}, {"connections", required_argument, NULL, 'c'},
                                        {"count", required_argument, NULL, 'n'},   {"stamps", no_argument, NULL, 't'},
                                        {"wait", required_argument, NULL, 'w'},    {"key", required_argument, NULL, 'k'},
                                        {"body", required_argument, NULL, 'b'},    {NULL, 0, NULL, 0}};
  *o = (struct options){.connections = 64, .wait_s = 10, .key = ""};
  for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;)
    if (!option_take(o, option)) return false;
  return optind == argc && o->port > 0 && o->rate > 0 && o->seconds > 0 && o->connections > 0 && o->body;
}

int main(int argc, char **argv) {
  static struct run r;
  if (!options_read(&r.options, argc, argv)) {
    fprintf(stderr, "pace: --port, --rate, --seconds and --body are needed\n");
    return 2;
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGTERM, on_signal);
  r.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)r.options.port)};
  inet_pton(AF_INET, "127.0.0.1", &r.address.sin_addr);
  r.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  r.connections = calloc((size_t)r.options.connections, sizeof *r.connections);
  r.idle = calloc((size_t)r.options.connections, sizeof *r.idle);
  if (r.epoll_fd < 0 || !r.connections || !r.idle) die("set-up");
  request_make(&r);
  for (int i = 0; i < r.options.connections; i++) {
    r.connections[i].fd = -1;
    connection_rest(&r, &r.connections[i]);
  }
  run_all(&r);
  result_print(&r);
  return 0;
}
