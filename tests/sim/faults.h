// What goes wrong in a world, and how often. Each kind can be left out, to find which of them a failure needs; each counts
// how often it struck, because a fault that never fired proves nothing.
#pragma once
#include <stdbool.h>
#include <stdint.h>

//  id, name
#define FAULTS(X)                                             \
  X(CUT_REQUEST, "requests lost on the way")                  \
  X(CUT_REPLY, "replies lost on the way")                     \
  X(COMMIT_LOST_LANDED, "COMMITs lost that had landed")       \
  X(COMMIT_LOST_NOT, "COMMITs lost that had not")             \
  X(STATEMENT, "statements that failed for a moment")         \
  X(POISON, "operations that no database takes")              \
  X(TERMINATE, "sessions ended")                              \
  X(AWAY, "connections refused")                              \
  X(RESTART, "restarts of the database")                      \
  X(CRASH, "instances killed")                                \
  X(FREEZE, "instances frozen")                               \
  X(LEASE, "writers taken for dead that were not")            \
  X(WALL, "steps of an instance's clock")                     \
  X(CLOCK, "steps of the database's clock")                   \
  X(SLEEP, "long times in which nothing happens")             \
  X(LOCK, "rows held for too long")                           \
  X(KEEPER, "housekeeping that got stuck")

enum fault_kind {
#define X(id, name) STRIKE_##id,
  FAULTS(X)
#undef X
      FAULT_KINDS
};
extern const char *const fault_names[FAULT_KINDS];
extern int64_t fault_counts[FAULT_KINDS]; // over all worlds

void faults_begin(uint64_t without); // bits of kinds that do not happen; each world leaves out some more of its own
int64_t faults_pace(void);           // microseconds between two of the large ones, about
void faults_calm(void);              // none from here on
// Whether it strikes now, one time in n; counts.
bool faults_strike(enum fault_kind kind, int64_t one_in);
bool faults_refuse(void); // a statement fails for a passing reason
const char *faults_sqlstate(void);
void faults_note(enum fault_kind kind); // it struck by itself
void nemesis_start(void);               // a fiber that does the large ones
