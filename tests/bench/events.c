// Closed-loop load of the API that records usage: each of --connections sends, waits for the answer, sends the next. An event is
// a CloudEvent as the client libraries send it, with an id of its own; --batch N sends N of them at once as a JSON array. With
// --pairs a hold is taken instead, and settled for less.
//
//   events --port P --key K [--customers FILE] (--seconds S | --count N) [--connections C] [--batch N | --pairs]
//
// FILE names customers, one a line, who take turns at random; without it the key's own customer is meant. What is under way when
// the time is over is waited for. The result is one JSON object on stdout; durations are nanoseconds.
#include "answer.h"
#include "histogram.h"
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256
#define EVENT_MAX 512
#define NAME_MAX_BYTES 40
#define SECOND INT64_C(1000000000)

struct options {
  int port;
  int64_t connections, seconds, count, batch;
  bool pairs;
  const char *key, *customers;
};

struct connection {
  int fd;
  bool busy, settles; // settles: what is under way ends a hold
  int64_t since, began; // of this request, of the pair
  struct answer answer;
  char body[1024]; // how the answer's begins
  size_t body_len;
};

static struct {
  struct options options;
  char (*customers)[NAME_MAX_BYTES];
  uint64_t customer_count, random, run;
  int epoll_fd;
  struct connection *connections;
  char *out; // the request that is being made
  int64_t now, until, begun, open, units, answered, refused;
  char time[40], refusal[512];
  struct histogram whole, parts[2];
} bench;

static int64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

static _Noreturn void die(const char *what) {
  fprintf(stderr, "events: %s: %s\n", what, strerror(errno));
  exit(1);
}

// xorshift: the same customers in the same order in every run.
static uint64_t random_next(void) {
  bench.random ^= bench.random << 13;
  bench.random ^= bench.random >> 7;
  bench.random ^= bench.random << 17;
  return bench.random;
}

// ---- requests

static const char *customer_draw(void) {
  return bench.customer_count ? bench.customers[random_next() % bench.customer_count] : NULL;
}

// Once for each time that answers were looked for.
static void time_print(void) {
  int64_t now = clock_ns(CLOCK_REALTIME);
  time_t seconds = (time_t)(now / SECOND);
  struct tm t;
  char day[24];
  gmtime_r(&seconds, &t);
  strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &t);
  snprintf(bench.time, sizeof bench.time, "%s.%03dZ", day, (int)(now % SECOND / 1000000));
}

static size_t event_print(char *at) {
  const char *customer = customer_draw();
  uint64_t n = (uint64_t)bench.begun++ * UINT64_C(0x9e3779b97f4a7c15);
  int len = snprintf(at, EVENT_MAX,
                     "{\"specversion\":\"1.0\",\"id\":\"%08x-%04x-4%03x-9%03x-%012" PRIx64 "\",\"source\":\"/bench\",\"type\":\"tollgate.usage\",\"time\":\"%s\","
                     "\"subject\":\"%s\",\"datacontenttype\":\"application/json\",\"data\":{\"model\":\"gpt-4o-mini\",\"usage\":{\"input_tokens\":100,\"output_tokens\":200}}}",
                     (unsigned)(n >> 32), (unsigned)(n >> 16) & 0xffffU, (unsigned)(n >> 4) & 0xfffU, (unsigned)n & 0xfffU, bench.run & UINT64_C(0xffffffffffff), bench.time,
                     customer ? customer : "");
  if (!customer) { // the key's own
    char *subject = strstr(at, "\"subject\":\"\",");
    memmove(subject, subject + 13, strlen(subject + 13) + 1);
    len -= 13;
  }
  return (size_t)len;
}

static size_t events_print(char *at) {
  char *start = at;
  if (!bench.options.batch) return event_print(at);
  for (int64_t i = 0; i < bench.options.batch; i++) {
    *at++ = i ? ',' : '[';
    at += event_print(at);
  }
  *at++ = ']';
  return (size_t)(at - start);
}

static size_t hold_print(char *at) {
  const char *customer = customer_draw();
  int len = snprintf(at, EVENT_MAX, "{%s%s%s\"model\":\"gpt-4o-mini\",\"usage\":{\"input_tokens\":100,\"output_tokens\":1000},\"ttl_seconds\":60}",
                     customer ? "\"customer\":\"" : "", customer ? customer : "", customer ? "\"," : "");
  bench.begun++;
  return (size_t)len;
}

