// What the tests of this door share: one cluster a program, a bare connection, and single values by plain SQL.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cluster.h"
#include "db/internal.h"

static struct cluster cluster;

static inline int cluster_up(void **state) {
  (void)state;
  cluster_start(&cluster);
  return 0;
}

static inline int cluster_down(void **state) {
  (void)state;
  cluster_remove(&cluster);
  return 0;
}

static inline struct db *connect_bare(void) {
  struct buf error;
  buf_init(&error, 512);
  struct db *db = db_connect_bare(cluster.url, &error);
  if (!db) print_error("%s\n", buf_cstr(&error));
  assert_non_null(db);
  buf_finish(&error);
  return db;
}

static inline int64_t number(struct db *db, const char *sql) {
  struct db_result *r = NULL;
  assert_int_equal(db_query(db, sql, &r), 0);
  assert_int_equal(db_rows(r), 1);
  int64_t n = db_i64(r, 0, 0);
  db_result_finish(r);
  return n;
}

static inline void assert_text(struct str got, const char *wanted) {
  assert_int_equal(got.len, strlen(wanted));
  assert_memory_equal(got.ptr, wanted, got.len);
}

// Ends the other connection's backend and waits until it is gone.
static inline void terminate(int64_t pid) {
  struct db *db = connect_bare();
  char sql[128];
  (void)snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)", (int)pid);
  assert_int_equal(db_query(db, sql, NULL), 0);
  db_destroy(db);
}
