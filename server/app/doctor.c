// `tollgate doctor`: the settings as they hold, and a look at everything they lead to. Each check is one function that
// says what it saw; the command fails where one of them does.
#include "app/doctor.h"
#include "app/command.h"
#include "app/out.h"
#include "app/payments.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "db/db.h"
#include "db/migrate.h"
#include "journal/journal.h"
#include "plugin/registry.h"
#include "price/provider.h"
#include "stripe/client.h"
#include "json/write.h"
#include "webhook/endpoint.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define POSTGRES_LEAST 140000
#define SKEW_WARN_US 1000000
#define DETAIL_MAX 4096
#define FD_RESERVE 512

static enum verdict say(struct doctor *d, enum verdict v, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum verdict say(struct doctor *d, enum verdict v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  buf_vprintf(&d->detail, format, args);
  va_end(args);
  return v;
}

static enum verdict check_master(struct doctor *d) {
  if (config_require(d->config, SETTING_MASTER_KEY, &d->detail)) return say(d, VERDICT_OK, "set");
  return VERDICT_FAIL;
}

// ---- the database

static bool row_read(struct doctor *d, const char *sql, struct db_result **ret) {
  if (db_query(d->db, sql, ret) == 0 && db_rows(*ret) > 0) return true;
  (void)say(d, VERDICT_FAIL, "%s", db_error(d->db));
  return false;
}

static enum verdict check_reach(struct doctor *d) {
  if (!config_require(d->config, SETTING_DATABASE_URL, &d->detail)) return VERDICT_FAIL;
  d->db = db_connect_bare(config_text(d->config, SETTING_DATABASE_DIRECT_URL), &d->detail);
  if (!d->db) return VERDICT_FAIL;
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (!row_read(d, "SELECT current_setting('server_version_num')::bigint, pg_is_in_recovery()", &r))
    return VERDICT_FAIL;
  int64_t version = db_i64(r, 0, 0);
  if (version < POSTGRES_LEAST)
    return say(d, VERDICT_FAIL, "PostgreSQL %lld is too old: 14 or newer is needed", (long long)version / 10000);
  if (db_bool(r, 0, 1)) return say(d, VERDICT_FAIL, "this is a standby: the books need the primary");
  return say(d, VERDICT_OK, "PostgreSQL %lld.%lld", (long long)version / 10000, (long long)version % 10000);
}

static enum verdict check_durability(struct doctor *d) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  if (!row_read(
          d,
          "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')",
          &r))
    return VERDICT_FAIL;
  struct str fsync_is = db_text(r, 0, 0), commit = db_text(r, 0, 1), pages = db_text(r, 0, 2);
  bool sound = str_eq(fsync_is, STR("on")) && !str_eq(commit, STR("off")) && str_eq(pages, STR("on"));
  return say(d, sound ? VERDICT_OK : VERDICT_FAIL, "fsync %.*s, synchronous_commit %.*s, full_page_writes %.*s%s",
             STR_ARG(fsync_is), STR_ARG(commit), STR_ARG(pages), sound ? "" : ": a crash can lose settled calls");
}

static enum verdict check_pooler(struct doctor *d) {
  int64_t pids[3];
  for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
    CLEANUP(db_result_finishp) struct db_result *r = NULL;
    if (!row_read(d, "SELECT pg_backend_pid()", &r)) return VERDICT_FAIL;
    pids[i] = db_i64(r, 0, 0);
  }
  if (pids[0] == pids[1] && pids[1] == pids[2]) return say(d, VERDICT_OK, "one session stays one backend");
  return say(d, VERDICT_FAIL, "this goes through a transaction pooler: name the direct address in DATABASE_DIRECT_URL");
}

