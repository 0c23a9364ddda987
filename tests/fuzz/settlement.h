// What the journal's entries hold, judged: texts read as settlements, and settlements written as texts.
#pragma once
#include "fuzz.h"

// Reads it as a replay does and holds it against jansson's reading; what was read is written and read again.
void settlement_text_check(struct str text);
// Makes a settlement of the input's bytes: it must come back from its text as it was.
void settlement_made_check(struct fuzz_input *in);
