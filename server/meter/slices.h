// How much of a stream's output a hold covers: what such calls usually produce and one slice ahead, then slices each
// twice the last. A pure rule over integers; output is counted in the plugin's output units, for one choice.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define SLICE_LEAST 64     // units
#define SLICE_SECONDS 2    // of output at the observed rate: what a slice covers at least

struct slices {
  int64_t cap;   // output at most: a hold that covers this is the upper bound and grows no more
  int64_t held;  // output that the hold covers
  int64_t slice; // its last slice, the one ahead
};

// usual: output of such calls, 0 where nothing is known; rate: units a second, 0 where nothing is known.
void slices_begin(struct slices *s, int64_t cap, int64_t usual, int64_t rate);
// Whether `output` has entered the last slice, and there is more to hold.
bool slices_due(const struct slices *s, int64_t output);
// The slices with one more, still one ahead of `output`.
struct slices slices_next(const struct slices *s, int64_t output, int64_t rate);
