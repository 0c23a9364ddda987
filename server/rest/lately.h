// Explicit holds that this instance made lately: whose they are and which price they are pinned to, which never changes. What is not
// there is in the database. Thread-safe.
#pragma once
#include "base/id.h"

struct lately;
struct lately *lately_create(void);
void lately_destroy(struct lately *l); // NULL is fine
void lately_put(struct lately *l, struct uuid hold, struct uuid customer, struct uuid price);
bool lately_find(struct lately *l, struct uuid hold, struct uuid *ret_customer, struct uuid *ret_price);
