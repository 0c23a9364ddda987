// What the checks of `tollgate doctor` share, and those of a restore (restore.c).
#pragma once
#include "app/config.h"

struct db;

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };
struct doctor {
  const struct config *config;
  struct db *db; // NULL where it cannot be reached
  struct buf detail;
};

// What has to be kept together to be of use again, and whether what is here now was kept together: a database, the master
// key that it was used with, the journal of this instance, and rows of one moment.
enum verdict restore_backup(struct doctor *d);
enum verdict restore_master(struct doctor *d);
enum verdict restore_journal(struct doctor *d);
enum verdict restore_sequences(struct doctor *d);
