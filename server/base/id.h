// Ids: UUIDv7 (RFC 9562) inside, TypeID 0.3 outside: a prefix, '_', 26 characters of lower-case Crockford base32.
#pragma once
#include "base/str.h"

struct uuid {
  uint8_t b[16];
};
#define ID_TEXT_MAX 64

extern const struct uuid UUID_NIL;
// Of wall_us (the database's clock where it matters). Unique over threads and processes; grows within a process.
struct uuid uuid_v7(int64_t wall_us);
// The same by this machine's clock, for what has its time elsewhere or needs none (names of requests, leases, payments): of a
// sequence of its own, so that a machine whose clock is ahead does not push the others' time forward.
struct uuid uuid_local(int64_t wall_us);
// Of another time than now, with a counter behind it: apart from each other within a process, in no order.
struct uuid uuid_at(int64_t wall_us);
int64_t uuid_time_us(struct uuid id); // millisecond precision
struct uuid uuid_until(struct uuid id, int64_t wall_us); // the same one, of that instant where its own is later
bool uuid_eq(struct uuid a, struct uuid b);
int uuid_cmp(struct uuid a, struct uuid b); // as memcmp, the order PostgreSQL sorts by
bool uuid_is_nil(struct uuid id);
uint64_t uuid_hash(struct uuid id);
// The smallest id of that instant: bounds of a time range over ids.
struct uuid uuid_floor(int64_t wall_us);

// "cus_01h…": prefix is without '_'.
void id_print(const char *prefix, struct uuid id, char ret[ID_TEXT_MAX]);
// False where the prefix or the 26 characters are wrong.
bool id_parse(const char *prefix, struct str text, struct uuid *ret);
