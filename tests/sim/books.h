// The rows of the model database against the reference, and the books' invariants over the rows alone.
#pragma once
#include "backend.h"

void books_begin(void);
void books_commit(const struct backend *b); // the customers that it touched
void books_all(void);
bool books_fenced(int32_t writer); // its epoch has moved on
