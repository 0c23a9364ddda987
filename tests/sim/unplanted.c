// The product as it is.
#include "planted.h"

bool planted_choose(const char *name) {
  (void)name;
  return false;
}

const char *planted_option(void) {
  return "";
}

const char *planted_usage(void) {
  return "";
}
