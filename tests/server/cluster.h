// A private PostgreSQL cluster for one test program: a folder of its own under /tmp, reached by a Unix socket only. A
// guardian process waits for the program to end, however it ends, then stops the server and removes the folder.
// PostgreSQL refuses to run as root: there it runs as an unprivileged user.
#pragma once
#include "base/log.h"
#include "db/migrate.h"
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct cluster {
  char folder[64], url[256], bin[256];
  pid_t server, guardian;
  int alive; // the guardian reads the other end: closed when this program ends
};

static inline struct passwd *cluster_user(void) {
  if (geteuid() != 0) return NULL;
  struct passwd *user = getpwnam("postgres");
  return user ? user : getpwnam("nobody");
}

// In a child: the unprivileged user, nowhere in particular, all output into the cluster's log.
static inline void cluster_drop(const struct cluster *c) {
  struct passwd *user = cluster_user();
  char path[96];
  (void)snprintf(path, sizeof path, "%s/log", c->folder);
  if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid))) _exit(126);
  int in = open("/dev/null", O_RDONLY), out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (chdir("/") || in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

// ---- the guardian

static inline int cluster_unlink(const char *path, const struct stat *st, int type, struct FTW *at) {
  (void)st, (void)type, (void)at;
  return remove(path);
}

static inline void cluster_kill_by_file(const struct cluster *c) {
  char path[96];
  int pid = 0;
  (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", c->folder);
  FILE *f = fopen(path, "r");
  if (!f) return;
  if (fscanf(f, "%d", &pid) == 1 && pid > 1) (void)kill(pid, SIGQUIT);
  for (int i = 0; pid > 1 && kill(pid, 0) == 0 && i < 500; i++) usleep(10000);
  (void)fclose(f);
}

static inline void cluster_guard(struct cluster *c) {
  int ends[2];
  ASSERT(pipe2(ends, O_CLOEXEC) == 0);
  c->alive = ends[1];
  c->guardian = fork();
  ASSERT(c->guardian >= 0);
  if (c->guardian > 0) {
    (void)close(ends[0]);
    return;
  }
  char byte;
  (void)setsid(); // a Ctrl-C is for the test, not for who cleans up behind it
  (void)close(ends[1]);
  while (read(ends[0], &byte, 1) > 0) continue;
  cluster_kill_by_file(c);
  for (int i = 0; i < 3 && nftw(c->folder, cluster_unlink, 16, FTW_DEPTH | FTW_PHYS) != 0; i++) usleep(100000);
  _exit(0);
}

// ---- the server

static inline void cluster_bin(struct cluster *c) {
  glob_t found;
  ASSERT(glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0);
  const char *newest = found.gl_pathv[found.gl_pathc - 1];
  (void)snprintf(c->bin, sizeof c->bin, "%.*s", (int)(strlen(newest) - strlen("/initdb")), newest);
  globfree(&found);
}

static inline void cluster_await(const struct cluster *c) {
  bool answered = false;
  for (int i = 0; !answered && i < 3000; i++) {
    struct db *db = db_connect_bare(c->url, NULL);
    answered = db != NULL;
    db_destroy(db);
    if (answered) break;
    ASSERT(waitpid(c->server, NULL, WNOHANG) == 0); // it ended: the folder's log says why
    usleep(10000);
  }
  ASSERT(answered);
}

static inline void cluster_launch(struct cluster *c) {
  char program[300], data[96], sockets[96];
  (void)snprintf(program, sizeof program, "%s/postgres", c->bin);
  (void)snprintf(data, sizeof data, "%s/data", c->folder);
  (void)snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", c->folder);
  c->server = fork();
  ASSERT(c->server >= 0);
  if (c->server == 0) {
    cluster_drop(c);
    execl(program, program, "-D", data, "-c", "listen_addresses=", "-c", sockets, "-c", "fsync=off", "-c",
          "shared_buffers=32MB", (char *)NULL);
    _exit(127);
  }
  cluster_await(c);
}

static inline void cluster_initdb(const struct cluster *c) {
  char program[300], data[96];
  (void)snprintf(program, sizeof program, "%s/initdb", c->bin);
  (void)snprintf(data, sizeof data, "%s/data", c->folder);
  pid_t child = fork();
  ASSERT(child >= 0);
  if (child == 0) {
    cluster_drop(c);
    execl(program, program, "-D", data, "-U", "tollgate", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8",
          (char *)NULL);
    _exit(127);
  }
  int status = 0;
  ASSERT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline void cluster_start(struct cluster *c) {
  *c = (struct cluster){.folder = "/tmp/tg-test-XXXXXX"};
  ASSERT(mkdtemp(c->folder));
  cluster_guard(c);
  cluster_bin(c);
  struct passwd *user = cluster_user();
  if (user) ASSERT(chown(c->folder, user->pw_uid, user->pw_gid) == 0);
  (void)snprintf(c->url, sizeof c->url, "postgresql:///postgres?host=%s&user=tollgate", c->folder);
  cluster_initdb(c);
  cluster_launch(c);
}

static inline const char *cluster_url(const struct cluster *c) {
  return c->url;
}

static inline void cluster_stop(struct cluster *c, int how) { // SIGQUIT: as if the power went; SIGINT: fast
  if (c->server <= 0) return;
  (void)kill(c->server, how);
  (void)waitpid(c->server, NULL, 0);
  c->server = 0;
}

static inline void cluster_stop_immediate(struct cluster *c) {
  cluster_stop(c, SIGQUIT);
}

static inline void cluster_restart(struct cluster *c) {
  cluster_stop(c, SIGQUIT);
  cluster_launch(c);
}

static inline void cluster_migrate(struct cluster *c) {
  struct migrate_status status;
  struct db *db = db_connect_bare(c->url, NULL);
  ASSERT(db && migrate_run(db, NULL, NULL, &status) == 0 && status.state == MIGRATE_CURRENT);
  db_destroy(db);
}

static inline void cluster_remove(struct cluster *c) {
  if (c->guardian <= 0) return;
  cluster_stop(c, SIGQUIT);
  (void)close(c->alive);
  (void)waitpid(c->guardian, NULL, 0);
  *c = (struct cluster){0};
}
