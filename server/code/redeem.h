// A customer redeems a code: once for each customer, and no more often than the code allows, whatever comes at the same
// time. It is claimed first (the code's own counter and a row of this customer and code, in one commit), then the ledger
// gives the credits for that claim, once and for ever. What dies in between is finished by codes_finish.
#pragma once
#include "code/code.h"

struct ledger;

// Promotional credits burn before what was paid (lower burns first; 100 is what a grant has if nobody says otherwise).
#define CODE_PRIORITY 50

struct redemption {
  struct uuid customer, code, grant;
  amount amount;
  int64_t expires_at; // of the credits; 0: never
  bool posted;        // false: the credits are still to be given
  int64_t created_at;
};

enum redeem_answer {
  REDEEM_DONE = 0,
  REDEEM_AGAIN = 1,   // this customer has redeemed it before: *ret is what was given then
  REDEEM_UNKNOWN = 2, // this is no code's text
  REDEEM_USED_UP = 3, // as many customers have redeemed it as may
  REDEEM_EXPIRED = 4, // the code's time has run out
  REDEEM_ENDED = 5,   // it was taken out of use
};
// grant: an id for the credits. Outside of a transaction. Where the ledger cannot take them now, *ret is not posted.
int code_redeem(struct db *db, struct ledger *ledger, const struct crypto_keys *keys, struct str text, struct uuid customer,
                struct uuid grant, struct redemption *ret);
// Newest first, grants below `before` (nil: from the newest). 0 or FAULT_DB.
int redemption_list(struct db *db, struct arena *arena, struct uuid code, struct uuid before, size_t max, struct redemption **ret,
                    size_t *ret_count);
// Housekeeping: gives what claims of some seconds ago are still to be given. How many, or a fault.
int codes_finish(struct db *db, struct ledger *ledger);
