// Forward only, one transaction a step. Two things keep instances apart: the lease says whose turn it is, and each
// step's transaction renews it first, so that its row lock is held until the step is decided; whoever takes a lease
// that ran out meanwhile waits for that, and the one that lost it finds no row of its own. The row in schema_migrations
// is written in the same commit, so a crash anywhere leaves a step done or not begun.
#include "db/migrate.h"
#include "base/clock.h"
#include "db/internal.h"
#include "db/step.h"
#include <stdio.h>
#include <time.h>

#define LEASE_S "15" // longer only by renewal: what a crash makes the next one wait
#define WAIT_US INT64_C(60000000)
#define AGAIN_MS 100

static const char tables_sql[] = "CREATE TABLE IF NOT EXISTS schema_migrations ("
                                 "  number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
                                 "  applied_at timestamptz NOT NULL DEFAULT now());"
                                 "CREATE TABLE IF NOT EXISTS migration_lease ("
                                 "  one boolean PRIMARY KEY DEFAULT true CHECK (one), holder text NOT NULL DEFAULT '',"
                                 "  until timestamptz NOT NULL DEFAULT '-infinity');"
                                 "INSERT INTO migration_lease DEFAULT VALUES ON CONFLICT DO NOTHING";
static const char take_sql[] =
    "UPDATE migration_lease SET holder = $1::text, until = clock_timestamp() + interval '" LEASE_S
    " seconds' WHERE until < clock_timestamp()";
static const char renew_sql[] =
    "UPDATE migration_lease SET until = clock_timestamp() + interval '" LEASE_S " seconds' WHERE holder = $1::text";
static const char end_sql[] = "UPDATE migration_lease SET holder = '', until = '-infinity' WHERE holder = $1::text";

struct run {
  struct db *db;
  const struct embedded_file *files;
  void (*step)(void *arg, int number, const char *name);
  void *arg;
  char holder[ID_TEXT_MAX];
  struct migrate_status *ret;
};

static void pause_ms(long ms) {
  (void)nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static int refuse(struct run *run, const char *what) {
  (void)snprintf(run->ret->detail, sizeof run->ret->detail, "%.110s: %.140s", what, db_error(run->db));
  return 1;
}

// ---- the lease

// 1: it is ours; 0: another's; FAULT_DB. A lock not had in time is another's too: its step is running.
static int lease_update(struct run *run, const char *sql) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  struct db_params p;
  db_params_init(&p);
  db_param_text(&p, str_from(run->holder));
  int result = db_query_params(run->db, sql, &p, &r);
  db_params_finish(&p);
  if (result == 0) return db_affected(r) == 1;
  return result > 0 && db_is_transient(run->db) ? 0 : FAULT_DB;
}

static int lease_take(struct run *run) {
  int64_t until = clock_mono_us() + WAIT_US;
  for (;;) {
    int r = lease_update(run, take_sql);
    if (r < 0) return r;
    if (r == 1) return 0;
    if (clock_mono_us() > until) {
      (void)snprintf(run->ret->detail, sizeof run->ret->detail, "another instance has been migrating for a minute");
      return 1;
    }
    pause_ms(AGAIN_MS);
  }
}

// ---- the steps

static int step_record(struct run *run, const struct step *s) {
  static const char sql[] =
      "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1::integer, $2::text, $3::text)";
  struct db_params p;
  db_params_init(&p);
  db_param_i32(&p, s->number);
  db_param_text(&p, str_from(s->name));
  db_param_text(&p, str_from(s->checksum));
  int r = db_query_params(run->db, sql, &p, NULL);
  db_params_finish(&p);
  return r;
}

enum { APPLIED = 0, REFUSED = 1, LEASE_LOST = 2 };

static int step_apply(struct run *run, const struct step *s) {
  if (db_begin(run->db) != 0) return FAULT_DB;
  int ours = lease_update(run, renew_sql);
  if (ours == 0) db_rollback(run->db);
  if (ours != 1) return ours < 0 ? ours : LEASE_LOST;
  if (run->step) run->step(run->arg, s->number, s->name);
  int r = db_exec(run->db, s->text);
  if (r == 0) r = step_record(run, s);
  if (r == 0) r = db_commit(run->db);
  if (r == 0) return APPLIED;
  bool lost = !db_alive(run->db);
  db_rollback(run->db);
  if (lost) return r < 0 ? r : FAULT_DB;
  char what[128];
  (void)snprintf(what, sizeof what, "step %04d_%s failed and left nothing", s->number, s->name);
  return refuse(run, what);
}

static bool is_refused(const struct migrate_status *status) {
  return status->state == MIGRATE_CHANGED || status->state == MIGRATE_NEWER;
}

// What is pending is read anew under the lease: another may have done it all while this one waited.
static int apply_all(struct run *run) {
  struct steps steps;
  int r = steps_read(&steps, run->db, run->files);
  if (r == 0) {
    steps_judge(&steps, run->ret);
    if (is_refused(run->ret)) r = REFUSED;
  }
  for (size_t i = 0; r == APPLIED && i < steps.list.count; i++)
    if (!steps.list.at[i].applied_at) r = step_apply(run, &steps.list.at[i]);
  steps_finish(&steps);
  return r;
}

static int status_of(struct db *db, const struct embedded_file *files, struct migrate_status *ret) {
  struct steps steps;
  int r = steps_read(&steps, db, files);
  if (r == 0) steps_judge(&steps, ret);
  steps_finish(&steps);
  return r;
}

// Two that create the same table at once: one of them may fail though both said IF NOT EXISTS.
static int tables_make(struct run *run) {
  int r = 1;
  for (int i = 0; r > 0 && i < 5; i++) {
    r = db_exec(run->db, tables_sql);
    if (r > 0) pause_ms(AGAIN_MS);
  }
  return r > 0 ? refuse(run, "the tables that keep the steps cannot be made") : r;
}

int migrate_files(struct db *db, const struct embedded_file *files,
                  void (*step)(void *arg, int number, const char *name), void *arg, struct migrate_status *ret) {
  struct run run = {.db = db, .files = files, .step = step, .arg = arg, .ret = ret};
  *ret = (struct migrate_status){0};
  id_print("migrator", uuid_local(clock_wall_us()), run.holder);
  int r = status_of(db, files, ret);
  if (r != 0 || ret->state == MIGRATE_CURRENT) return r;
  if (is_refused(ret)) return 1;
  r = tables_make(&run);
  while (r == 0) {
    r = lease_take(&run);
    if (r == 0) r = apply_all(&run);
    if (r >= 0) (void)lease_update(&run, end_sql);
    if (r != LEASE_LOST) break;
    r = 0;
  }
  return r == 0 ? status_of(db, files, ret) : r;
}

int migrate_run(struct db *db, void (*step)(void *arg, int number, const char *name), void *arg,
                struct migrate_status *ret) {
  return migrate_files(db, embedded_files, step, arg, ret);
}

int migrate_status(struct db *db, struct migrate_status *ret) {
  return status_of(db, embedded_files, ret);
}

int migrate_list(struct db *db,
                 void (*row)(void *arg, int number, const char *name, const char *checksum, int64_t applied_at),
                 void *arg) {
  struct steps steps;
  int r = steps_read(&steps, db, embedded_files);
  for (size_t i = 0; r == 0 && i < steps.list.count; i++) {
    const struct step *s = &steps.list.at[i];
    row(arg, s->number, s->name, s->applied_at ? s->applied : s->checksum, s->applied_at);
  }
  steps_finish(&steps);
  return r;
}
