// Stops one thread of a process for a while, wherever it is: fault_stall TID MS. Prints "stopped" once it stands.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int complain(const char *what) {
  perror(what);
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "fault_stall TID MS\n");
    return 2;
  }
  pid_t tid = (pid_t)atoi(argv[1]);
  int ms = atoi(argv[2]), status = 0;
  if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) return complain("seize");
  if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0) return complain("interrupt");
  if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) return complain("wait");
  printf("stopped\n");
  fflush(stdout);
  struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&pause, NULL);
  return ptrace(PTRACE_DETACH, tid, NULL, NULL) == 0 ? 0 : complain("detach");
}
