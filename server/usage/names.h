// Apps' own ids of customers, remembered for as long as a cache is trusted (LIMIT_TRUST_MS), so that an event that names its
// customer by one needs no look-up each time. Thread-safe.
#pragma once
#include "base/id.h"

struct db;
struct usage_names;
struct usage_names *usage_names_create(void);
void usage_names_destroy(struct usage_names *names);
bool usage_names_find(struct usage_names *names, struct str external_id, struct uuid *ret);
// All of them in one statement; nil where no customer has that id. 0 or FAULT_DB.
int usage_names_read(struct usage_names *names, struct db *db, const struct str *external_ids, size_t count, struct uuid *ret);