static enum verdict check_clock(struct doctor *d) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  int64_t before = clock_wall_us();
  if (!row_read(d, "SELECT clock_timestamp()", &r)) return VERDICT_FAIL;
  int64_t after = clock_wall_us();
  int64_t skew = db_time(r, 0, 0) - (before + (after - before) / 2), apart = skew < 0 ? -skew : skew;
  return say(d, apart > SKEW_WARN_US ? VERDICT_WARN : VERDICT_OK, "the database's clock is %lld ms %s",
             (long long)apart / 1000, skew < 0 ? "behind" : "ahead");
}

static enum verdict check_migrations(struct doctor *d) {
  struct migrate_status status;
  if (migrate_status(d->db, &status) != 0) return say(d, VERDICT_FAIL, "%s", db_error(d->db));
  bool refused = status.state == MIGRATE_CHANGED || status.state == MIGRATE_NEWER;
  return say(d,
             refused                           ? VERDICT_FAIL
             : status.state == MIGRATE_CURRENT ? VERDICT_OK
                                               : VERDICT_WARN,
             "%s", status.detail);
}

// A session of the service meets a statement when it runs it: what was changed by hand is found here.
static enum verdict check_statements(struct doctor *d) {
  struct migrate_status status;
  if (migrate_status(d->db, &status) != 0) return say(d, VERDICT_FAIL, "%s", db_error(d->db));
  if (status.state != MIGRATE_CURRENT) return say(d, VERDICT_OK, "not looked at: the steps come first");
  if (db_prepare_all(d->db) == 0) return say(d, VERDICT_OK, "all %d fit the tables", STATEMENT_COUNT);
  return say(d, VERDICT_FAIL, "the tables were changed by hand: %s", db_error(d->db));
}

static enum verdict check_secrets(struct doctor *d) {
  CLEANUP(db_result_finishp) struct db_result *exists = NULL, *r = NULL;
  if (!row_read(d, "SELECT to_regclass('providers') IS NOT NULL", &exists)) return VERDICT_FAIL;
  if (!db_bool(exists, 0, 0)) return say(d, VERDICT_OK, "none are stored");
  struct crypto_keys keys;
  if (!crypto_keys_derive(str_from(config_text(d->config, SETTING_MASTER_KEY)), &keys))
    return say(d, VERDICT_FAIL, "there is no master key to open them with");
  if (db_query(d->db, "SELECT id, secret, name FROM providers WHERE secret IS NOT NULL", &r) != 0)
    return say(d, VERDICT_FAIL, "%s", db_error(d->db));
  size_t closed = 0;
  for (size_t i = 0; i < db_rows(r); i++) {
    CLEANUP(buf_finish) struct buf plain;
    struct arena arena;
    arena_init(&arena, DETAIL_MAX);
    buf_init(&plain, 64 * 1024);
    struct str context = provider_secret_context(&arena, db_uuid(r, i, 0));
    if (crypto_open(&keys, context, db_text(r, i, 1), &plain) != 0) {
      struct str name = db_text(r, i, 2);
      (void)say(d, VERDICT_FAIL, "%s%.*s", closed++ ? ", " : "the master key does not open the secret of ",
                STR_ARG(name));
    } else {
      crypto_wipe(plain.data, plain.len);
    }
    arena_finish(&arena);
  }
  crypto_wipe(&keys, sizeof keys);
  return closed ? VERDICT_FAIL : say(d, VERDICT_OK, "the master key opens all %zu", db_rows(r));
}

static bool webhook_opens(const struct crypto_keys *keys, const struct db_result *r, size_t row) {
  CLEANUP(buf_finish) struct buf plain;
  buf_init(&plain, DETAIL_MAX);
  bool opens = endpoint_open(keys, db_uuid(r, row, 0), ENDPOINT_SECRET, db_text(r, row, 1), &plain) == 0 &&
               endpoint_open(keys, db_uuid(r, row, 0), ENDPOINT_SIGN_KEY, db_text(r, row, 2), &plain) == 0;
  if (plain.data) crypto_wipe(plain.data, plain.len);
  return opens;
}

