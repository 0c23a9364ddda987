// The server's life: libmicrohttpd's pool of epoll threads, the watch, the self-test; and its end, which
// never leaves libmicrohttpd with a suspended connection, because that would abort the process.
#include "http/internal.h"
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SERVER_PAIRS 8       // connections of our own, at most at once on one thread
#define SERVER_FLUSH_MS 2000 // how long cut requests may take to be sent their 503

static void panic(void *arg, const char *file, unsigned line, const char *reason) {
  (void)arg;
  log_error("http.panic", "libmicrohttpd gave up at %s:%u: %s", file, line, reason ? reason : "no reason given");
  _exit(70);
}

// Escapes are decoded by target.c; libmicrohttpd's own copies of path and arguments are not used.
static size_t keep_escaped(void *arg, struct MHD_Connection *mhd, char *text) {
  (void)arg, (void)mhd;
  return strlen(text);
}

// Descriptors are kept back, so that a crowd of clients never keeps the database from reconnecting.
static unsigned connections_bound(unsigned wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
    return wanted ? wanted : HTTP_CONNECTIONS_DEFAULT;
  rlim_t most = limit.rlim_cur > 2 * HTTP_FD_RESERVE ? limit.rlim_cur - HTTP_FD_RESERVE : limit.rlim_cur / 2;
  if (!wanted) wanted = HTTP_CONNECTIONS_DEFAULT;
  return wanted < most ? wanted : (unsigned)most;
}

static int64_t deadline_us(int configured_ms, int default_ms) {
  return (int64_t)(configured_ms > 0 ? configured_ms : default_ms) * 1000;
}

struct MHD_Daemon *server_daemon(struct http_server *s, const struct http_config *config, unsigned how) {
  // The limit is kept where connections are accepted, and may all fall to one thread.
  unsigned most = (s->connections_max + SERVER_PAIRS) * (s->threads ? s->threads : 1);
  unsigned per_ip = config->connections_per_ip ? config->connections_per_ip : LIMIT_CONNECTIONS_PER_IP;
  MHD_set_panic_func(panic, NULL);
  return MHD_start_daemon(how | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL, handler_access, s,
                          MHD_OPTION_THREAD_POOL_SIZE, s->threads, MHD_OPTION_CONNECTION_LIMIT, most,
                          MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_ip, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                          (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_URI_LOG_CALLBACK, handler_begin, s,
                          MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                          handler_completed, s, MHD_OPTION_NOTIFY_CONNECTION, conn_notify, s, MHD_OPTION_END);
}

struct http_server *server_new(const struct http_config *config) {
  struct http_server *s = mem_alloc(sizeof *s);
  s->listen_fd = s->listen_event = s->watch_epoll = s->watch_event = -1;
  s->threads = config->threads > LIMIT_HTTP_THREADS ? config->threads : LIMIT_HTTP_THREADS;
  s->connections_max = connections_bound(config->connections_max);
  s->body_bound = config->body_bound;
  s->body_ask = config->body_ask;
  s->memory_max = config->memory_max;
  s->header_us = deadline_us(config->header_ms, LIMIT_HEADER_DEADLINE_MS);
  s->body_us = deadline_us(config->body_ms, LIMIT_BODY_DEADLINE_MS);
  s->idle_us = deadline_us(config->idle_ms, LIMIT_IDLE_MS);
  s->write_stall_us = deadline_us(config->write_stall_ms, LIMIT_WRITE_STALL_MS);
  pthread_mutex_init(&s->conn_lock, NULL);
  pthread_mutex_init(&s->adding, NULL);
  route_table_init(&s->routes, config->routes, config->route_count);
  return s;
}

struct http_server *http_server_create(const struct http_config *config, struct buf *ret_error) {
  struct http_server *s = server_new(config);
  if (!listen_open(s, config, ret_error)) goto failed;
  if (!watch_start(s)) {
    buf_puts(ret_error, "the HTTP server's watch thread cannot be started");
    goto failed;
  }
  s->daemon = server_daemon(s, config, MHD_USE_EPOLL_INTERNAL_THREAD);
  if (!s->daemon) {
    buf_puts(ret_error, "libmicrohttpd cannot be started");
    goto failed;
  }
  if (!selftest_run(s, ret_error)) goto failed;
  if (!pulse_start(s)) {
    buf_puts(ret_error, "the HTTP server's threads do not all answer");
    goto failed;
  }
  atomic_store(&s->ready, true);
  if (!listen_start(s)) {
    buf_puts(ret_error, "the HTTP server's accepting thread cannot be started");
    goto failed;
  }
  return s;
failed:
  http_server_destroy(s);
  return NULL;
}

uint16_t http_server_port(const struct http_server *server) {
  return server->port;
}

static void sleep_ms(int ms) {
  struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
  (void)nanosleep(&t, NULL);
}

// True when the counter came down to 0 in time.
static bool await_zero(_Atomic int *counter, int bound_ms) {
  for (int waited = 0; atomic_load(counter) > 0; waited += 2) {
    if (waited >= bound_ms) return false;
    sleep_ms(2);
  }
  return true;
}

#define CUT_BATCH 64
// Takes references to requests not yet cut, a batch at a time, because cutting calls back into their owners.
static size_t cut_batch(struct http_server *s) {
  struct http_request *batch[CUT_BATCH];
  size_t count = 0, cut = 0;
  pthread_mutex_lock(&s->conn_lock);
  for (struct http_conn *c = s->conns; c && count < CUT_BATCH; c = c->next) {
    if (c->visited || c->probe) continue;
    c->visited = true;
    batch[count] = conn_request(c);
    if (batch[count]) count++;
  }
  pthread_mutex_unlock(&s->conn_lock);
  for (size_t i = 0; i < count; i++) {
    cut += request_cut(batch[i]);
    request_unref(batch[i]);
  }
  return count == CUT_BATCH ? cut + cut_batch(s) : cut;
}

int http_server_drain(struct http_server *s, int bound_ms) {
  int cut = 0;
  atomic_store(&s->draining, true);
  listen_stop(s);
  if (!await_zero(&s->active, bound_ms)) {
    atomic_store(&s->cutting, true);
    cut = (int)cut_batch(s);
    (void)await_zero(&s->active, SERVER_FLUSH_MS);
  }
  return cut;
}

static void orphans_free(struct http_server *s) {
  for (;;) {
    pthread_mutex_lock(&s->conn_lock);
    struct http_request *r = s->orphans;
    pthread_mutex_unlock(&s->conn_lock);
    if (!r) return;
    request_unref(r); // their owners were told and may no longer answer
  }
}

void http_server_destroy(struct http_server *s) {
  if (!s) return;
  if (s->daemon) {
    atomic_store(&s->cutting, true);
    (void)http_server_drain(s, 0);
  }
  if (s->daemon) {
    // Nothing parks any more; what was parked has been resumed, and is not left to libmicrohttpd half-way.
    (void)await_zero(&s->parked, INT32_MAX);
    pthread_mutex_lock(&s->adding);
    s->closed = true;
    pthread_mutex_unlock(&s->adding);
    (void)await_zero(&s->handed, SERVER_FLUSH_MS); // they are taken under a lock, but not by a thread that ends
    MHD_stop_daemon(s->daemon);
  }
  watch_stop(s);
  pulse_stop(s);
  watch_close(s);
  linger_finish(s);
  orphans_free(s);
  route_table_finish(&s->routes);
  pthread_mutex_destroy(&s->adding);
  pthread_mutex_destroy(&s->conn_lock);
  mem_free(s);
}
