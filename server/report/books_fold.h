// What a day's movements do to one grant, in credits and in the money that was paid for it: pure. The credits of a grant
// stand in a row, and each has its place in the price; wherever they move, their money moves with them. So the parts of
// a grant add up to what was paid at any time, and what did not move keeps its value.
#pragma once
#include "base/amount.h"
#include "base/vec.h"
#include "ledger/transfer.h"

//  id, name, what it says
#define BOOKS_FLOWS(X)                                                          \
  X(GRANTED, "granted", "given; of what was paid: sold")                        \
  X(RETURNED, "returned", "given back for a call undone after its debt was repaid") \
  X(CONSUMED, "consumed", "used by calls, less what was undone")                \
  X(EXPIRED, "expired", "its time ran out, less what came back of it")          \
  X(REFUNDED, "refunded", "given back to the payer, less what came back of it") \
  X(FROZEN, "frozen", "held back for a dispute")                                \
  X(WON, "won", "of disputes that were won")                                    \
  X(LOST, "lost", "of disputes that were lost, out of what was frozen")         \
  X(INCURRED, "incurred", "used and not covered: owed")                         \
  X(REPAID, "repaid", "of what was owed")

enum books_flow {
#define X(id, name, what) BOOKS_##id,
  BOOKS_FLOWS(X)
#undef X
      BOOKS_FLOW_COUNT
};

// Transfer kinds, from 1; 0 stands for what a grant began with where no transfer gave it.
#define BOOKS_COUNT(...) +1
#define BOOKS_KINDS (1 TRANSFER_KINDS(BOOKS_COUNT))

enum books_account { BOOKS_OUT, BOOKS_LEFT, BOOKS_USED, BOOKS_GONE, BOOKS_BACK, BOOKS_HELD, BOOKS_ACCOUNTS };
struct books_span {
  amount from, to;
};
struct books_grant {
  amount granted;
  int64_t paid; // minor units
  vec(struct books_span) accounts[BOOKS_ACCOUNTS];
};
struct books_delta {
  amount credits[BOOKS_FLOW_COUNT];
  int64_t money[BOOKS_FLOW_COUNT];
};

void books_grant_begin(struct books_grant *g, amount granted, int64_t paid); // zeroed before its first use
void books_grant_finish(struct books_grant *g);
// moved: the sum of the day's legs of each kind. 0, or 1 where they cannot have happened to this grant.
int books_grant_day(struct books_grant *g, const amount moved[BOOKS_KINDS], struct books_delta *ret);
amount books_grant_credits(const struct books_grant *g, enum books_account a);
int64_t books_grant_money(const struct books_grant *g, enum books_account a);
