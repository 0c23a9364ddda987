// What the product takes from its process, given by the simulation instead: threads, sleep, clocks, ids, randomness,
// memory. The linker puts these in the places of the real ones (CMakeLists.txt).
#pragma once
#include <stdint.h>

void process_clocks(int home, int64_t wall_offset, int64_t mono_offset); // from true time, in microseconds
void process_step_wall(int home, int64_t by);
int64_t process_mono(int64_t mono_us); // a home's monotonic time as true time
void process_forget(void);             // the world's end: memory that nobody gave back is gone too

#define WALL_BEGINNING INT64_C(1700000000000000) // the worlds begin on 2023-11-14