static enum verdict check_webhooks(struct doctor *d) {
  CLEANUP(db_result_finishp) struct db_result *exists = NULL, *r = NULL;
  struct crypto_keys keys;
  size_t closed = 0, disabled = 0, failing = 0;
  if (!row_read(d, "SELECT to_regclass('webhook_endpoints') IS NOT NULL", &exists)) return VERDICT_FAIL;
  if (!db_bool(exists, 0, 0)) return say(d, VERDICT_OK, "no endpoints");
  if (!crypto_keys_derive(str_from(config_text(d->config, SETTING_MASTER_KEY)), &keys))
    return say(d, VERDICT_FAIL, "there is no master key to open their secrets with");
  if (db_query(d->db, "SELECT id, secret, sign_key, enabled, failing_since IS NOT NULL FROM webhook_endpoints", &r) != 0)
    return say(d, VERDICT_FAIL, "%s", db_error(d->db));
  for (size_t i = 0; i < db_rows(r); i++) {
    closed += !webhook_opens(&keys, r, i);
    disabled += !db_bool(r, i, 3);
    failing += db_bool(r, i, 3) && db_bool(r, i, 4);
  }
  crypto_wipe(&keys, sizeof keys);
  if (closed) return say(d, VERDICT_FAIL, "the master key does not open the secrets of %zu of %zu endpoints", closed, db_rows(r));
  return say(d, failing ? VERDICT_WARN : VERDICT_OK, "%zu endpoints, %zu disabled, %zu failing", db_rows(r), disabled, failing);
}

// ---- the machine

static enum verdict check_plugins(struct doctor *d) {
  struct plugin_registry *registry = NULL;
  CLEANUP(buf_finish) struct buf problems;
  buf_init(&problems, DETAIL_MAX);
  const char *dir = config_text(d->config, SETTING_PLUGIN_DIR);
  int loaded = plugin_registry_load(dir, &registry, &problems);
  if (loaded < 0) return say(d, VERDICT_FAIL, "%s cannot be read", dir);
  for (size_t i = 0; i < plugin_count(registry); i++)
    buf_printf(&d->detail, "%s%s", i ? ", " : "", plugin_at(registry, i)->name);
  plugin_registry_destroy(registry);
  struct str rest = buf_str(&problems), line;
  while (str_split(&rest, '\n', &line)) buf_printf(&d->detail, "; %.*s", STR_ARG(line));
  if (loaded == 0) return say(d, VERDICT_FAIL, "none in %s", dir);
  return problems.len > 0 ? VERDICT_WARN : VERDICT_OK;
}

static void segment_pass(void *arg, const char *file, uint64_t number, size_t entries) {
  (void)arg, (void)file, (void)number, (void)entries;
}

static void entry_pass(void *arg, uint64_t sequence, struct str text) {
  (void)arg, (void)sequence, (void)text;
}

static enum verdict check_journal(struct doctor *d) {
  static const struct journal_visit visit = {.segment = segment_pass, .entry = entry_pass};
  const char *folder = config_text(d->config, SETTING_JOURNAL_DIR);
  struct journal_found found;
  if (strcmp(folder, "off") == 0) return say(d, VERDICT_WARN, "off: settlements that wait for the database die with the process");
  int r = journal_look(folder, &visit, &found);
  int why = errno;
  struct str lines = buf_str(&found.lines), line;
  bool damaged = found.flipped + found.duplicates + found.foreign > 0;
  if (r == 0) buf_printf(&d->detail, "%s, %zu entries", folder, found.entries);
  while (str_split(&lines, '\n', &line)) buf_printf(&d->detail, "; %.*s", STR_ARG(line));
  journal_found_finish(&found);
  if (r == 0) return damaged ? VERDICT_WARN : VERDICT_OK;
  if (why == ENOENT) return say(d, VERDICT_OK, "%s will be made", folder);
  return say(d, VERDICT_FAIL, "%s cannot be read: %s", folder, strerror(why));
}

