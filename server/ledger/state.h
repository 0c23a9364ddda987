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
  X(EXPIRED, UNRATED, "usage was found later, but its meter has no price") \
  X(RELEASED, SETTLED, "usage was found later")                      \
  X(UNRATED, SETTLED, "a price arrived")                             \
  X(UNRATED, RELEASED, "given away by an operator")                  \
  X(SETTLED, VOIDED, "undone by an operator")

const char *call_state_name(enum call_state state);
bool call_state_may(enum call_state from, enum call_state to);

// Flags of a call's row: facts beside its state.
//  id, bit, name, what it says
#define CALL_FLAGS(X)                                                                                          \
  X(ESTIMATED, 0, "estimated", "the provider told no usage; computed by the documented rule")                 \
  X(PARTIAL, 1, "partial", "the answer did not come to its end")                                              \
  X(LATE, 2, "late", "settled or corrected after its hold had ended")                                         \
  X(INCONSISTENT, 3, "inconsistent", "the provider's numbers did not fit together; clamped")                  \
  X(ABOVE_HOLD, 4, "above_hold", "charged more than was held")                                                \
  X(SWEPT, 5, "swept", "its instance died; ended by the sweeper. What is found later corrects it")            \
  X(ABORTED, 6, "aborted", "the client left while it ran; charged by its customer's policy")                  \
  X(REPORTED, 7, "reported", "a usage event: it never had a hold")                                            \
  X(PART, 8, "part", "a part of an explicit hold that was settled before its end")                            \
  X(RERATED, 9, "rerated", "priced again later, with the price book as it stood then")

enum call_flag {
#define X(id, bit, name, what) CALL_##id = 1 << bit,
  CALL_FLAGS(X)
#undef X
};
