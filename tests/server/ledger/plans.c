// What the ledger's writers and the sums' ask for is found by key, one row after the other, even where the database holds their
// tables for empty: a plan is made once, and reading all of a table that has grown since, dead rows too, was cheapest then.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "ledger/session.h"
#include "../cluster.h"

static struct cluster cluster;
static struct session_common common = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct session session;

// Of a few rows, each of which is meant.
static const char *const small[] = {"writers", "calls_kept", "outbox_wanted", "rollup_lock", "rollup_cursors", "usage_dense", "meters"};

static bool is_small(const char *table) {
  for (size_t i = 0; i < ARRAY_LEN(small); i++) {
    size_t len = strlen(small[i]);
    if (strncmp(table, small[i], len) == 0 && (table[len] == ' ' || table[len] == '\0')) return true;
  }
  return false;
}

// The table that a line of a plan reads, or NULL; and the index that it reads it by, or none.
static const char *table_of(const char *line, char index[64]) {
  static const char *const reads[] = {"Seq Scan on ", "Tid Scan on ", "Bitmap Heap Scan on "};
  index[0] = '\0';
  for (size_t i = 0; i < ARRAY_LEN(reads); i++)
    if (strstr(line, reads[i])) return strstr(line, reads[i]) + strlen(reads[i]);
  const char *by = strstr(line, "Bitmap Index Scan on ");
  if (by) (void)sscanf(by, "Bitmap Index Scan on %63s", index);
  if (by) return by;
  by = strstr(line, " using ");
  if (!by) return NULL;
  (void)sscanf(by, " using %63s", index);
  return strstr(by, " on ") + 4;
}

// By the index's first column, or where it lies. A condition on others alone reads the whole index.
static bool is_by_key(struct db *db, const char *index, const char *next) {
  CLEANUP(db_result_finishp) struct db_result *r = NULL;
  char sql[160], first[64];
  if (index[0] == '\0') return strstr(next, "TID Cond: ") || strstr(next, "Recheck Cond: ");
  (void)snprintf(sql, sizeof sql, "SELECT pg_get_indexdef('%s'::regclass, 1, true)", index);
  assert_int_equal(db_query(db, sql, &r), 0);
  (void)snprintf(first, sizeof first, "(%.*s ", STR_ARG(db_text(r, 0, 0)));
  const char *condition = strstr(next, "Index Cond: (");
  return condition && strstr(condition, first);
}

static int parameters(const char *sql) {
  int most = 0;
  for (const char *at = sql; (at = strchr(at, '$')); at++) {
    int n = atoi(at + 1);
    if (n > most) most = n;
  }
  return most;
}

static struct db_result *explain(struct db *db, enum statement_id id) {
  const struct statement *s = &statement_table[id];
  struct db_result *r = NULL;
  struct buf sql;
  buf_init(&sql, 1 << 16);
  buf_printf(&sql, "PREPARE asked AS %s", s->sql);
  assert_int_equal(db_exec(db, buf_cstr(&sql)), 0);
  buf_clear(&sql);
  buf_puts(&sql, "EXPLAIN EXECUTE asked");
  for (int i = 0, n = parameters(s->sql); i < n; i++) buf_puts(&sql, i == 0 ? i + 1 == n ? " (NULL)" : " (NULL" : i + 1 == n ? ", NULL)" : ", NULL");
  if (db_query(db, buf_cstr(&sql), &r) != 0) fail_msg("%s: %s", s->name, db_error(db));
  assert_int_equal(db_exec(db, "DEALLOCATE asked"), 0);
  buf_finish(&sql);
  return r;
}

static void line_of(const struct db_result *r, size_t i, char out[512]) {
  out[0] = '\0';
  if (i < db_rows(r)) (void)snprintf(out, 512, "%.*s", STR_ARG(db_text(r, i, 0)));
}

// How many tables it reads. How rows that were found are joined is all the same.
static size_t judge(struct db *db, enum statement_id id) {
  CLEANUP(db_result_finishp) struct db_result *r = explain(db, id);
  size_t reads = 0;
  for (size_t i = 0; i < db_rows(r); i++) {
    char line[512], next[512];
    line_of(r, i, line);
    line_of(r, i + 1, next);
    char index[64];
    const char *table = table_of(line, index);
    reads += table != NULL;
    if (table && !is_small(table) && !is_by_key(db, index, next)) fail_msg("%s: %s", statement_table[id].name, line);
  }
  return reads;
}

