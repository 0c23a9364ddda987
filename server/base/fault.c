// Names of faults, as they stand in the log. They are stable: alert rules match on them.
#include "base/fault.h"

const char *fault_name(int fault) {
  switch (fault) {
  case 0:
    return "none";
  case FAULT_DB:
    return "database";
  case FAULT_DB_UNKNOWN:
    return "commit_unknown";
  case FAULT_FULL:
    return "full";
  case FAULT_IO:
    return "io";
  case FAULT_CRYPTO:
    return "crypto";
  case FAULT_CORRUPT:
    return "corrupt";
  case FAULT_CLOSED:
    return "closed";
  default:
    return "unknown";
  }
}
