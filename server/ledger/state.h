// The life of a call: the one table of states and transitions. Code asks it, tests walk it, documentation is printed from it.
#pragma once
#include <stdbool.h>

//  id, number in SQL, name
#define CALL_STATES(X)     \
  X(PENDING, 1, "pending") \
  X(SETTLED, 2, "settled") \
  X(RELEASED, 3, "released") \
  X(EXPIRED, 4, "expired") \
  X(UNRATED, 5, "unrated") \
  X(VOIDED, 6, "voided")

enum call_state {
#define X(id, number, name) CALL_##id = number,
  CALL_STATES(X)
#undef X
};
//  from, to, why
#define CALL_TRANSITIONS(X)                                          \
  X(PENDING, SETTLED, "usage is known, or estimated by rule")        \
  X(PENDING, RELEASED, "nothing was used")                           \
  X(PENDING, EXPIRED, "its instance died before anything was used")  \
  X(PENDING, UNRATED, "used, but its meter has no price")            \
  X(EXPIRED, SETTLED, "usage was found later")                       \
  X(RELEASED, SETTLED, "usage was found later")                      \
  X(UNRATED, SETTLED, "a price arrived")                             \
  X(UNRATED, RELEASED, "given away by an operator")                  \
  X(SETTLED, VOIDED, "undone by an operator")

const char *call_state_name(enum call_state state);
bool call_state_may(enum call_state from, enum call_state to);

// Flags of a call's row: facts beside its state.
enum call_flag {
  CALL_ESTIMATED = 1 << 0,    // the provider told no usage; computed by the documented rule
  CALL_PARTIAL = 1 << 1,      // the answer did not come to its end
  CALL_LATE = 1 << 2,         // settled or corrected after its hold had ended
  CALL_INCONSISTENT = 1 << 3, // the provider's numbers did not fit together; clamped
  CALL_ABOVE_HOLD = 1 << 4,   // charged more than was held
  CALL_SWEPT = 1 << 5,        // its instance died; ended by the sweeper. What is found later corrects it
  CALL_ABORTED = 1 << 6,      // the client left while it ran; charged by its customer's policy
};
