// What the product's statements do to the model database. Each stands beside its SQL (server/**/*.sql) by name; the real
// one is held against the real PostgreSQL elsewhere (tests/server/ledger).
#pragma once
#include "backend.h"

// False: it failed, as b->sqlstate says. *ret gets its rows.
bool statement_run(struct backend *b, enum statement_id id, const struct db_params *p, struct db_result **ret);

// ---- between the statements' own files: parameters, as db/params.c writes them
int64_t arg_i64(const struct db_params *p, int n); // of any integer type
struct uuid arg_uuid(const struct db_params *p, int n);
struct str arg_text(const struct db_params *p, int n);
int64_t arg_time(const struct db_params *p, int n); // 0: null
bool arg_null(const struct db_params *p, int n);
struct walk { // over the elements of an array
  const char *at;
  size_t left;
};
struct walk walk_begin(const struct db_params *p, int n);
bool walk_more(const struct walk *w);
struct str walk_bytes(struct walk *w); // ptr NULL: null
int64_t walk_i64(struct walk *w);
int64_t walk_i64_or(struct walk *w, int64_t null);
struct uuid walk_uuid(struct walk *w);
int64_t walk_time(struct walk *w); // 0: null
// What the database does not take: text with this in it.
#define POISON "!poison"
bool text_is_poison(struct str s);

// ---- results
struct db_result *result_create(size_t columns);
void result_null(struct db_result *r);
void result_i64(struct db_result *r, int64_t v);
void result_uuid(struct db_result *r, struct uuid v);
void result_text(struct db_result *r, struct str v);
void result_array(struct db_result *r, const struct str *elements, size_t count);
void result_affected(struct db_result *r, size_t count);

struct sql_statement {
  enum statement_id id;
  bool (*run)(struct backend *b, const struct db_params *p, struct db_result **ret);
};
extern const struct sql_statement sql_reads[], sql_writes[], sql_writers[], sql_events[], sql_configs[]; // each ends with a NULL
