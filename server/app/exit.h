// How the command ends: the same numbers for every command, so that scripts can tell why.
#pragma once

enum exit_code {
  EXIT_FINE = 0,
  EXIT_FAILED = 1,
  EXIT_USAGE = 2,     // the arguments or the configuration are wrong
  EXIT_NOT_FOUND = 3,
  EXIT_AUTH = 4,      // no key, a wrong one, or one that may not do this
  EXIT_CONFLICT = 5,
  EXIT_NETWORK = 6,   // the server or the database cannot be reached
};
