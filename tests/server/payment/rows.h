// For the tests of what is sold: a database of the real shape, one connection, and an arena.
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../cluster.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/crypto.h"

static struct cluster cluster;
static struct db *db;
static struct arena arena;

static inline int rows_open(void **state) {
  (void)state;
  CLEANUP(buf_finish) struct buf error;
  buf_init(&error, 512);
  arena_init(&arena, 1 << 24);
  cluster_start(&cluster);
  cluster_migrate(&cluster);
  db = db_connect(cluster.url, 5000, 2000, 5000, &error);
  assert_non_null(db);
  return crypto_start() ? 0 : 1;
}

static inline int rows_close(void **state) {
  (void)state;
  db_destroy(db);
  arena_finish(&arena);
  cluster_remove(&cluster);
  return 0;
}

static inline struct uuid new_id(void) { return uuid_v7(clock_wall_us()); }
