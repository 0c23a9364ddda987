// Walks the customers by id, a piece at a time, and holds every rule against each piece.
#include "ledger/audit.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/db.h"
#include <string.h>

#define PIECE 500
// Evidence has a retention of its own: only calls of the last day must still have theirs.
#define EVIDENCE_US (INT64_C(24) * 3600 * 1000000)

//  statement, the rule as a sentence
#define RULES(X)                                                                                       \
  X(AUDIT_SIGNS, "held and debt are never negative")                                                   \
  X(AUDIT_GRANTS, "granted = left + consumed + expired + refunded + frozen")                           \
  X(AUDIT_BURNING, "the grant that burns is the first in burn order, with what it has left")           \
  X(AUDIT_GRANT_LEGS, "what a grant says it paid is what the transfers' legs say")                     \
  X(AUDIT_TRANSFER_LEGS, "a transfer's amount is the sum of its legs")                                 \
  X(AUDIT_BALANCE_GRANTS, "balance = sum of what the grants have left - debt")                         \
  X(AUDIT_BALANCE_TRANSFERS, "balance = sum over the transfers")                                       \
  X(AUDIT_HELD, "held = sum of the holds")                                                             \
  X(AUDIT_OPEN_HOLDS, "the number of open explicit holds is that of their rows")                       \
  X(AUDIT_BUCKETS, "a bucket's held = sum of what its window's holds drew")                            \
  X(AUDIT_CALLS_TRANSFERS, "each settled call lies inside one transfer, and the transfer is their sum") \
  X(AUDIT_STATES, "a call ends once, and its revisions follow the states")                             \
  X(AUDIT_EVIDENCE, "each ended call has its evidence")

static const struct {
  enum statement_id statement;
  const char *rule;
} rules[] = {
#define X(statement, rule) {STATEMENT_##statement, rule},
    RULES(X)
#undef X
};

struct audit {
  struct db *db;
  void (*found)(void *arg, const struct audit_finding *f);
  void *arg;
  struct audit_progress progress;
  struct uuid after, until;
};

static int rule_check(struct audit *a, size_t rule) {
  struct db_params p;
  struct db_result *rows = NULL;
  db_params_init(&p);
  db_param_uuid(&p, a->after);
  db_param_uuid(&p, a->until);
  if (rules[rule].statement == STATEMENT_AUDIT_EVIDENCE) db_param_uuid(&p, uuid_floor(clock_wall_us() - EVIDENCE_US));
  int r = db_run(a->db, rules[rule].statement, &p, &rows);
  for (size_t i = 0; r == 0 && i < db_rows(rows); i++) {
    struct str text = db_text(rows, i, 1);
    char row[1024];
    size_t len = text.len < sizeof row - 1 ? text.len : sizeof row - 1;
    memcpy(row, text.ptr, len);
    row[len] = '\0';
    a->progress.findings++;
    a->found(a->arg, &(struct audit_finding){rules[rule].rule, db_uuid(rows, i, 0), row});
  }
  db_result_finish(rows);
  db_params_finish(&p);
  return r == 0 ? 0 : FAULT_DB;
}

// The next customers: 1 and a->until, 0 at the end.
static int piece_next(struct audit *a, int64_t *ret_count) {
  struct db_params p;
  struct db_result *rows = NULL;
  db_params_init(&p);
  db_param_uuid(&p, a->after);
  db_param_i64(&p, PIECE);
  int r = db_run(a->db, STATEMENT_AUDIT_PIECE, &p, &rows);
  if (r == 0) {
    a->until = db_uuid(rows, 0, 0);
    *ret_count = db_i64(rows, 0, 1);
  }
  db_result_finish(rows);
  db_params_finish(&p);
  return r == 0 ? *ret_count > 0 : FAULT_DB;
}

int audit_run(struct db *db, void (*found)(void *arg, const struct audit_finding *f),
              void (*progress)(void *arg, const struct audit_progress *p), void *arg, struct audit_progress *ret) {
  struct audit a = {.db = db, .found = found, .arg = arg, .after = UUID_NIL};
  int64_t count = 0;
  int r = 0;
  while (r == 0 && (r = piece_next(&a, &count)) > 0) {
    r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(rules); i++) r = rule_check(&a, i);
    a.progress.customers += count;
    a.after = a.until;
    if (progress) progress(arg, &a.progress);
  }
  *ret = a.progress;
  return r;
}
