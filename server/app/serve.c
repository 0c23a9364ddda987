// `tollgate serve`: one instance from its start to its end. The first SIGTERM or SIGINT drains it, the second ends it
// at once.
#include "app/command.h"
#include "app/files.h"
#include "app/notify.h"
#include "app/out.h"
#include "app/payments.h"
#include "app/service.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/write.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_AT_ONCE 130

static void log_prepare(const struct config *c) {
  static const char *const levels[] = {"debug", "info", "warn", "error"};
  bool json =
      config_is(c, SETTING_LOG_FORMAT, "json") || (config_is(c, SETTING_LOG_FORMAT, "auto") && !isatty(STDERR_FILENO));
  for (size_t i = 0; i < ARRAY_LEN(levels); i++)
    if (config_is(c, SETTING_LOG_LEVEL, levels[i])) log_open((enum log_level)i, json);
}

// A call holds two descriptors; the soft limit of most systems is far below what they allow.
static void files_allow(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void signals_block(sigset_t *ret) {
  sigemptyset(ret);
  sigaddset(ret, SIGTERM);
  sigaddset(ret, SIGINT);
  (void)pthread_sigmask(SIG_BLOCK, ret, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
}

static void *second_signal_main(void *arg) {
  int got;
  (void)sigwait(arg, &got);
  log_warn("server.stopped", "second signal: ending at once");
  _exit(EXIT_AT_ONCE);
}

// Where this instance answers to whoever is on its machine.
static void address_print(const struct config *c, uint16_t port, char *out, size_t size) {
  const char *host = config_text(c, SETTING_HOST);
  if (strcmp(host, "0.0.0.0") == 0) host = "127.0.0.1";
  if (strcmp(host, "::") == 0) host = "::1";
  bool v6 = strchr(host, ':') != NULL;
  (void)snprintf(out, size, "http://%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

static bool ready_file_write(const char *path, const char *url, uint16_t port) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 4096);
  struct json_writer w = json_writer(&text);
  json_object_begin(&w);
  json_member_text(&w, "url", url);
  json_member_int(&w, "port", port);
  json_member_int(&w, "pid", getpid());
  json_object_end(&w);
  buf_putc(&text, '\n');
  if (file_write(path, buf_str(&text), 0644) == 0) return true;
  out_error("%s cannot be written: %s", path, strerror(errno));
  return false;
}

// Waits for the first signal, drains, ends. The exit code.
static int service_attend(struct service *s, sigset_t *signals) {
  int got;
  pthread_t impatient;
  (void)sigwait(signals, &got);
  notify_send("STOPPING=1");
  log_info("server.draining", "%s: finishing running calls", got == SIGTERM ? "SIGTERM" : "SIGINT");
  if (pthread_create(&impatient, NULL, second_signal_main, signals) == 0) (void)pthread_detach(impatient);
  int left = service_drain(s);
  if (left > 0) {
    // Their memory is still in use, so there is no orderly end: the ledger has what it needs.
    log_warn("server.stopped", "%d calls could not be settled here; the sweeper ends them when the lease runs out",
             left);
    _exit(EXIT_FINE);
  }
  service_destroy(s);
  log_info("server.stopped", "done");
  return EXIT_FINE;
}

int serve_command_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf why;
  sigset_t signals;
  buf_init(&why, 8192);
  bool given = config_require(&in->config, SETTING_DATABASE_URL, &why);
  given = config_require(&in->config, SETTING_MASTER_KEY, &why) && given;
  given = payments_check(&in->config, &why) && given;
  if (!given) {
    struct str rest = buf_str(&why), line;
    while (str_split(&rest, '\n', &line)) out_error("%.*s", STR_ARG(line));
    return EXIT_USAGE;
  }
  log_prepare(&in->config);
  mem_begin();
  files_allow();
  signals_block(&signals);
  struct service *s = service_create(&in->config, &why);
  if (!s) {
    out_error("%s", buf_cstr(&why));
    return EXIT_FAILED;
  }
  char url[128];
  address_print(&in->config, service_port(s), url, sizeof url);
  log_info("server.started", "tollgate " TOLLGATE_VERSION " answers at %s", url);
  notify_send("READY=1");
  const char *file = args_text(&in->args, "ready-file");
  if (file && !ready_file_write(file, url, service_port(s))) (void)kill(getpid(), SIGTERM);
  return service_attend(s, &signals);
}