static bool is_of(enum statement_id id, const char *prefix) {
  return strncmp(statement_table[id].name, prefix, strlen(prefix)) == 0;
}

static bool is_of_sweeping(enum statement_id id) {
  return id == STATEMENT_LEDGER_ORPHANS || id == STATEMENT_LEDGER_EXPIRED_GRANTS;
}

static void what_a_batch_asks_for_is_found_by_key(void **state) {
  (void)state;
  size_t statements = 0, reads = 0;
  for (enum statement_id id = 0; id < STATEMENT_COUNT; id++) {
    bool reads_all = id == STATEMENT_LEDGER_FENCE_DEAD || id == STATEMENT_LEDGER_FORGET; // writers; what is old, by its brin index
    if (!is_of(id, "ledger_") || reads_all || is_of_sweeping(id)) continue;
    reads += judge(session.db, id);
    statements++;
  }
  assert_in_range(statements, 30, 60);
  assert_in_range(reads, 30, 200);
}

static void in_the_week_that_is_written_to_no_event_is_looked_for(void **state) {
  (void)state;
  char week[64], line[512];
  (void)snprintf(week, sizeof week, " on event_identities_%" PRId64 " ", clock_wall_us() / (INT64_C(604800) * 1000000));
  static const enum statement_id looks[] = {STATEMENT_LEDGER_IDENTITIES, STATEMENT_LEDGER_IDENTITIES_BEFORE};
  for (size_t k = 0; k < ARRAY_LEN(looks); k++) {
    CLEANUP(db_result_finishp) struct db_result *r = explain(session.db, looks[k]);
    size_t found = 0;
    for (size_t i = 0; i < db_rows(r); i++) {
      line_of(r, i, line);
      found += strstr(line, week) != NULL;
    }
    assert_int_equal(found, looks[k] == STATEMENT_LEDGER_IDENTITIES);
  }
}

// In a session that has only what the caller sets.
static void judge_with(enum statement_id setting, const enum statement_id *asked, size_t count) {
  struct buf error;
  buf_init(&error, 512);
  struct db *db = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(db);
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(db_run(db, setting, NULL, NULL), 0);
  for (size_t i = 0; i < count; i++) assert_true(judge(db, asked[i]) > 0);
  db_rollback(db);
  db_destroy(db);
  buf_finish(&error);
}

static void what_the_sweeper_looks_for_is_found_by_key(void **state) {
  (void)state;
  static const enum statement_id asked[] = {STATEMENT_LEDGER_ORPHANS, STATEMENT_LEDGER_EXPIRED_GRANTS};
  judge_with(STATEMENT_LEDGER_BY_INDEX, asked, ARRAY_LEN(asked));
}

static void sums_are_found_by_key(void **state) {
  (void)state;
  static const enum statement_id asked[] = {STATEMENT_ROLLUP_CALLS, STATEMENT_ROLLUP_ADD, STATEMENT_ROLLUP_ADD_BOUNDED, STATEMENT_ROLLUP_NOTHING,
                                            STATEMENT_ROLLUP_NO_METERS, STATEMENT_ROLLUP_VALUES_CORRECTED, STATEMENT_ROLLUP_VALUES_CLEAR,
                                            STATEMENT_ROLLUP_VALUES_AGAIN};
  judge_with(STATEMENT_ROLLUP_BY_INDEX, asked, ARRAY_LEN(asked));
}

static int open_all(void **state) {
  (void)state;
  log_open(LOG_ERROR + 1, false);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  static struct ledger_config config = {.instance = "test", .lease_ms = 10000};
  config.url = cluster.url;
  struct buf error;
  buf_init(&error, 512);
  session_init(&session, &config, &common);
  struct ledger_retention retention = {.events_late_days = 35};
  bool ok = session_open(&session, &error) && ledger_partitions(session.db, &retention) >= 0 && db_exec(session.db, "VACUUM ANALYZE") == 0;
  buf_finish(&error);
  return ok ? 0 : -1;
}

static int close_all(void **state) {
  (void)state;
  session_finish(&session);
  cluster_remove(&cluster);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_a_batch_asks_for_is_found_by_key),
      cmocka_unit_test(in_the_week_that_is_written_to_no_event_is_looked_for),
      cmocka_unit_test(what_the_sweeper_looks_for_is_found_by_key),
      cmocka_unit_test(sums_are_found_by_key),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
