// The kinds of movement, and what each does to the customer's balance. The audit's SQL repeats the last column and a test
// holds it against this one.
//
// A reversal of credits that are spent already makes the customer owe them: recall is what repay is backwards. Credits that
// return to a grant whose time has run out are spent on the grant that takes its place: renew, then grant.
#pragma once

//  id, number in SQL, name, from, to, effect on the balance (of the whole amount)
#define TRANSFER_KINDS(X)                                      \
  X(CONSUME, 1, "consume", "available", "consumed", -1)        \
  X(GRANT, 2, "grant", "source", "available", 1)               \
  X(REPAY, 3, "repay", "available", "debt", 0)                 \
  X(EXPIRE, 4, "expire", "available", "expired", -1)           \
  X(REVERSE, 5, "reverse", "consumed", "available", 1)         \
  X(RECALL, 6, "recall", "debt", "available", 0)               \
  X(REFUND, 7, "refund", "available", "refunded", -1)          \
  X(FREEZE, 8, "freeze", "available", "frozen", -1)            \
  X(RESTORE, 9, "restore", "refunded", "available", 1)         \
  X(THAW, 10, "thaw", "frozen", "available", 1)                \
  X(LOSE, 11, "lose", "frozen", "refunded", 0)                 \
  X(CONTEST, 12, "contest", "refunded", "frozen", 0)           \
  X(UNEXPIRE, 13, "unexpire", "expired", "available", 1)       \
  X(RENEW, 14, "renew", "available", "consumed", -1)

enum transfer_kind {
#define X(id, number, name, from, to, effect) TRANSFER_##id = number,
  TRANSFER_KINDS(X)
#undef X
};
