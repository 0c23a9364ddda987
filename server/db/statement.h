// Every statement of the product, by name: made from the .sql files beside the C that runs them, prepared at connect, so
// that a broken one cannot reach a customer. STATEMENT_… comes from the generated statements.h.
#pragma once
#include "statements.h"

struct statement {
  const char *name, *sql;
};
extern const struct statement statement_table[STATEMENT_COUNT];
