// Time. Money decisions use the database's clock; these are for deadlines (monotonic) and for logs (wall).
#pragma once
#include <stdint.h>

int64_t clock_wall_us(void); // microseconds since 1970-01-01T00:00:00Z
int64_t clock_mono_us(void); // microseconds, never goes back
#define CLOCK_TEXT_MAX 32
// RFC 3339 in UTC with microseconds, e.g. 2026-11-21T08:00:00.000000Z
void clock_print(int64_t wall_us, char ret[CLOCK_TEXT_MAX]);
// RFC 3339 date-time with any offset, or a bare date (midnight UTC). False where it is neither or out of 1970..9999.
struct str;
_Bool clock_parse(const char *text, unsigned long len, int64_t *ret_wall_us);
