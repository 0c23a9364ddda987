// The child makes itself ready between fork and exec: streams, user, what the kernel shall send it when its parent
// dies. Nothing of the parent's but stdin, stdout, stderr and the one descriptor asked for stays open in it.
#include "app/child.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_NOT_STARTED 127

static void environment_apply(const char *const *environment) {
  for (; environment && *environment; environment++) {
    const char *equals = strchr(*environment, '=');
    if (!equals) {
      (void)unsetenv(*environment);
      continue;
    }
    char name[64];
    size_t len = (size_t)(equals - *environment);
    if (len >= sizeof name) continue;
    memcpy(name, *environment, len);
    name[len] = '\0';
    (void)setenv(name, equals + 1, 1);
  }
}

static bool streams_open(const char *log) {
  int in = open("/dev/null", O_RDWR);
  int out = log ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : in;
  return in >= 0 && out >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2;
}

static bool identity_take(const struct child_spec *spec) {
  if (geteuid() != 0) return true;
  return setgroups(0, NULL) == 0 && setgid(spec->gid) == 0 && setuid(spec->uid) == 0;
}

// In the child. The parent's death is asked for after the change of user, which would forget it.
_Noreturn static void child_become(const struct child_spec *spec, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
  (void)setpgid(0, 0);
  environment_apply(spec->environment);
  bool sound = streams_open(spec->log) && identity_take(spec) && prctl(PR_SET_PDEATHSIG, spec->at_parents_death) == 0;
  if (sound && spec->keep_fd >= 0) sound = fcntl(spec->keep_fd, F_SETFD, 0) == 0;
  if (sound && getppid() == parent) {
    char *argv[64] = {NULL};
    for (size_t i = 0; i + 1 < sizeof argv / sizeof *argv && spec->argv[i]; i++)
      memcpy(&argv[i], &spec->argv[i], sizeof *argv);
    (void)execv(argv[0], argv);
  }
  _exit(EXIT_NOT_STARTED);
}

bool child_start(struct child *c, const struct child_spec *spec) {
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) return false;
  if (pid == 0) child_become(spec, parent);
  *c = (struct child){.pid = pid, .name = spec->name};
  return true;
}

bool child_running(struct child *c) {
  if (c->pid == 0) return false;
  pid_t r = waitpid(c->pid, &c->status, WNOHANG);
  if (r == 0 || (r < 0 && errno == EINTR)) return true;
  c->pid = 0;
  return false;
}

bool child_wait(struct child *c, int ms) {
  const struct timespec pause = {0, 5000000};
  for (int64_t until = clock_mono_us() + (int64_t)ms * 1000; child_running(c);) {
    if (clock_mono_us() >= until) return false;
    (void)nanosleep(&pause, NULL);
  }
  return true;
}

void child_stop(struct child *c, int signal, int ms) {
  if (!child_running(c)) return;
  (void)kill(c->pid, signal);
  if (child_wait(c, ms)) return;
  (void)kill(c->pid, SIGKILL);
  (void)child_wait(c, 5000);
}

bool child_succeeded(const struct child *c) {
  return c->pid == 0 && WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
}
