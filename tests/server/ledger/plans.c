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

// The table that a line of a plan reads, or NULL.
static const char *table_of(const char *line) {
  static const char *const reads[] = {"Seq Scan on ", "Tid Scan on ", "Bitmap Heap Scan on ", "Bitmap Index Scan on "};
  for (size_t i = 0; i < ARRAY_LEN(reads); i++)
    if (strstr(line, reads[i])) return strstr(line, reads[i]) + strlen(reads[i]);
  if (!strstr(line, "Index Scan ") && !strstr(line, "Index Only Scan ")) return NULL;
  return strstr(line, " on ") + 4;
}

static bool is_by_key(const char *next) {
  return strstr(next, "Index Cond: ") || strstr(next, "TID Cond: ") || strstr(next, "Recheck Cond: ");
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

// How many tables it reads.
static size_t judge(struct db *db, enum statement_id id) {
  CLEANUP(db_result_finishp) struct db_result *r = explain(db, id);
  size_t reads = 0;
  for (size_t i = 0; i < db_rows(r); i++) {
    char line[512], next[512];
    line_of(r, i, line);
    line_of(r, i + 1, next);
    const char *table = table_of(line);
    reads += table != NULL;
    bool bad = strstr(line, "Hash Join") || strstr(line, "Merge Join") || (table && !is_small(table) && !is_by_key(next));
    if (bad) fail_msg("%s: %s", statement_table[id].name, line);
  }
  return reads;
}

static bool is_of(enum statement_id id, const char *prefix) {
  return strncmp(statement_table[id].name, prefix, strlen(prefix)) == 0;
}

// Housekeeping now and then is not what is asked here: which instances are dead, what is old.
static void what_a_batch_asks_for_is_found_by_key(void **state) {
  (void)state;
  size_t statements = 0, reads = 0;
  for (enum statement_id id = 0; id < STATEMENT_COUNT; id++) {
    bool now_and_then = id == STATEMENT_LEDGER_FENCE_DEAD || id == STATEMENT_LEDGER_FORGET;
    if (!is_of(id, "ledger_") || now_and_then) continue;
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

static void sums_are_found_by_key(void **state) {
  (void)state;
  static const enum statement_id asked[] = {STATEMENT_ROLLUP_CALLS, STATEMENT_ROLLUP_ADD, STATEMENT_ROLLUP_ADD_BOUNDED, STATEMENT_ROLLUP_NOTHING,
                                            STATEMENT_ROLLUP_NO_METERS, STATEMENT_ROLLUP_VALUES_CLEAR, STATEMENT_ROLLUP_REACHED};
  struct buf error;
  buf_init(&error, 512);
  struct db *db = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(db);
  assert_int_equal(db_begin(db), 0);
  assert_int_equal(db_run(db, STATEMENT_ROLLUP_BY_INDEX, NULL, NULL), 0);
  for (size_t i = 0; i < ARRAY_LEN(asked); i++) (void)judge(db, asked[i]);
  db_rollback(db);
  db_destroy(db);
  buf_finish(&error);
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
      cmocka_unit_test(sums_are_found_by_key),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
