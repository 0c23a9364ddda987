// How the command ends: the same numbers for every command, so that scripts can tell why.
#pragma once

#define EXITS(X)                                                      \
  X(FINE, 0, "it was done")                                           \
  X(FAILED, 1, "it failed; stderr says why")                          \
  X(USAGE, 2, "the arguments or the configuration are wrong")         \
  X(NOT_FOUND, 3, "what was named is not there")                      \
  X(AUTH, 4, "no key, a wrong one, or one that may not do this")      \
  X(CONFLICT, 5, "it is in conflict with what there is")              \
  X(NETWORK, 6, "the server or the database cannot be reached")

enum exit_code {
#define X(name, code, means) EXIT_##name = code,
  EXITS(X)
#undef X
};
