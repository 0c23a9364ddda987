// One transaction for each partition that has grown by a range or more. It waits for nobody: a vacuum that is under way
// summarizes by itself.
#include "report/rollup_index.h"
#include "base/fault.h"
#include "db/db.h"

#define RANGES_AT_ONCE 512 // 256 MiB

void rollup_index_finish(struct rollup_index *k) {
  vec_finish(&k->parts);
}

static size_t part_of(struct rollup_index *k, int64_t index) {
  size_t i = 0;
  while (i < k->parts.count && k->parts.at[i].index != index) i++;
  if (i == k->parts.count) vec_add(&k->parts)->index = index;
  return i;
}

static int summarize(struct db *db, int64_t index, int64_t from, int64_t until) {
  CLEANUP(db_params_finish) struct db_params p;
  db_params_init(&p);
  db_param_i64(&p, index);
  db_param_i64(&p, from);
  db_param_i64(&p, until);
  if (db_begin(db) != 0) return FAULT_DB;
  int r = db_run(db, STATEMENT_ROLLUP_PATIENCE, NULL, NULL);
  if (r == 0) r = db_run(db, STATEMENT_ROLLUP_SUMMARIZE, &p, NULL);
  if (r == 0) return db_commit(db);
  db_rollback(db);
  return r < 0 ? r : 1;
}

int rollup_index_keep(struct rollup_index *k, struct db *db) {
  CLEANUP(db_result_finishp) struct db_result *rows = NULL;
  if (db_run(db, STATEMENT_ROLLUP_RANGES, NULL, &rows) != 0) return FAULT_DB;
  for (size_t i = 0; i < db_rows(rows); i++) {
    int64_t index = db_i64(rows, i, 0), full = db_i64(rows, i, 1);
    size_t at = part_of(k, index);
    int64_t from = k->parts.at[at].next, until = full - from > RANGES_AT_ONCE ? from + RANGES_AT_ONCE : full;
    if (from >= until) continue;
    int r = summarize(db, index, from, until);
    if (r < 0) return r;
    if (r == 0) k->parts.at[at].next = until;
  }
  return 0;
}
