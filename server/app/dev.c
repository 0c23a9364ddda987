// `tollgate dev`: everything on this machine, each part a program of its own under this one. Whatever ends it, the
// kernel ends them too; in good order the service finishes its calls first and PostgreSQL goes last.
#include "app/dev.h"
#include "app/command.h"
#include "app/files.h"
#include "app/out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "json/read.h"
#include "json/write.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT_DEFAULT 8080
#define ANSWER_MS 60000 // for a program to say that it answers
#define SERVER_STOP_MS 15000
#define DRAIN "TOLLGATE_DRAIN_MS=5000"
#define LOG_TAIL 2000

static volatile sig_atomic_t signals_seen;

// The second one ends this process, and the kernel then ends the others.
static void on_signal(int number) {
  (void)number;
  if (++signals_seen > 1) _exit(EXIT_FAILED);
}

static void signals_catch(void) {
  struct sigaction a = {.sa_handler = on_signal};
  (void)sigaction(SIGINT, &a, NULL);
  (void)sigaction(SIGTERM, &a, NULL);
  (void)sigaction(SIGHUP, &a, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
}

// ---- what it says

void step_tell(const struct dev *d, const char *what, const char *format, ...) {
  va_list args;
  (void)fprintf(d->say, "  %s\u2713%s %-11s ", out_style(d->say, OUT_GREEN), out_reset(d->say), what);
  va_start(args, format);
  (void)vfprintf(d->say, format, args);
  va_end(args);
  (void)fputc('\n', d->say);
  (void)fflush(d->say);
}

static void log_tail(const char *path) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 16 * 1024 * 1024);
  (void)file_read(path, &text);
  size_t from = text.len > LOG_TAIL ? text.len - LOG_TAIL : 0;
  if (text.len > 0) (void)fwrite(text.data + from, 1, text.len - from, stderr);
}

// ---- the folder

static bool folder_choose(struct dev *d, const char *given) {
  char path[DEV_PATH] = "";
  const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
  if (given)
    (void)snprintf(path, sizeof path, "%s", given);
  else if (geteuid() == 0)
    (void)snprintf(path, sizeof path, "/var/lib/tollgate");
  else if (data && data[0] == '/')
    (void)snprintf(path, sizeof path, "%s/tollgate", data);
  else if (home && home[0] == '/')
    (void)snprintf(path, sizeof path, "%s/.local/share/tollgate", home);
  if (!*path) {
    out_error("there is no home folder: say --data DIR");
    return false;
  }
  d->fresh = access(path, F_OK) != 0;
  char *whole = folder_make(path, 0700) == 0 ? realpath(path, NULL) : NULL;
  bool fits = whole && strlen(whole) < sizeof d->folder - 64;
  if (fits) (void)snprintf(d->folder, sizeof d->folder, "%s", whole);
  if (!fits) out_error("%s cannot be used: %s", path, whole ? "its path is too long" : strerror(errno));
  free(whole);
  return fits;
}

static bool folder_lock(struct dev *d) {
  char path[DEV_PATH + 32];
  (void)snprintf(path, sizeof path, "%s/dev.lock", d->folder);
  d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (d->lock_fd >= 0 && flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0) return true;
  out_error(errno == EWOULDBLOCK ? "another `tollgate dev` runs on %s" : "%s cannot be locked", d->folder);
  return false;
}

static bool master_ensure(struct dev *d) {
  char path[DEV_PATH + 32];
  unsigned char bytes[32];
  CLEANUP(buf_finish) struct buf text;
  struct crypto_keys keys;
  buf_init(&text, 256);
  (void)snprintf(path, sizeof path, "%s/master.key", d->folder);
  if (file_read(path, &text) != 0) {
    crypto_random(bytes, sizeof bytes);
    crypto_hex(bytes, sizeof bytes, d->master);
    if (file_write(path, str_from(d->master), 0600) == 0) return true;
    out_error("%s cannot be written: %s", path, strerror(errno));
    return false;
  }
  (void)snprintf(d->master, sizeof d->master, "%.64s", buf_cstr(&text));
  bool sound = crypto_keys_derive(str_from(d->master), &keys);
  crypto_wipe(&keys, sizeof keys);
  if (!sound) out_error("%s does not hold a master key", path);
  return sound;
}