static enum verdict stripe_judge(struct doctor *d, const struct stripe *s, const struct stripe_answer *a) {
  const char *money = stripe_is_live(s) ? "real money" : "test mode";
  if (stripe_done(a)) return say(d, VERDICT_OK, "Stripe takes the key: %s", money);
  if (a->status == 401) return say(d, VERDICT_FAIL, "Stripe does not take STRIPE_SECRET_KEY");
  if (a->status == 403) return say(d, VERDICT_WARN, "%s, and STRIPE_SECRET_KEY may not read prices", money);
  return say(d, VERDICT_WARN, "%.*s", STR_ARG(a->message));
}

static enum verdict check_payments(struct doctor *d) {
  struct stripe_answer answer;
  if (!payments_check(d->config, &d->detail)) return VERDICT_FAIL;
  struct stripe *s = payments_client(d->config);
  if (!s) return say(d, VERDICT_OK, "off: STRIPE_SECRET_KEY is not set");
  enum verdict v = VERDICT_WARN;
  if (stripe_call(s, "GET", "/v1/prices", STR("limit=1"), NULL, &answer) == 0) {
    v = stripe_judge(d, s, &answer);
    stripe_answer_finish(&answer);
  }
  stripe_destroy(s);
  return v;
}

static enum verdict check_port(struct doctor *d) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } a = {.v6 = {.sin6_family = AF_INET6}};
  const char *host = config_text(d->config, SETTING_HOST);
  in_port_t port = htons((uint16_t)config_number(d->config, SETTING_PORT));
  bool v4 = inet_pton(AF_INET, host, &a.v4.sin_addr) == 1;
  if (v4)
    a.v4.sin_family = AF_INET, a.v4.sin_port = port;
  else
    (void)inet_pton(AF_INET6, host, &a.v6.sin6_addr), a.v6.sin6_port = port;
  int one = 1, fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return say(d, VERDICT_FAIL, "no socket: %s", strerror(errno));
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  bool bound = bind(fd, &a.any, v4 ? sizeof a.v4 : sizeof a.v6) == 0;
  int why = errno;
  (void)close(fd);
  if (bound) return say(d, VERDICT_OK, "%s port %u is free", host, ntohs(port));
  return say(d, why == EADDRINUSE ? VERDICT_WARN : VERDICT_FAIL, "%s port %u: %s%s", host, ntohs(port), strerror(why),
             why == EADDRINUSE ? " (a running `tollgate serve` has it?)" : "");
}

static enum verdict check_files(struct doctor *d) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return say(d, VERDICT_WARN, "%s", strerror(errno));
  // A call holds two: the client's and the provider's.
  uint64_t wanted = 2 * (uint64_t)config_number(d->config, SETTING_MAX_CONNECTIONS) + FD_RESERVE;
  bool enough = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= wanted;
  return say(d, enough ? VERDICT_OK : VERDICT_WARN, "%llu may be open%s", (unsigned long long)limit.rlim_max,
             enough ? "" : ": fewer than TOLLGATE_MAX_CONNECTIONS could need; raise LimitNOFILE or ulimit -n");
}

// ---- all of them

static const struct {
  const char *name;
  enum verdict (*run)(struct doctor *d);
  bool needs_database;
} checks[] = {
    {"master key", check_master, false},
    {"database", check_reach, false},
    {"durability", check_durability, true},
    {"direct connection", check_pooler, true},
    {"clock", check_clock, true},
    {"migrations", check_migrations, true},
    {"statements", check_statements, true},
    {"stored secrets", check_secrets, true},
    {"backup", restore_backup, true},
    {"master key fits", restore_master, true},
    {"journal fits", restore_journal, true},
    {"sequences", restore_sequences, true},
    {"webhooks", check_webhooks, true},
    {"plugins", check_plugins, false},
    {"journal", check_journal, false},
    {"payments", check_payments, false},
    {"port", check_port, false},
    {"open files", check_files, false},
};
static const char *const verdict_names[] = {"ok", "warn", "FAIL"};

