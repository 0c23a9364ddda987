// Counting words in JSON as it stands.
#pragma once
#include "base/str.h"

int64_t words_count(struct str inner);      // of a string without its quotes
int64_t words_in_content(struct str value); // of a message's content: a string, or a list of parts
int64_t words_in_input(struct str value);   // of one embedding input: a string, or a list of token numbers
