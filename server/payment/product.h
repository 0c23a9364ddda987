// What can be bought: a pack of credits, once, or a plan that brings credits each period. An order copies what it needs,
// so that a product may change; it is archived, never deleted.
#pragma once
#include "base/amount.h"
#include "base/arena.h"
#include "base/id.h"

struct db;

enum product_kind { PRODUCT_PACK = 1, PRODUCT_PLAN = 2 };
enum product_period { PRODUCT_MONTH = 1, PRODUCT_YEAR = 2 };
// A plan's credits end with their period, one period later, or stay.
enum product_rollover { PRODUCT_ENDS = 1, PRODUCT_ONE_MORE = 2, PRODUCT_STAYS = 3 };
#define PRODUCT_KINDS "pack|plan"
#define PRODUCT_PERIODS "month|year"
#define PRODUCT_ROLLOVERS "none|one_period|unlimited"

struct product {
  struct uuid id;
  enum product_kind kind;
  struct str name, description, currency; // currency: three letters, lower case
  int64_t price;                          // minor units, as Stripe counts them
  amount credits, bonus;
  int32_t expires_after_days, bonus_expires_after_days; // 0: never
  int period;                                           // enum product_period; 0: a pack
  enum product_rollover rollover;
  bool trial_credits, enabled;
  struct str stripe_price, tax_code; // ptr NULL: none
  int64_t created_at, updated_at;    // microseconds
};

enum product_answer {
  PRODUCT_DONE = 0,
  PRODUCT_UNKNOWN = 1,
  PRODUCT_PRICE_TAKEN = 2, // another product has this stripe_price; the transaction is to be rolled back
};
enum product_member {
  PRODUCT_NAME = 1 << 0,
  PRODUCT_DESCRIPTION = 1 << 1,
  PRODUCT_PRICE = 1 << 2,
  PRODUCT_CREDITS = 1 << 3,
  PRODUCT_BONUS = 1 << 4,
  PRODUCT_EXPIRES = 1 << 5,
  PRODUCT_BONUS_EXPIRES = 1 << 6,
  PRODUCT_ROLLOVER = 1 << 7,
  PRODUCT_TRIAL_CREDITS = 1 << 8,
  PRODUCT_STRIPE_PRICE = 1 << 9,
  PRODUCT_TAX_CODE = 1 << 10,
  PRODUCT_ENABLED = 1 << 11,
};
// In a transaction.
int product_create(struct db *db, const struct product *p);
int product_update(struct db *db, unsigned members, const struct product *p);
// Texts live in the arena.
int product_read(struct db *db, struct arena *arena, struct uuid id, struct product *ret);
int product_by_price(struct db *db, struct arena *arena, struct str stripe_price, struct product *ret);
// Newest first, ids below `before` (nil: from the newest). enabled_only: none that is archived.
int product_list(struct db *db, struct arena *arena, bool enabled_only, struct uuid before, size_t max,
                 struct product **ret, size_t *ret_count);
