// The loop. Ends with the process that started it.
#include "proxy.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define EVENTS 128

static void files_allow_many(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  struct epoll_event events[EVENTS];
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (argc != 2 || epoll_fd < 0) {
    fprintf(stderr, "fault_proxy SOCKET\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  files_allow_many();
  srand(1);
  relay_init(epoll_fd);
  if (!control_listen(argv[1], epoll_fd)) {
    perror(argv[1]);
    return 1;
  }
  for (;;) {
    int wait_ms = relay_run();
    int count = epoll_wait(epoll_fd, events, EVENTS, wait_ms);
    for (int i = 0; i < count; i++) {
      void *ptr = events[i].data.ptr;
      if (control_owns(ptr))
        control_event(ptr);
      else if (relay_owns(ptr))
        relay_event(ptr, events[i].events);
    }
  }
}
