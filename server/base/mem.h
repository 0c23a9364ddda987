// Memory. Running out is not an answer this service can give: the ledger survives a dead process, so an allocation that
// fails ends it with one line on stderr. What may grow is bounded in base/limits.h, long before that.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// All return memory that mem_free() takes back; mem_alloc zeroes it. None returns NULL.
void *mem_alloc(size_t size);
void *mem_realloc(void *old, size_t size);
void *mem_dup(const void *data, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len); // a NUL is added
void mem_free(void *p);                          // NULL is fine
// What a library has allocated, which it gives as NULL for no other reason than that there was no memory.
void *mem_had(void *p);

void mem_begin(void); // before the first thread of a process that stays

// What is free stays in the process for what comes. Gives it back to the system where much more is in memory and not in use
// than after the last time, of which `kept` tells (at first 0). For one thread, now and then.
void mem_give_back(int64_t *kept);
bool mem_is_much(int64_t unused, int64_t *kept); // whether it would: with so many bytes

// CLEANUP(x_destroyp) struct x *x = NULL;  runs at the end of the scope.
#define CLEANUP(fn) __attribute__((cleanup(fn)))
static inline void mem_freep(void *p) { mem_free(*(void **)p); }
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
