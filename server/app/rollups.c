// `tollgate rollups rebuild`: straight on the database, while servers run.
#include "app/command.h"
#include "app/out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/db.h"
#include "report/rollup_rebuild.h"
#include <unistd.h>

#define STATEMENT_MS 60000
#define BAR 40

struct rebuilding {
  bool live; // a bar that is written over; else a line now and then
  int64_t told_at;
};

static void progress_tell(void *arg, const struct rollup_progress *p) {
  struct rebuilding *o = arg;
  int64_t now = clock_mono_us(), every = o->live ? 100000 : 10000000;
  if (now - o->told_at < every) return;
  o->told_at = now;
  if (!o->live) {
    (void)fprintf(stderr, "{\"calls\":%lld,\"expected\":%lld}\n", (long long)p->calls, (long long)p->expected);
    return;
  }
  int64_t done = p->expected > p->calls ? p->calls * BAR / p->expected : BAR;
  char bar[BAR + 1];
  for (int64_t i = 0; i < BAR; i++) bar[i] = i < done ? '#' : '.';
  bar[BAR] = '\0';
  (void)fprintf(stderr, "\r[%s] %lld of about %lld calls", bar, (long long)p->calls, (long long)(p->expected > p->calls ? p->expected : p->calls));
}

int rollups_rebuild_run(struct invocation *in) {
  CLEANUP(buf_finish) struct buf why;
  buf_init(&why, 4096);
  if (!config_require(&in->config, SETTING_DATABASE_URL, &why)) {
    out_error("%.*s", (int)why.len - 1, why.data);
    return EXIT_USAGE;
  }
  struct db *db = db_connect(config_text(&in->config, SETTING_DATABASE_DIRECT_URL), STATEMENT_MS, STATEMENT_MS, STATEMENT_MS, &why);
  if (!db) {
    out_error("the database cannot be used: %s", buf_cstr(&why));
    return EXIT_NETWORK;
  }
  struct rebuilding o = {.live = isatty(STDERR_FILENO), .told_at = clock_mono_us()};
  struct rollup_progress p = {.calls = 0};
  int r = rollup_rebuild(db, 0, progress_tell, &o, &p);
  if (o.live) (void)fputs("\r\x1b[K", stderr);
  if (r < 0) out_error("the sums were not all made anew (those that were not are as they were): %s", db_error(db));
  db_destroy(db);
  if (r < 0) return EXIT_FAILED;
  (void)printf(in->json ? "{\"calls\":%lld}\n" : "made anew from %lld calls\n", (long long)p.calls);
  return EXIT_FINE;
}