static size_t settle_print(char *at) {
  return (size_t)snprintf(at, EVENT_MAX, "{\"usage\":{\"input_tokens\":100,\"output_tokens\":200}}");
}

static void path_print(const struct connection *c, char *path, size_t size) {
  const char *id = c->settles ? strstr(c->body, "\"id\":\"") : NULL;
  if (c->settles && !id) die("a hold without an id");
  if (c->settles) snprintf(path, size, "/api/v1/holds/%.31s/settle", id + 6);
  else snprintf(path, size, bench.options.pairs ? "/api/v1/holds" : "/api/v1/events");
}

static void connection_send(struct connection *c) {
  static const char *const types[] = {"application/cloudevents+json", "application/cloudevents-batch+json", "application/json"};
  char path[96], head[1024];
  char *body = bench.out + sizeof head;
  path_print(c, path, sizeof path);
  size_t body_len = c->settles ? settle_print(body) : bench.options.pairs ? hold_print(body) : events_print(body);
  int head_len = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", path,
                          bench.options.port, bench.options.key, types[bench.options.pairs ? 2 : bench.options.batch > 0], body_len);
  char *from = body - head_len;
  size_t left = (size_t)head_len + body_len;
  memcpy(from, head, (size_t)head_len);
  memset(&c->answer, 0, sizeof c->answer);
  c->body_len = 0;
  c->since = clock_ns(CLOCK_MONOTONIC);
  if (!c->settles) c->began = c->since;
  while (left > 0) {
    ssize_t put = send(c->fd, from, left, MSG_NOSIGNAL);
    if (put <= 0) die("send");
    from += put, left -= (size_t)put;
  }
}

static bool is_over(void) {
  return bench.options.count ? bench.begun >= bench.options.count : bench.now >= bench.until;
}

static void connection_next(struct connection *c) {
  c->settles = bench.options.pairs && c->busy && !c->settles;
  if (!c->settles && is_over()) {
    bench.open--;
    return;
  }
  c->busy = true;
  connection_send(c);
}

// ---- answers

static bool is_whole(const struct connection *c) {
  if (c->answer.status != 200 && c->answer.status != 201) return false;
  char all[40];
  if (!bench.options.batch) return true;
  snprintf(all, sizeof all, "\"accepted\":%" PRId64 ",", bench.options.batch);
  return strstr(c->body, all) != NULL;
}

static void answer_ends(struct connection *c) {
  bench.now = clock_ns(CLOCK_MONOTONIC);
  bench.answered++;
  if (!is_whole(c)) {
    if (!bench.refused++) memcpy(bench.refusal, c->body, sizeof bench.refusal - 1);
    c->settles = true; // a hold that was refused is not settled
  } else {
    if (bench.options.pairs) histogram_add(&bench.parts[c->settles], bench.now - c->since);
    if (!bench.options.pairs || c->settles) {
      histogram_add(&bench.whole, bench.now - c->began);
      bench.units += bench.options.batch ? bench.options.batch : 1;
    }
  }
  connection_next(c);
}

// The answer's beginning tells a hold's id; of a batch the end tells how many were accepted.
static void body_keep(struct connection *c, const char *bytes, size_t len) {
  size_t room = sizeof c->body - 1;
  if (bench.options.batch && len > 200) bytes += len - 200, len = 200;
  if (bench.options.batch && c->body_len + len > room) {
    memmove(c->body, c->body + c->body_len - 200, 200);
    c->body_len = 200;
  }
  if (len > room - c->body_len) len = room - c->body_len;
  memcpy(c->body + c->body_len, bytes, len);
  c->body_len += len;
  c->body[c->body_len] = '\0';
}

static void connection_read(struct connection *c) {
  static char block[256 * 1024];
  ssize_t got = recv(c->fd, block, sizeof block, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) die("a connection was lost");
  body_keep(c, block, (size_t)got);
  if (answer_push(&c->answer, block, (size_t)got, NULL)) answer_ends(c);
}

// ---- the run

