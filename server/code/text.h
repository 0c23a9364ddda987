// The text of a redeem code, as people read it out and type it: an optional prefix of the operator's, then 20 characters of
// Crockford's base32 in fives, e.g.
//   LAUNCH-7Q2MX-04KTB-ZZ9RD-E51HV
// 18 of them are drawn (90 bits); the last two are a check sum over all that is in front, which refuses typing errors
// without a look-up (it is no security). Case, dashes and blanks are of no account, and O is 0, I and L are 1.
#pragma once
#include "base/str.h"

#define CODE_BODY_LEN 20
#define CODE_PREFIX_MAX 12
#define CODE_LAST_LEN 4
#define CODE_TEXT_MAX (CODE_PREFIX_MAX + CODE_BODY_LEN + 5) // with its dashes and a NUL
#define CODE_GIVEN_MAX 64                                    // characters of what is typed

// prefix: of capital letters and digits, at most CODE_PREFIX_MAX; may be empty.
void code_generate(struct str prefix, char ret_text[CODE_TEXT_MAX]);
// The one form of a text, which is what its tag is made of: no dashes, prefix first. False where it is no code's.
bool code_canonical(struct str text, char ret[CODE_TEXT_MAX]);
