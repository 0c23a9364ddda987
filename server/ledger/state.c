// The call's life, read off the tables of state.h.
#include "ledger/state.h"
#include <stddef.h>

const char *call_state_name(enum call_state state) {
  switch (state) {
#define X(id, number, name) \
  case CALL_##id: return name;
    CALL_STATES(X)
#undef X
  }
  return NULL;
}

bool call_state_may(enum call_state from, enum call_state to) {
#define X(a, b, why) \
  if (from == CALL_##a && to == CALL_##b) return true;
  CALL_TRANSITIONS(X)
#undef X
  return false;
}
