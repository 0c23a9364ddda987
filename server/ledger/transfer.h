// The kinds of movement, and what each does to the customer's balance. The audit's SQL repeats the last column and a test
// holds it against this one.
#pragma once

//  id, number in SQL, name, from, to, effect on the balance (of the whole amount)
#define TRANSFER_KINDS(X)                                      \
  X(CONSUME, 1, "consume", "available", "consumed", -1)        \
  X(GRANT, 2, "grant", "source", "available", 1)               \
  X(REPAY, 3, "repay", "available", "debt", 0)                 \
  X(EXPIRE, 4, "expire", "available", "expired", -1)           \
  X(REVERSE, 5, "reverse", "consumed", "available", 1)

enum transfer_kind {
#define X(id, number, name, from, to, effect) TRANSFER_##id = number,
  TRANSFER_KINDS(X)
#undef X
};
