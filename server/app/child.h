// Programs that `tollgate dev` starts: each in a process group of its own, so that a Ctrl-C in the terminal reaches dev
// alone, and told by the kernel when dev dies, however it dies.
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct child {
  pid_t pid;        // 0: not running
  int status;       // of waitpid, once it has ended
  const char *name; // for people
};

struct child_spec {
  const char *name;
  const char *const *argv; // argv[0] is a path; NULL ends it
  const char *const *environment; // "NAME=value" to set or "NAME" to unset, on top of this process's; NULL: none
  const char *log;          // stdout and stderr are appended there; NULL: nowhere
  uid_t uid;                // who it runs as, where this process is root
  gid_t gid;
  int keep_fd;              // stays open in it; -1: none
  int at_parents_death;     // the signal it gets
};
bool child_start(struct child *c, const struct child_spec *spec); // false with errno; c is as it was
bool child_running(struct child *c);                            // also collects one that has ended
// Waits until it has ended, at most that long.
bool child_wait(struct child *c, int ms);
// Signals it and waits; after `ms` it is killed. Harmless where it is not running.
void child_stop(struct child *c, int signal, int ms);
bool child_succeeded(const struct child *c); // ended with 0
