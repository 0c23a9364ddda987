// The one place where the newest price book stands: taken by readers, swapped by the refresher. Thread-safe.
#pragma once
#include "price/book.h"

struct book_holder;
struct book_holder *book_holder_create(void);
void book_holder_destroy(struct book_holder *h);
struct book *book_take(struct book_holder *h); // a reference; NULL before the first book
void book_put(struct book_holder *h, struct book *b); // takes the caller's reference
