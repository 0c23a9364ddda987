// The audit: every invariant of the books, checked in pieces by customer, each piece one statement and so one snapshot of
// a few milliseconds. It may run while the service works.
#pragma once
#include "base/id.h"

struct db;
struct audit_finding {
  const char *rule; // which invariant, a sentence
  struct uuid customer;
  const char *row; // the row that breaks it, as text
};
struct audit_progress {
  int64_t customers, findings;
};
// Tells each finding and, after each piece, how far it is. 0 (also with findings) or FAULT_DB.
int audit_run(struct db *db, void (*found)(void *arg, const struct audit_finding *f),
              void (*progress)(void *arg, const struct audit_progress *p), void *arg, struct audit_progress *ret);