static void customers_read(void) {
  if (!bench.options.customers) return;
  FILE *f = fopen(bench.options.customers, "r");
  uint64_t room = 1024;
  bench.customers = malloc(room * sizeof *bench.customers);
  if (!f || !bench.customers) die(bench.options.customers);
  while (fgets(bench.customers[bench.customer_count], NAME_MAX_BYTES, f)) {
    bench.customers[bench.customer_count][strcspn(bench.customers[bench.customer_count], "\n")] = '\0';
    if (++bench.customer_count < room) continue;
    bench.customers = realloc(bench.customers, (room *= 2) * sizeof *bench.customers);
    if (!bench.customers) die("memory");
  }
  fclose(f);
}

static void connections_open(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)bench.options.port)};
  int on = 1;
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  bench.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  bench.connections = calloc((size_t)bench.options.connections, sizeof *bench.connections);
  bench.out = malloc(2048 + (size_t)(bench.options.batch + 1) * EVENT_MAX);
  if (bench.epoll_fd < 0 || !bench.connections || !bench.out) die("set-up");
  for (int64_t i = 0; i < bench.options.connections; i++) {
    struct connection *c = &bench.connections[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(bench.epoll_fd, EPOLL_CTL_ADD, c->fd, &event)) die("epoll");
  }
}

static void run_all(void) {
  struct epoll_event events[EVENTS_AT_ONCE];
  bench.now = clock_ns(CLOCK_MONOTONIC);
  bench.until = bench.now + bench.options.seconds * SECOND;
  bench.open = bench.options.connections;
  time_print();
  for (int64_t i = 0; i < bench.options.connections; i++) connection_next(&bench.connections[i]);
  while (bench.open > 0) {
    int count = epoll_wait(bench.epoll_fd, events, EVENTS_AT_ONCE, 60000);
    if (count == 0) die("nothing is answered");
    time_print();
    for (int i = 0; i < count; i++) connection_read(events[i].data.ptr);
  }
}

static int64_t cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void result_print(int64_t took_ns, int64_t used_us) {
  printf("{\"seconds_us\":%" PRId64 ",\"units\":%" PRId64 ",\"answered\":%" PRId64 ",\"refused\":%" PRId64 ",\"cpu_us\":%" PRId64 ",", took_ns / 1000, bench.units,
         bench.answered, bench.refused, used_us);
  histogram_print(&bench.whole, "whole");
  printf(",");
  histogram_print(&bench.parts[0], "hold");
  printf(",");
  histogram_print(&bench.parts[1], "settle");
  printf("}\n");
}

// ---- the command

static bool options_read(struct options *o, int argc, char **argv) {
  static const struct option known[] = {{"port", required_argument, NULL, 'p'},        {"key", required_argument, NULL, 'k'},
                                        {"customers", required_argument, NULL, 'u'},   {"seconds", required_argument, NULL, 's'},
                                        {"count", required_argument, NULL, 'n'},       {"connections", required_argument, NULL, 'c'},
                                        {"batch", required_argument, NULL, 'b'},       {"pairs", no_argument, NULL, 'r'},
                                        {NULL, 0, NULL, 0}};
  *o = (struct options){.connections = 64};
  for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (option) {
    case 'p': o->port = atoi(optarg); break;
    case 'k': o->key = optarg; break;
    case 'u': o->customers = optarg; break;
    case 's': o->seconds = atoll(optarg); break;
    case 'n': o->count = atoll(optarg); break;
    case 'c': o->connections = atoll(optarg); break;
    case 'b': o->batch = atoll(optarg); break;
    case 'r': o->pairs = true; break;
    default: return false;
    }
  return optind == argc && o->port > 0 && o->key && o->connections > 0 && (o->seconds > 0 || o->count > 0);
}

int main(int argc, char **argv) {
  if (!options_read(&bench.options, argc, argv)) {
    fprintf(stderr, "events: --port, --key and one of --seconds and --count are needed\n");
    return 2;
  }
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
  bench.random = UINT64_C(88172645463325252);
  bench.run = (uint64_t)clock_ns(CLOCK_REALTIME) / 1000;
  customers_read();
  connections_open();
  int64_t began = clock_ns(CLOCK_MONOTONIC), used = cpu_us();
  run_all();
  result_print(clock_ns(CLOCK_MONOTONIC) - began, cpu_us() - used);
  if (bench.refused) fprintf(stderr, "events: refused, first: %s\n", bench.refusal);
  return bench.refused > 0;
}
