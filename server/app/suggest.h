// What a mistyped word was probably meant to be.
#pragma once
#include "base/str.h"

// The nearest of `words` to `typed`, where it is near enough to be a slip of the hand; else NULL.
const char *suggest_word(const char *typed, const char *const *words, size_t count);
