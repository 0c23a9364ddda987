// Redeem codes as rows: made one or many at a time, listed, taken out of use. A code's text is seen once, when it is made;
// only its keyed tag is kept, so that whoever reads the database can redeem nothing. Codes are the operator's, of no
// customer.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"
#include "code/text.h"
#include "crypto/crypto.h"

struct db;

#define CODES_MAX 1000 // made at once

struct code {
  struct uuid id, batch; // batch nil: it was made alone
  struct str prefix, last4, name;
  amount amount;                 // credits, to each customer that redeems it
  int64_t most, redeemed;        // customers
  int64_t expires_after_days;    // of the credits; 0: never
  bool enabled;
  int64_t expires_at, created_at; // of the code; microseconds; expires_at 0: never
};

// In a transaction. Reads of `as` batch, prefix, name, amount, most, expires_after_days, expires_at; the ids are the
// caller's. 0 or FAULT_DB.
int codes_create(struct db *db, const struct crypto_keys *keys, const struct code *as, const struct uuid *ids, size_t count,
                 char (*ret_texts)[CODE_TEXT_MAX]);
// 0, 1: unknown, or FAULT_DB. Texts live in the arena.
int code_read(struct db *db, struct arena *arena, struct uuid id, struct code *ret);
// Newest first, ids below `before` (nil: from the newest); batch nil: all.
int code_list(struct db *db, struct arena *arena, struct uuid batch, struct uuid before, size_t max, struct code **ret,
              size_t *ret_count);

// In a transaction. Members whose bit is not set are left as they are. 0, 1: unknown, or FAULT_DB.
enum code_member { CODE_NAME = 1 << 0, CODE_ENABLED = 1 << 1 };
int code_update(struct db *db, unsigned members, const struct code *c);
