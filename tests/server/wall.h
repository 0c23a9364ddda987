// The wall clock of a test, which may be stepped: in libc's place for what is linked into the test.
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t wall_step_s; // seconds by which this machine's idea of the time is off

int clock_gettime(clockid_t which, struct timespec *ret) {
  int r = (int)syscall(SYS_clock_gettime, which, ret);
  if (r == 0 && which == CLOCK_REALTIME) ret->tv_sec += wall_step_s;
  return r;
}