// ---- the programs

static bool database_start(struct dev *d) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  int64_t begun = clock_mono_us();
  bool made = false;
  bool live = isatty(fileno(d->say));
  if (live) (void)fprintf(d->say, "  %s\u2026 database%s\r", out_style(d->say, OUT_DIM), out_reset(d->say));
  (void)fflush(d->say);
  bool started = cluster_start(&d->cluster, d->folder, &made, &why);
  if (!started) {
    out_error("%s", buf_cstr(&why));
    log_tail(d->cluster.log);
    return false;
  }
  step_tell(d, "database", "PostgreSQL %s in %s (%lld ms)", made ? "made and started" : "started", d->cluster.data,
            (long long)(clock_mono_us() - begun) / 1000);
  return true;
}

// Waits until the program has written the file that says where it answers.
static bool answer_await(struct child *c, const char *path, struct buf *ret) {
  const struct timespec pause = {0, 2000000};
  for (int64_t until = clock_mono_us() + ANSWER_MS * INT64_C(1000); clock_mono_us() < until && child_running(c);) {
    buf_clear(ret);
    if (file_read(path, ret) == 0 && ret->len > 0) return true;
    if (signals_seen) return false;
    (void)nanosleep(&pause, NULL);
  }
  return false;
}

bool program_start(struct dev *d, struct child *c, const char *name, const char *const *argv,
                          const char *const *environment, const char *ready, struct buf *ret) {
  char log[DEV_PATH + 32];
  (void)snprintf(log, sizeof log, "%s/%s.log", d->folder, name);
  (void)unlink(ready);
  (void)unlink(log);
  struct child_spec spec = {.name = name,
                            .argv = argv,
                            .environment = environment,
                            .log = log,
                            .uid = geteuid(),
                            .gid = getegid(),
                            .keep_fd = -1,
                            .at_parents_death = SIGKILL};
  bool answers = child_start(c, &spec) && answer_await(c, ready, ret);
  (void)unlink(ready);
  if (answers || signals_seen) return answers;
  out_error("the %s did not start; the end of %s:", name, log);
  log_tail(log);
  return false;
}

static bool stand_in_start(struct dev *d) {
  char ready[DEV_PATH + 32];
  CLEANUP(buf_finish) struct buf port;
  buf_init(&port, 64);
  (void)snprintf(ready, sizeof ready, "%s/stand-in.port", d->folder);
  const char *const argv[] = {d->program, "stand-in", "--port", "0", "--port-file", ready, NULL};
  if (!program_start(d, &d->stand_in, "stand-in", argv, NULL, ready, &port)) return false;
  (void)snprintf(d->stand_in_url, sizeof d->stand_in_url, "http://127.0.0.1:%ld", strtol(buf_cstr(&port), NULL, 10));
  step_tell(d, "provider", "a stand-in for OpenAI at %s (set OPENAI_API_KEY for the real one)", d->stand_in_url);
  return true;
}

static bool port_is_free(int port) {
  struct sockaddr_in a = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  bool is = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
  if (fd >= 0) (void)close(fd);
  return is;
}

static int64_t port_free(void) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0;
  if (fd >= 0) (void)close(fd);
  return bound ? ntohs(a.sin_port) : 0;
}

// --port, else PORT, else 8080 where nobody has it.
static int64_t port_choose(const struct invocation *in) {
  int64_t port;
  const char *given = args_text(&in->args, "port");
  if (given && str_to_i64(str_from(given), &port)) return port;
  if (in->config.value[SETTING_PORT].source != CONFIG_DEFAULT) return config_number(&in->config, SETTING_PORT);
  if (port_is_free(PORT_DEFAULT)) return PORT_DEFAULT;
  out_note("port %d is taken: using a free one", PORT_DEFAULT);
  return 0;
}

