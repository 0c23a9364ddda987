// A private PostgreSQL cluster for one test program: made in a folder of its own under /tmp, reached by Unix socket only,
// gone when the program ends however it ends. PostgreSQL refuses to run as root: then it runs as its package's user.
#pragma once
#include "base/log.h"
#include "db/migrate.h"
#include <dirent.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct cluster {
  char folder[64], url[256], bin[256];
  pid_t server;
};

static inline void cluster_drop(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
  if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid))) _exit(126);
  if (chdir("/")) _exit(126);
  if (!freopen("/dev/null", "r", stdin) || !freopen("log", "a", stdout)) (void)freopen("/dev/null", "w", stdout);
  dup2(fileno(stdout), STDERR_FILENO);
}

static inline void cluster_bin(struct cluster *c) {
  DIR *d = opendir("/usr/lib/postgresql");
  ASSERT(d);
  int best = 0;
  for (struct dirent *e; (e = readdir(d));)
    if (atoi(e->d_name) > best) best = atoi(e->d_name);
  closedir(d);
  (void)snprintf(c->bin, sizeof c->bin, "/usr/lib/postgresql/%d/bin", best);
}

static inline void cluster_launch(struct cluster *c) {
  char program[300], data[96], sockets[96];
  (void)snprintf(program, sizeof program, "%s/postgres", c->bin);
  (void)snprintf(data, sizeof data, "%s/data", c->folder);
  (void)snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", c->folder);
  c->server = fork();
  if (c->server == 0) {
    cluster_drop();
    execl(program, "postgres", "-D", data, "-c", "listen_addresses=", "-c", sockets, "-c", "fsync=off", (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 1500; i++) {
    struct buf error;
    buf_init(&error, 512);
    struct db *db = db_connect_bare(c->url, &error);
    buf_finish(&error);
    if (db) {
      db_destroy(db);
      return;
    }
    usleep(20000);
  }
  ASSERT(!c->url[0]);
}

static inline void cluster_stop(struct cluster *c, int how) { // SIGQUIT: as if the power went; SIGINT: fast
  if (c->server <= 0) return;
  kill(c->server, how);
  waitpid(c->server, NULL, 0);
  c->server = 0;
}

static inline void cluster_start(struct cluster *c) {
  char command[600];
  strcpy(c->folder, "/tmp/tg-test-XXXXXX");
  ASSERT(mkdtemp(c->folder));
  cluster_bin(c);
  struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
  if (user) ASSERT(chown(c->folder, user->pw_uid, user->pw_gid) == 0);
  (void)snprintf(c->url, sizeof c->url, "postgresql:///postgres?host=%s&user=tollgate", c->folder);
  (void)snprintf(command, sizeof command, "%s/initdb -D %s/data -U tollgate -A trust -E UTF8 --no-sync --locale=C.UTF-8 >/dev/null", c->bin, c->folder);
  pid_t child = fork();
  if (child == 0) {
    cluster_drop();
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  cluster_launch(c);
}

static inline void cluster_migrate(struct cluster *c) {
  struct buf error;
  struct migrate_status status;
  buf_init(&error, 512);
  struct db *db = db_connect_bare(c->url, &error);
  ASSERT(db && migrate_run(db, NULL, NULL, &status) == 0 && status.state == MIGRATE_CURRENT);
  db_destroy(db);
  buf_finish(&error);
}

static inline void cluster_remove(struct cluster *c) {
  char command[128];
  cluster_stop(c, SIGQUIT);
  (void)snprintf(command, sizeof command, "rm -rf %s", c->folder);
  if (system(command)) perror(command);
}
