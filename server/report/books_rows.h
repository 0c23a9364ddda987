// The rows of the books while they are gathered: for each class and currency a line of days. Sums are wide: of all customers
// together they may be larger than an amount can be.
#pragma once
#include "report/books.h"

struct books_rows;
struct books_rows *books_rows_create(int32_t first, int32_t last); // days; last exclusive
void books_rows_destroy(struct books_rows *r);                     // NULL is fine
// Where a class and currency stand. False: there are too many of them.
bool books_rows_key(struct books_rows *r, enum books_class of, struct str currency, size_t *ret_key);
// What moved on a day: before the first it is part of what stood then; none is behind the last.
void books_rows_add(struct books_rows *r, size_t key, int32_t day, const struct books_delta *d);
// A grant of that key has come to its end: what stands of it, held against what moved.
void books_rows_close(struct books_rows *r, size_t key, const struct books_grant *g);
// BOOKS_DONE with rows and totals in the arena, BOOKS_TOO_MANY, or FAULT_CORRUPT where they do not add up.
int books_rows_take(struct books_rows *r, struct arena *arena, struct books *ret);
