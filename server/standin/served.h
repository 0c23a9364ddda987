// The log of served calls, which tests hold against what was charged.
#pragma once
#include "standin/call.h"

void served_write(const struct call *c, const char *state, int64_t tokens);
