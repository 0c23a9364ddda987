// Where the folder stands below one that the unprivileged user may not enter (root's home, a test's private folder),
// the cluster is handed to PostgreSQL as an open descriptor: /proc/self/fd/N leads there without passing the parents.
#include "app/cluster.h"
#include "app/files.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "db/db.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INITDB_MS 120000
#define START_MS 120000 // crash recovery included
#define STOP_MS 60000
#define ORPHAN_MS 20000
#define DATABASE "tollgate"

// ---- the programs

static bool has_programs(const char *bin) {
  char path[2 * CLUSTER_PATH];
  (void)snprintf(path, sizeof path, "%s/postgres", bin);
  if (access(path, X_OK) != 0) return false;
  (void)snprintf(path, sizeof path, "%s/initdb", bin);
  return access(path, X_OK) == 0;
}

static bool in_search_path(char *ret, size_t size) {
  struct str rest = str_from(getenv("PATH")), part;
  while (str_split(&rest, ':', &part)) {
    (void)snprintf(ret, size, "%.*s", STR_ARG(part));
    if (part.len > 0 && has_programs(ret)) return true;
  }
  return false;
}

// The version of the data that is there already, 0 for none.
static int data_version(const char *data) {
  char path[2 * CLUSTER_PATH];
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 64);
  (void)snprintf(path, sizeof path, "%s/PG_VERSION", data);
  if (file_read(path, &text) != 0) return 0;
  return (int)strtol(buf_cstr(&text), NULL, 10);
}

// The newest installed PostgreSQL, or the one that the data was made by.
static bool programs_find(struct cluster *c, int version, struct buf *ret_error) {
  static const char *const roots[] = {"/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/postgresql"};
  int best = 0;
  for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
    DIR *dir = opendir(roots[i]);
    for (struct dirent *e; dir && (e = readdir(dir));) {
      int number = (int)strtol(e->d_name, NULL, 10);
      char bin[CLUSTER_PATH];
      (void)snprintf(bin, sizeof bin, "%s/%.64s/bin", roots[i], e->d_name);
      if (number <= best || (version && number != version) || !has_programs(bin)) continue;
      best = number;
      memcpy(c->bin, bin, sizeof bin);
    }
    if (dir) (void)closedir(dir);
  }
  if (best > 0 || (!version && in_search_path(c->bin, sizeof c->bin))) return true;
  if (version)
    buf_printf(ret_error, "%s was made by PostgreSQL %d, which is not installed", c->data, version);
  else
    buf_puts(ret_error, "PostgreSQL's programs initdb and postgres are not installed (apt-get install postgresql-15)");
  return false;
}

// ---- folders and who owns them

static bool user_choose(struct cluster *c, struct buf *ret_error) {
  c->uid = geteuid();
  c->gid = getegid();
  if (c->uid != 0) return true;
  struct passwd *user = getpwnam("postgres");
  if (!user) user = getpwnam("nobody");
  if (!user) {
    buf_puts(ret_error, "PostgreSQL does not run as root, and there is neither a user postgres nor nobody");
    return false;
  }
  c->uid = user->pw_uid;
  c->gid = user->pw_gid;
  return true;
}

// Ours alone: made now, or found as we would have made it.
static bool socket_folder_take(const struct cluster *c, const char *path) {
  struct stat is;
  if (mkdir(path, 0700) == 0) return geteuid() != 0 || chown(path, c->uid, c->gid) == 0;
  return errno == EEXIST && lstat(path, &is) == 0 && S_ISDIR(is.st_mode) && is.st_uid == c->uid &&
         (is.st_mode & 077) == 0;
}

// Short, because a socket's path is, and the same at each start, so that the address can be kept.
static bool socket_folder_make(struct cluster *c, struct buf *ret_error) {
  unsigned char hash[32];
  char digits[65];
  crypto_hash(str_from(c->data), hash);
  crypto_hex(hash, sizeof hash, digits);
  (void)snprintf(c->socket, sizeof c->socket, "/tmp/tollgate-%u-%.10s", (unsigned)geteuid(), digits);
  if (socket_folder_take(c, c->socket)) return true;
  (void)snprintf(c->socket, sizeof c->socket, "/tmp/tollgate-XXXXXX");
  if (mkdtemp(c->socket) && (geteuid() != 0 || chown(c->socket, c->uid, c->gid) == 0)) return true;
  buf_printf(ret_error, "%s cannot be made: %s", c->socket, strerror(errno));
  c->socket[0] = '\0';
  return false;
}

