// Faults and answers are different things. A negative return is a fault: the machine failed, and the value travels
// untouched to the edge, which logs it once and answers 503. A positive return is a documented answer of that one
// function, for its caller to handle. 0 is success.
#pragma once

enum fault {
  FAULT_DB = -1,         // the database refused or cannot be reached; nothing was written
  FAULT_DB_UNKNOWN = -2, // a COMMIT was lost on the way: it may or may not have happened
  FAULT_FULL = -3,       // a bounded queue is full
  FAULT_IO = -4,         // a file or socket failed
  FAULT_CRYPTO = -5,     // a sealed value does not open: wrong master key or altered data
  FAULT_CORRUPT = -6,    // stored data breaks an invariant
  FAULT_CLOSED = -7,     // the service is shutting down
};
const char *fault_name(int fault);