static bool server_start(struct dev *d, int64_t port) {
  char ready[DEV_PATH + 32], url[2 * CLUSTER_PATH + 32], master[128], port_text[32], plugins[DEV_PATH * 8],
      journal[DEV_PATH + 64], stripe_key[160], stripe_hook[128], stripe_base[160];
  CLEANUP(buf_finish) struct buf answer;
  CLEANUP(json_finishp) struct json *root = NULL;
  struct json_error why;
  struct str text;
  buf_init(&answer, 4096);
  (void)snprintf(ready, sizeof ready, "%s/server.ready", d->folder);
  (void)snprintf(url, sizeof url, "DATABASE_URL=%s", d->cluster.url);
  (void)snprintf(master, sizeof master, "TOLLGATE_MASTER_KEY=%s", d->master);
  (void)snprintf(port_text, sizeof port_text, "PORT=%lld", (long long)port);
  (void)snprintf(plugins, sizeof plugins, "TOLLGATE_PLUGIN_DIR=%s", config_text(d->config, SETTING_PLUGIN_DIR));
  (void)snprintf(journal, sizeof journal, "TOLLGATE_JOURNAL_DIR=%s/journal", d->folder);
  bool payments = d->stripe_url[0] != '\0';
  (void)snprintf(stripe_key, sizeof stripe_key, payments ? "STRIPE_SECRET_KEY=%s" : "TOLLGATE_CONFIG", d->stripe_key);
  (void)snprintf(stripe_hook, sizeof stripe_hook, payments ? "STRIPE_WEBHOOK_SECRET=%s" : "TOLLGATE_CONFIG", d->stripe_hook);
  (void)snprintf(stripe_base, sizeof stripe_base, payments ? "STRIPE_API_BASE=%s" : "TOLLGATE_CONFIG", d->stripe_url);
  const char *const argv[] = {d->program, "serve", "--ready-file", ready, NULL};
  const char *const environment[] = {url,
                                     master,
                                     port_text,
                                     plugins,
                                     journal,
                                     stripe_key,
                                     stripe_hook,
                                     stripe_base,
                                     DRAIN,
                                     "TOLLGATE_HOST=127.0.0.1",
                                     "TOLLGATE_MIGRATE=auto",
                                     "TOLLGATE_LOG_FORMAT=json",
                                     "TOLLGATE_CONFIG",
                                     "TOLLGATE_ADMIN_KEY",
                                     "OPENAI_API_KEY",
                                     "DATABASE_DIRECT_URL",
                                     "DATABASE_READ_URL",
                                     "NOTIFY_SOCKET",
                                     NULL};
  int64_t begun = clock_mono_us();
  bool answers = program_start(d, &d->server, "server", argv, environment, ready, &answer);
  crypto_wipe(master, sizeof master);
  if (!answers || json_parse(buf_str(&answer), &root, &why) != 0 || !json_text(json_get(root, "url"), &text))
    return false;
  (void)snprintf(d->url, sizeof d->url, "%.*s", STR_ARG(text));
  step_tell(d, "server", "%s (%lld ms)", d->url, (long long)(clock_mono_us() - begun) / 1000);
  return true;
}

// ---- the whole

static void ready_write(const struct dev *d, struct buf *out) {
  struct json_writer w = json_writer(out);
  json_object_begin(&w);
  json_member_text(&w, "url", d->url);
  json_member_text(&w, "admin_key", d->admin_key);
  json_member_text(&w, "customer_id", d->customer_id);
  json_member_text(&w, "customer_key", d->customer_key);
  json_member_text(&w, "database_url", d->cluster.url);
  json_member_text(&w, "stand_in_url", d->stand_in_url[0] ? d->stand_in_url : NULL);
  json_member_text(&w, "stripe_url", d->stripe_url[0] ? d->stripe_url : NULL);
  json_object_end(&w);
  buf_putc(out, '\n');
}

