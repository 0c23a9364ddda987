// sim: worlds one after the other, each from its seed, until the time is over or one fails. They run in a child process, so
// that whatever happens to it the failure is told, shrunk and can be run again.
#include "check.h"
#include "faults.h"
#include "planted.h"
#include "told.h"
#include "world.h"
#include "base/log.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPS 1600
#define SHRINK_SECONDS 12

struct plan {
  uint64_t seed;
  int64_t ops, worlds; // of each world; at most so many worlds
  double seconds;
  uint64_t without;
  bool quiet, shrinks;
};
static struct progress { // shared with the child
  uint64_t seed;
} *progress;

static double clock_seconds(clockid_t which) {
  struct timespec t;
  clock_gettime(which, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void tell(uint64_t worlds, double seconds) {
  uint64_t ops = check_operations();
  double busy = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
  printf("%llu operations in %llu worlds, %.1f s, %.1f s of them on a processor: %.1f million a minute of it\n", (unsigned long long)ops,
         (unsigned long long)worlds, seconds, busy, (double)ops / busy * 60 / 1e6);
  for (int i = 0; i < FAULT_KINDS; i++) printf("%10lld %s\n", (long long)fault_counts[i], fault_names[i]);
  check_tell();
  printf("%10llu events told\n", (unsigned long long)told_counts);
#define X(id, number, name) if ((number) > 1) printf("%10llu rows of calls: %s\n", (unsigned long long)row_states[number], name);
  CALL_STATES(X)
#undef X
#define X(id, bit, name, what) printf("%10llu of them %s\n", (unsigned long long)row_flags[bit], name);
  CALL_FLAGS(X)
#undef X
  for (int i = 1; i < ROW_KINDS; i++) printf("%10llu %s\n", (unsigned long long)row_kinds[i].count, row_kinds[i].name);
}

static void child(const struct plan *p) {
  double begun = clock_seconds(CLOCK_MONOTONIC), now = begun;
  uint64_t worlds = 0;
  if (p->quiet && !freopen("/dev/null", "w", stdout)) _exit(2);
  log_open(LOG_ERROR + 1, false);
  ASSERT(crypto_start());
  for (; (int64_t)worlds < p->worlds && now - begun < p->seconds; worlds++, now = clock_seconds(CLOCK_MONOTONIC)) {
    progress->seed = p->seed + worlds;
    world_run(progress->seed, p->ops, p->without);
  }
  tell(worlds, now - begun);
  exit(0);
}

// 0: nothing was found.
static int run(const struct plan *p) {
  int status = 0;
  (void)fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) child(p);
  if (pid < 0 || waitpid(pid, &status, 0) != pid) exit(2);
  if (WIFSIGNALED(status)) printf("FAILED: seed %llu: signal %d\n", (unsigned long long)progress->seed, WTERMSIG(status));
  return status;
}

// A shorter world that fails, then one with fewer kinds of faults.
static struct plan shrink(struct plan p) {
  double until = clock_seconds(CLOCK_MONOTONIC) + SHRINK_SECONDS;
  struct plan best = p;
  best.seed = progress->seed;
  best.worlds = 1;
  best.seconds = 1e9;
  best.quiet = true;
  for (int64_t ops = 25; ops < p.ops && clock_seconds(CLOCK_MONOTONIC) < until; ops *= 2) {
    struct plan shorter = p;
    shorter.ops = ops;
    shorter.worlds = 20000 / ops;
    shorter.seconds = SHRINK_SECONDS / 4.0;
    shorter.quiet = true;
    if (run(&shorter) == 0) continue;
    best.ops = ops;
    best.seed = progress->seed;
    break;
  }
  for (int i = 0; i < FAULT_KINDS && clock_seconds(CLOCK_MONOTONIC) < until; i++) {
    struct plan fewer = best;
    fewer.without |= UINT64_C(1) << i;
    if (run(&fewer) != 0) best = fewer;
  }
  best.quiet = p.quiet;
  return best;
}

static void report(const struct plan *p, const char *program) {
  printf("\nshortest found, to be run again:\n  %s --seed %llu --ops %lld --worlds 1 --without 0x%llx%s\n", program,
         (unsigned long long)p->seed, (long long)p->ops, (unsigned long long)p->without, planted_option());
  for (int i = 0; i < FAULT_KINDS; i++)
    if (!(p->without >> i & 1)) printf("  needs (or was not tried without): %s\n", fault_names[i]);
  (void)run(p);
}

static _Noreturn void usage(const char *program) {
  fprintf(stderr, "%s [--seed S] [--ops N] [--seconds T] [--worlds W] [--without MASK] [--no-shrink] [--trace]%s\n", program, planted_usage());
  exit(2);
}

int main(int argc, char **argv) {
  static const struct option options[] = {{"seed", required_argument, NULL, 's'},   {"ops", required_argument, NULL, 'o'},
                                          {"seconds", required_argument, NULL, 't'}, {"worlds", required_argument, NULL, 'w'},
                                          {"without", required_argument, NULL, 'x'}, {"trace", no_argument, NULL, 'v'},
                                          {"planted", required_argument, NULL, 'p'}, {"no-shrink", no_argument, NULL, 'n'},
                                          {NULL, 0, NULL, 0}};
  struct plan p = {.seed = 1, .ops = OPS, .worlds = INT64_MAX, .seconds = 10, .shrinks = true};
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    switch (c) {
    case 's': p.seed = strtoull(optarg, NULL, 0); break;
    case 'o': p.ops = strtoll(optarg, NULL, 0); break;
    case 't': p.seconds = strtod(optarg, NULL); break;
    case 'w': p.worlds = strtoll(optarg, NULL, 0), p.seconds = 1e9; break;
    case 'x': p.without = strtoull(optarg, NULL, 0); break;
    case 'v': check_trace = true; break;
    case 'n': p.shrinks = false; break;
    case 'p':
      if (planted_choose(optarg)) break;
      usage(argv[0]);
    default: usage(argv[0]);
    }
  }
  progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (progress == MAP_FAILED) return 2;
  if (run(&p) == 0) return 0;
  if (p.shrinks && p.worlds > 1) {
    struct plan shortest = shrink(p);
    report(&shortest, argv[0]);
  }
  return 1;
}