static void settings_print(const struct config *c) {
  struct out_table t;
  out_table_init(&t);
  out_table_column(&t, "SETTING", false);
  out_table_column(&t, "VALUE", false);
  out_table_column(&t, "FROM", false);
  out_table_column(&t, "WHAT", false);
  for (int i = 0; i < SETTING_COUNT; i++) {
    CLEANUP(buf_finish) struct buf shown;
    buf_init(&shown, DETAIL_MAX);
    config_show(c, (enum setting_id)i, &shown);
    out_table_cell(&t, setting_table[i].name);
    out_table_cell(&t, shown.len > 0 ? buf_cstr(&shown) : "-");
    out_table_cell(&t, config_source_name(c->value[i].source));
    out_table_cell(&t, setting_table[i].help);
  }
  out_table_print(&t, stdout, "");
  out_table_finish(&t);
  (void)putchar('\n');
}

static void settings_write(const struct config *c, struct json_writer *w) {
  json_key(w, "settings");
  json_array_begin(w);
  for (int i = 0; i < SETTING_COUNT; i++) {
    CLEANUP(buf_finish) struct buf shown;
    buf_init(&shown, DETAIL_MAX);
    config_show(c, (enum setting_id)i, &shown);
    json_object_begin(w);
    json_member_text(w, "name", setting_table[i].name);
    json_member_text(w, "value", buf_cstr(&shown));
    json_member_text(w, "from", config_source_name(c->value[i].source));
    json_object_end(w);
  }
  json_array_end(w);
}

static enum verdict check_run(struct doctor *d, size_t i) {
  buf_clear(&d->detail);
  if (checks[i].needs_database && !d->db) return say(d, VERDICT_FAIL, "the database was not reached");
  return checks[i].run(d);
}

static void check_print(const char *name, enum verdict v, const char *detail) {
  static const enum out_style styles[] = {OUT_GREEN, OUT_YELLOW, OUT_RED};
  (void)printf("%s%-4s%s  %-18s %s\n", out_style(stdout, styles[v]), verdict_names[v], out_reset(stdout), name, detail);
}

static void check_write(struct json_writer *w, const char *name, enum verdict v, const char *detail) {
  static const char *const words[] = {"ok", "warn", "fail"};
  json_object_begin(w);
  json_member_text(w, "name", name);
  json_member_text(w, "status", words[v]);
  json_member_text(w, "detail", detail);
  json_object_end(w);
}

int doctor_run(struct invocation *in) {
  struct doctor d = {.config = &in->config};
  CLEANUP(buf_finish) struct buf text;
  buf_init(&d.detail, DETAIL_MAX);
  buf_init(&text, 256 * 1024);
  struct json_writer w = json_writer(&text);
  json_object_begin(&w);
  settings_write(&in->config, &w);
  json_key(&w, "checks");
  json_array_begin(&w);
  if (!in->json) settings_print(&in->config);
  bool failed = false;
  for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
    enum verdict v = check_run(&d, i);
    struct str detail = str_trim(buf_str(&d.detail));
    while (detail.len > 0 && detail.ptr[detail.len - 1] == '\n') detail.len--, d.detail.data[detail.len] = '\0';
    failed = failed || v == VERDICT_FAIL;
    check_write(&w, checks[i].name, v, buf_cstr(&d.detail));
    if (!in->json) check_print(checks[i].name, v, buf_cstr(&d.detail));
  }
  json_array_end(&w);
  json_member_bool(&w, "sound", !failed);
  json_object_end(&w);
  if (in->json) (void)puts(buf_cstr(&text));
  db_destroy(d.db);
  buf_finish(&d.detail);
  return failed ? EXIT_FAILED : EXIT_FINE;
}
