// Every statement of the product, by name: made from the .sql files beside the C that runs them. A session prepares one
// when it first runs it: all of them at each connect took a start most of its time, and each session ten MiB of the
// database's memory. That none is broken is tested, over the tables that the binary's own migrations make, and
// `tollgate doctor` looks whether they fit the database that is there. STATEMENT_… comes from the generated statements.h.
#pragma once
#include "statements.h"

struct statement {
  const char *name, *sql;
};
extern const struct statement statement_table[STATEMENT_COUNT];
