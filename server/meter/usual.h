// What calls of a kind (a key and a model) usually produce, learnt from those that ended. A cache of bounded size: what is
// pushed out is learnt anew, and a restart forgets all. Not thread-safe: each has one owner.
#pragma once
#include "base/id.h"

struct usual; // the table
struct usual *usual_create(void);
void usual_destroy(struct usual *u); // NULL is fine

// output: units of one choice; rate: units a second, 0 where it was not seen.
void usual_learn(struct usual *u, struct uuid key, struct str model, int64_t output, int64_t rate);

struct usual_call {
  int64_t output; // nearly all calls of the kind stay below; 0: nothing is known
  int64_t rate;   // 0: nothing is known
};
// Of this key and model; where that is unknown, of the model under any key.
struct usual_call usual_of(const struct usual *u, struct uuid key, struct str model);
