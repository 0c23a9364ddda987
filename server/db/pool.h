// Database jobs: a few threads, each with a connection of its own, and one bounded queue. Everything that talks to
// PostgreSQL and is not the ledger's writer runs here, so that no event thread ever waits for it.
#pragma once
#include "db/db.h"

struct db_pool;
struct db_pool *db_pool_create(const char *url, unsigned threads, size_t queue_max); // connects lazily, reconnects with back-off
void db_pool_destroy(struct db_pool *pool); // finishes what is queued
// Runs fn(db, arg) on a job thread; db is NULL while the database cannot be reached (answer 503). FAULT_FULL where the
// queue is full: fn will not run.
int db_submit(struct db_pool *pool, void (*fn)(struct db *db, void *arg), void *arg);
bool db_pool_up(const struct db_pool *pool); // whether any thread has a connection