// Whether PostgreSQL's user gets to the folder by its name; asked by a process that is that user.
static bool user_reaches(const struct cluster *c) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) {
    bool dropped = setgid(c->gid) == 0 && setuid(c->uid) == 0;
    _exit(dropped && access(c->data, R_OK | W_OK | X_OK) == 0 ? 0 : 1);
  }
  return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool data_folder_make(struct cluster *c, struct buf *ret_error) {
  if (mkdir(c->data, 0700) != 0 && errno != EEXIST) {
    buf_printf(ret_error, "%s cannot be made: %s", c->data, strerror(errno));
    return false;
  }
  (void)snprintf(c->reached, sizeof c->reached, "%s", c->data);
  if (geteuid() != 0) return true;
  if (chown(c->data, c->uid, c->gid) != 0) {
    buf_printf(ret_error, "%s cannot be given to PostgreSQL's user: %s", c->data, strerror(errno));
    return false;
  }
  if (user_reaches(c)) return true;
  c->data_fd = open(c->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  (void)snprintf(c->reached, sizeof c->reached, "/proc/self/fd/%d", c->data_fd);
  return c->data_fd >= 0;
}

static void data_fd_close(struct cluster *c) {
  if (c->data_fd >= 0) (void)close(c->data_fd);
  c->data_fd = -1;
}

// ---- running

static bool program_start(const struct cluster *c, struct child *child, const char *name, const char *const *argv) {
  static const char *const environment[] = {"PGDATA", "PGOPTIONS", "PGHOST", "PGPORT", "LC_ALL=C.UTF-8", NULL};
  struct child_spec spec = {.name = name,
                            .argv = argv,
                            .environment = environment,
                            .log = c->log,
                            .uid = c->uid,
                            .gid = c->gid,
                            .keep_fd = c->data_fd,
                            .at_parents_death = SIGINT};
  return child_start(child, &spec);
}

static bool initdb_run(struct cluster *c) {
  char program[2 * CLUSTER_PATH];
  (void)snprintf(program, sizeof program, "%s/initdb", c->bin);
  const char *const argv[] = {program,
                              "-D",
                              c->reached,
                              "-U",
                              "tollgate",
                              "-A",
                              "trust",
                              "-E",
                              "UTF8",
                              "--locale=C.UTF-8",
                              "--data-checksums",
                              "--no-instructions",
                              NULL};
  struct child initdb = {.pid = 0};
  bool ended = program_start(c, &initdb, "initdb", argv) && child_wait(&initdb, INITDB_MS);
  child_stop(&initdb, SIGTERM, 1000);
  return ended && child_succeeded(&initdb);
}

static int entry_remove(const char *path, const struct stat *is, int kind, struct FTW *at) {
  (void)is, (void)kind, (void)at;
  return remove(path);
}

// Made beside its place and then moved there, so that what was interrupted is never taken for a cluster.
static bool cluster_make(struct cluster *c, struct buf *ret_error) {
  char place[CLUSTER_PATH];
  memcpy(place, c->data, sizeof place);
  if (snprintf(c->data, sizeof c->data, "%.*s.new", CLUSTER_PATH - 8, place) >= CLUSTER_PATH) return false;
  (void)nftw(c->data, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
  bool made = data_folder_make(c, ret_error);
  if (made && !(initdb_run(c) && rename(c->data, place) == 0)) {
    buf_printf(ret_error, "PostgreSQL's initdb did not succeed; see %s", c->log);
    made = false;
  }
  data_fd_close(c);
  memcpy(c->data, place, sizeof place);
  return made;
}

// An earlier dev was killed and its PostgreSQL may still be going down; nobody else has this folder, for dev holds its
// lock. A pid that has gone to another program means nothing.
static bool orphan_wait(struct cluster *c, struct buf *ret_error) {
  char path[2 * CLUSTER_PATH], process[64], name[32] = "";
  CLEANUP(buf_finish) struct buf text;
  buf_init(&text, 4096);
  (void)snprintf(path, sizeof path, "%s/postmaster.pid", c->data);
  if (file_read(path, &text) != 0) return true;
  int pid = (int)strtol(buf_cstr(&text), NULL, 10);
  (void)snprintf(process, sizeof process, "/proc/%d/comm", pid);
  CLEANUP(buf_finish) struct buf comm;
  buf_init(&comm, 64);
  if (pid > 1 && file_read(process, &comm) == 0) (void)snprintf(name, sizeof name, "%.20s", buf_cstr(&comm));
  if (strncmp(name, "postgres", 8) != 0) return unlink(path) == 0 || errno == ENOENT;
  const struct timespec pause = {0, 20000000};
  for (int64_t until = clock_mono_us() + ORPHAN_MS * 1000; access(path, F_OK) == 0 && kill(pid, 0) == 0;) {
    if (clock_mono_us() > until) {
      buf_printf(ret_error, "a PostgreSQL (process %d) still runs in %s", pid, c->data);
      return false;
    }
    (void)nanosleep(&pause, NULL);
  }
  return true;
}

static bool postgres_start(struct cluster *c, struct buf *ret_error) {
  char program[2 * CLUSTER_PATH], sockets[2 * CLUSTER_PATH];
  (void)snprintf(program, sizeof program, "%s/postgres", c->bin);
  (void)snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", c->socket);
  const char *const argv[] = {program,
                              "-D",
                              c->reached,
                              "-c",
                              "listen_addresses=",
                              "-c",
                              sockets,
                              "-c",
                              "unix_socket_permissions=0700",
                              "-c",
                              "fsync=on",
                              "-c",
                              "synchronous_commit=on",
                              "-c",
                              "full_page_writes=on",
                              "-c",
                              "max_connections=100",
                              "-c",
                              "logging_collector=off",
                              "-c",
                              "log_min_messages=warning",
                              NULL};
  if (program_start(c, &c->postgres, "PostgreSQL", argv)) return true;
  buf_printf(ret_error, "PostgreSQL cannot be started: %s", strerror(errno));
  return false;
}

static void url_write(const struct cluster *c, const char *database, char *out, size_t size) {
  (void)snprintf(out, size, "postgresql:///%s?host=%s&user=tollgate", database, c->socket);
}

// Makes the database where it is missing. 0, 1: not yet, or a fault with ret_error.
static int database_ensure(const struct cluster *c, struct buf *ret_error) {
  CLEANUP(buf_finish) struct buf why;
  CLEANUP(db_result_finishp) struct db_result *found = NULL;
  char url[2 * CLUSTER_PATH];
  buf_init(&why, 4096);
  url_write(c, "postgres", url, sizeof url);
  struct db *db = db_connect_bare(url, &why);
  if (!db) return 1;
  int r = db_query(db, "SELECT 1 FROM pg_database WHERE datname = '" DATABASE "'", &found);
  if (r == 0 && db_rows(found) == 0) r = db_exec(db, "CREATE DATABASE " DATABASE);
  if (r != 0) buf_printf(ret_error, "the database cannot be made: %s", db_error(db));
  db_destroy(db);
  return r == 0 ? 0 : FAULT_DB;
}

static bool postgres_await(struct cluster *c, struct buf *ret_error) {
  char path[2 * CLUSTER_PATH];
  const struct timespec pause = {0, 10000000};
  (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", c->socket);
  for (int64_t until = clock_mono_us() + START_MS * INT64_C(1000); clock_mono_us() < until;) {
    if (!child_running(&c->postgres)) break;
    int r = access(path, F_OK) == 0 ? database_ensure(c, ret_error) : 1;
    if (r <= 0) return r == 0;
    (void)nanosleep(&pause, NULL);
  }
  buf_printf(ret_error, "PostgreSQL did not come up; see %s", c->log);
  return false;
}

bool cluster_start(struct cluster *c, const char *folder, bool *ret_new, struct buf *ret_error) {
  *c = (struct cluster){.data_fd = -1};
  if (snprintf(c->data, sizeof c->data, "%s/cluster", folder) >= CLUSTER_PATH ||
      snprintf(c->log, sizeof c->log, "%s/postgres.log", folder) >= CLUSTER_PATH) {
    buf_puts(ret_error, "the path of the data folder is too long");
    return false;
  }
  int version = data_version(c->data);
  if (!user_choose(c, ret_error) || !programs_find(c, version, ret_error)) return false;
  if (version == 0 && !cluster_make(c, ret_error)) return false;
  if (!data_folder_make(c, ret_error) || !socket_folder_make(c, ret_error)) return false;
  if (!orphan_wait(c, ret_error) || !postgres_start(c, ret_error) || !postgres_await(c, ret_error)) return false;
  url_write(c, DATABASE, c->url, sizeof c->url);
  *ret_new = version == 0;
  return true;
}

void cluster_stop(struct cluster *c, bool at_once) {
  child_stop(&c->postgres, at_once ? SIGQUIT : SIGINT, at_once ? 5000 : STOP_MS);
  if (c->socket[0]) (void)rmdir(c->socket);
  data_fd_close(c);
}
