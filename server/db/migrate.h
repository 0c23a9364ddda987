// Migrations: the embedded, numbered, checksummed steps, forward only, guarded by a lease row so that two instances never
// run them at once. Steps may be tried again after a crash: each is one transaction.
#pragma once
#include "db/db.h"

enum migrate_state { MIGRATE_CURRENT, MIGRATE_PENDING, MIGRATE_CHANGED, MIGRATE_NEWER, MIGRATE_EMPTY };
struct migrate_status {
  enum migrate_state state; // CHANGED: an applied step is not the one in this binary; NEWER: the database knows more steps
  int applied, known;       // the highest number applied, and the highest in this binary
  char detail[256];         // a sentence for people
};
int migrate_status(struct db *db, struct migrate_status *ret);
// Applies what is pending, telling each step. 0; 1 with a sentence in ret->detail where it refuses; FAULT_DB.
int migrate_run(struct db *db, void (*step)(void *arg, int number, const char *name), void *arg, struct migrate_status *ret);
// One line a step: number, name, checksum, applied at (or pending).
int migrate_list(struct db *db, void (*row)(void *arg, int number, const char *name, const char *checksum, int64_t applied_at), void *arg);
