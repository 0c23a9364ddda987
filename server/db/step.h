// The numbered steps of a database's shape: those this binary carries beside those the database has had.
#pragma once
#include "base/vec.h"
#include "db/embedded.h"
#include "db/migrate.h"

struct step {
  int number;
  char name[64];
  const char *text;               // NULL: only the database knows it
  char checksum[65], applied[65]; // SHA-256 in hex, as carried and as applied; "" where it is not
  int64_t applied_at;             // 0: pending
};
struct steps {
  vec(struct step) list; // in order of number
};

// Reads both sides. `files` is as embedded_files; what is not under migrations/ is passed over. 0 or FAULT_DB.
int steps_read(struct steps *steps, struct db *db, const struct embedded_file *files);
void steps_finish(struct steps *steps);
void steps_judge(const struct steps *steps, struct migrate_status *ret);

// migrate_run over other files: for tests, which bring their own steps.
int migrate_files(struct db *db, const struct embedded_file *files,
                  void (*step)(void *arg, int number, const char *name), void *arg, struct migrate_status *ret);