static bool ready_tell(const struct dev *d, const char *path, bool json) {
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 16 * 1024);
  ready_write(d, &text);
  if (json) (void)fputs(buf_cstr(&text), stdout);
  (void)fflush(stdout);
  if (!path || file_write(path, buf_str(&text), 0600) == 0) return true;
  out_error("%s cannot be written: %s", path, strerror(errno));
  return false;
}

static bool everything_start(struct dev *d, const struct invocation *in) {
  ssize_t len = readlink("/proc/self/exe", d->program, sizeof d->program - 1);
  if (len <= 0) return false;
  const char *real = getenv("OPENAI_API_KEY");
  if (!folder_choose(d, args_text(&in->args, "data")) || !folder_lock(d) || !master_ensure(d)) return false;
  if (signals_seen || !database_start(d)) return false;
  if (real && *real)
    step_tell(d, "provider", "OpenAI, with OPENAI_API_KEY");
  else if (signals_seen || !stand_in_start(d))
    return false;
  const char *stripe = args_text(&in->args, "stripe");
  int64_t port = port_choose(in);
  if (stripe && port == 0) port = port_free();
  if (signals_seen || (stripe && !stripe_start(d, stripe, port))) return false;
  if (signals_seen || !seed_prepare(d) || !server_start(d, port)) return false;
  d->api = api_create(d->url, "");
  if (signals_seen || !seed_run(d)) return false;
  step_tell(d, "catalogue", "%s", seed_models);
  step_tell(d, "customer", "demo, %s", d->customer_id);
  return !signals_seen;
}

static void everything_stop(struct dev *d) {
  child_stop(&d->server, SIGTERM, SERVER_STOP_MS);
  child_stop(&d->stand_in, SIGTERM, 2000);
  child_stop(&d->stripe, SIGTERM, 2000);
  cluster_stop(&d->cluster, false);
  api_destroy(d->api);
  if (d->lock_fd >= 0) (void)close(d->lock_fd);
  crypto_wipe(d->master, sizeof d->master);
}

// Until a signal comes (true) or a part ends by itself.
static bool everything_attend(struct dev *d) {
  struct child *const parts[] = {&d->server, &d->stand_in, &d->stripe, &d->cluster.postgres};
  const char *const names[] = {"server", "stand-in", "stand-in for Stripe", "database"};
  const struct timespec pause = {0, 200000000};
  while (!signals_seen) {
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
      if (parts[i]->name == NULL || child_running(parts[i])) continue;
      out_error("the %s has ended by itself; logs are in %s", names[i], d->folder);
      return false;
    }
    (void)nanosleep(&pause, NULL);
  }
  return true;
}

int dev_run(struct invocation *in) {
  struct dev d = {.config = &in->config, .say = in->json ? stderr : stdout, .lock_fd = -1, .cluster = {.data_fd = -1}};
  int64_t begun = clock_mono_us();
  const char *ready = args_text(&in->args, "ready-file");
  signals_catch();
  if (ready) (void)unlink(ready); // an earlier start's
  (void)fprintf(d.say, "\n  %stollgate dev%s  " TOLLGATE_VERSION "\n\n", out_style(d.say, OUT_BOLD), out_reset(d.say));
  bool sound = everything_start(&d, in);
  if (sound) (void)fprintf(d.say, "    ready in %.1f s\n", (double)(clock_mono_us() - begun) / 1e6);
  if (sound && !args_flag(&in->args, "no-demo")) demo_run(&d);
  if (sound && d.stripe_url[0]) stripe_page_tell(&d);
  if (sound) demo_hints(&d);
  sound = sound && ready_tell(&d, ready, in->json);
  if (sound) sound = everything_attend(&d);
  bool asked = signals_seen > 0;
  if (asked) (void)fprintf(d.say, "\n  stopping (Ctrl-C again: at once)\n");
  (void)fflush(d.say);
  everything_stop(&d);
  return sound || asked ? EXIT_FINE : EXIT_FAILED;
}
