// A pointer behind a lock: readers take a reference and let go of the lock at once; the old book ends with its last
// reader. Two loads may end in the other order than they began: the newer catalogue stays.
#include "price/holder.h"
#include "base/log.h"
#include "base/mem.h"
#include <pthread.h>

struct book_holder {
  pthread_mutex_t lock;
  struct book *book;
};

struct book_holder *book_holder_create(void) {
  struct book_holder *h = mem_alloc(sizeof *h);
  ASSERT(pthread_mutex_init(&h->lock, NULL) == 0);
  return h;
}

void book_holder_destroy(struct book_holder *h) {
  if (!h) return;
  book_unref(h->book);
  pthread_mutex_destroy(&h->lock);
  mem_free(h);
}

struct book *book_take(struct book_holder *h) {
  pthread_mutex_lock(&h->lock);
  struct book *b = h->book ? book_ref(h->book) : NULL;
  pthread_mutex_unlock(&h->lock);
  return b;
}

void book_put(struct book_holder *h, struct book *b) {
  pthread_mutex_lock(&h->lock);
  bool newer = !h->book || !b || book_version_of(b) >= book_version_of(h->book);
  struct book *out = newer ? h->book : b;
  if (newer) h->book = b;
  pthread_mutex_unlock(&h->lock);
  book_unref(out);
}
